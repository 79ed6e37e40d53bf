"""Other ways to read a series: coarser, phase by phase (one series for each hour of the day), beside the theta method.

A reading turns a forecast function into another one of the same kind. A small model holds a cycle of 24 steps better
than one of 288, and sees further back where a step is an hour instead of five minutes (coarser); and it follows 24
series of one value a day more surely than one series of 24 values a day whose weeks differ (by phase). On few yearly
or quarterly values the theta method errs in other ways than a model, so that the mean of both errs less (beside theta).
Which reading suits a data set, its own past tells: :mod:`ttm_sk.inference.resolution`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ttm_sk.errors import ConfigError
from ttm_sk.inference.theta import LEAST_OBSERVED, NEWEST, theta_fans

__all__ = ["AS_IT_IS", "Fans", "Reading", "at_rate", "beside_theta", "by_phase"]

# (histories, each (channel, time) with NaN where nothing was observed; horizon)
# -> float64 (series, channel, horizon, quantile)
Fans = Callable[[Sequence[np.ndarray], int], np.ndarray]
LEAST_BLOCKS = 16  # what a coarser history must have left
LEAST_CYCLES = 8  # what each phase must have seen
ROWS_AT_ONCE = 8192  # so that a panel by phase does not fill the memory


@dataclass(frozen=True, order=True)
class Reading:
    """How a series is read.

    Its newest ``context`` steps (0: all), ``rate`` of them averaged into one, and then as one series for each of
    ``period`` phases; the forecast averaged with that of the theta method with a season of ``theta`` steps (1: without
    a season, 0: not averaged).

    Examples
    --------
    >>> str(Reading(rate=4)), str(Reading(period=24)), str(Reading(theta=12)), str(Reading())
    ('rate 4', 'period 24', 'theta 12', 'as it is')
    """

    rate: int = 1
    period: int = 1
    context: int = 0
    theta: int = 0

    def __post_init__(self) -> None:
        if self.rate < 1 or self.period < 1 or self.context < 0 or self.theta < 0:
            raise ConfigError(
                "a reading has a rate and a period of at least 1, and a context and a theta of at least 0;"
                f" found {self.rate}, {self.period}, {self.context} and {self.theta}"
            )

    def __str__(self) -> str:
        values, nothing = (self.rate, self.period, self.context, self.theta), (1, 1, 0, 0)
        named = zip(("rate", "period", "context", "theta"), values, nothing, strict=True)
        return ", ".join(f"{name} {value}" for name, value, none in named if value != none) or "as it is"

    def of(self, forecast: Fans, levels: Sequence[float]) -> Fans:
        """``forecast``, whose quantiles are those of ``levels``, on series read in this way."""
        read = at_rate(by_phase(forecast, self.period), self.rate)
        if self.theta > 0:
            read = beside_theta(read, self.theta, levels)
        if self.context == 0:
            return read
        return lambda histories, horizon: read([history[:, -self.context :] for history in histories], horizon)

    @property
    def is_whole(self) -> bool:
        """Whether the model is shown the series as they are."""
        return self.rate == self.period == 1 and self.context == 0

    def suits(self, history: np.ndarray, *, seen: int) -> bool:
        """Whether ``(channel, time)`` is long enough, with a value among the newest ``seen`` steps of every row."""
        history = history[:, -self.context :]
        blocks = _block_means(history, self.rate)
        if not self.is_whole and blocks.shape[-1] < LEAST_BLOCKS:
            return False
        if self.period > 1 and blocks.shape[-1] // self.period < LEAST_CYCLES:
            return False
        if self.theta > 0:
            observed = np.isfinite(history[:, -NEWEST:])
            if observed.sum(axis=-1).min() < LEAST_OBSERVED or not observed[:, -LEAST_OBSERVED:].any(axis=-1).all():
                return False  # with too few values for a trend, or beyond what it holds for
        return bool(np.isfinite(_phases(blocks, self.period)[..., -seen:]).any(axis=-1).all())


AS_IT_IS = Reading()


def at_rate(forecast: Fans, rate: int) -> Fans:
    """``forecast`` on means over blocks of ``rate`` steps; between the middles of blocks it is interpolated.

    Blocks end at the newest step; what is left over at the oldest end is not used. A block is the mean of its observed
    values. Source: the rate layer of TimeJEPA and TimeSSM (github.com/IUseAMouse), with Chronos-Bolt and their own
    models; here linear in each quantile.

    Examples
    --------
    >>> last = lambda histories, horizon: np.stack([np.repeat(h[:, -1:, None], horizon, 1) for h in histories])
    >>> at_rate(last, 2)([np.array([[1.0, 2.0, 4.0]])], 3).ravel()
    array([3., 3., 3.])
    """
    if rate == 1:
        return forecast

    def coarse(histories: Sequence[np.ndarray], horizon: int) -> np.ndarray:
        n_blocks = -(-horizon // rate) + 1  # one more, so that the last steps lie between two middles
        fans = forecast([_block_means(history, rate) for history in histories], n_blocks)
        return _between_middles(fans, horizon, rate)

    return coarse


def by_phase(forecast: Fans, period: int) -> Fans:
    """``forecast`` on one series for each phase of a cycle: all first hours of a day, all second ones, and so on.

    Examples
    --------
    >>> last = lambda histories, horizon: np.stack([np.repeat(h[:, -1:, None], horizon, 1) for h in histories])
    >>> by_phase(last, 3)([np.arange(7.0)[None]], 5).ravel()
    array([4., 5., 6., 4., 5.])
    """
    if period == 1:
        return forecast

    def phasewise(histories: Sequence[np.ndarray], horizon: int) -> np.ndarray:
        at_once = max(1, ROWS_AT_ONCE // min(period, horizon))
        starts = range(0, len(histories), at_once)
        return np.concatenate([some(histories[start : start + at_once], horizon) for start in starts])

    def some(histories: Sequence[np.ndarray], horizon: int) -> np.ndarray:
        n_cycles, n_phases = -(-horizon // period), min(period, horizon)  # of later phases nothing is asked
        phases = (np.moveaxis(_phases(history, period), -2, 0)[:n_phases] for history in histories)
        rows = [row for part in phases for row in part]
        fans = forecast(rows, n_cycles).reshape(len(histories), n_phases, histories[0].shape[0], n_cycles, -1)
        in_order = fans.transpose(0, 2, 3, 1, 4)  # series channel cycle phase quantile
        return in_order.reshape(*in_order.shape[:2], n_cycles * n_phases, -1)[:, :, :horizon]

    return phasewise


def beside_theta(forecast: Fans, season: int, levels: Sequence[float]) -> Fans:
    """The mean, level by level, of ``forecast`` and of the theta method: :mod:`ttm_sk.inference.theta`.

    Examples
    --------
    >>> last = lambda histories, horizon: np.stack([np.repeat(h[:, -1:, None], horizon, 1) for h in histories])
    >>> beside_theta(last, 1, [0.5])([np.arange(20.0)[None]], 2).ravel().round(6).tolist()
    [19.25, 19.5]
    """

    def halved(histories: Sequence[np.ndarray], horizon: int) -> np.ndarray:
        return forecast(histories, horizon) / 2 + theta_fans(histories, horizon, season=season, levels=levels) / 2

    return halved


def _block_means(history: np.ndarray, rate: int) -> np.ndarray:
    """``(channel, time)`` as means of the observed values of blocks that end at the newest step; NaN without any."""
    if rate == 1:
        return history
    n_blocks = history.shape[-1] // rate
    blocks = history[:, history.shape[-1] - n_blocks * rate :].reshape(len(history), n_blocks, rate)
    count = np.isfinite(blocks).sum(axis=-1)
    return np.where(count > 0, np.nansum(blocks, axis=-1) / np.maximum(count, 1), np.nan)


def _phases(history: np.ndarray, period: int) -> np.ndarray:
    """``(channel, time)`` as ``(channel, phase, cycle)``; phase 0 is that of the step after the newest one."""
    n_cycles = history.shape[-1] // period
    whole = history[:, history.shape[-1] - n_cycles * period :]
    return whole.reshape(len(history), n_cycles, period).transpose(0, 2, 1)


def _between_middles(fans: np.ndarray, horizon: int, rate: int) -> np.ndarray:
    """Fans of blocks, ``(series, channel, block, quantile)``, at single steps; constant before the first middle."""
    steps = np.maximum((np.arange(horizon) + 0.5) / rate - 0.5, 0.0)
    left = np.minimum(steps.astype(int), fans.shape[2] - 2)
    share = (steps - left)[:, None]
    return fans[:, :, left] * (1 - share) + fans[:, :, left + 1] * share
