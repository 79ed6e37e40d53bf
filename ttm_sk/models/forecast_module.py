"""What every architecture of this package is to its callers: a module from a past to a forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from ttm_sk.errors import ConfigError

__all__ = ["AutoregressiveModule", "Forecast", "ForecastModule", "PatchForecast", "refuse_unusable_inputs"]


@dataclass(frozen=True)
class Forecast:
    """A point forecast and, where the head has them, its quantiles, in the units of the context.

    Attributes
    ----------
    mean
        ``(batch, channel, horizon)``; the median where the head knows only quantiles.
    quantiles
        ``(batch, channel, horizon, quantile)``, never decreasing along the last axis, or None.
    levels
        The level of each quantile, ascending, in (0, 1); empty for a point forecast.
    """

    mean: Tensor
    quantiles: Tensor | None = None
    levels: tuple[float, ...] = ()


@dataclass(frozen=True)
class PatchForecast:
    """What comes after each of some patches: independent normal distributions, or only their means.

    Attributes
    ----------
    mean
        ``(batch, channel, patch, step)``, in the units of the context.
    log_variance
        The same shape: logarithms of the variances, in those units squared; or None.
    """

    mean: Tensor
    log_variance: Tensor | None = None


@runtime_checkable
class ForecastModule(Protocol):
    """The interface that rollout, estimators and benchmarks are written against."""

    @property
    def context_length(self) -> int:
        """Steps of the past that the module sees."""
        ...

    @property
    def prediction_length(self) -> int:
        """Steps of the future that one pass gives."""
        ...

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels, ascending; empty for a point forecast."""
        ...

    def __call__(
        self,
        context: Tensor,
        observed: Tensor,
        *,
        resolution: Tensor | None = None,
        covariates: Tensor | None = None,
        covariates_observed: Tensor | None = None,
        static: Tensor | None = None,
    ) -> Forecast:
        """The forecast of the next ``prediction_length`` steps.

        ``context`` and ``observed`` (True = a real value) are ``(batch, channel, time)``, ``resolution`` holds
        ``(batch,)`` integer tokens. A module that cannot use an argument raises when given it.
        """
        ...


class AutoregressiveModule(Protocol):
    """A module that forecasts the next patch and can go on from there: what speculative decoding is written against.

    A state is a value: no method changes the one that it is given. Rows may have seen different numbers of patches.
    """

    @property
    def patch_length(self) -> int:
        """Steps of a patch."""
        ...

    @property
    def has_variance(self) -> bool:
        """Whether its patch forecasts have variances."""
        ...

    @property
    def mixes_channels(self) -> bool:
        """Whether channels inform each other; if not, each of them may be a row of its own."""
        ...

    def start(self, context: Tensor, observed: Tensor, *, like: Any = None) -> Any:
        """The state after a context ``(batch, channel, time)``; its scale, measured or that of ``like``, stays."""
        ...

    def unit(self, state: Any) -> Tensor:
        """What the context is scaled by, above 0: ``(batch, channel, 1, 1)``."""
        ...

    def ahead(self, state: Any) -> PatchForecast:
        """The forecast of the next patch of each row: ``(batch, channel, 1, step)``."""
        ...

    def step(self, state: Any, patches: Tensor) -> tuple[PatchForecast, Any]:
        """What follows each of ``patches`` ``(batch, channel, patch, step)``, in one causal pass; and the state."""
        ...

    def rewind(self, state: Any, n_patches: int | Tensor) -> Any:
        """The state before the newest patches: a number for all rows, or ``(batch,)`` integers."""
        ...

    def select(self, state: Any, rows: Tensor) -> Any:
        """The state of some rows."""
        ...


def refuse_unusable_inputs(architecture: str, **inputs: Tensor | None) -> None:
    """Raise ``ConfigError`` for the first input that is given to an architecture which cannot use it.

    Examples
    --------
    >>> refuse_unusable_inputs("PatchSLSTM", static=None)
    """
    for name, value in inputs.items():
        if value is not None:
            raise ConfigError(f"{architecture} has no use for {name}; leave it out")
