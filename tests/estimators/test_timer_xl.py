"""TimerXLForecaster and SpeculativeForecaster: forecasts of panels and columns, quantiles of draws, clear refusals."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sktime.utils.estimator_checks import check_estimator

from ttm_sk import SpeculativeForecaster, TimerXLForecaster, TTMForecaster, save_checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.patch_learning import random_checkpoint

CONFIG = replace(TimerXLConfig.tiny(), is_stochastic=True)
TARGET = random_checkpoint(CONFIG)
DRAFT = random_checkpoint(CONFIG.draft(0.5, is_stochastic=True), seed=1)
POINTS = random_checkpoint(TimerXLConfig.tiny())
STEPS = range(1, 31)


def series(n_columns: int = 1, length: int = 120) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(length, n_columns)).cumsum(0) * 3 + 50
    index = pd.date_range("2024-01-01", periods=length, freq="h")
    return pd.DataFrame(values, columns=[f"c{i}" for i in range(n_columns)], index=index)


@pytest.mark.slow
@pytest.mark.parametrize("forecaster", [TimerXLForecaster, SpeculativeForecaster])
@pytest.mark.filterwarnings("ignore:Sorting by default when concatenating")  # sktime does, on pandas 3
def test_when_sktime_checks_the_forecasters_then_every_check_passes(forecaster):
    results = check_estimator(forecaster, raise_exceptions=False, verbose=False)
    failures = [f"{name}: {outcome!r}" for name, outcome in results.items() if outcome != "PASSED"]
    assert len(results) > 400
    assert not failures, "\n".join(failures)


def test_when_the_tolerance_is_zero_then_both_forecasters_agree():
    alone = TimerXLForecaster(TARGET).fit(series(2)).predict(STEPS)
    helped = SpeculativeForecaster(TARGET, DRAFT, tolerance=0.0).fit(series(2)).predict(STEPS)
    np.testing.assert_allclose(helped, alone, rtol=1e-5)
    assert alone.shape == (30, 2)


def test_when_a_panel_is_forecast_then_each_series_is_forecast_as_if_alone():
    rows = {"a": series(), "b": series(length=70) - 20}
    panel = pd.concat(rows, names=["id", "time"])
    together = SpeculativeForecaster(TARGET, DRAFT, tolerance=0.5, batch_size=1).fit(panel).predict(STEPS)
    for name, frame in rows.items():
        alone = SpeculativeForecaster(TARGET, DRAFT, tolerance=0.5).fit(frame).predict(STEPS)
        np.testing.assert_allclose(together.loc[name], alone, rtol=1e-4)


def test_when_samples_are_drawn_then_quantiles_are_those_of_the_draws():
    y = series()
    helped = SpeculativeForecaster(TARGET, DRAFT, mode="sample", n_samples=400).fit(y)
    alone = TimerXLForecaster(TARGET, n_samples=400).fit(y)
    levels = [0.1, 0.5, 0.9]
    one, other = (f.predict_quantiles([1, 8, 20], alpha=levels) for f in (helped, alone))
    spread = other.iloc[:, 2] - other.iloc[:, 0]
    assert (np.diff(one.to_numpy(), axis=1) > 0).all()
    assert (np.abs(one.to_numpy() - other.to_numpy()).max(axis=1) < 0.25 * spread).all()
    again = SpeculativeForecaster(TARGET, DRAFT, mode="sample", n_samples=400).fit(y)
    pd.testing.assert_frame_equal(again.predict_quantiles([1, 8, 20], alpha=levels), one)


def test_when_a_report_is_asked_for_then_it_counts_every_proposal():
    forecaster = SpeculativeForecaster(TARGET, TARGET, k=2).fit(series(2))
    report = forecaster.report(STEPS)
    assert (report.n_rows, report.n_patches, report.acceptance) == (2, 4, 1.0)
    assert report.n_target_calls == 2
    ttm = SpeculativeForecaster(TARGET, "ttm-tiny", tolerance=1e6).fit(series()).report(range(1, 65))
    assert (ttm.acceptance, ttm.n_draft_calls) == (1.0, ttm.n_target_calls - 1)


def test_when_it_is_trained_in_fit_then_its_weights_change_and_nothing_warns(tmp_path):
    path = save_checkpoint(POINTS, tmp_path / "timer.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tuned = TimerXLForecaster(path, fit_steps=3).fit(series())
        TimerXLForecaster(config=TimerXLConfig.tiny(), fit_steps=1).fit(series())
    assert tuned.checkpoint_.hash != POINTS.hash


@pytest.mark.parametrize(
    ("forecaster", "message"),
    [
        (TimerXLForecaster(), "exactly one of them"),
        (TimerXLForecaster(POINTS, config=CONFIG), "exactly one of them"),
        (TimerXLForecaster(config="tiny"), "must be a TimerXLConfig"),
        (TimerXLForecaster("ttm-tiny"), "found one of 'ttm'"),
        (TimerXLForecaster(POINTS, n_samples=5), "sigma above 0"),
        (TimerXLForecaster(POINTS, fit_steps=-1), "fit_steps=-1"),
        (TTMForecaster(POINTS), "use TimerXLForecaster"),
        (SpeculativeForecaster(TARGET), "give both"),
        (SpeculativeForecaster("ttm-tiny", DRAFT), "found one of 'ttm'"),
        (SpeculativeForecaster(TARGET, DRAFT, k=0), "k=0"),
        (SpeculativeForecaster(TARGET, DRAFT, tolerance=-0.1), r"tolerance=-0\.1"),
        (SpeculativeForecaster(TARGET, DRAFT, mode="fast"), "unknown mode 'fast'"),
        (SpeculativeForecaster(TARGET, DRAFT, mode="relaxed", accept_bias=0.1), r"accept_bias=0\.1"),
        (SpeculativeForecaster(TARGET, POINTS, mode="sample"), "no variance"),
        (SpeculativeForecaster(POINTS, DRAFT, mode="sample"), "sigma above 0"),
        (SpeculativeForecaster(TARGET, random_checkpoint(TimerXLConfig(192, 96, 16, 2, 1, 16))), "they must be equal"),
    ],
)
def test_when_a_parameter_is_impossible_then_fit_says_why(forecaster, message):
    with pytest.raises(ConfigError, match=message):
        forecaster.fit(series())
    assert not forecaster.is_fitted


def test_when_weights_are_random_then_it_warns():
    with pytest.warns(UserWarning, match="mean nothing"):
        TimerXLForecaster(config=TimerXLConfig.tiny()).fit(series())


@pytest.mark.parametrize("changes", [{"batch_size": None}, {"fit_steps": None}, {"n_samples": None}])
def test_when_a_count_is_left_out_that_is_needed_then_it_is_named(changes):
    with pytest.raises(ConfigError, match="=None must be a whole number"):
        TimerXLForecaster(POINTS, **changes).fit(pd.Series(np.arange(50.0)))


@pytest.mark.parametrize("sigma", ["a", float("inf"), -1.0])
def test_when_sigma_is_no_number_above_zero_then_it_is_refused(sigma):
    with pytest.raises(ConfigError, match="sigma=.* must be None, or a number above 0"):
        TimerXLForecaster(POINTS, sigma=sigma).fit(pd.Series(np.arange(50.0)))
