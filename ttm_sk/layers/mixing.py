"""The mixer: small MLPs over patches, over features and over channels take the place of attention.

References: Ekambaram et al. (2023), TSMixer, arXiv:2306.09364; Ekambaram et al. (2024), TTM, arXiv:2401.03955.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.errors import ConfigError
from ttm_sk.layers.patching import merge_patches, split_patches

__all__ = ["GATES", "AdaptiveLevel", "ChannelMixing", "FeatureMixing", "Gate", "Mlp", "MixerLayer", "PatchMixing"]

GateName = Literal["softmax", "sigmoid", "none"]
GATES: tuple[str, ...] = ("softmax", "sigmoid", "none")


class Gate(nn.Module):
    """Multiplies each value by a learnt weight of its own: ``x * g(W x + b)`` along the last axis.

    ``softmax`` lets the values compete (the published TTM: at the start every one is scaled by about
    1 / width, so that a layer begins close to the identity), ``sigmoid`` weighs each alone.
    """

    def __init__(self, width: int, gate: str) -> None:
        super().__init__()
        self.gate = gate
        self.score = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        score = self.score(x)
        return x * (functional.softmax(score, dim=-1) if self.gate == "softmax" else torch.sigmoid(score))


def make_gate(width: int, gate: str) -> nn.Module:
    """The gate of that name, or nothing at all for ``"none"``."""
    if gate not in GATES:
        raise ConfigError(f"unknown gate {gate!r}; choose one of {', '.join(GATES)}")
    return nn.Identity() if gate == "none" else Gate(width, gate)


class Mlp(nn.Module):
    """Linear, GELU, linear along the last axis, with dropout behind both."""

    def __init__(self, width: int, *, expansion: int, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Linear(width, width * expansion)
        self.contract = nn.Linear(width * expansion, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.contract(self.dropout(functional.gelu(self.expand(x)))))


class PatchMixing(nn.Module):
    """Mixes what the patches of one channel know: an MLP over the patch axis, feature by feature.

    The weights multiply from the left (``W @ x``), which spares both transposes of the textbook form; a
    softmax gate runs along the patch axis for the same reason.
    """

    def __init__(self, *, n_patches: int, width: int, expansion: int, dropout: float, gate: str) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = Mlp(n_patches, expansion=expansion, dropout=dropout)
        self.gate = make_gate(n_patches, gate)

    def forward(self, x: Tensor) -> Tensor:
        mixed = functional.gelu(_from_left(self.mlp.expand, self.norm(x)))
        mixed = self.mlp.dropout(_from_left(self.mlp.contract, self.mlp.dropout(mixed)))
        if isinstance(self.gate, Gate):
            score = _from_left(self.gate.score, mixed)
            mixed = mixed * (functional.softmax(score, dim=-2) if self.gate.gate == "softmax" else torch.sigmoid(score))
        return x + mixed


def _from_left(linear: nn.Linear, x: Tensor) -> Tensor:
    """``linear`` along the last axis but one."""
    return torch.matmul(linear.weight, x) + linear.bias[:, None].to(x.dtype)


class FeatureMixing(nn.Module):
    """Mixes the features of one patch."""

    def __init__(self, *, width: int, expansion: int, dropout: float, gate: str) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = Mlp(width, expansion=expansion, dropout=dropout)
        self.gate = make_gate(width, gate)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gate(self.mlp(self.norm(x)))


class ChannelMixing(nn.Module):
    """Mixes the channels of a multivariate series; its gate stands before the MLP, as in TSMixer."""

    def __init__(self, *, n_channels: int, width: int, dropout: float, gate: str, expansion: int = 2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = Mlp(n_channels, expansion=expansion, dropout=dropout)
        self.gate = make_gate(n_channels, gate)

    def forward(self, x: Tensor) -> Tensor:
        channels_last = self.norm(x).movedim(1, -1)
        return x + self.mlp(self.gate(channels_last)).movedim(-1, 1)


class MixerLayer(nn.Module):
    """Channel mixing (where asked for), patch mixing (where there is more than one patch), feature mixing.

    ``forward``: ``(batch, channel, patch, feature)`` in and out.
    """

    def __init__(
        self, *, n_patches: int, width: int, expansion: int, dropout: float, gate: str, n_channels: int | None = None
    ) -> None:
        super().__init__()
        self.channels = (
            None
            if n_channels is None
            else ChannelMixing(n_channels=n_channels, width=width, dropout=dropout, gate=gate)
        )
        self.patches = (
            PatchMixing(n_patches=n_patches, width=width, expansion=expansion, dropout=dropout, gate=gate)
            if n_patches > 1
            else None
        )
        self.features = FeatureMixing(width=width, expansion=expansion, dropout=dropout, gate=gate)

    def forward(self, x: Tensor) -> Tensor:
        if self.channels is not None:
            x = self.channels(x)
        if self.patches is not None:
            x = self.patches(x)
        return self.features(x)


class AdaptiveLevel(nn.Module):
    """Mixer layers at one resolution: every patch is split into ``factor`` parts, mixed, and merged again."""

    def __init__(self, *, factor: int, n_layers: int, n_patches: int, width: int, **layer: object) -> None:
        super().__init__()
        self.factor = factor
        self.layers = nn.ModuleList(
            MixerLayer(n_patches=n_patches * factor, width=width // factor, **layer)  # type: ignore[arg-type]
            for _ in range(n_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = split_patches(x, self.factor)
        for layer in self.layers:
            x = layer(x)
        return merge_patches(x, self.factor)
