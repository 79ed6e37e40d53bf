"""TTMRegressor: scikit-learn's contract, skorch's habits, and what its parameters promise."""

from __future__ import annotations

import copy
import pickle
import threading
from contextlib import nullcontext

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import EarlyStopping, EpochScoring
from skorch.dataset import ValidSplit
from strategies import small_config

from ttm_sk import TTMRegressor, load_checkpoint
from ttm_sk.checkpoints.hub import locate
from ttm_sk.errors import CheckpointError, ConfigError, DataError
from ttm_sk.estimators import regressor
from ttm_sk.estimators.regression_net import RegressionNet

FRESH = small_config(levels=(0.1, 0.5, 0.9), head_width=8)


def lags(n_rows: int = 60, n_lags: int = 12, n_steps: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Windows of a noisy wave of rising level and what follows them."""
    rng = np.random.default_rng(0)
    time = np.arange(n_rows + n_lags + n_steps - 1)
    wave = 10 + 0.05 * time + np.sin(time / 3) + 0.03 * rng.normal(size=len(time))
    windows = np.lib.stride_tricks.sliding_window_view(wave, n_lags + n_steps)
    return windows[:, :n_lags].copy(), windows[:, n_lags:].copy() if n_steps > 1 else windows[:, -1].copy()


def small(**changes) -> TTMRegressor:
    """A fresh, tiny network: for what does not depend on the weights."""
    return TTMRegressor(**{"model_path": FRESH, "max_epochs": 2, "random_state": 0} | changes)


@parametrize_with_checks([TTMRegressor()])
def test_when_scikit_learn_checks_then_all_pass(estimator, check):
    check(estimator)


def test_when_lags_are_fitted_then_the_next_step_is_found():
    X, y = lags(90)
    regressor = TTMRegressor(random_state=0).fit(X[:60], y[:60])
    naive = np.abs(X[60:, -1] - y[60:]).mean()
    assert np.abs(regressor.predict(X[60:]) - y[60:]).mean() < naive / 2


def test_when_the_target_is_the_next_steps_then_the_lead_is_found():
    wave = np.sin(np.arange(120) * 2 * np.pi / 12)
    windows = np.lib.stride_tricks.sliding_window_view(wave, 52)
    assert TTMRegressor(target_scale="series", max_epochs=0).fit(windows[:, :48], windows[:, 50]).lead_ == 3
    assert TTMRegressor(target_scale="series", max_epochs=0).fit(windows[:, :48], windows[:, 48:]).lead_ == 1


def test_when_windows_and_target_are_moved_then_series_scale_moves_with_them():
    X, y = lags()
    plain = small(target_scale="series").fit(X, y).predict(X)
    moved = small(target_scale="series").fit(5 * X + 1e6, 5 * y + 1e6).predict(5 * X + 1e6)
    np.testing.assert_allclose((moved - 1e6) / 5, plain, rtol=1e-4)


def test_when_the_target_is_unrelated_in_scale_then_it_is_learnt():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 6))
    y = 1e7 + 1e3 * X[:, 2]
    regressor = TTMRegressor(random_state=0).fit(X, y)
    assert regressor.target_scale_ == "learnt"
    assert regressor.score(X, y) > 0.9


@pytest.mark.parametrize("n_lags", [1, 5, 70])
def test_when_rows_are_shorter_or_longer_than_the_context_then_they_are_read(n_lags):
    X, y = lags(n_lags=n_lags)
    assert FRESH.context_length not in (n_lags,)
    assert np.isfinite(small().fit(X, y).predict(X)).all()


def test_when_the_target_has_two_axes_then_so_has_the_prediction():
    X, y = lags(n_steps=3)
    regressor = small().fit(X, y)
    assert regressor.predict(X).shape == (60, 3)
    assert regressor.predict_quantiles(X, (0.1, 0.5)).shape == (60, 3, 2)
    assert small().fit(X, y[:, :1]).predict(X).shape == (60, 1)


def test_when_quantiles_are_asked_for_then_they_do_not_cross_and_cover_what_they_say():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 8))
    y = X[:, 0] + rng.normal(size=400)
    regressor = small(max_epochs=5).fit(X[:200], y[:200])
    low, high = regressor.predict_quantiles(X[200:], (0.1, 0.9)).T
    assert (np.diff(regressor.predict_quantiles(X[:20], (0.05, 0.3, 0.5, 0.95))) >= 0).all()
    assert 0.65 < ((low < y[200:]) & (y[200:] < high)).mean() < 0.92
    with pytest.raises(ConfigError, match="level 0.001"):
        regressor.predict_quantiles(X, (0.001,))


def test_when_weights_repeat_rows_then_the_fit_is_that_of_repeated_rows():
    X, y = lags()
    times = np.arange(60) % 3
    weighted = small().fit(X, y, sample_weight=times).predict(X)
    np.testing.assert_array_equal(weighted, small().fit(np.repeat(X, times, 0), np.repeat(y, times)).predict(X))


def test_when_all_weights_are_scaled_below_one_then_the_start_is_the_same():
    X, y = lags()
    half = small(max_epochs=0).fit(X, y, sample_weight=np.full(60, 0.5))
    assert not np.allclose(half.predict(X), small(max_epochs=0).fit(X[:30], y[:30]).predict(X))
    with pytest.raises(ValueError, match="non-zero"):
        small().fit(X, y, sample_weight=np.zeros(60))


def test_when_single_and_double_precision_come_in_then_predictions_agree():
    X, y = lags()
    double, single = small().fit(X, y), small().fit(X.astype(np.float32), y.astype(np.float32))
    assert double.predict(X).dtype == single.predict(X.astype(np.float32)).dtype == np.float64
    np.testing.assert_allclose(double.predict(X), single.predict(X), rtol=1e-3)


def test_when_steps_are_missing_then_they_are_unobserved_and_an_empty_row_raises():
    X, y = lags()
    X[::7, 3] = np.nan
    assert np.isfinite(small().fit(X, y).predict(X)).all()
    X[4] = np.nan
    with pytest.raises(DataError, match="row 4"):
        small().fit(X, y)


def test_when_a_fit_fails_then_the_estimator_is_as_it_was():
    X, y = lags()
    regressor = small().fit(X, y)
    before, net = regressor.predict(X), regressor.net_
    bad = np.vstack([X[:, :5], np.full((1, 5), np.nan)])
    with pytest.raises(DataError):
        regressor.fit(bad, np.ones(61))
    assert regressor.n_features_in_ == 12
    assert regressor.net_ is net
    np.testing.assert_array_equal(regressor.predict(X), before)


def test_when_it_is_not_fitted_then_it_says_so():
    with pytest.raises(NotFittedError):
        TTMRegressor().predict(np.ones((2, 3)))
    assert not hasattr(TTMRegressor(), "history_")


@pytest.mark.parametrize("trainable", ["head", "minimal", "bias", "adapter", "full"])
def test_when_parts_of_the_model_train_then_those_change(trainable):
    X, y = lags()
    before = small(max_epochs=0, trainable=trainable).fit(X, y)
    after = small(max_epochs=3, trainable=trainable).fit(X, y)
    weights = [regressor.net_.module_.ttm.state_dict() for regressor in (before, after)]
    changed = {name.split(".")[0] for name in weights[0] if not torch.equal(weights[0][name], weights[1][name])}
    expected = {"head": set(), "minimal": {"adapter", "decoder", "head"}}
    assert changed <= expected.get(trainable, changed)
    assert bool(changed) == (trainable != "head")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(after)).predict(X), after.predict(X))  # noqa: S301


@pytest.mark.parametrize(
    "wrong",
    [
        {"trainable": "all"},
        {"target_scale": "log"},
        {"lr": 0},
        {"batch_size": 0},
        {"lead": 0},
        {"model_path": 3},
        {"accelerate": True, "random_state": None},
    ],
)
def test_when_a_parameter_is_impossible_then_fit_raises(wrong):
    with pytest.raises(ConfigError):
        small(**wrong).fit(*lags())


@pytest.mark.parametrize(("lead", "n_outputs"), [(200, 1), (96, 2)])
def test_when_the_lead_is_beyond_what_the_model_forecasts_then_the_scale_is_learnt_or_it_raises(lead, n_outputs):
    X = np.random.default_rng(0).normal(size=(20, 24))
    y = X[:, -n_outputs:].squeeze()
    assert np.isfinite(TTMRegressor(lead=lead, max_epochs=0).fit(X, y).predict(X)).all()
    with pytest.raises(ConfigError, match=f"outputs from step {lead} on; in series scale they are next steps"):
        TTMRegressor(lead=lead, target_scale="series", max_epochs=0).fit(X, y)


def test_when_series_scale_is_asked_for_more_steps_than_the_model_has_then_it_raises():
    X, y = lags(n_steps=9)
    with pytest.raises(ConfigError, match="9 outputs"):
        small(target_scale="series").fit(X, y)
    assert small().fit(X, y).target_scale_ == "learnt"


class TestSkorch:
    def test_when_it_is_fitted_then_history_has_a_line_an_epoch(self):
        regressor = small(max_epochs=3).fit(*lags())
        assert len(regressor.history_[:, "train_loss"]) == 3
        assert regressor.history_ is regressor.net_.history_

    def test_when_callbacks_are_given_then_they_run_as_copies(self):
        stop = EarlyStopping(monitor="train_loss", patience=1, threshold=10.0)
        regressor = small(max_epochs=20, callbacks=[("stop", stop)]).fit(*lags())
        assert len(regressor.history_) < 20
        assert dict(regressor.net_.callbacks_)["stop"] is not stop

    def test_when_parameters_have_two_underscores_then_they_reach_the_net(self):
        regressor = small(callbacks=[("stop", EarlyStopping(monitor="train_loss"))], module__width=5)
        regressor.set_params(optimizer__weight_decay=0.5, callbacks__stop__patience=1, iterator_train__shuffle=False)
        regressor.fit(*lags())
        assert regressor.net_.module_.hidden.out_features == 5
        assert regressor.net_.optimizer_.param_groups[0]["weight_decay"] == 0.5
        assert dict(regressor.net_.callbacks_)["stop"].patience == 1
        assert clone(regressor).get_params()["module__width"] == 5

    def test_when_a_parameter_is_unknown_then_fit_names_it(self):
        with pytest.raises(TypeError, match="'epochs'"):
            small(epochs=3).fit(*lags())
        with pytest.raises(ValueError, match="epochs"):
            small().set_params(epochs=3)

    def test_when_a_part_is_kept_for_validation_then_its_loss_is_in_the_history(self):
        regressor = small(train_split=ValidSplit(4), callbacks=[EpochScoring(_negative_loss, name="own")])
        history = regressor.fit(*lags()).history_
        assert np.isfinite(history[:, "valid_loss"]).all()
        assert np.isfinite(history[:, "own"]).all()

    def test_when_fitted_partially_then_training_goes_on_with_new_settings(self):
        X, y = lags()
        regressor = small().partial_fit(X, y)
        first = regressor.predict(X)
        regressor.set_params(lr=0.01, max_epochs=4).partial_fit(X, y)
        assert len(regressor.history_) == 6
        assert regressor.net_.optimizer_.param_groups[0]["lr"] == 0.01
        assert not np.array_equal(first, regressor.predict(X))
        with pytest.raises(ValueError, match="2 output"):
            regressor.partial_fit(X, np.stack([y, y], 1))

    def test_when_a_score_is_watched_then_it_is_of_the_predicted_mean(self):
        regressor = small(train_split=ValidSplit(4), callbacks=[EpochScoring("r2", lower_is_better=False)])
        assert regressor.fit(*lags()).history_[-1, "r2"] > 0.5

    def test_when_optimiser_and_callbacks_are_changed_then_training_goes_on_with_those(self):
        X, y = lags()
        regressor = small(warm_start=True).fit(X, y)
        stop = EarlyStopping(monitor="train_loss", patience=1, threshold=10.0)
        regressor.set_params(optimizer=torch.optim.SGD, callbacks=[("stop", stop)], max_epochs=9).fit(X, y)
        assert isinstance(regressor.net_.optimizer_, torch.optim.SGD)
        assert 2 < len(regressor.history_) < 11
        again = dict(regressor.partial_fit(X, y).net_.callbacks_)["stop"]
        assert again is not stop

    @pytest.mark.parametrize("change", [{"trainable": "full"}, {"target_scale": "series"}, {"module__width": 5}])
    def test_when_the_module_is_changed_then_training_begins_anew(self, change):
        X, y = lags()
        state = torch.get_rng_state()
        regressor = small(warm_start=True, target_scale="learnt").fit(X, y).set_params(**change).fit(X, y)
        anew = small(target_scale="learnt").set_params(**change).fit(X, y)
        assert regressor.target_scale_ == anew.target_scale_
        assert regressor.net_.module_.trainable == anew.net_.module_.trainable
        assert regressor.net_.module_.hidden.out_features == anew.net_.module_.hidden.out_features
        assert regressor.score(X, y) > 0.9
        assert torch.equal(state, torch.get_rng_state())

    def test_when_it_was_pickled_then_training_goes_on_from_its_weights(self):
        X, y = lags()
        regressor = small(module__dropout=0.1).fit(X, y)
        again = pickle.loads(pickle.dumps(regressor)).set_params(lr=1e-12).partial_fit(X, y)  # noqa: S301
        np.testing.assert_allclose(again.predict(X), regressor.predict(X))

    def test_when_started_warm_then_fit_goes_on(self):
        X, y = lags()
        warm, cold = small(warm_start=True), small()
        for _ in range(2):
            warm.fit(X, y)
            cold.fit(X, y)
        assert (len(warm.history_), len(cold.history_)) == (4, 2)


def _negative_loss(net, X, y):
    return -net.history[-1, "train_loss"]


class TestInSearchesAndThreads:
    def test_when_searched_in_two_jobs_then_it_finishes(self):
        X, y = lags()
        for backend in (None, "threading"):
            search = GridSearchCV(small(), {"module__width": [2, 4], "lr": [1e-3]}, cv=2, n_jobs=2)
            with _backend(backend):
                search.fit(X, y)
            assert search.best_params_["module__width"] in (2, 4)

    def test_when_fitted_in_threads_then_each_is_as_if_alone(self):
        X, y = lags()
        alone, found = small().fit(X, y).predict(X), {}
        threads = [
            threading.Thread(target=lambda i=i: found.update({i: small().fit(X, y).predict(X)})) for i in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert [np.array_equal(found[i], alone) for i in range(3)] == [True] * 3

    def test_when_fitted_then_the_global_random_numbers_go_on_untouched(self):
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        small(random_state=None).fit(*lags(20))
        assert torch.equal(torch.get_rng_state(), before[0])


def _backend(name):
    return joblib.parallel_config(backend=name) if name else nullcontext()


class TestSaving:
    def test_when_saved_without_pickle_then_it_predicts_the_same_and_trains_on(self, tmp_path):
        X, y = lags()
        regressor = small(module__width=7).fit(X, y)
        regressor.save(tmp_path / "regressor.safetensors")
        loaded = TTMRegressor.load(tmp_path / "regressor.safetensors")
        np.testing.assert_array_equal(loaded.predict(X), regressor.predict(X))
        assert loaded.get_params() == regressor.get_params()
        assert loaded.history_.to_list() == regressor.history_.to_list()
        assert len(loaded.partial_fit(X, y).history_) == 4

    def test_when_bundled_weights_were_used_then_they_are_named_after_loading(self, tmp_path):
        X, y = lags(20)
        regressor = TTMRegressor(max_epochs=0).fit(X, y)
        regressor.save(tmp_path / "regressor.safetensors")
        loaded = TTMRegressor.load(tmp_path / "regressor.safetensors")
        assert loaded.model_path == "ttm-tiny"
        np.testing.assert_array_equal(loaded.predict(X), regressor.predict(X))

    def test_when_a_loaded_one_gets_another_module_then_it_begins_at_its_pretrained_weights(self, tmp_path):
        X, y = lags(20)
        TTMRegressor(max_epochs=np.int64(0)).fit(X, y).save(tmp_path / "regressor.safetensors")
        loaded = TTMRegressor.load(tmp_path / "regressor.safetensors").set_params(module__width=5).partial_fit(X, y)
        bundled = load_checkpoint("ttm-tiny").weights
        assert all(torch.equal(value, bundled[name]) for name, value in loaded.net_.module_.ttm.state_dict().items())

    def test_when_a_parameter_has_no_text_form_then_saving_names_it(self, tmp_path):
        regressor = small(train_split=ValidSplit(4)).fit(*lags())
        with pytest.raises(ConfigError, match="train_split"):
            regressor.save(tmp_path / "regressor.safetensors")
        assert list(tmp_path.iterdir()) == []

    def test_when_the_file_is_another_thing_then_loading_says_so(self, tmp_path):
        with pytest.raises(CheckpointError, match="regressor"):
            TTMRegressor.load(locate("ttm-tiny"))

    def test_when_pickled_with_joblib_or_copied_then_it_predicts_the_same(self, tmp_path):
        X, y = lags()
        regressor = small().fit(X, y)
        joblib.dump(regressor, tmp_path / "r.joblib")
        for other in (joblib.load(tmp_path / "r.joblib"), copy.deepcopy(regressor)):
            np.testing.assert_array_equal(other.predict(X), regressor.predict(X))


@pytest.mark.parametrize("changes", [{"module__dropout": np.float32(0.0)}, {"lead": np.int64(1)}])
def test_when_parameters_are_numbers_of_numpy_then_training_goes_on(changes):
    X, y = lags()
    first = small(**changes).fit(X, y)
    begun = first.net_.module_.linear.weight.detach().clone()
    first.set_params(max_epochs=0).partial_fit(X[:8], y[:8])
    assert torch.equal(first.net_.module_.linear.weight, begun)


def test_when_a_part_is_drawn_for_validation_then_the_start_has_not_seen_it():
    X, y = lags()
    seen = []

    class Spied(RegressionNet):
        def get_split_datasets(self, X, y=None, **options):
            split = super().get_split_datasets(X, y, **options)
            seen.append(split[1].indices)
            return split

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regressor, "RegressionNet", Spied)
        small(train_split=ValidSplit(0.2), max_epochs=1).fit(X, y)
    assert len(seen) == 2
    np.testing.assert_array_equal(*seen)


def test_when_levels_are_ones_own_then_quantiles_are_learnt_at_them():
    X, y = lags()
    fitted = small(module__levels=(0.25, 0.5, 0.75), max_epochs=1).fit(X, y)
    assert fitted.predict_quantiles(X[:2], levels=(0.3, 0.5)).shape == (2, 2)
    with pytest.raises(ConfigError, match="this checkpoint knows levels from 0.25 to 0.75"):
        fitted.predict_quantiles(X[:2], levels=(0.1,))
    with pytest.raises(ConfigError, match="must hold .5"):
        small(module__levels=(0.1, 0.9)).fit(X, y)


@pytest.mark.parametrize("lr", [float("inf"), "0.1", None])
def test_when_the_rate_is_no_finite_number_then_it_is_refused(lr):
    with pytest.raises(ConfigError, match="lr=.* must be positive and finite"):
        small(lr=lr).fit(*lags())
