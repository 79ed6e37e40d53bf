"""What stands around the sLSTM: norms, a gated feed-forward part, and a hidden layer with a linear shortcut."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.layers.slstm import SLSTM, SLSTMState

__all__ = ["GatedFeedForward", "HeadNorm", "ResidualMLP", "SLSTMBlock"]


class ResidualMLP(nn.Module):
    """One hidden layer, with a linear shortcut around it: ``(..., n_inputs)`` -> ``(..., n_outputs)``."""

    def __init__(self, *, n_inputs: int, width: int, n_outputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_inputs, width)
        self.output = nn.Linear(width, n_outputs)
        self.shortcut = nn.Linear(n_inputs, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(functional.relu(self.hidden(x))) + self.shortcut(x)


class GatedFeedForward(nn.Module):
    """``down(silu(gate x) * up x)`` without biases (SwiGLU; Shazeer 2020, arXiv:2002.05202), feature by feature."""

    def __init__(self, *, width: int, expanded_width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * expanded_width, bias=False)  # the gate and what it lets through
        self.down = nn.Linear(expanded_width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, through = self.up(x).chunk(2, dim=-1)
        return self.down(functional.silu(gate) * through)


class HeadNorm(nn.Module):
    """Every head's features to mean 0 and variance 1, times ``1 + weight``: ``(..., feature)`` in and out."""

    def __init__(self, *, width: int, n_heads: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.n_heads, self.epsilon = n_heads, epsilon
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        heads = x.unflatten(-1, (self.n_heads, -1))
        return functional.layer_norm(heads, heads.shape[-1:], eps=self.epsilon).flatten(-2) * (1 + self.weight)


class SLSTMBlock(nn.Module):
    """``x + sLSTM(norm x)``, then ``x + feed_forward(norm x)``.

    ``forward``: ``(step, batch, feature)``, and what :class:`~ttm_sk.layers.slstm.SLSTM` takes -> the same shape and
    the state. With ``n_last`` only so many of the newest steps come out, and the feed-forward part computes no others.
    """

    def __init__(self, *, width: int, n_heads: int, expanded_width: int, epsilon: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=epsilon)
        self.slstm = SLSTM(width=width, n_heads=n_heads)
        self.head_norm = HeadNorm(width=width, n_heads=n_heads)
        self.feed_norm = nn.RMSNorm(width, eps=epsilon)
        self.feed_forward = GatedFeedForward(width=width, expanded_width=expanded_width)

    def forward(
        self,
        x: Tensor,
        state: SLSTMState | None = None,
        *,
        fresh: Mapping[int, Tensor] | None = None,
        n_last: int | None = None,
    ) -> tuple[Tensor, SLSTMState]:
        hidden, state = self.slstm(self.norm(x), state, fresh=fresh)
        newest = slice(-(n_last or len(x)), None)
        x = x[newest] + self.head_norm(hidden[newest].to(x.dtype))
        return x + self.feed_forward(self.feed_norm(x)), state
