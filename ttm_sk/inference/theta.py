"""The theta method: a trend, half of it, and an exponentially smoothed level, for many short series at once."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

__all__ = ["LEAST_OBSERVED", "LONGEST_SEASON", "NEWEST", "theta_fans"]

NEWEST = 400  # steps of a history that are looked at
LONGEST_SEASON = 60
LEAST_OBSERVED = 8
ROWS_AT_ONCE = 8192
SHARES = np.linspace(0.05, 1.0, 20)  # of a surprise that the level takes over; the best on the past is kept


def theta_fans(histories: Sequence[np.ndarray], horizon: int, *, season: int, levels: Sequence[float]) -> np.ndarray:
    """Quantiles of what follows each history, by the theta method with normal errors.

    The series without its season (additive, by centred moving averages) is smoothed exponentially with half of its
    linear trend as drift, which is what the theta method amounts to. How fast the level follows is chosen for each
    row by the squared errors one step ahead, whose size is also that of the intervals. Units do not matter.

    Sources: Assimakopoulos and Nikolopoulos (2000), International Journal of Forecasting 16; Hyndman and Billah (2003),
    same journal 19.

    Parameters
    ----------
    histories
        Arrays ``(channel, time)``, NaN = not observed; the newest 400 steps are used. A channel without an observed
        value gives NaN.
    horizon
        Steps ahead.
    season
        Steps in a season, 1 for none; where a row has less than three of them without a gap, it has none.
    levels
        Quantile levels.

    Returns
    -------
    ndarray
        Float64 ``(series, channel, horizon, level)``.

    Examples
    --------
    >>> rising = np.tile([0.0, 4.0], 20) + np.arange(40.0)
    >>> theta_fans([rising[None]], 4, season=2, levels=[0.5]).ravel().round(6).tolist()
    [39.5, 44.0, 40.5, 45.0]
    """
    rows = [channel[-NEWEST:] for history in histories for channel in history]
    starts = range(0, len(rows), ROWS_AT_ONCE)
    normal = np.array([NormalDist().inv_cdf(level) for level in levels])
    parts = [_fans(rows[start : start + ROWS_AT_ONCE], horizon, season, normal) for start in starts]
    return np.concatenate(parts).reshape(len(histories), -1, horizon, len(normal))


def _fans(rows: Sequence[np.ndarray], horizon: int, season: int, normal: np.ndarray) -> np.ndarray:
    """``(row, horizon, level)``; everything is reckoned back from the newest step."""
    length = max(map(len, rows))
    values = np.full((len(rows), length), np.nan)
    for row, own in zip(values, rows, strict=True):
        row[length - len(own) :] = own
    unit = np.nanmax(np.abs(values), axis=1, keepdims=True, initial=0.0)
    values = values / np.where(unit > 0, unit, 1.0)
    profile = _profile(values, season)  # of the steps after the newest one
    values = values - profile[:, np.arange(-length, 0) % season]
    drift = _slope(values) / 2
    level, share, spread = _smoothed(values, drift)
    ahead = np.arange(1, horizon + 1)
    middle = level[:, None] + drift[:, None] * ahead + profile[:, (ahead - 1) % season]
    passed = np.isfinite(values)[:, ::-1].argmax(axis=1)[:, None] + ahead - 1  # steps since the last value
    widths = spread[:, None] * np.sqrt(1 + passed * share[:, None] ** 2)
    return (middle[..., None] + widths[..., None] * normal) * np.where(unit > 0, unit, 1.0)[..., None]


def _profile(values: np.ndarray, season: int) -> np.ndarray:
    """Mean distance from the moving average over a season, ``(row, season)``, 0 together."""
    kernel = np.full(season, 1.0) if season % 2 else np.array([0.5, *np.ones(season - 1), 0.5])
    n_whole = values.shape[1] - len(kernel) + 1
    if season == 1 or n_whole < season:
        return np.zeros((len(values), season))
    smooth = sum(weight * values[:, i : i + n_whole] for i, weight in enumerate(kernel / season))
    first = (len(kernel) - 1) // 2
    away = values[:, first : first + n_whole] - smooth
    phase = np.arange(first - values.shape[1], first - values.shape[1] + n_whole) % season
    observed = np.isfinite(away)
    counts = np.stack([observed[:, phase == i].sum(axis=1) for i in range(season)], axis=1)
    sums = np.stack([np.where(observed, away, 0.0)[:, phase == i].sum(axis=1) for i in range(season)], axis=1)
    means = sums / np.maximum(counts, 1)
    known = (counts > 0).all(axis=1) & (counts.sum(axis=1) >= 2 * season)
    return np.where(known[:, None], means - means.mean(axis=1, keepdims=True), 0.0)


def _slope(values: np.ndarray) -> np.ndarray:
    """Of the least-squares line through each row's observed values."""
    observed = np.isfinite(values)
    counts = np.maximum(observed.sum(axis=1, keepdims=True), 1)
    steps = np.arange(values.shape[1], dtype=float)
    steps = np.where(observed, steps - (observed * steps).sum(axis=1, keepdims=True) / counts, 0.0)
    squares = (steps**2).sum(axis=1)
    return (steps * np.where(observed, values, 0.0)).sum(axis=1) / np.where(squares > 0, squares, 1.0)


def _smoothed(values: np.ndarray, drift: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The newest level of each row, the share of surprises that it took over, and the size of these one step ahead."""
    level = np.full((len(values), len(SHARES)), np.nan)
    squares, count = np.zeros_like(level), np.zeros(len(values))
    for value in values.T[..., None]:
        expected = level + drift[:, None]
        surprise = np.where(np.isfinite(value) & np.isfinite(level), value - expected, 0.0)
        squares += surprise**2
        count += (np.isfinite(value) & np.isfinite(level))[:, 0]
        level = np.where(np.isfinite(level), expected + SHARES * surprise, value)
    best = squares.argmin(axis=1)[:, None]
    newest, least = (np.take_along_axis(part, best, axis=1)[:, 0] for part in (level, squares))
    return newest, SHARES[best[:, 0]], np.sqrt(least / np.maximum(count, 1))
