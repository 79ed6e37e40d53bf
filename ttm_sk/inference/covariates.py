"""What known-future drivers explain: a ridge regression in context, around any forecaster.

A driver can only add what the forecaster does not know from the past. So for windows of the past both the series and
its drivers are forecast, and what went wrong with the series is regressed on what went wrong with the drivers (the
theorem of Frisch, Waugh and Lovell, with forecasts in the place of projections). The effect is then taken out of the
history, the rest is forecast, and the effect of the known future is put back: so quantiles move with the drivers, and
they narrow where the rest is calmer than the series was.

How strong the regression may be is decided on windows that it did not see, with "no effect" among the choices; a gain
that could be chance does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ttm_sk.errors import DataError
from ttm_sk.scoring.metrics import pinball

__all__ = ["DriverEffect", "lagged", "measure_effects", "widened"]

# (histories (channel, time), horizon) -> quantiles (series, channel, horizon, quantile)
Forecaster = Callable[[Sequence[np.ndarray], int], np.ndarray]
STRENGTHS = (0.03, 0.3, 3.0)  # of the penalty, in units of the drivers' own surprises
MOST_WINDOWS, FEWEST_WINDOWS = 32, 4
MOST_ROWS = 8192  # forecasts that may be made for it, over all series
N_FOLDS = 4
SHORTEST_PAST = 8
LEAST_GAIN = 0.01
WIDENINGS = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
WIDENING_COST = 0.02  # of the loss, for intervals that hold as much as they say
FARTHEST = 6.0  # drivers further than so many deviations from their mean enter as that


@dataclass(frozen=True, eq=False)
class DriverEffect:
    """What the drivers of one series do to it.

    Attributes
    ----------
    coefficients
        ``(channel, covariate)``: units of the series per standard deviation of the driver; all 0 for no effect.
    loc, scale
        ``(covariate, 1)``, of the drivers' past.
    gain
        Share by which the quantile loss fell on windows that the regression had not seen; 0 for no effect.
    widening
        Factor on the distances of quantiles from the median, for what the regression itself does not know: the least
        one, from 1 on, with which the outer quantiles held their share of those windows at a loss of no more than 2 %.
    """

    coefficients: np.ndarray
    loc: np.ndarray
    scale: np.ndarray
    gain: float
    widening: float = 1.0

    def of(self, drivers: np.ndarray) -> np.ndarray:
        """``(channel, time)``, in units of the series, of drivers ``(covariate, time)``."""
        return self.coefficients @ _standardised(drivers, self.loc, self.scale)


def measure_effects(
    forecast: Forecaster,
    histories: Sequence[np.ndarray],
    drivers: Sequence[np.ndarray],
    *,
    horizon: int,
    levels: Sequence[float],
    forecast_drivers: Forecaster | None = None,
    seen: int | None = None,
) -> list[DriverEffect]:
    """The effect of each series' drivers on it, each series by itself.

    Parameters
    ----------
    forecast
        Makes quantiles at ``levels`` from histories.
    histories
        Arrays ``(channel, time)``, NaN = not observed.
    drivers
        Arrays ``(covariate, time)`` of the same lengths, without gaps.
    horizon
        Steps ahead that matter; windows of the past are that long, or shorter where the past is short.
    forecast_drivers
        Another forecaster for the drivers, where ``forecast`` knows only series of so many channels.
    seen
        Newest steps of a history that ``forecast`` looks at, None for all; windows behind a longer gap do not count.

    Raises
    ------
    DataError
        If drivers have gaps, or another length than their series.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> promotion = (rng.random((1, 200)) < 0.2).astype(float)
    >>> sales = 10 + 5 * promotion + 0.1 * rng.normal(size=(1, 200))
    >>> mean = lambda rows, steps: np.stack([np.full((len(row), steps, 1), np.nanmean(row)) for row in rows])
    >>> effect = measure_effects(mean, [sales], [promotion], horizon=5, levels=(0.5,))[0]
    >>> (effect.of(np.ones((1, 1))) - effect.of(np.zeros((1, 1)))).round().tolist()
    [[5.0]]
    """
    for i, (history, columns) in enumerate(zip(histories, drivers, strict=True)):
        _check(i, history, columns)
    n_drivers = drivers[0].shape[0]
    most = MOST_ROWS // max(1, len(histories) * (1 + n_drivers + len(STRENGTHS)))
    studies = [
        _Study(history, columns, horizon=horizon, most_windows=max(FEWEST_WINDOWS, min(MOST_WINDOWS, most)), seen=seen)
        for history, columns in zip(histories, drivers, strict=True)
    ]
    for steps, group in _by_horizon(studies):
        _fill(group, forecast, steps, lambda study: study.pasts, lambda study, found: study.take_base(found))
        _fill(
            group,
            forecast_drivers or forecast,
            steps,
            lambda study: study.driver_pasts,
            lambda study, found: study.take_surprises(found, levels),
        )
        _fill(
            group, forecast, steps, lambda study: study.rests(), lambda study, found: study.take_trials(found, levels)
        )
    return [study.effect() for study in studies]


def widened(quantiles: np.ndarray, factor: float, levels: Sequence[float]) -> np.ndarray:
    """Quantiles ``(..., quantile)`` with their distances from the median multiplied.

    Examples
    --------
    >>> widened(np.array([1.0, 3.0, 4.0]), 2.0, levels=(0.1, 0.5, 0.9))
    array([-1.,  3.,  5.])
    """
    middle = quantiles[..., [int(np.argmin(np.abs(np.asarray(levels) - 0.5)))]]
    return middle + factor * (quantiles - middle)


def lagged(columns: np.ndarray, *, horizon: int) -> np.ndarray:
    """Columns known only for the past, moved ``horizon`` steps ahead, so that they are known for the future.

    ``(covariate, time)`` -> ``(covariate, time + horizon)``: at every step the value ``horizon`` steps before; the
    first steps repeat the first value.

    Examples
    --------
    >>> lagged(np.array([[1.0, 2.0, 3.0]]), horizon=2)
    array([[1., 1., 1., 2., 3.]])
    """
    return np.concatenate([np.repeat(columns[:, :1], horizon, axis=1), columns], axis=1)


class _Study:
    """One series: its windows, what was forecast for them, and how the strengths did."""

    def __init__(
        self, history: np.ndarray, drivers: np.ndarray, *, horizon: int, most_windows: int, seen: int | None
    ) -> None:
        length = history.shape[1]
        self.history, self.raw, self.seen = history, drivers, seen or length
        self.loc = drivers.mean(axis=1, keepdims=True)
        self.scale = drivers.std(axis=1, keepdims=True)
        self.scale[self.scale <= 1e-9 * np.abs(drivers).max(axis=1, keepdims=True)] = 0.0
        self.drivers = _standardised(drivers, self.loc, self.scale)
        self.horizon = max(1, min(horizon, length // 8))
        starts = [length - self.horizon * (k + 1) for k in range(most_windows)]
        self.starts = [start for start in reversed(starts) if start >= SHORTEST_PAST and self._is_seen(start)]
        if len(self.starts) < FEWEST_WINDOWS or not self.scale.any():
            self.starts = []
        self.gain, self.chosen, self.widening = 0.0, 0.0, 1.0
        self.unit = _spread(history)

    def _is_seen(self, start: int) -> bool:
        window = self.history[:, start : start + self.horizon]
        past = self.history[:, max(0, start - self.seen) : start]
        return bool(np.isfinite(past).any(axis=1).all() and np.isfinite(window).any())

    @property
    def pasts(self) -> list[np.ndarray]:
        return [self.history[:, :start] for start in self.starts]

    @property
    def driver_pasts(self) -> list[np.ndarray]:
        return [self.drivers[:, :start] for start in self.starts]

    def take_base(self, quantiles: np.ndarray) -> None:
        """What the forecaster says without drivers: ``(window, channel, step, quantile)``."""
        self.base = quantiles

    def take_surprises(self, quantiles: np.ndarray, levels: Sequence[float]) -> None:
        """Regress the series' surprises on the drivers', at every strength and without each fold in turn."""
        middle = int(np.argmin(np.abs(np.asarray(levels) - 0.5)))
        surprise = self._windows(self.drivers) - quantiles[..., middle]
        missed = (self._windows(self.history) - self.base[..., middle]) / self.unit
        self.surprise, self.missed = np.moveaxis(surprise, 1, 2), np.moveaxis(missed, 1, 2)
        folds = np.arange(len(self.starts)) * N_FOLDS // len(self.starts)
        self.trials = np.stack(
            [[self._ridge(strength, folds != fold) for fold in folds] for strength in STRENGTHS]
        )  # (strength, window, channel, covariate)

    def rests(self) -> list[np.ndarray]:
        """The pasts without the effect, for every strength and window."""
        return [
            self.history[:, :start] - trial @ self.drivers[:, :start]
            for trials in self.trials
            for trial, start in zip(trials, self.starts, strict=True)
        ]

    def take_trials(self, quantiles: np.ndarray, levels: Sequence[float]) -> None:
        """Choose the strength by the loss on windows that it had not seen."""
        shape = (len(STRENGTHS), len(self.starts))
        effect = np.einsum("swcd,wdt->swct", self.trials, self._windows(self.drivers))
        adjusted = quantiles.reshape(*shape, *quantiles.shape[1:]) + effect[..., None]
        without = self._losses(self.base, levels)
        losses = np.stack([self._losses(part, levels) for part in adjusted])
        gains = np.nanmean(without - losses, axis=1)
        best = int(np.argmax(gains))
        doubt = np.nanstd(without - losses[best]) / np.sqrt(shape[1])
        if gains[best] > max(doubt, LEAST_GAIN * np.nanmean(without)):
            self.gain, self.chosen = float(gains[best] / np.nanmean(without)), STRENGTHS[best]
            self.widening = self._widening(adjusted[best], levels)

    def effect(self) -> DriverEffect:
        """The regression on all windows at the chosen strength."""
        if self.chosen == 0:
            nothing = np.zeros((self.history.shape[0], len(self.raw)))
            return DriverEffect(nothing, self.loc, self.scale, 0.0)
        everything = np.ones(len(self.starts), dtype=bool)
        return DriverEffect(self._ridge(self.chosen, everything), self.loc, self.scale, self.gain, self.widening)

    def _widening(self, quantiles: np.ndarray, levels: Sequence[float]) -> float:
        """The least factor with which the outer quantiles hold what they should, of those that cost next to nothing."""
        fans = [widened(quantiles, factor, levels) for factor in WIDENINGS]
        losses = np.array([np.nanmean(self._losses(fan, levels)) for fan in fans])
        affordable = np.flatnonzero(losses <= (1 + WIDENING_COST) * losses.min())
        targets = self._windows(self.history)
        seen = np.isfinite(targets)
        inside = [((fan[..., 0] <= targets) & (targets <= fan[..., -1]))[seen].mean() for fan in fans]
        enough = [i for i in affordable if inside[i] >= max(levels) - min(levels)]
        return WIDENINGS[min(enough, default=int(affordable[-1]))]

    def _ridge(self, strength: float, rows: np.ndarray) -> np.ndarray:
        """Coefficients ``(channel, covariate)`` in units of the series, from some of the windows."""
        inputs = self.surprise[rows].reshape(-1, self.surprise.shape[-1])
        outputs = self.missed[rows].reshape(-1, self.missed.shape[-1])
        unit = np.sqrt((inputs**2).mean(axis=0))
        unit[unit < 1e-9] = np.inf  # a driver without surprises explains nothing
        inputs = inputs / unit
        found = []
        for column in outputs.T:
            seen = np.isfinite(column)
            normal = inputs[seen].T @ inputs[seen] / max(1, seen.sum()) + strength * np.eye(len(unit))
            found.append(np.linalg.solve(normal, inputs[seen].T @ column[seen] / max(1, seen.sum())) / unit)
        return np.stack(found) * self.unit

    def _windows(self, values: np.ndarray) -> np.ndarray:
        """``(window, row, step)`` of values ``(row, time)``."""
        return np.stack([values[:, start : start + self.horizon] for start in self.starts])

    def _losses(self, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """The quantile loss of every window, in units of the series' spread."""
        targets = self._windows(self.history) / self.unit
        scaled = quantiles / self.unit[..., None]
        return np.array(
            [
                float(np.mean(pinball(target=target, quantiles=part, levels=levels)))
                for target, part in zip(targets, scaled, strict=True)
            ]
        )


def _by_horizon(studies: Sequence[_Study]) -> Iterator[tuple[int, list[_Study]]]:
    """Studies that have windows, together with those whose windows are as long."""
    for steps in sorted({study.horizon for study in studies if study.starts}):
        yield steps, [study for study in studies if study.starts and study.horizon == steps]


def _fill(
    studies: Sequence[_Study],
    forecast: Forecaster,
    steps: int,
    ask: Callable[[_Study], list[np.ndarray]],
    take: Callable[[_Study, np.ndarray], None],
) -> None:
    """Forecast what all studies ask for in one call, and hand each its part."""
    asked = [ask(study) for study in studies]
    found = forecast([row for rows in asked for row in rows], steps)
    stops = np.cumsum([len(rows) for rows in asked])
    for study, rows, stop in zip(studies, asked, stops, strict=True):
        take(study, found[stop - len(rows) : stop])


def _standardised(drivers: np.ndarray, loc: np.ndarray, scale: np.ndarray) -> np.ndarray:
    scaled = (drivers - loc) / np.where(scale == 0, 1.0, scale)
    return np.where(scale == 0, 0.0, np.clip(scaled, -FARTHEST, FARTHEST))


def _spread(history: np.ndarray) -> np.ndarray:
    size = np.nanmax(np.abs(history), axis=1, keepdims=True)
    size[~(size > 0)] = 1.0
    spread = size * np.nanstd(history / size, axis=1, keepdims=True)  # squares of the largest numbers are none
    return np.where(spread > 0, spread, 1.0)


def _check(i: int, history: np.ndarray, columns: np.ndarray) -> None:
    if columns.ndim != 2 or columns.shape[1] != history.shape[1]:
        raise DataError(
            f"the drivers of series {i} have the shape {columns.shape}; expected (covariate, {history.shape[1]}), as"
            " long as the series"
        )
    if not np.isfinite(columns).all():
        raise DataError(f"the drivers of series {i} have gaps or infinite values; fill them in")
