"""Which learning rate to use: raise it step by step on a copy until the loss no longer falls.

Source: Smith (2017), Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.data.windows import Batch
from ttm_sk.training.loop import LoopSettings, train
from ttm_sk.training.objectives import Objective
from ttm_sk.training.schedule import Ramp

__all__ = ["find_rate"]

LOWEST, HIGHEST = 1e-5, 1e-1
BOUNDS = (3e-5, 1e-3)
DIVISOR = 10  # the rate at which the loss was lowest is already too much
SMOOTHING = 0.85
DIVERGED = 1.5  # times the lowest loss


def find_rate(
    module: AnyModule,
    batch_at: Callable[[int, int, int], Batch],
    objective: Objective,
    settings: LoopSettings,
    *,
    n_steps: int = 30,
) -> float:
    """A tenth of the rate at which the smoothed loss was lowest, between 3e-5 and 1e-3; ``module`` stays as it is.

    The batches are those that training begins with, so the result is as reproducible as they are.
    """
    ramp = Ramp(LOWEST, HIGHEST, n_steps)
    trial = _Trial()
    train(deepcopy(module), batch_at, objective, ramp, settings, after_step=trial, is_quiet=True)
    low, high = BOUNDS
    return min(high, max(low, ramp.rate(trial.best_step) / DIVISOR))


class _Trial:
    """Remembers the step with the lowest smoothed loss and stops when the loss runs away."""

    def __init__(self) -> None:
        self.best_step, self._best, self._running = 0, math.inf, 0.0

    def __call__(self, step: int, loss: float) -> bool:
        self._running = SMOOTHING * self._running + (1 - SMOOTHING) * loss
        smoothed = self._running / (1 - SMOOTHING**step)
        if smoothed < self._best:
            self.best_step, self._best = step - 1, smoothed
        return not math.isfinite(loss) or smoothed > DIVERGED * self._best
