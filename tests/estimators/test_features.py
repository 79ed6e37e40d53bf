"""TTMFeatures: scikit-learn's contract, and vectors that tell windows apart."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sktime.datasets import load_italy_power_demand

from ttm_sk import TTMFeatures, load_checkpoint
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.inference.embedding import embed_windows


@parametrize_with_checks([TTMFeatures()])
def test_when_scikit_learn_checks_then_all_pass(estimator, check):
    check(estimator)


def waves(n_rows: int = 6, n_steps: int = 50) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.sin(np.arange(n_steps) / rng.uniform(2, 6, (n_rows, 1))) + rng.normal(size=(n_rows, 1))


def test_when_batches_are_small_then_features_are_the_same():
    features = TTMFeatures().fit(waves())
    whole = features.transform(waves())
    np.testing.assert_allclose(features.set_params(batch_size=1).transform(waves()), whole, rtol=1e-9, atol=1e-9)


def test_when_parts_are_read_then_rows_do_not_depend_on_each_other_and_the_whole_comes_first():
    detailed = TTMFeatures(with_parts=True, batch_size=5).fit(waves())
    whole = detailed.transform(waves())
    assert whole.shape == (6, len(detailed.get_feature_names_out()))
    np.testing.assert_allclose(detailed.transform(waves()[2:3]), whole[2:3], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(whole[:, :576], TTMFeatures().fit_transform(waves())[:, :576], rtol=1e-9, atol=1e-9)


def test_when_parts_are_read_then_a_shape_is_known_wherever_it_stands():
    X = np.zeros((2, 512)) + 0.02 * np.sin(np.arange(512))
    X[0, 64:192] += np.hanning(128)  # the same bump, later
    X[1, 320:448] += np.hanning(128)
    features = TTMFeatures(with_parts=True, with_level=False).fit_transform(X).reshape(2, 6, -1)
    apart = np.abs(features[0] - features[1]).mean(axis=1)
    assert apart[1] < apart[0] / 2


def test_when_parts_are_missing_or_constant_then_features_are_finite():
    X = waves()
    X[0, :30] = np.nan
    X[1, ::2] = np.nan  # no change is known
    X[2, 5:40] = 7.3
    X[3] = 7.3
    for features in (TTMFeatures(with_parts=True), TTMFeatures(with_parts=True, length=None)):
        assert np.isfinite(features.fit_transform(X)).all()
    constant = TTMFeatures(with_parts=True, with_level=False).fit_transform(np.stack([X[3], X[3] * 3 + 0.1]))
    np.testing.assert_allclose(constant[0], constant[1])  # rounding is not a change
    assert TTMFeatures(with_parts=True, length=None).fit_transform(X[:, :1][2:4]).shape == (2, 3458)


def test_when_frames_are_asked_for_then_columns_have_names():
    frame = TTMFeatures().set_output(transform="pandas").fit_transform(waves())
    assert list(frame.columns[:2]) == ["ttmfeatures0", "ttmfeatures1"]
    assert frame.shape == (6, len(TTMFeatures().fit(waves()).get_feature_names_out()))


def test_when_a_window_is_moved_then_only_its_level_features_change():
    moved = TTMFeatures().fit_transform(3 * waves() + 7)
    plain = TTMFeatures().fit_transform(waves())
    np.testing.assert_allclose(moved[:, :-2], plain[:, :-2], atol=1e-4)
    np.testing.assert_allclose(moved[:, -2:], plain[:, -2:] * 3 + [7, 0])
    assert TTMFeatures(with_level=False).fit_transform(waves()).shape[1] == plain.shape[1] - 2


def test_when_rows_have_channels_then_each_is_read_by_itself():
    both = TTMFeatures(n_channels=2).fit_transform(np.hstack([waves(), -waves()]))
    np.testing.assert_allclose(both[:, : both.shape[1] // 2], TTMFeatures().fit_transform(waves()), atol=1e-9)
    with pytest.raises(DataError, match="3 channels"):
        TTMFeatures(n_channels=3).fit(waves())


def test_when_steps_are_missing_then_features_are_finite_and_an_empty_window_raises():
    X = waves()
    X[0, :10] = np.nan
    assert np.isfinite(TTMFeatures().fit_transform(X)).all()
    assert np.isfinite(TTMFeatures(length=None).fit_transform(X)).all()
    X[1] = np.nan
    with pytest.raises(DataError, match="no observed value"):
        TTMFeatures().fit_transform(X)


@pytest.mark.parametrize("with_parts", [False, True])
def test_when_every_other_step_or_all_but_one_are_missing_then_features_are_finite(with_parts):
    every_other, one = waves(n_steps=25), waves(n_steps=25)
    every_other[:, ::2] = np.nan
    one[:, np.arange(25) != 7] = np.nan
    for rows in (every_other, one):
        assert np.isfinite(TTMFeatures(with_parts=with_parts).fit_transform(rows)).all()


@pytest.mark.parametrize("wrong", [{"n_channels": 0}, {"length": 0}, {"batch_size": 1.5}, {"model_path": 1}])
def test_when_a_parameter_is_impossible_then_fit_raises(wrong):
    with pytest.raises(ConfigError):
        TTMFeatures(**wrong).fit(waves())


def test_when_embedded_then_the_module_is_left_in_single_precision():
    module = load_checkpoint().build()
    embed_windows(module, waves()[:, None])
    assert next(module.parameters()).dtype.is_floating_point
    assert next(module.parameters()).element_size() == 4


def test_when_real_windows_are_classified_then_features_beat_chance_by_far():
    (X, y), (X_test, y_test) = (
        load_italy_power_demand(split=split, return_X_y=True, return_type="numpyflat") for split in ("train", "test")
    )
    model = make_pipeline(TTMFeatures(), StandardScaler(), LogisticRegression(max_iter=1000))
    assert model.fit(X, y).score(X_test[:200], y_test[:200]) > 0.85


def test_when_a_window_is_odd_then_its_score_stands_out():
    rng = np.random.default_rng(1)
    X = np.sin(np.arange(64) / 5 + rng.uniform(0, 6, (40, 1))) + 0.05 * rng.normal(size=(40, 64))
    X[7] = np.sign(X[7]) * rng.random(64)
    detector = LocalOutlierFactor(n_neighbors=10)
    detector.fit(StandardScaler().fit_transform(TTMFeatures().fit_transform(X)))
    assert detector.negative_outlier_factor_.argmin() == 7


def test_when_a_fit_fails_then_the_one_before_still_transforms():
    X = waves(n_steps=24)
    features = TTMFeatures(n_channels=2).fit(X)
    with pytest.raises(DataError, match="found rows of 23 values"):
        features.fit(X[:, :23])
    assert features.n_features_in_ == 24
    assert np.isfinite(features.transform(X)).all()
