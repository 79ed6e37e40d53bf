"""Gaps in a series, for models that cannot be told of them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["carry_forward"]


def carry_forward(values: Tensor, observed: Tensor) -> Tensor:
    """``values`` ``(batch, channel, time)`` with the last observed value in every gap, 0 before the first one.

    Examples
    --------
    >>> observed = torch.tensor([[[False, True, False, True]]])
    >>> carry_forward(torch.tensor([[[9.0, 1.0, 9.0, 2.0]]]), observed)
    tensor([[[0., 1., 1., 2.]]])
    """
    steps = torch.arange(1, values.shape[-1] + 1, device=values.device)
    newest = torch.where(observed, steps, 0).cummax(dim=-1).values
    known = torch.where(observed, values, 0.0)
    return torch.where(newest > 0, known.gather(-1, (newest - 1).clamp(min=0)), torch.zeros_like(values))
