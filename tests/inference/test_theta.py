"""The theta method: the same as by hand, with gaps, at any scale, and better than seasonal naive."""

from __future__ import annotations

import numpy as np
import pytest
from sktime.datasets import load_airline

from ttm_sk.inference.theta import LEAST_OBSERVED, NEWEST, ROWS_AT_ONCE, theta_fans

LEVELS = (0.1, 0.5, 0.9)


def walk(n_steps: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 50 + 0.5 * np.arange(n_steps) + rng.normal(size=n_steps).cumsum()


def by_hand(values: np.ndarray, horizon: int) -> np.ndarray:
    """Exponential smoothing with half of the trend as drift, each share of surprises tried in turn."""
    drift = np.polyfit(np.arange(len(values)), values, 1)[0] / 2
    tried = []
    for share in np.linspace(0.05, 1.0, 20):
        level, squares = values[0], []
        for value in values[1:]:
            surprise = value - level - drift
            squares.append(surprise**2)
            level += drift + share * surprise
        tried.append((np.sum(squares), share, level, np.sqrt(np.mean(squares))))
    _, share, level, spread = min(tried)
    ahead = np.arange(1, horizon + 1)
    widths = spread * np.sqrt(1 + (ahead - 1) * share**2)
    return (level + drift * ahead)[:, None] + widths[:, None] * np.array([-1.2815515655, 0, 1.2815515655])


def test_when_rows_are_forecast_together_then_each_is_as_by_hand():
    rows = [walk(30), walk(45, seed=1), 1e9 * walk(12, seed=2)]
    found = theta_fans([row[None] for row in rows], 7, season=1, levels=LEVELS)
    assert found.shape == (3, 1, 7, 3)
    for row, own in zip(rows, found, strict=True):
        np.testing.assert_allclose(own[0], by_hand(row, 7), rtol=1e-8)


@pytest.mark.parametrize("season", [4, 7, 12])
def test_when_there_is_a_season_then_it_goes_on_and_intervals_hold_the_noise(season):
    rng = np.random.default_rng(season)
    shape = rng.normal(size=season)
    whole = np.resize(10 * shape, 10 * season + 5) + rng.normal(size=10 * season + 5)
    past, future = whole[: 8 * season + 3], whole[8 * season + 3 : 9 * season + 3]
    found = theta_fans([past[None]], season, season=season, levels=LEVELS)[0, 0]
    assert np.abs(found[:, 1] - future).mean() < 2
    assert np.abs(theta_fans([past[None]], season, season=1, levels=[0.5])[0, 0, :, 0] - future).mean() > 3
    assert 1.5 < np.median(found[:, 2] - found[:, 0]) < 5  # 2.6 for unit noise


def test_when_steps_are_missing_or_padded_then_they_do_not_count():
    past = walk(60)
    gaps = past.copy()
    gaps[[3, 20, 21, 59]] = np.nan
    found = theta_fans([past[None], gaps[None], np.r_[np.full(30, np.nan), past][None]], 5, season=1, levels=LEVELS)
    np.testing.assert_allclose(found[2], found[0])
    assert np.isfinite(found).all()
    assert np.abs(found[1] - found[0]).max() < 5
    assert np.isnan(theta_fans([np.full((1, 20), np.nan)], 3, season=1, levels=LEVELS)).all()


def test_when_the_newest_steps_are_missing_then_intervals_grow_as_if_they_were_forecast():
    past = walk(60)
    late = np.r_[past, np.full(4, np.nan)]
    found = theta_fans([late[None]], 5, season=1, levels=LEVELS)[0, 0]
    ahead = theta_fans([past[None]], 9, season=1, levels=LEVELS)[0, 0, 4:]
    np.testing.assert_allclose(found, ahead)


def test_when_history_is_long_then_the_newest_steps_count():
    past = walk(NEWEST + 50)
    np.testing.assert_array_equal(
        theta_fans([past[None]], 3, season=7, levels=LEVELS),
        theta_fans([past[None, -NEWEST:]], 3, season=7, levels=LEVELS),
    )


def test_when_the_unit_changes_then_the_forecast_changes_with_it():
    past = np.stack([walk(50), np.full(50, 3.0)])
    once = theta_fans([past], 6, season=4, levels=LEVELS)
    for unit in (1e-200, -1.0, 1e200):
        np.testing.assert_allclose(
            theta_fans([past * unit], 6, season=4, levels=LEVELS), once[..., :: int(np.sign(unit))] * unit, rtol=1e-9
        )
    np.testing.assert_allclose(once[0, 1], 3.0)


def test_when_there_are_few_steps_then_there_is_no_season():
    short = walk(LEAST_OBSERVED)
    np.testing.assert_array_equal(
        theta_fans([short[None]], 3, season=7, levels=LEVELS), theta_fans([short[None]], 3, season=1, levels=LEVELS)
    )


def test_when_there_are_more_rows_than_fit_then_parts_are_put_together(monkeypatch):
    rows = [walk(20 + i, seed=i)[None] for i in range(9)]
    whole = theta_fans(rows, 4, season=1, levels=LEVELS)
    assert len(rows) < ROWS_AT_ONCE
    monkeypatch.setattr("ttm_sk.inference.theta.ROWS_AT_ONCE", 4)
    np.testing.assert_allclose(theta_fans(rows, 4, season=1, levels=LEVELS), whole)


def test_when_airline_is_forecast_then_it_beats_seasonal_naive():
    y = load_airline().to_numpy()
    past, future = y[:-24], y[-24:]
    found = np.exp(theta_fans([np.log(past)[None]], 24, season=12, levels=[0.5])[0, 0, :, 0])
    assert np.abs(found - future).mean() < 0.75 * np.abs(np.tile(past[-12:], 2) - future).mean()
