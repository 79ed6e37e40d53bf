"""The parts of a TinyTimeMixer, made from its configuration."""

from __future__ import annotations

from typing import Any

from torch import nn

from ttm_sk.layers.exogenous import ForecastMixing
from ttm_sk.layers.heads import PointHead, QuantileHead
from ttm_sk.layers.mixing import AdaptiveLevel, MixerLayer
from ttm_sk.models.ttm_config import TTMConfig
from ttm_sk.models.ttm_r3_config import TTMR3Config

__all__ = ["make_backbone", "make_decoder", "make_forecast_mixing", "make_head", "make_levels"]


def make_backbone(c: TTMConfig | TTMR3Config) -> nn.ModuleList:
    """One :class:`AdaptiveLevel` for each level, the finest first."""
    n_channels = c.n_channels if c.mixes_channels else None
    return make_levels(c, c.level_factors, c.n_layers, width=c.width, dropout=c.dropout, n_channels=n_channels)


def make_decoder(c: TTMConfig) -> nn.ModuleList:
    """Mixer layers, or levels of them."""
    n_channels = c.n_channels + len(c.static_sizes) if c.decoder_mixes_channels else None
    part: dict[str, Any] = {"width": c.decoder_width, "dropout": c.head_dropout, "n_channels": n_channels}
    if c.decoder_levels:
        return make_levels(c, c.decoder_factors, c.decoder_layers, **part)
    return nn.ModuleList(MixerLayer(n_patches=c.n_patches, **part, **_style(c)) for _ in range(c.decoder_layers))


def make_head(c: TTMConfig) -> nn.Module:
    """The point head, or that of quantiles."""
    n_features = c.n_patches * c.decoder_width
    if not c.levels:
        return PointHead(n_features=n_features, horizon=c.prediction_length, dropout=c.head_dropout)
    return QuantileHead(
        n_features=n_features,
        width=c.head_width,
        horizon=c.prediction_length,
        levels=c.levels,
        dropout=c.head_dropout,
        n_templates=c.n_templates,
        cycle_width=c.cycle_width,
    )


def make_forecast_mixing(c: TTMConfig) -> ForecastMixing | None:
    """What reconciles forecasts with covariates, where the configuration asks for it."""
    if not c.mixes_forecasts:
        return None
    return ForecastMixing(
        n_targets=len(c.targets),
        n_covariates=len(c.covariate_channels),
        reach=c.reach,
        n_layers=c.reach_layers,
        dropout=c.head_dropout,
        **_style(c) | {"gate": c.reach_gate},
    )


def make_levels(c: TTMConfig | TTMR3Config, factors: tuple[int, ...], n_layers: int, **part: Any) -> nn.ModuleList:
    """Levels of mixer layers, one for each factor."""
    return nn.ModuleList(
        AdaptiveLevel(factor=factor, n_layers=n_layers, n_patches=c.n_patches, **part, **_style(c))
        for factor in factors
    )


def _style(c: TTMConfig | TTMR3Config) -> dict[str, Any]:
    return {
        "expansion": c.expansion,
        "gate": c.gate,
        "gate_groups": c.gate_groups,
        "norm": c.norm,
        "epsilon": c.norm_epsilon,
        "heads": c.attention_heads,
    }
