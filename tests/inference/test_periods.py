"""Common periods: what repeats in a data set, and nothing where nothing does."""

from __future__ import annotations

import numpy as np
import pytest

from ttm_sk.inference.periods import common_periods


def noisy_cycle(period: int, n_steps: int, *, seed: int, noise: float = 0.5) -> np.ndarray:
    generator = np.random.default_rng(seed)
    profile = np.random.default_rng(period).normal(size=period)
    return (np.resize(profile, n_steps) + noise * generator.normal(size=n_steps))[None]


@pytest.mark.parametrize("period", [4, 7, 12, 24, 96])
def test_when_series_share_a_cycle_then_it_is_found(period):
    histories = [noisy_cycle(period, 12 * period, seed=seed) for seed in range(5)]
    assert period in common_periods(histories)[:2]


def test_when_weeks_lie_over_days_then_both_are_found():
    days = noisy_cycle(24, 168 * 8, seed=0, noise=0.2)
    weeks = np.resize(np.random.default_rng(1).normal(size=168), 168 * 8)
    assert common_periods([days + weeks], n_longer=0) == [24, 168]


def test_when_there_is_only_noise_or_a_trend_then_nothing_is_found():
    generator = np.random.default_rng(2)
    assert common_periods([generator.normal(size=(1, 2000)) for _ in range(10)]) == []
    assert common_periods([np.arange(500.0)[None], np.ones((1, 500)), np.full((1, 500), np.nan)]) == []


@pytest.mark.parametrize("factor", [1e-300, 1.0, 1e300])
def test_when_values_are_missing_wild_or_of_any_size_then_the_cycle_is_still_found(factor):
    values = noisy_cycle(7, 210, seed=3, noise=0.1)
    values[0, 50:60] = np.nan
    values[0, 100] = 30.0
    assert 7 in common_periods([values * factor])


def test_when_the_history_is_empty_or_tiny_then_nothing_is_found():
    assert common_periods([]) == []
    assert common_periods([np.ones((1, 3))]) == []


def test_when_a_long_peak_is_a_little_off_then_it_is_taken_as_the_calendars():
    steps = np.arange(2016 * 5)
    smooth = np.sin(2 * np.pi * steps / 2016) + 0.3 * np.sin(steps / 2900)
    assert 2016 in common_periods([smooth[None]], n_longer=0)
