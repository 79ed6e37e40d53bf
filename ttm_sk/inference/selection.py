"""Which way of forecasting suits a data set: a backtest on its past, and a word on why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ttm_sk.errors import DataError
from ttm_sk.scoring.metrics import pinball

__all__ = ["Choice", "Forecaster", "select"]

# (histories, horizon) -> quantiles (series, channel, horizon, quantile) at the levels that the scores are made of
Forecaster = Callable[[Sequence[np.ndarray], int], np.ndarray]
MARGIN = 0.01  # a change must be this much better on the past to be worth it
SHORTEST_PAST = 4


@dataclass(frozen=True)
class Choice:
    """What was chosen, why, and the losses of all candidates relative to the first one's (1 = the same).

    Examples
    --------
    >>> print(Choice("zero-shot", "as asked"))
    zero-shot: as asked
    """

    chosen: str
    reason: str
    scores: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.chosen}: {self.reason}"


def select(
    candidates: Sequence[str],
    prepare: Callable[[str, Sequence[np.ndarray], Sequence[int]], Forecaster],
    histories: Sequence[np.ndarray],
    *,
    horizon: int,
    levels: Sequence[float],
    n_windows: int = 3,
    is_cautious: bool = False,
    seen: int | None = None,
) -> Choice:
    """The candidate with the lowest quantile loss on the last ``n_windows`` windows of the past.

    What a candidate learns from ends before the first of these windows; each window is forecast from all that precedes
    it. Another candidate than the first has to be 1 % better.

    Parameters
    ----------
    candidates
        Names; the first one needs no learning and is what is kept in doubt.
    prepare
        Makes a candidate's forecaster from its name, histories, and the numbers of the series that these are of; one
        that raises ``DataError`` (too short) is left out.
    histories
        Arrays ``(channel, time)``, NaN = not observed. Series that are too short for the windows do not count.
    horizon
        Steps ahead of each window; fewer and shorter ones are used where the past is short.
    levels
        Of the quantiles that a forecaster gives.
    is_cautious
        Whether a gain has to be larger than its standard error over windows as well.
    seen
        Newest steps of a history that forecasters look at, None for all; series with a longer gap do not count.

    Examples
    --------
    >>> def prepare(name, histories, series):
    ...     return lambda past, horizon: np.full((len(past), 1, horizon, 1), {"zero": 0.0, "one": 1.0}[name])
    >>> select(["zero", "one"], prepare, [np.ones((1, 40))], horizon=4, levels=(0.5,)).chosen
    'one'
    """
    longest = max(history.shape[1] for history in histories)
    horizon = min(horizon, max(1, longest // 8))
    n_windows = max(1, min(n_windows, longest // (4 * horizon)))
    least, cut = n_windows * horizon + SHORTEST_PAST, -n_windows * horizon
    series = [i for i, history in enumerate(histories) if history.shape[1] >= least]
    cuts = [-horizon * window for window in range(n_windows, 0, -1)]
    series = [i for i in series if all(_is_seen(histories[i][:, :cut], seen) for cut in cuts)]
    kept = [histories[i] for i in series]
    if not kept:
        return Choice(
            candidates[0], f"the series are too short for a backtest, or their gaps too long ({longest} steps)"
        )
    losses = {}
    for name in candidates:
        try:
            forecaster = prepare(name, [history[:, :cut] for history in kept], series)
        except DataError:
            continue
        losses[name] = _backtest(forecaster, kept, horizon=horizon, n_windows=n_windows, levels=levels)
    return _choose(losses, candidates[0], f"{n_windows} window(s) of {horizon} steps", is_cautious=is_cautious)


def _is_seen(past: np.ndarray, seen: int | None) -> bool:
    """Whether every channel has a value among the newest steps."""
    return bool(np.isfinite(past[:, -(seen or past.shape[1]) :]).any(axis=1).all())


def _backtest(
    forecaster: Forecaster, histories: Sequence[np.ndarray], *, horizon: int, n_windows: int, levels: Sequence[float]
) -> np.ndarray:
    """Mean quantile loss of every window, every series in units of its own spread."""
    losses = []
    for window in range(n_windows, 0, -1):
        stops = [history.shape[1] - (window - 1) * horizon for history in histories]
        past = [history[:, : stop - horizon] for history, stop in zip(histories, stops, strict=True)]
        target = np.stack([history[:, stop - horizon : stop] for history, stop in zip(histories, stops, strict=True)])
        spread = np.array([_spread(history) for history in past])[:, :, None]
        quantiles = forecaster(past, horizon) / spread[..., None]
        losses.append(float(pinball(target=target / spread, quantiles=quantiles, levels=levels).mean()))
    return np.array(losses)


def _spread(history: np.ndarray) -> np.ndarray:
    spread = np.nanstd(history, axis=1)
    return np.where(spread > 0, spread, 1.0)


def _choose(losses: Mapping[str, np.ndarray], first: str, where: str, *, is_cautious: bool) -> Choice:
    means = {name: _mean(values) for name, values in losses.items()}
    if not np.isfinite(means.get(first, np.nan)) or means[first] == 0:
        return Choice(first, f"the backtest on {where} says nothing")
    scores = {name: loss / means[first] for name, loss in means.items()}
    best = min(scores, key=lambda name: (scores[name], name != first))
    gains = losses[first] - losses[best]
    if is_cautious and _mean(gains) <= np.nanstd(gains) / np.sqrt(len(gains)):
        return Choice(first, f"no gain on {where} of the past was larger than chance makes it", scores)
    if scores[best] > 1 - MARGIN:
        return Choice(first, f"nothing else was {MARGIN:.0%} better on {where} of the past", scores)
    return Choice(best, f"{1 - scores[best]:.1%} better than {first} on {where} of the past", scores)


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
