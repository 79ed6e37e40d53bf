"""Examines a module as it learns, keeps the best weights, and says when it is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.data.window_dataset import WindowDataset
from ttm_sk.training.objectives import Objective

__all__ = ["Callback", "EarlyStopping", "Examination", "examine"]


@dataclass(frozen=True)
class Examination:
    """One look at the validation part: steps done, mean training loss since the last look, and validation loss."""

    step: int
    training_loss: float
    validation_loss: float
    is_best: bool


Callback = Callable[[Examination], bool | None]  # True ends the training after this look


def examine(module: AnyModule, windows: WindowDataset, objective: Objective, *, batch_size: int) -> float:
    """The mean loss over all windows, in evaluation mode, without gradients; each batch counts by its windows."""
    device = next(module.parameters()).device
    module.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(windows), batch_size):
            rows = np.arange(start, min(start + batch_size, len(windows)))
            total += float(objective(module, windows.batch(rows).to(device))) * len(rows)
    return total / len(windows)


@dataclass
class EarlyStopping:
    """What the loop calls after every step; it examines every ``every`` steps.

    Attributes
    ----------
    module, examine
        What learns, and its present validation loss.
    every, patience
        Steps between two looks, and looks without a new best one after which it stops.
    best_loss
        The best validation loss so far; before training, that of the weights it begins with.
    best
        The trained parameters at that point, by name; empty while nothing was better than the beginning.
    """

    module: AnyModule
    examine: Callable[[], float]
    every: int
    patience: int
    best_loss: float
    callbacks: Sequence[Callback] = ()
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[Examination] = field(default_factory=list)
    _losses: list[float] = field(default_factory=list)

    def __call__(self, step: int, loss: float) -> bool:
        """Whether to stop."""
        self._losses.append(loss)
        if step % self.every:
            return False
        examination = self._look(step)
        self.history.append(examination)
        is_called_off = any([bool(callback(examination)) for callback in self.callbacks])
        recent = self.history[-self.patience :]
        is_stale = len(recent) == self.patience and not any(look.is_best for look in recent)
        return is_called_off or is_stale

    def restore(self) -> None:
        """Put the best parameters back into the module; where none were better than the first, the last stay."""
        parameters = dict(self.module.named_parameters())
        with torch.no_grad():
            for name, value in self.best.items():
                parameters[name].copy_(value)

    def _look(self, step: int) -> Examination:
        validation_loss = self.examine()
        is_best = validation_loss < self.best_loss
        if is_best:
            self.best_loss = validation_loss
            trained = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
            self.best = {name: parameter.detach().clone() for name, parameter in trained.items()}
        training_loss, self._losses = float(np.mean(self._losses)), []
        return Examination(step, training_loss, validation_loss, is_best)
