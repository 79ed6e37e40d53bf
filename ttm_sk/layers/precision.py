"""Where half precision stops: sums and thresholds that need at least single precision."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["at_least_single"]


def at_least_single(x: Tensor) -> Tensor:
    """``x`` in single precision where it comes in half, as it is in single or double.

    Examples
    --------
    >>> [at_least_single(torch.ones(1, dtype=dtype)).dtype for dtype in (torch.bfloat16, torch.float64)]
    [torch.float32, torch.float64]
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))
