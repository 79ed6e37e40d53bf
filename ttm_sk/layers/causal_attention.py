"""Causal self-attention over the patches of one or several channels, with rotary positions and a cache of the past."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CausalAttention", "KeyValueCache", "Reach", "put", "reach_of", "rotate"]

ROTARY_BASE = 10_000.0


class KeyValueCache(NamedTuple):
    """What attention keeps of the patches that it has seen: ``(batch, head, channel, slot, feature)`` each.

    A patch stands in the slot of its place in time, row by row; what lies beyond a row's own length is not read.
    """

    keys: Tensor
    values: Tensor


class Reach(NamedTuple):
    """Which patch may see which.

    Boolean ``is_allowed`` ``(batch, 1, channel x patch, channel x slot)`` and ``is_same``, without the first two axes:
    whether a key may be seen, and whether it is of the query's own channel. ``n_slots`` counts slots.
    """

    is_allowed: Tensor
    is_same: Tensor
    n_slots: int


def reach_of(positions: Tensor, first: Tensor, informs: Tensor, *, n_slots: int, n_seen: int) -> Reach:
    """What each patch sees: itself and the ``n_seen - 1`` patches before it, of the channels that inform its own.

    Parameters
    ----------
    positions
        ``(batch, patch)`` integers: the slot of every new patch.
    first
        ``(batch, channel)`` integers: the first slot that holds anything.
    informs
        ``(channel, channel)`` boolean: whether the row's channel may see the column's. The Kronecker product of this
        with the causal order is the attention of Timer-XL (arXiv:2410.04803).
    """
    slots = torch.arange(n_slots, device=positions.device)
    query, key = positions[:, None, :, None, None], slots[None, None, None, None, :]
    n_channels, n_patches = len(informs), positions.shape[1]
    is_past = (key <= query) & (key > query - n_seen) & (key >= first[:, None, None, :, None])
    is_self = torch.eye(n_channels, dtype=torch.bool, device=positions.device)[None, :, None, :, None]
    allowed = (is_past & informs[None, :, None, :, None]) | (is_self & (key == query))  # an empty patch sees itself
    pattern = "batch channel patch other slot -> batch 1 (channel patch) (other slot)"
    same = is_self.expand(1, n_channels, n_patches, n_channels, n_slots)
    return Reach(rearrange(allowed, pattern), rearrange(same, pattern)[0, 0], n_slots)


def rotate(x: Tensor, positions: Tensor, *, n_rotated: int) -> Tensor:
    """``x`` ``(batch, head, channel, patch, feature)`` with its first ``n_rotated`` features turned by their position.

    Feature ``i`` of the first half turns with feature ``i`` of the second one, by ``position / 10000 ** (2 i / n)``, so
    that products of queries and keys depend on the distance alone. Source: Su et al. (2021), arXiv:2104.09864.
    """
    if n_rotated == 0:
        return x
    order = torch.arange(0, n_rotated, 2, device=x.device, dtype=x.dtype)
    angle = positions.to(x.dtype)[:, None, None, :, None] * ROTARY_BASE ** (-order / n_rotated)
    cos, sin = angle.cos(), angle.sin()
    left, right, rest = x.split([n_rotated // 2, n_rotated // 2, x.shape[-1] - n_rotated], dim=-1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin, rest], dim=-1)


def put(old: Tensor | None, new: Tensor, positions: Tensor, *, n_slots: int) -> Tensor:
    """``old`` ``(batch, ..., slot, feature)`` with ``new`` ``(batch, ..., patch, feature)`` in the slots of its rows.

    Neither is changed. Without ``old``, the new patches are the first ``n_slots``.

    Examples
    --------
    >>> old, new = torch.tensor([[[1.0], [2.0]], [[3.0], [4.0]]]), torch.tensor([[[9.0]], [[9.0]]])
    >>> put(old, new, torch.tensor([[1], [2]]), n_slots=3)[..., 0]
    tensor([[1., 9., 0.],
            [3., 4., 9.]])
    """
    if old is None:
        return new
    room = functional.pad(old, (0, 0, 0, n_slots - old.shape[-2]))
    index = positions.reshape(len(positions), *[1] * (new.dim() - 3), -1, 1).expand_as(new)
    return room.scatter(-2, index, new)


class CausalAttention(nn.Module):
    """Every patch weighs the patches that it may see; what it has seen is kept, so that a new patch costs one pass.

    ``forward``: ``x`` ``(batch, channel, patch, feature)``, ``positions`` ``(batch, patch)`` slots, a :class:`Reach`
    and a :class:`KeyValueCache` or None; the same shape out, and the longer cache. ``heads`` must divide ``width``.
    With ``knows_channels`` a learnt number for each head is added to the score of a patch of the same channel, another
    one to those of other channels (Timer-XL, arXiv:2410.04803, equation 7).

    Examples
    --------
    >>> attention = CausalAttention(8, heads=2, rotary_share=0.5, has_output_bias=True, knows_channels=False)
    >>> positions, first = torch.arange(4)[None], torch.zeros(1, 1, dtype=torch.long)
    >>> reach = reach_of(positions, first, torch.ones(1, 1, dtype=torch.bool), n_slots=4, n_seen=4)
    >>> attention(torch.zeros(1, 1, 4, 8), positions, reach, None)[0].shape
    torch.Size([1, 1, 4, 8])
    """

    def __init__(
        self, width: int, *, heads: int, rotary_share: float, has_output_bias: bool, knows_channels: bool
    ) -> None:
        super().__init__()
        self.heads, self.n_rotated = heads, 2 * round(width // heads * rotary_share / 2)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width, bias=has_output_bias)
        self.channel_bias = nn.Parameter(torch.zeros(2, heads)) if knows_channels else None

    def forward(
        self, x: Tensor, positions: Tensor, reach: Reach, cache: KeyValueCache | None
    ) -> tuple[Tensor, KeyValueCache]:
        query, key, value = (
            rearrange(
                part(x), "batch channel patch (head feature) -> batch head channel patch feature", head=self.heads
            )
            for part in (self.query, self.key, self.value)
        )
        query, key = (rotate(part, positions, n_rotated=self.n_rotated) for part in (query, key))
        old = cache or (None, None)
        cache = KeyValueCache(
            *(put(a, b, positions, n_slots=reach.n_slots) for a, b in zip(old, (key, value), strict=True))
        )
        query_row, key_row, value_row = (
            rearrange(part, "batch head channel slot feature -> batch head (channel slot) feature")
            for part in (query, *cache)
        )
        bias = self._bias(reach, query)
        mixed = functional.scaled_dot_product_attention(query_row, key_row, value_row, attn_mask=bias)
        together = "batch head (channel patch) feature -> batch channel patch (head feature)"
        return self.output(rearrange(mixed, together, channel=x.shape[1])), cache

    def _bias(self, reach: Reach, query: Tensor) -> Tensor:
        if self.channel_bias is None:
            return reach.is_allowed
        other, same = (part[:, None, None] for part in self.channel_bias * query.shape[-1] ** -0.5)
        bias = torch.where(reach.is_same, same, other)[None]
        return torch.where(reach.is_allowed, bias, torch.full_like(bias, float("-inf")))
