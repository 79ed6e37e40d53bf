"""Cutting time into patches, embedding them, and trading patch width for resolution and back."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ttm_sk.errors import ConfigError

__all__ = [
    "POSITIONS",
    "PatchEmbedding",
    "PatchPositions",
    "block_means",
    "cut_patches",
    "merge_patches",
    "split_patches",
]

POSITIONS: tuple[str, ...] = ("none", "sincos", "learnt")


def cut_patches(values: Tensor, patch_length: int) -> Tensor:
    """``(batch, channel, time)`` as ``(batch, channel, patch, step)``; the oldest remainder is dropped.

    Examples
    --------
    >>> cut_patches(torch.arange(7.0).reshape(1, 1, 7), patch_length=3)
    tensor([[[[1., 2., 3.],
              [4., 5., 6.]]]])
    """
    remainder = values.shape[-1] % patch_length
    return values[..., remainder:].unflatten(-1, (-1, patch_length))


def block_means(values: Tensor, weight: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """A coarser view of a series: means over blocks of ``factor`` steps, aligned to the newest value.

    Parameters
    ----------
    values, weight
        ``(batch, channel, time)``; ``weight`` is 1 where a value was observed, else 0. ``time`` must be
        divisible by ``factor``.

    Returns
    -------
    tuple of Tensor
        Block means over the observed values (0 for a block without any) and the observed share of each
        block, both ``(batch, channel, time // factor)``.

    Examples
    --------
    >>> block_means(torch.tensor([[[1.0, 3.0, 5.0, 9.0]]]), torch.tensor([[[1.0, 1.0, 1.0, 0.0]]]), 2)
    (tensor([[[2., 5.]]]), tensor([[[1.0000, 0.5000]]]))
    """
    count = weight.unflatten(-1, (-1, factor)).sum(-1)
    total = (values * weight).unflatten(-1, (-1, factor)).sum(-1)
    return total / count.clamp(min=1), count / factor


class PatchEmbedding(nn.Module):
    """One linear map from a patch of values (and, if asked, their observed flags) to ``width`` features."""

    def __init__(self, *, patch_length: int, width: int, with_flags: bool) -> None:
        super().__init__()
        self.with_flags = with_flags
        self.projection = nn.Linear(patch_length * (2 if with_flags else 1), width)

    def forward(self, values: Tensor, observed: Tensor) -> Tensor:
        """``values`` and ``observed`` ``(batch, channel, patch, step)`` -> ``(batch, channel, patch, feature)``."""
        if self.with_flags:
            values = torch.cat([values, observed.to(values.dtype)], dim=-1)
        return self.projection(values)


class PatchPositions(nn.Module):
    """Adds to every patch what its place says: fixed waves (``"sincos"``) or learnt numbers (``"learnt"``).

    The waves are those of Vaswani et al. (2017), arXiv:1706.03762, centred, with a standard deviation of 0.1.
    ``forward``: ``(batch, channel, patch, feature)`` in and out.
    """

    def __init__(self, *, n_patches: int, width: int, positions: str) -> None:
        super().__init__()
        is_learnt = positions == "learnt"
        start = torch.randn(n_patches, width) if is_learnt else _waves(n_patches, width)
        self.encoding = nn.Parameter(start, requires_grad=is_learnt)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.encoding


def _waves(n_patches: int, width: int) -> Tensor:
    place = torch.arange(n_patches)[:, None]
    pace = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    waves = torch.stack([torch.sin(place * pace), torch.cos(place * pace)], dim=-1).flatten(-2)
    centred = waves - waves.mean()
    return centred / (10 * centred.std())


def split_patches(features: Tensor, factor: int) -> Tensor:
    """Trade width for resolution: cut every patch into ``factor`` shorter, narrower ones.

    No value is changed, only regrouped, so ``merge_patches(split_patches(x, k), k)`` returns ``x`` exactly.

    Parameters
    ----------
    features
        ``(batch, channel, patch, feature)``.
    factor
        How many pieces each patch becomes; must divide the feature width.

    Returns
    -------
    Tensor
        ``(batch, channel, patch * factor, feature // factor)``.

    Raises
    ------
    ConfigError
        If ``factor`` does not divide the feature width.

    References
    ----------
    Ekambaram et al. (2024), arXiv:2401.03955, "adaptive patching".

    Examples
    --------
    >>> split_patches(torch.zeros(2, 1, 8, 192), factor=4).shape
    torch.Size([2, 1, 32, 48])
    """
    width = features.shape[-1]
    if width % factor:
        raise ConfigError(
            f"cannot split {width} features into {factor} equal parts; choose a width divisible by {factor}"
        )
    return features.reshape(*features.shape[:-2], -1, width // factor)  # no value moves


def merge_patches(features: Tensor, factor: int) -> Tensor:
    """The inverse of :func:`split_patches`: ``factor`` neighbouring patches become one wider patch.

    Raises
    ------
    ConfigError
        If ``factor`` does not divide the number of patches.

    Examples
    --------
    >>> x = torch.randn(2, 1, 8, 12)
    >>> torch.equal(merge_patches(split_patches(x, 3), 3), x)
    True
    """
    n_patches = features.shape[-2]
    if n_patches % factor:
        raise ConfigError(
            f"cannot merge {n_patches} patches in groups of {factor}; the number must be divisible by {factor}"
        )
    return features.reshape(*features.shape[:-2], n_patches // factor, -1)
