"""The cycles that a set of series has in common, read off their pooled autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["common_periods"]

NEWEST = 8192  # steps of each history that are read
LEAST_CYCLES = 4  # a lag counts where the history holds so many of it
LEAST_STRENGTH = 0.1
LEAST_RISE = 0.05  # above the lowest autocorrelation of shorter lags
NEAR_BEST = 0.9
APART = 1.5
# Days, weeks and years in steps of minutes to weeks. A peak over a long smooth cycle is a little off, and a reading by
# phase needs the exact length.
CALENDAR = (52, 144, 168, 288, 336, 365, 672, 1008, 1440, 2016, 4032, 8760, 10080)
NEAR_CALENDAR = 0.02


def common_periods(histories: Sequence[np.ndarray], *, n_longer: int = 2) -> list[int]:
    """The strongest periods of a data set, ascending.

    Long ones within 2 % of a calendar's cycle (a week of five-minute steps: 2016) are taken as that.

    The autocorrelations of all series, detrended, without gaps and with outliers bent in, are averaged. The main period
    is the shortest peak within 90 % of the highest. In the same way one is found among lags more than 1.5 times
    shorter (days within weeks), and then ``n_longer`` times one more than 1.5 times longer than the last.

    Parameters
    ----------
    histories
        Arrays ``(channel, time)``, NaN = not observed. A period needs at least half of the series to hold four cycles.

    Returns
    -------
    list of int
        Periods of 2 steps or more; empty where nothing repeats.

    Examples
    --------
    >>> days = np.tile([0.0, 1, 3, 1, 0, -1], 40)
    >>> common_periods([days[None] + np.linspace(0, 5, 240)], n_longer=0)
    [6]
    """
    pooled = _pooled_autocorrelation([channel[-NEWEST:] for history in histories for channel in history])
    main = _best_period(pooled, shortest=2, longest=len(pooled))
    if main is None:
        return []
    shorter = _best_period(pooled, shortest=2, longest=int(main / APART))
    found = [main] if shorter is None else [shorter, main]
    for _ in range(n_longer):
        longer = _best_period(pooled, shortest=int(found[-1] * APART) + 2, longest=len(pooled))
        if longer is None:
            break
        found.append(longer)
    return found


def _best_period(pooled: np.ndarray, *, shortest: int, longest: int) -> int | None:
    """The shortest peak within 90 % of the highest, among lags from ``shortest`` to before ``longest``."""
    inner, lowest_before = pooled[2:-1], np.minimum.accumulate(pooled)[1:-2]
    is_peak = (inner >= pooled[1:-2]) & (inner > pooled[3:])
    is_peak &= (inner > LEAST_STRENGTH) & (inner > lowest_before + LEAST_RISE)
    peaks = np.flatnonzero(is_peak) + 2
    peaks = peaks[(peaks >= shortest) & (peaks < longest)]
    if not len(peaks):
        return None
    return _as_in_a_calendar(int(peaks[pooled[peaks] >= NEAR_BEST * pooled[peaks].max()].min()))


def _as_in_a_calendar(period: int) -> int:
    nearest = min(CALENDAR, key=lambda known: abs(known - period))
    return nearest if abs(nearest - period) <= NEAR_CALENDAR * nearest else period


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
    if values.std() <= 1e-12:
        return np.empty(0)
    bent = np.arcsinh(values / (np.median(np.abs(values)) or values.std()))
    power = np.abs(np.fft.rfft(bent - bent.mean(), 2 * len(row))) ** 2
    acf = np.fft.irfft(power)[: n_lags + 1]
    return acf / acf[0] * len(row) / (len(row) - np.arange(n_lags + 1))
