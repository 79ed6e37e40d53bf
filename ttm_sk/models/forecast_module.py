"""What every architecture of this package is to its callers: a module from a past to a forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from ttm_sk.errors import ConfigError

__all__ = ["Forecast", "ForecastModule", "refuse_unusable_inputs"]


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


def refuse_unusable_inputs(architecture: str, **inputs: Tensor | None) -> None:
    """Raise ``ConfigError`` for the first input that is given to an architecture which cannot use it.

    Examples
    --------
    >>> refuse_unusable_inputs("PatchSLSTM", static=None)
    """
    for name, value in inputs.items():
        if value is not None:
            raise ConfigError(f"{architecture} has no use for {name}; leave it out")
