"""Patches of one past at several resolutions: the whole context, its means over 2 steps, over 4, ..."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.layers.patching import cut_patches

__all__ = ["MultiScaleEmbedding", "multiscale_patches"]


def multiscale_patches(context_length: int, patch_length: int) -> tuple[int, ...]:
    """How many whole patches the context gives as means over 1, 2, 4, ... steps, while there is one.

    Examples
    --------
    >>> multiscale_patches(context_length=96, patch_length=16)
    (6, 3, 1)
    """
    counts: list[int] = []
    while (n_patches := context_length // 2 ** len(counts) // patch_length) > 0:
        counts.append(n_patches)
    return tuple(counts)


class MultiScaleEmbedding(nn.Module):
    """A linear map of its own for the patches of every resolution; the coarsest resolution comes first.

    A resolution covers the whole context, unlike the views of :class:`ttm_sk.models.ttm.TTM`, which are of one length.
    Blocks are counted from the oldest step that begins a whole patch; what they leave over at the newest end is not
    seen at that resolution, and whole patches are counted from the newest block. (IBM's TTM-R3 does both.)

    Only the ``n_scales`` finest resolutions are used, all of them by default.

    ``forward``: scaled values ``(batch, channel, time)`` with ``time == context_length`` ->
    ``(batch, channel, patch, feature)``.

    Examples
    --------
    >>> embedding = MultiScaleEmbedding(context_length=96, patch_length=16, width=8)
    >>> embedding(torch.zeros(2, 1, 96)).shape
    torch.Size([2, 1, 10, 8])
    """

    def __init__(self, *, context_length: int, patch_length: int, width: int, n_scales: int | None = None) -> None:
        super().__init__()
        self.patch_length = patch_length
        counts = multiscale_patches(context_length, patch_length)[:n_scales]
        self.scales = nn.ModuleList(nn.Linear(patch_length, width) for _ in counts)

    def forward(self, values: Tensor) -> Tensor:
        whole = rearrange(
            cut_patches(values, self.patch_length), "batch channel patch step -> batch channel (patch step)"
        )
        parts = []
        for i, embed in enumerate(self.scales):
            means = functional.avg_pool1d(whole, kernel_size=2**i, stride=2**i)
            parts.append(embed(cut_patches(means, self.patch_length)))
        return torch.cat(parts[::-1], dim=2)
