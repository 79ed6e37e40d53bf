"""The learning rate as a function of the step: warm-up, a long constant phase, a short decay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from ttm_sk.errors import ConfigError

__all__ = ["OneCycle", "Ramp", "RateSchedule", "Schedule"]


class RateSchedule(Protocol):
    """What the loop needs of a schedule."""

    @property
    def n_steps(self) -> int:
        """How many steps there are."""
        ...

    def rate(self, step: int) -> float:
        """The learning rate of step ``step``, counted from 0."""
        ...


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up to ``peak``, constant, then linear decay to a hundredth over the last ``n_decay`` steps.

    Weights of the constant phase can be trained on at any time; only the decay ends a run.

    Examples
    --------
    >>> schedule = Schedule(peak=1e-3, n_steps=100, n_warmup=10, n_decay=20)
    >>> [round(schedule.rate(step), 6) for step in (0, 9, 50, 90, 99)]
    [0.0001, 0.001, 0.001, 0.000456, 1e-05]
    """

    peak: float
    n_steps: int
    n_warmup: int = 0
    n_decay: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.peak < math.inf or self.n_steps < 1:
            raise ConfigError(
                "a schedule needs a positive peak that is finite and at least one step;"
                f" found peak={self.peak}, n_steps={self.n_steps}"
            )
        if self.n_warmup < 0 or self.n_decay < 0 or self.n_warmup + self.n_decay > self.n_steps:
            raise ConfigError(
                f"warm-up ({self.n_warmup}) and decay ({self.n_decay}) do not fit into {self.n_steps} steps; lower them"
            )

    def rate(self, step: int) -> float:
        """The learning rate of step ``step``, counted from 0."""
        if step < self.n_warmup:
            return self.peak * (step + 1) / self.n_warmup
        done = max(0, step - (self.n_steps - self.n_decay) + 1)
        return self.peak * (1 - 0.99 * done / self.n_decay) if self.n_decay else self.peak


@dataclass(frozen=True)
class OneCycle:
    """Up to ``peak`` and down to nearly nothing along two halves of a cosine; for fine-tuning, which has an end.

    Source: Smith and Topin (2017), Super-Convergence, arXiv:1708.07120.

    Examples
    --------
    >>> cycle = OneCycle(peak=1e-3, n_steps=101)
    >>> [round(cycle.rate(step), 6) for step in (0, 30, 65, 100)]
    [4e-05, 0.001, 0.0005, 0.0]
    """

    peak: float
    n_steps: int
    rising_share: float = 0.3

    def __post_init__(self) -> None:
        Schedule(self.peak, self.n_steps)  # the same two rules
        if not 0 <= self.rising_share < 1:
            raise ConfigError(f"rising_share={self.rising_share} must lie in [0, 1)")

    def rate(self, step: int) -> float:
        """The learning rate of step ``step``, counted from 0."""
        top = self.rising_share * (self.n_steps - 1)
        if step < top:
            return _cosine(self.peak / 25, self.peak, step / top)
        return _cosine(self.peak, self.peak / 1e4, (step - top) / max(1e-9, self.n_steps - 1 - top))


@dataclass(frozen=True)
class Ramp:
    """From ``low`` to ``high`` in equal factors, to see which rate is too much.

    Examples
    --------
    >>> [round(Ramp(1e-5, 1e-1, 5).rate(step), 9) for step in range(5)]
    [1e-05, 0.0001, 0.001, 0.01, 0.1]
    """

    low: float
    high: float
    n_steps: int

    def rate(self, step: int) -> float:
        """The learning rate of step ``step``, counted from 0."""
        return self.low * (self.high / self.low) ** (step / max(1, self.n_steps - 1))


def _cosine(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * min(1.0, share))) / 2
