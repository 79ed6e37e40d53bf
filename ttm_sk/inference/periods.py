"""The cycles that a set of series has in common, read off their pooled autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["common_periods"]

NEWEST = 8192  # steps of each history that are read
LEAST_CYCLES = 4  # a lag counts where the history holds so many of it
LEAST_STRENGTH = 0.1
NEAR_BEST = 0.9
LONGER_BY = 1.5


def common_periods(histories: Sequence[np.ndarray], *, n_periods: int = 3) -> list[int]:
    """The strongest periods of a data set, shortest first.

    The autocorrelations of all series, detrended, without gaps and with outliers bent in, are averaged. The first
    period is the shortest peak within 90 % of the highest; each further one is found in the same way among lags more
    than 1.5 times longer.

    Parameters
    ----------
    histories
        Arrays ``(channel, time)``, NaN = not observed. A period needs at least half of the series to hold four cycles.

    Returns
    -------
    list of int
        At most ``n_periods`` periods of 2 steps or more; empty where nothing repeats.

    Examples
    --------
    >>> days = np.tile([0.0, 1, 3, 1, 0, -1], 40)
    >>> common_periods([days[None] + np.linspace(0, 5, 240)], n_periods=1)
    [6]
    """
    rows = [channel[-NEWEST:] for history in histories for channel in history]
    pooled = _pooled_autocorrelation(rows)
    lags = np.arange(len(pooled))
    is_peak = np.zeros(len(pooled), dtype=bool)
    is_peak[2:-1] = (pooled[2:-1] >= pooled[1:-2]) & (pooled[2:-1] > pooled[3:]) & (pooled[2:-1] > LEAST_STRENGTH)
    found: list[int] = []
    shortest = 2
    while len(found) < n_periods and (is_peak & (lags >= shortest)).any():
        peaks = lags[is_peak & (lags >= shortest)]
        found.append(int(peaks[pooled[peaks] >= NEAR_BEST * pooled[peaks].max()].min()))
        shortest = int(found[-1] * LONGER_BY) + 2
    return found


def _pooled_autocorrelation(rows: list[np.ndarray]) -> np.ndarray:
    """The mean over series at each lag, -1 where less than half of them reach."""
    n_lags = max((len(row) // LEAST_CYCLES for row in rows), default=0) + 1
    total, count = np.zeros(n_lags), np.zeros(n_lags)
    for row in rows:
        acf = _autocorrelation(row, len(row) // LEAST_CYCLES)
        total[: len(acf)] += acf
        count[: len(acf)] += 1
    is_known = count >= max(1.0, count.max(initial=0) / 2)
    return np.where(is_known, total / np.maximum(count, 1), -1.0)


def _autocorrelation(row: np.ndarray, n_lags: int) -> np.ndarray:
    """At lags 0 to ``n_lags``, or nothing of a series that is too short or constant."""
    seen = np.flatnonzero(np.isfinite(row))
    if n_lags < 4 or len(seen) < 8:
        return np.empty(0)
    steps, largest = np.arange(len(row)), np.abs(row[seen]).max()
    values = np.interp(steps, seen, row[seen] / (largest or 1.0))
    values = values - np.polynomial.Polynomial.fit(steps, values, 1)(steps)
    spread = values.std()
    if spread <= 1e-12:
        return np.empty(0)
    bent = np.arcsinh(values / spread)
    power = np.abs(np.fft.rfft(bent - bent.mean(), 2 * len(row))) ** 2
    acf = np.fft.irfft(power)[: n_lags + 1]
    return acf / acf[0] * len(row) / (len(row) - np.arange(n_lags + 1))
