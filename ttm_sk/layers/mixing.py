"""The mixer: small MLPs over patches, over features and over channels take the place of attention.

References: Ekambaram et al. (2023), TSMixer, arXiv:2306.09364; Ekambaram et al. (2024), TTM, arXiv:2401.03955.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.errors import ConfigError
from ttm_sk.layers.attention import SelfAttention
from ttm_sk.layers.patching import merge_patches, split_patches

__all__ = [
    "GATES",
    "NORMS",
    "AdaptiveLevel",
    "ChannelMixing",
    "FeatureMixing",
    "Gate",
    "MixerLayer",
    "Mlp",
    "PatchMixing",
    "make_gate",
    "make_norm",
]

GATES: tuple[str, ...] = ("softmax", "sigmoid", "none", "glu", "group_sigmoid")
NORMS: tuple[str, ...] = ("layer", "batch")


class Gate(nn.Module):
    """Multiplies each value by a learnt weight of its own: ``x * g(W x + b)`` along one axis.

    ``softmax`` lets the values compete (the published TTM: at the start every one is scaled by about
    1 / width, so that a layer begins close to the identity), ``sigmoid`` weighs each alone, ``group_sigmoid``
    gives neighbours in one of at most ``groups`` equal groups the same weight, and ``glu`` also replaces the values:
    ``(W x + b) * sigmoid(V x + c)``.
    """

    def __init__(self, width: int, gate: str, groups: int = 8) -> None:
        super().__init__()
        self.gate = gate
        self.groups = next(n for n in range(min(groups, width), 0, -1) if width % n == 0)
        self.score = nn.Linear(width, width * (2 if gate == "glu" else 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.weigh(x, self.score(x), dim=-1)

    def weigh(self, x: Tensor, score: Tensor, *, dim: int) -> Tensor:
        """``x`` weighed along the axis ``dim`` by the scores of that axis."""
        if self.gate == "glu":
            content, weight = score.chunk(2, dim=dim)
            return content * torch.sigmoid(weight)
        return x * self._weights(score, dim=dim)

    def add(self, base: Tensor, x: Tensor, score: Tensor, *, dim: int) -> Tensor:
        """``base`` and the weighed ``x``, in one pass over the memory where the gate is a product."""
        if self.gate == "glu":
            return base + self.weigh(x, score, dim=dim)
        return torch.addcmul(base, x, self._weights(score, dim=dim))

    def _weights(self, score: Tensor, *, dim: int) -> Tensor:
        if self.gate == "softmax":
            return functional.softmax(score, dim=dim)
        if self.gate == "group_sigmoid":
            grouped = score.unflatten(dim, (self.groups, -1))
            score = grouped.mean(dim, keepdim=True).expand_as(grouped).flatten(dim - 1, dim)
        return torch.sigmoid(score)


def make_gate(width: int, gate: str, groups: int = 8) -> nn.Module:
    """The gate of that name, or nothing at all for ``"none"``."""
    if gate not in GATES:
        raise ConfigError(f"unknown gate {gate!r}; choose one of {', '.join(GATES)}")
    return nn.Identity() if gate == "none" else Gate(width, gate, groups)


class SeriesBatchNorm(nn.Module):
    """Batch normalisation of each feature, over every patch of every series."""

    def __init__(self, width: int, *, epsilon: float) -> None:
        super().__init__()
        self.batch = nn.BatchNorm1d(width, eps=epsilon)

    def forward(self, x: Tensor) -> Tensor:
        return self.batch(x.flatten(0, -2)).view_as(x)


def make_norm(width: int, norm: str, *, epsilon: float) -> nn.Module:
    """The normalisation of that name over the last axis."""
    if norm not in NORMS:
        raise ConfigError(f"unknown norm {norm!r}; choose one of {', '.join(NORMS)}")
    return nn.LayerNorm(width, eps=epsilon) if norm == "layer" else SeriesBatchNorm(width, epsilon=epsilon)


class Mlp(nn.Module):
    """Linear, GELU, linear along the last axis, with dropout behind both."""

    def __init__(self, width: int, *, expansion: int, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Linear(width, width * expansion)
        self.contract = nn.Linear(width * expansion, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.thin(self.contract(self.thin(functional.gelu(self.expand(x)))))

    def thin(self, x: Tensor) -> Tensor:
        """The dropout, which is not even called where it does nothing."""
        return self.dropout(x) if self.training else x


class PatchMixing(nn.Module):
    """Mixes what the patches of one channel know: an MLP over the patch axis, feature by feature.

    The weights multiply from the left (``W @ x``), which spares both transposes of the textbook form; a
    gate runs along the patch axis for the same reason. With ``heads``, a self-attention over the patches runs
    beside the MLP, and the sum of both is normalised.
    """

    def __init__(
        self,
        *,
        n_patches: int,
        width: int,
        expansion: int,
        dropout: float,
        gate: str,
        gate_groups: int = 8,
        norm: str = "layer",
        epsilon: float = 1e-5,
        heads: int = 0,
    ) -> None:
        super().__init__()
        self.norm = make_norm(width, norm, epsilon=epsilon)
        self.mlp = Mlp(n_patches, expansion=expansion, dropout=dropout)
        self.gate = make_gate(n_patches, gate, gate_groups)
        self.attention = SelfAttention(width, heads=heads, dropout=dropout) if heads else None
        self.attention_norm = make_norm(width, norm, epsilon=epsilon) if heads else None

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        mixed = functional.gelu(_from_left(self.mlp.expand, normed.flatten(0, -3)))
        mixed = self.mlp.thin(_from_left(self.mlp.contract, self.mlp.thin(mixed)))
        if self.attention is None and isinstance(self.gate, Gate):
            score = _from_left(self.gate.score, mixed)
            return self.gate.add(x, mixed.view_as(x), score.unflatten(0, x.shape[:-2]), dim=-2)
        if isinstance(self.gate, Gate):
            mixed = self.gate.weigh(mixed, _from_left(self.gate.score, mixed), dim=-2)
        mixed = mixed.view_as(x)
        if self.attention is not None and self.attention_norm is not None:
            mixed = self.attention_norm(mixed + self.attention(normed))
        return x + mixed


def _from_left(linear: nn.Linear | nn.Module, x: Tensor) -> Tensor:
    """``linear`` along the axis in the middle of ``(row, patch, feature)``.

    As a batch of products with the bias added on the way: ``matmul`` of a matrix and a batch would transpose it twice.
    A layer that ``torch`` quantised dynamically has no matrix to multiply with from the left, so it is called.
    """
    if not isinstance(linear, nn.Linear):
        return linear(x.transpose(-1, -2)).transpose(-1, -2)
    if torch.compiler.is_exporting():  # other engines need no copy of the matrix for each row
        return torch.matmul(linear.weight, x) + linear.bias[:, None]
    return torch.baddbmm(linear.bias[:, None], linear.weight.expand(x.shape[0], -1, -1), x)


class FeatureMixing(nn.Module):
    """Mixes the features of one patch."""

    def __init__(
        self,
        *,
        width: int,
        expansion: int,
        dropout: float,
        gate: str,
        gate_groups: int = 8,
        norm: str = "layer",
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm = make_norm(width, norm, epsilon=epsilon)
        self.mlp = Mlp(width, expansion=expansion, dropout=dropout)
        self.gate = make_gate(width, gate, gate_groups)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mlp(self.norm(x))
        if isinstance(self.gate, Gate):
            return self.gate.add(x, mixed, self.gate.score(mixed), dim=-1)
        return x + self.gate(mixed)


class ChannelMixing(nn.Module):
    """Mixes the channels of a multivariate series; its gate stands before the MLP, as in TSMixer."""

    def __init__(
        self,
        *,
        n_channels: int,
        width: int,
        dropout: float,
        gate: str,
        expansion: int = 2,
        gate_groups: int = 8,
        norm: str = "layer",
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm = make_norm(width, norm, epsilon=epsilon)
        self.mlp = Mlp(n_channels, expansion=expansion, dropout=dropout)
        self.gate = make_gate(n_channels, gate, gate_groups)

    def forward(self, x: Tensor) -> Tensor:
        channels_last = self.norm(x).movedim(1, -1)
        return x + self.mlp(self.gate(channels_last)).movedim(-1, 1)


class MixerLayer(nn.Module):
    """Channel mixing (where asked for), patch mixing (where there is more than one patch), feature mixing.

    ``forward``: ``(batch, channel, patch, feature)`` in and out.
    """

    def __init__(
        self,
        *,
        n_patches: int,
        width: int,
        expansion: int,
        dropout: float,
        gate: str,
        gate_groups: int = 8,
        norm: str = "layer",
        epsilon: float = 1e-5,
        heads: int = 0,
        n_channels: int | None = None,
    ) -> None:
        super().__init__()
        style: dict[str, Any] = {"width": width, "expansion": expansion, "dropout": dropout, "gate": gate}
        style |= {"gate_groups": gate_groups, "norm": norm, "epsilon": epsilon}
        self.channels = None if n_channels is None else ChannelMixing(n_channels=n_channels, **style)
        self.patches = PatchMixing(n_patches=n_patches, heads=heads, **style) if n_patches > 1 else None
        self.features = FeatureMixing(**style)

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
