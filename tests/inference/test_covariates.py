"""Drivers explain what they can, noise explains nothing, and quantiles move and narrow with them."""

from __future__ import annotations

import numpy as np
import pytest

from ttm_sk.errors import DataError
from ttm_sk.inference.covariates import lagged, measure_effects

LEVELS = (0.1, 0.5, 0.9)


def recent_quantiles(histories, horizon: int) -> np.ndarray:
    """A forecaster: quantiles of the last 50 values of each channel, whatever the step."""
    rows = [np.nanquantile(history[:, -50:], LEVELS, axis=1).T for history in histories]
    return np.stack([np.repeat(row[:, None], horizon, axis=1) for row in rows])


def measure(series: np.ndarray, drivers: np.ndarray, *, horizon: int = 8):
    return measure_effects(recent_quantiles, [series], [drivers], horizon=horizon, levels=LEVELS)[0]


def test_when_a_driver_moves_the_series_then_its_coefficient_is_found():
    rng = np.random.default_rng(0)
    drivers = rng.normal(size=(2, 400))
    series = 5 + np.stack([3 * drivers[0], -2 * drivers[1]]) + 0.3 * rng.normal(size=(2, 400))
    effect = measure(series, drivers)
    np.testing.assert_allclose(effect.coefficients, [[3, 0], [0, -2]], atol=0.2)
    assert effect.gain > 0.5


def test_when_drivers_are_noise_then_they_count_for_nothing_most_of_the_time():
    gains = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        gains.append(measure(rng.normal(size=(1, 400)), rng.normal(size=(3, 400))).gain)
    assert gains.count(0.0) >= 18


def test_when_the_rest_is_calmer_then_quantiles_narrow_and_still_cover():
    rng = np.random.default_rng(1)
    drivers = rng.normal(size=(1, 2400))
    series = 4 * drivers + rng.normal(size=(1, 2400))
    effect = measure(series[:, :400], drivers[:, :400])
    rest = series - effect.of(drivers)
    quantiles = recent_quantiles([rest[:, :400]], 2000)[0, 0] + effect.of(drivers)[0, 400:, None]
    plain = recent_quantiles([series[:, :400]], 2000)[0, 0]
    target = series[0, 400:]
    covered = ((target >= quantiles[:, 0]) & (target <= quantiles[:, 2])).mean()
    assert np.ptp(quantiles - effect.of(drivers)[0, 400:, None], axis=1).mean() < 0.5 * np.ptp(plain, axis=1).mean()
    assert 0.7 < covered < 0.9


def test_when_values_are_missing_then_the_rest_of_them_is_used():
    rng = np.random.default_rng(2)
    drivers = rng.normal(size=(1, 400))
    series = 3 * drivers + 0.1 * rng.normal(size=(1, 400))
    series[:, rng.random(400) < 0.2] = np.nan
    assert measure(series, drivers).coefficients[0, 0] == pytest.approx(3, abs=0.2)


def test_when_a_driver_never_moves_then_it_has_no_effect_later_either():
    rng = np.random.default_rng(3)
    drivers = np.stack([rng.normal(size=300), np.full(300, 7.0)])
    effect = measure(2 * drivers[:1] + 0.1 * rng.normal(size=(1, 300)), drivers)
    np.testing.assert_array_equal(effect.of(np.array([[0.0], [7.0]])), effect.of(np.array([[0.0], [9.0]])))


def test_when_the_past_is_too_short_then_there_is_no_effect():
    assert measure(np.arange(9.0)[None], np.arange(9.0)[None]).gain == 0


def test_when_series_differ_in_length_then_each_gets_what_it_gets_alone():
    rng = np.random.default_rng(4)
    drivers = [rng.normal(size=(1, n)) for n in (100, 300, 20)]
    series = [2 * column + 0.1 * rng.normal(size=column.shape) for column in drivers]
    together = measure_effects(recent_quantiles, series, drivers, horizon=8, levels=LEVELS)
    for effect, history, column in zip(together, series, drivers, strict=True):
        np.testing.assert_allclose(effect.coefficients, measure(history, column).coefficients)


def test_when_columns_are_lagged_then_the_future_holds_the_newest_past():
    assert lagged(np.array([[1.0, 2.0, 3.0, 4.0]]), horizon=2)[0, -2:].tolist() == [3.0, 4.0]


def test_when_drivers_do_not_fit_then_the_error_says_how():
    with pytest.raises(DataError, match=r"shape \(1, 9\); expected \(covariate, 10\)"):
        measure(np.ones((1, 10)), np.ones((1, 9)))
    with pytest.raises(DataError, match="gaps or infinite"):
        measure(np.ones((1, 10)), np.full((1, 10), np.nan))
