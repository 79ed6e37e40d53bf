"""Self-attention over the patches of one channel."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SelfAttention"]


class SelfAttention(nn.Module):
    """Every patch weighs every patch of its channel, with several heads; no order and no future are hidden.

    ``forward``: ``(batch, channel, patch, feature)`` in and out. ``heads`` must divide ``width``. Reference: Vaswani et
    al. (2017), arXiv:1706.03762; TSMixer (arXiv:2306.09364) runs it beside its patch mixing.

    Examples
    --------
    >>> SelfAttention(8, heads=2, dropout=0.0)(torch.zeros(1, 1, 4, 8)).shape
    torch.Size([1, 1, 4, 8])
    """

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            rearrange(
                part(x), "batch channel patch (head feature) -> batch channel head patch feature", head=self.heads
            )
            for part in (self.query, self.key, self.value)
        )
        score = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(-1, -2))
        weight = functional.dropout(functional.softmax(score, dim=-1), self.dropout, self.training)
        mixed = rearrange(weight @ value, "batch channel head patch feature -> batch channel patch (head feature)")
        return self.output(mixed)
