"""Batches of windows, the one thing that training objectives see."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

__all__ = ["Batch", "batch_from_arrays"]


@dataclass(frozen=True)
class Batch:
    """Windows with their futures.

    Attributes
    ----------
    context, observed
        ``(batch, channel, time)``; True = a real value. Unobserved places hold 0.
    target, target_observed
        ``(batch, channel, horizon)``; only observed places count in a loss.
    resolution
        ``(batch,)`` integer tokens, or None.
    covariates, covariates_observed
        ``(batch, covariate, time + horizon)``, or None; without flags, what is finite was observed.
    static
        ``(batch, n_static)`` integers, or None.
    weight
        ``(batch, channel)``: the unit of ``context`` and ``target`` in units of the series that they were cut from, by
        which a loss in those units counts them; None where every window counts alike.
    """

    context: Tensor
    observed: Tensor
    target: Tensor
    target_observed: Tensor
    resolution: Tensor | None = None
    covariates: Tensor | None = None
    static: Tensor | None = None
    weight: Tensor | None = None
    covariates_observed: Tensor | None = None

    def __len__(self) -> int:
        return self.context.shape[0]

    def to(self, device: torch.device) -> Batch:
        """The same windows on another device."""
        moved = {f.name: value.to(device) for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return replace(self, **moved)

    def parts(self, n: int) -> list[Batch]:
        """The windows in ``n`` batches of the same size, in order; ``n`` must divide them."""
        named = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        split = {name: value.chunk(n) for name, value in named.items()}
        return [replace(self, **{name: values[i] for name, values in split.items()}) for i in range(n)]


def batch_from_arrays(context: np.ndarray, target: np.ndarray) -> Batch:
    """A batch from float32 arrays ``(batch, channel, time)`` and ``(batch, channel, horizon)``, NaN = not observed.

    Examples
    --------
    >>> batch = batch_from_arrays(np.array([[[np.nan, 1.0]]], np.float32), np.array([[[2.0]]], np.float32))
    >>> batch.observed.tolist(), batch.context.tolist()
    ([[[False, True]]], [[[0.0, 1.0]]])
    """
    observed, target_observed = np.isfinite(context), np.isfinite(target)
    return Batch(
        torch.from_numpy(np.where(observed, context, np.float32(0))),
        torch.from_numpy(observed),
        torch.from_numpy(np.where(target_observed, target, np.float32(0))),
        torch.from_numpy(target_observed),
    )
