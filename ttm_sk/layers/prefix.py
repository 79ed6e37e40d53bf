"""The resolution prefix: one extra patch that tells the model how fast its steps follow each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ResolutionPrefix"]


class ResolutionPrefix(nn.Module):
    """A learnt patch per resolution token, put in front of every channel's patches.

    ``forward``: features ``(batch, channel, patch, feature)`` and tokens ``(batch,)`` integers ->
    ``(batch, channel, 1 + patch, feature)``. Reference: arXiv:2401.03955, "resolution prefix tuning".
    """

    def __init__(self, *, n_resolutions: int, patch_length: int, width: int) -> None:
        super().__init__()
        middle = (patch_length + width) // 2
        self.embedding = nn.Embedding(n_resolutions, patch_length)
        self.projection = nn.Sequential(nn.Linear(patch_length, middle), nn.GELU(), nn.Linear(middle, width))

    def forward(self, features: Tensor, resolution: Tensor) -> Tensor:
        prefix = self.projection(self.embedding(resolution))[:, None, None, :]
        return torch.cat([prefix.expand(-1, features.shape[1], -1, -1).to(features.dtype), features], dim=2)
