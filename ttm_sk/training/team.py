"""Processes that train together, each on its share of every batch, joined through Hugging Face Accelerate."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ttm_sk.errors import ConfigError, MissingExtraError

try:
    from accelerate import Accelerator
except ImportError:  # one process needs none
    Accelerator = None

__all__ = ["Team", "join_team"]


class Team:
    """The place of one process among those that a launcher (``torchrun``, ``accelerate launch``) started.

    What one process would compute on a batch, the team computes on shares of it: sums over the shares are the sums over
    the batch, so losses, gradients and weights are the same, to float tolerance, in every process.

    Parameters
    ----------
    accelerator
        The ``accelerate.Accelerator`` of this process.
    """

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator

    @property
    def rank(self) -> int:
        """Which process this is, from 0."""
        return int(self._accelerator.process_index)

    @property
    def n_members(self) -> int:
        """How many processes train together."""
        return int(self._accelerator.num_processes)

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self._accelerator.device

    def share(self, n_rows: int) -> slice:
        """Rows of a batch that this process computes; the shares of all processes are the batch."""
        edges = [n_rows * member // self.n_members for member in range(self.n_members + 1)]
        return slice(edges[self.rank], edges[self.rank + 1])

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes, the same in each."""
        return self._accelerator.reduce(value, reduction="sum")

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes, in one message."""
        learning = list(parameters)
        for parameter in learning:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in learning if parameter.grad is not None]
        flat = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


def join_team(*, on_cpu: bool = False) -> Team:
    """The team that this process was started in: one process alone, or all that a launcher started.

    Launchers are ``torchrun`` and ``accelerate launch --multi_gpu`` (which needs no GPU: the same with other words).
    Afterwards ``torch.distributed`` is set up, so that :func:`ttm_sk.pretrain` divides its batches as well.

    Parameters
    ----------
    on_cpu
        Use the CPU although there are other devices.

    Raises
    ------
    MissingExtraError
        Without the extra ``accelerate``.
    ConfigError
        If several processes were started, but each would train alone.
    """
    if Accelerator is None:
        raise MissingExtraError("accelerate", package="accelerate")
    team = Team(Accelerator(cpu=on_cpu or not torch.accelerator.is_available()))
    n_started = int(os.environ.get("WORLD_SIZE", "1"))
    if team.n_members != n_started:
        raise ConfigError(
            f"found a team of {team.n_members}, expected the {n_started} processes that were started: accelerate was"
            " set up for other devices before; join the team before anything else makes an Accelerator"
        )
    return team
