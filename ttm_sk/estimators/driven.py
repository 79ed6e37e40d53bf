"""Weights and drivers together: the ways in which drivers can enter a forecast, and which of them suits a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.known import Known
from ttm_sk.device import resolve_device
from ttm_sk.estimators.adaptation import adapt, newest_seen
from ttm_sk.estimators.weights import shared_module
from ttm_sk.inference.covariates import DriverEffect, measure_effects, widened
from ttm_sk.inference.forecasting import forecast_known, forecast_series
from ttm_sk.inference.runner import Runner
from ttm_sk.inference.selection import Choice, Forecaster, select
from ttm_sk.training.finetune import FineTuneSettings

__all__ = ["Driven", "DrivenFit", "forecast_driven", "without_effects"]

RIDGE_ZERO_SHOT, RIDGE, MIXER, BOTH = "ridge, zero-shot", "ridge", "mixer", "ridge and mixer"
N_WINDOWS = 8  # of the backtest that chooses a way
MOST_EXAMINED = 64  # validation windows of what is trained for that backtest alone


@dataclass(frozen=True, eq=False)
class Driven:
    """What forecasts series with drivers.

    Attributes
    ----------
    checkpoint, strategy
        The weights, and what was trained.
    effects
        Of the ridge regression, for each series; empty where it has no part.
    way
        How drivers enter: ``"ridge, zero-shot"``, ``"ridge"``, ``"mixer"`` or ``"ridge and mixer"``, and why.
    """

    checkpoint: Checkpoint
    strategy: Choice
    effects: tuple[DriverEffect, ...]
    way: Choice


@dataclass(frozen=True)
class DrivenFit:
    """How weights and drivers are fitted together; see :class:`~ttm_sk.estimators.forecaster.TTMForecaster`.

    Attributes
    ----------
    checkpoint
        The weights to begin with.
    settings, horizon, effort, device
        As in :func:`~ttm_sk.estimators.adaptation.adapt`.
    how
        Further arguments of every forecast: ``batch_size``, ``context_length``, ``resolution``.
    """

    checkpoint: Checkpoint
    settings: FineTuneSettings
    horizon: int
    effort: str
    device: str
    how: dict[str, Any] = field(default_factory=dict)

    def fit(self, strategy: str, histories: Sequence[np.ndarray], known: Sequence[Known]) -> Driven:
        """Weights and effects for these series.

        What trains is compared on the last windows of the past with the ridge regression around the weights as they
        are, which stays where nothing is better by 1 % and by more than chance.

        Raises
        ------
        DataError
            If drivers have gaps, or there is too little to learn from.
        """
        effects = self._measure(histories, known)
        if strategy == "zero-shot":
            return self._learn(Choice(RIDGE_ZERO_SHOT, "nothing is trained"), strategy, histories, known, effects)
        trained: Driven | None = None
        if strategy == "auto":  # first what trains, with the regression; then, where something does, how drivers enter
            trained = self._learn(Choice(RIDGE, "what auto compared"), strategy, histories, known, effects)
            strategy = trained.strategy.chosen
            if strategy == "zero-shot":
                return replace(trained, way=Choice(RIDGE_ZERO_SHOT, "auto chose to train nothing"))
        way = self._choose(strategy, histories, known, has_effects=any(effect.gain for effect in effects))
        if trained and way.chosen == RIDGE:
            return replace(trained, way=way)
        driven = self._learn(way, strategy, histories, known, effects)
        if way.chosen == RIDGE_ZERO_SHOT:
            return replace(driven, strategy=Choice("zero-shot", f"{strategy} was not better: {way.reason}"))
        return driven if not trained else replace(driven, strategy=replace(trained.strategy, reason=way.reason))

    def _choose(
        self, strategy: str, histories: Sequence[np.ndarray], known: Sequence[Known], *, has_effects: bool
    ) -> Choice:
        ways = [RIDGE_ZERO_SHOT, RIDGE]
        if not (self.settings.mixes_channels or self.checkpoint.config.is_fixed or self.effort == "best"):
            ways += [MIXER, BOTH] if has_effects else [MIXER]
        most = min(MOST_EXAMINED, self.settings.validation_windows)
        quick = replace(self, settings=replace(self.settings, validation_windows=most))
        measured: list[tuple[DriverEffect, ...]] = []  # once for all ways

        def prepare(name: str, past: Sequence[np.ndarray], series: Sequence[int]) -> Forecaster:
            beside = [known[i] for i in series]
            if not measured:
                measured.append(self._measure(past, beside))
            driven = quick._learn(Choice(name, ""), strategy, past, beside, measured[0])
            module = driven.checkpoint.build().to(resolve_device(self.device))
            options: dict[str, Any] = {"levels": self._levels, "effort": "plain", **self.how}
            return lambda rows, steps: forecast_driven(
                module, rows, steps, effects=driven.effects, known=beside, **options
            )

        options: dict[str, Any] = {"horizon": self.horizon, "levels": self._levels, "n_windows": N_WINDOWS}
        way = select(ways, prepare, histories, is_cautious=True, seen=self._seen, **options)
        if len(way.scores) < 2:
            return Choice(RIDGE, f"no comparison was possible: {way.reason}", way.scores)
        return way

    def _learn(
        self,
        way: Choice,
        strategy: str,
        histories: Sequence[np.ndarray],
        known: Sequence[Known],
        effects: tuple[DriverEffect, ...],
    ) -> Driven:
        """Train in one of the ways."""
        effects = () if way.chosen == MIXER else effects
        tuned, choice = adapt(
            self.checkpoint,
            without_effects(histories, effects, known),
            strategy="zero-shot" if way.chosen == RIDGE_ZERO_SHOT else strategy,
            settings=self.settings,
            horizon=self.horizon,
            effort=self.effort,
            device=self.device,
            how=self.how,
            known=_for_training(known, has_mixer=way.chosen in (MIXER, BOTH)),
        )
        return Driven(tuned, choice, effects, way)

    def _measure(self, histories: Sequence[np.ndarray], known: Sequence[Known]) -> tuple[DriverEffect, ...]:
        """What the drivers do, by a backtest of the weights as they are before any training."""
        module = shared_module(self.checkpoint, self.device)

        def backtest(rows: Sequence[np.ndarray], steps: int) -> np.ndarray:
            return forecast_series(module, rows, steps, levels=self._levels, effort="plain", **self.how)

        past = [_drivers(series)[:, : history.shape[1]] for series, history in zip(known, histories, strict=True)]
        options: dict[str, Any] = {"horizon": self.horizon, "levels": self._levels, "seen": self._seen}
        return tuple(measure_effects(backtest, histories, past, **options))

    @property
    def _seen(self) -> int:
        """Newest steps that a forecast looks at."""
        return newest_seen(self.checkpoint, self.how.get("context_length"))

    @property
    def _levels(self) -> list[float]:
        """Those that losses are made of."""
        return [level for level in self.checkpoint.config.levels if 0.1 <= level <= 0.9] or [0.5]


def without_effects(
    histories: Sequence[np.ndarray], effects: Sequence[DriverEffect], known: Sequence[Known] | None
) -> tuple[np.ndarray, ...]:
    """The histories ``(channel, time)`` with the effects of their drivers taken out; as they are without effects."""
    if not effects or known is None:
        return tuple(histories)
    return tuple(
        history - effect.of(_drivers(series)[:, : history.shape[1]])
        for history, effect, series in zip(histories, effects, known, strict=True)
    )


def forecast_driven(
    module: AnyModule | Runner,
    histories: Sequence[np.ndarray],
    horizon: int,
    *,
    effects: Sequence[DriverEffect],
    known: Sequence[Known] | None,
    levels: Sequence[float],
    **options: Any,
) -> np.ndarray:
    """Quantiles ``(series, channel, horizon, level)``: the effects taken out, the rest forecast, and all put back.

    Parameters
    ----------
    effects
        For each series, or empty.
    known
        For each series; drivers reach beyond the end of the history, and behind their own end stands their last value.
    options
        As in :func:`~ttm_sk.inference.forecasting.forecast_series`.
    """
    wanted = [*levels, 0.5]
    rests = without_effects(histories, effects, known)
    quantiles = forecast_known(module, rests, horizon, known=known, levels=wanted, **options)
    for i, effect in enumerate(effects):
        drivers = _drivers((known or ())[i])
        ahead = np.minimum(histories[i].shape[1] + np.arange(horizon), drivers.shape[1] - 1)
        quantiles[i] = widened(quantiles[i], effect.widening, wanted) + effect.of(drivers[:, ahead])[..., None]
    return quantiles[..., :-1]


def _drivers(series: Known) -> np.ndarray:
    return np.empty((0, 0)) if series.drivers is None else series.drivers


def _for_training(known: Sequence[Known], *, has_mixer: bool) -> list[Known] | None:
    """What weights may learn from: drivers only for the mixer, categories always."""
    if not has_mixer and known[0].static is None:
        return None
    return list(known) if has_mixer else [replace(series, drivers=None) for series in known]
