"""The learning rate as a function of the step: warm-up, a long constant phase, a short decay."""

from __future__ import annotations

from dataclasses import dataclass

from ttm_sk.errors import ConfigError

__all__ = ["Schedule"]


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
        if self.peak <= 0 or self.n_steps < 1:
            raise ConfigError(
                "a schedule needs a positive peak and at least one step;"
                f" found peak={self.peak}, n_steps={self.n_steps}"
            )
        if self.n_warmup < 0 or self.n_decay < 0 or self.n_warmup + self.n_decay > self.n_steps:
            raise ConfigError(
                f"warm-up ({self.n_warmup}) and decay ({self.n_decay}) do not fit into {self.n_steps} steps"
            )

    def rate(self, step: int) -> float:
        """The learning rate of step ``step``, counted from 0."""
        if step < self.n_warmup:
            return self.peak * (step + 1) / self.n_warmup
        done = max(0, step - (self.n_steps - self.n_decay) + 1)
        return self.peak * (1 - 0.99 * done / self.n_decay) if self.n_decay else self.peak
