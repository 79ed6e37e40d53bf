"""Which readings suit a data set, chosen by a backtest on its own past and mixed.

Source of the idea: the rate layer of TimeJEPA and TimeSSM (github.com/IUseAMouse), which pools the scores of all series
of a data set and mixes the best rates; readings by phase, of a shorter past, and beside the theta method are added
here. What each bought is in ``docs/experiments.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ttm_sk.errors import ConfigError
from ttm_sk.inference.periods import common_periods
from ttm_sk.inference.readings import AS_IT_IS, Fans, Reading
from ttm_sk.inference.theta import LONGEST_SEASON

__all__ = ["ReadingMixture", "candidates", "select"]

RATES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
CONTEXTS = (128, 512, 1536)
N_SERIES = 100  # series that are backtested
N_WINDOWS = 4  # windows of each
LEAST_PAST = 16  # steps before a window
LARGEST_PERIOD = 200  # beyond, a cycle is read coarser, if a rate divides it
SHORT = 1024  # steps; where half of the pasts are longer, the theta method is not tried
MOST_ROWS = 25_000  # that a reading by phase may make of the backtest
LEAST_TEMPERATURE = 0.03
NOISE_SHARE = 0.5  # of the typical standard error of a ratio's logarithm, added to the temperature
UNKNOWN_ERROR = 0.1  # of one window alone
LEAST_WEIGHT = 0.02
MOST_READINGS = 4
LEAST_SHARE = 2 / 3  # of the series that a reading must suit in one window or more


@dataclass(frozen=True)
class ReadingMixture:
    """Readings and their weights, and how each did on the past.

    Attributes
    ----------
    readings, weights
        What is mixed; the weights add up to 1. Fans are averaged level by level.
    ratios
        For every reading that was tried, its mean pinball loss on the past over that of the series as they are.

    Examples
    --------
    >>> ReadingMixture()
    ReadingMixture(readings=(Reading(rate=1, period=1, context=0, theta=0),), weights=(1.0,))
    """

    readings: tuple[Reading, ...] = (AS_IT_IS,)
    weights: tuple[float, ...] = (1.0,)
    ratios: dict[Reading, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.readings) != len(self.weights) or not self.readings or abs(sum(self.weights) - 1) > 1e-6:
            raise ConfigError(
                f"a mixture has one weight a reading, 1 together; found {len(self.readings)} readings and"
                f" weights {self.weights}"
            )

    def of(self, forecast: Fans, *, levels: Sequence[float], seen: int) -> Fans:
        """``forecast`` on every reading, averaged; a series that a reading does not suit is read by the others.

        ``levels`` are those of its quantiles, ``seen`` is how many of the newest steps of a series it can see.
        """

        def mixed(histories: Sequence[np.ndarray], horizon: int) -> np.ndarray:
            parts, total = [], np.zeros((len(histories), 1, 1, 1))
            is_asked_again = sum(reading.is_whole for reading in self.readings) > 1
            once = _remembered(forecast) if is_asked_again else forecast
            for reading, weight in zip(self.readings, self.weights, strict=True):
                suited = [i for i, history in enumerate(histories) if reading.suits(history, seen=seen)]
                if suited:
                    part = reading.of(once if reading.is_whole else forecast, levels)(
                        [histories[i] for i in suited], horizon
                    )
                    parts.append((suited, weight * part))
                    total[suited] += weight
            if left := np.flatnonzero(total == 0).tolist():  # no reading suits them: as they are
                parts.append((left, forecast([histories[i] for i in left], horizon)))
                total[left] = 1.0
            fans = np.zeros((len(histories), *parts[0][1].shape[1:]))
            for rows, part in parts:
                fans[rows] += part
            return fans / total

        return mixed


def select(
    forecast: Fans,
    histories: Sequence[np.ndarray],
    *,
    horizon: int,
    levels: Sequence[float],
    seen: int,
    newest: int = 0,
) -> ReadingMixture:
    """The mixture of readings that forecast the past of these histories best.

    Up to 100 series are cut before each of their last four windows of ``horizon`` steps (shorter ones, where a history
    is too short for that), every candidate forecasts what was cut off, and its mean pinball loss over all series is
    divided by that of the series as they are, on the windows that both can forecast: the ratio r. Weights are
    ``softmax(-log(r) / t)``, where t is 0.03 and half of the typical standard error of log r: little past means nearly
    equal weights. At most four readings stay, none below a weight of .02, one at most beside the theta method. One
    choice for all series: a choice for each is too noisy.

    Parameters
    ----------
    forecast
        See :data:`~ttm_sk.inference.readings.Fans`; its quantiles are those of ``levels``.
    histories
        Arrays ``(channel, time)``, NaN = not observed. Nothing beyond them is seen.
    horizon
        Steps that will be asked for.
    levels
        Quantile levels of ``forecast``.
    seen
        How many steps of a row ``forecast`` can see.
    newest
        Steps of the past before a window that may be used; 0 means all.

    Returns
    -------
    ReadingMixture
        The series as they are, where the past is too short to tell.

    Examples
    --------
    >>> repeat = lambda histories, horizon: np.stack([np.repeat(h[:, -1:, None], horizon, 1) for h in histories])
    >>> hours = np.tile(np.arange(24.0), 30)[None]
    >>> mixture = select(repeat, [hours], horizon=24, levels=(0.5,), seen=512)
    >>> [str(reading) for reading in mixture.readings]
    ['period 24', 'period 48']
    """
    windows = [
        (i, *cut)
        for i, history in enumerate(_chosen(histories))
        for cut in _cut_windows(history, horizon, newest=newest)
    ]
    if not windows:
        return ReadingMixture()
    owners, pasts, targets = (list(part) for part in zip(*windows, strict=True))
    losses, once = {}, _remembered(forecast)
    for reading in candidates(pasts):
        suited = np.array([reading.suits(past, seen=seen) for past in pasts])
        if _share_of_series(suited, owners) >= LEAST_SHARE:
            fans = reading.of(once if reading.is_whole else forecast, levels)
            losses[reading] = _losses(fans, pasts, targets, np.asarray(levels), suited=suited)
    ratios = {AS_IT_IS: (1.0, 0.0)}
    plain = losses.pop(AS_IT_IS, np.full(len(pasts), np.nan))
    for reading, loss in losses.items():
        both = np.isfinite(loss) & np.isfinite(plain)
        if _share_of_series(both, owners) >= LEAST_SHARE and plain[both].sum() > 0:
            ratios[reading] = _ratio(loss[both], plain[both])
    return _mixture(ratios)


def _remembered(forecast: Fans) -> Fans:
    """``forecast``, asked once for each array; each comes with one horizon only."""
    known: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # by identity, which holds as long as the array is kept

    def fans(histories: Sequence[np.ndarray], horizon: int) -> np.ndarray:
        histories = list(histories)
        if new := [history for history in histories if id(history) not in known]:
            known.update({id(key): (key, fan) for key, fan in zip(new, forecast(new, horizon), strict=True)})
        return np.stack([known[id(history)][1] for history in histories])

    return fans


def candidates(pasts: Sequence[np.ndarray]) -> list[Reading]:
    """What is worth trying: as they are, coarser, by phase of their common periods, of a shorter past, beside theta."""
    lengths = [past.shape[-1] for past in pasts]
    periods = common_periods(pasts)
    by_phase = (_by_phase(period) for period in periods)
    seasons = [1, *(period for period in periods if period <= LONGEST_SEASON)] if np.median(lengths) <= SHORT else []
    return [
        AS_IT_IS,
        *(Reading(rate=rate) for rate in RATES),
        *(reading for reading in by_phase if reading is not None and reading.period * len(pasts) <= MOST_ROWS),
        *(Reading(context=context) for context in CONTEXTS if context < max(lengths)),
        *(Reading(theta=season) for season in seasons),
    ]


def _by_phase(period: int) -> Reading | None:
    """At the finest rate that leaves at most 200 phases; whole where no rate divides a period of up to 400."""
    for rate in (1, *RATES):
        if period % rate == 0 and period // rate <= LARGEST_PERIOD:
            return Reading(rate=rate, period=period // rate)
    return Reading(period=period) if period <= 2 * LARGEST_PERIOD else None


def _chosen(histories: Sequence[np.ndarray]) -> list[np.ndarray]:
    """At most a hundred, from all over the data set."""
    indices = np.linspace(0, len(histories) - 1, min(N_SERIES, len(histories))).astype(int)
    return [histories[i] for i in np.unique(indices).tolist()]


def _cut_windows(history: np.ndarray, horizon: int, *, newest: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pasts and what followed them, ``(channel, time)`` each, the newest first."""
    length = min(horizon, max(1, history.shape[-1] // 4))
    windows = []
    for cut in range(history.shape[-1] - length, LEAST_PAST - 1, -length)[:N_WINDOWS]:
        past, target = history[:, max(0, cut - newest) if newest else 0 : cut], history[:, cut : cut + length]
        if np.isfinite(past).any(axis=-1).all() and np.isfinite(target).any():
            windows.append((past, target))
    return windows


def _losses(
    forecast: Fans,
    pasts: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    levels: np.ndarray,
    *,
    suited: np.ndarray,
) -> np.ndarray:
    """Mean pinball loss of each window; NaN where it does not suit."""
    losses = np.full(len(pasts), np.nan)
    lengths = np.array([target.shape[-1] for target in targets])
    for length in np.unique(lengths[suited]):
        rows = np.flatnonzero(suited & (lengths == length)).tolist()
        fans = forecast([pasts[i] for i in rows], int(length))
        losses[rows] = _pinball(np.stack([targets[i] for i in rows]), fans, levels)
    return losses


def _pinball(target: np.ndarray, fans: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Mean over channels, observed steps and levels, ``(window,)``."""
    missed = target[..., None] - fans
    return np.nanmean(np.maximum(levels * missed, (levels - 1) * missed), axis=(1, 2, 3))


def _share_of_series(of_windows: np.ndarray, owners: Sequence[int]) -> float:
    """The share of series of which at least one window is marked.

    Older windows have a shorter past than what will be forecast: a reading that suits only the newest may be the best.
    """
    return len(set(np.asarray(owners)[of_windows].tolist())) / len(set(owners))


def _ratio(loss: np.ndarray, plain: np.ndarray) -> tuple[float, float]:
    """Pooled loss over that of the series as they are, and the standard error of its logarithm over windows."""
    ratio = float(loss.sum() / plain.sum())
    if len(loss) < 2:
        return ratio, UNKNOWN_ERROR
    scatter = np.sqrt(((loss - ratio * plain) ** 2).sum() * len(loss) / (len(loss) - 1))
    return ratio, float(scatter / max(loss.sum(), 1e-300))


def _mixture(ratios: dict[Reading, tuple[float, float]]) -> ReadingMixture:
    """Readings weighted by their ratios; ``ratios`` holds the standard error of each one's logarithm, too."""
    best_first = sorted(ratios, key=lambda reading: (ratios[reading][0], reading))
    further = [reading for reading in best_first if reading.theta][1:]  # nearly the same as the best of them
    best_first = [reading for reading in best_first if reading not in further]
    logs = np.log(np.maximum([ratios[reading][0] for reading in best_first], 1e-12))
    errors = [error for reading, (_, error) in ratios.items() if reading != AS_IT_IS]
    temperature = LEAST_TEMPERATURE + NOISE_SHARE * float(np.median(errors or [0.0]))
    weights = np.exp((logs[0] - logs) / temperature)
    weights = weights[:MOST_READINGS] / weights.sum()
    kept = weights >= LEAST_WEIGHT
    weights = weights[kept] / weights[kept].sum()
    values = {reading: ratio for reading, (ratio, _) in ratios.items()}
    return ReadingMixture(tuple(_first(best_first, kept)), tuple(weights.tolist()), values)


def _first(readings: Iterable[Reading], kept: np.ndarray) -> list[Reading]:
    return [reading for reading, is_kept in zip(readings, kept, strict=False) if is_kept]
