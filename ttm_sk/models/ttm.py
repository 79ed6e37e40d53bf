"""TinyTimeMixer: scale -> patch -> prefix -> backbone (split, mix, merge) -> decoder -> head -> unscale.

Written from the papers: Ekambaram et al. (2024), arXiv:2401.03955 (TTM), and (2023), arXiv:2306.09364
(TSMixer). What this house adds (each a field of the config, all off in IBM's configurations): observed
flags beside the values, several views of the past at falling resolution, seasonal templates, and a head
of quantiles that never cross.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.errors import ConfigError
from ttm_sk.layers.heads import PointHead, QuantileHead
from ttm_sk.layers.mixing import AdaptiveLevel, MixerLayer
from ttm_sk.layers.patching import PatchEmbedding, block_means, cut_patches
from ttm_sk.layers.prefix import ResolutionPrefix
from ttm_sk.layers.scaling import ScaleState, measure_scale
from ttm_sk.layers.seasonal import last_value_and_roughness, seasonal_templates
from ttm_sk.models.forecast_module import Forecast
from ttm_sk.models.ttm_config import DEFAULT_LEVELS, TTMConfig

__all__ = ["DEFAULT_LEVELS", "TTM", "TTMConfig"]

LONGEST_TEMPLATE_PAST = 2048  # steps searched for cycles: a week of ten-minute data twice
LARGEST_SCALED = 10.0  # a forecast further than sinh(10) = 11,013 standard deviations away is a mistake


class TTM(nn.Module):
    """A TinyTimeMixer as its config describes it, with random weights.

    Parameters
    ----------
    config
        The architecture; see :class:`TTMConfig`.

    Examples
    --------
    >>> module = TTM(TTMConfig.tiny()).eval()
    >>> context = torch.randn(2, 1, 100)
    >>> forecast = module(context, torch.ones_like(context, dtype=torch.bool))
    >>> forecast.mean.shape, forecast.quantiles.shape
    (torch.Size([2, 1, 96]), torch.Size([2, 1, 96, 13]))
    """

    def __init__(self, config: TTMConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.embeddings = nn.ModuleList(
            PatchEmbedding(patch_length=c.patch_length, width=c.width, with_flags=c.with_flags) for _ in c.views
        )
        self.prefix = (
            ResolutionPrefix(n_resolutions=c.n_resolutions, patch_length=c.patch_length, width=c.width)
            if c.n_resolutions
            else None
        )
        layer: dict[str, Any] = {"expansion": c.expansion, "gate": c.gate}
        self.backbone = nn.ModuleList(
            AdaptiveLevel(
                factor=factor,
                n_layers=c.n_layers,
                n_patches=c.n_patches,
                width=c.width,
                dropout=c.dropout,
                n_channels=c.n_channels if c.mixes_channels else None,
                **layer,
            )
            for factor in c.level_factors
        )
        self.adapter = nn.Linear(c.width, c.decoder_width) if c.decoder_width != c.width else nn.Identity()
        self.decoder = nn.ModuleList(
            MixerLayer(
                n_patches=c.n_patches,
                width=c.decoder_width,
                dropout=c.head_dropout,
                n_channels=c.n_channels if c.decoder_mixes_channels else None,
                **layer,
            )
            for _ in range(c.decoder_layers)
        )
        self.head = _make_head(c)

    @property
    def context_length(self) -> int:
        """Steps of the past that the module sees; earlier ones are cut off."""
        return self.config.context_length

    @property
    def prediction_length(self) -> int:
        """Steps of the future that one pass gives."""
        return self.config.prediction_length

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels of the head; empty for a point head."""
        return self.config.levels

    def forward(
        self,
        context: Tensor,
        observed: Tensor,
        *,
        resolution: Tensor | None = None,
        covariates: Tensor | None = None,
        covariates_observed: Tensor | None = None,
        static: Tensor | None = None,
    ) -> Forecast:
        """The next ``prediction_length`` steps, in the units of ``context``.

        Parameters
        ----------
        context, observed
            ``(batch, channel, time)``. Where ``observed`` is False the value is ignored and may be NaN. A longer
            past is cut, a shorter one padded on the left with unobserved steps.
        resolution
            ``(batch,)`` integer tokens; needed by a config with ``n_resolutions``, an error for others.

        Raises
        ------
        ConfigError
            If an argument is given that this architecture cannot use, or ``resolution`` is missing, or the
            number of channels differs from a config that mixes channels.
        """
        self._refuse_unusable(
            context,
            resolution,
            {"covariates": covariates, "covariates_observed": covariates_observed, "static": static},
        )
        scaled, state = self.forecast_scaled(context, observed, resolution=resolution)
        if self.config.scaling == "asinh":
            scaled = scaled.clamp(-LARGEST_SCALED, LARGEST_SCALED)
        values = state.inverse(scaled.to(state.loc.dtype))
        if not self.levels:
            return Forecast(values)
        return Forecast(values[..., self.levels.index(0.5)], values, self.levels)

    def forecast_scaled(
        self, context: Tensor, observed: Tensor, *, resolution: Tensor | None = None
    ) -> tuple[Tensor, ScaleState]:
        """The head's output in scaled units, which is what a training loss compares, and the scaling.

        ``(batch, channel, horizon)`` from a point head, ``(batch, channel, horizon, quantile)`` from a quantile head.
        """
        values, weight, state = self.scale(context, observed)
        features = self.decode(self.encode(values, weight, resolution=resolution))
        if not isinstance(self.head, QuantileHead):
            return self.head(features), state
        recent = slice(-min(values.shape[-1], LONGEST_TEMPLATE_PAST), None)
        values, weight = (
            (torch.asinh(values[..., recent]) if state.is_asinh else values[..., recent]),
            weight[..., recent],
        )
        anchor = last_value_and_roughness(values, weight)
        if not self.config.n_templates:
            return self.head(features, anchor), state
        seasons = seasonal_templates(
            values, weight, horizon=self.config.prediction_length, n_templates=self.config.n_templates
        )
        return self.head(features, anchor, seasons), state

    def scale(self, context: Tensor, observed: Tensor) -> tuple[Tensor, Tensor, ScaleState]:
        """Standardised values (0 where unobserved) and weights (1 = observed) of the whole context, and the scaling."""
        length = self.config.context_length
        missing = max(0, length - context.shape[-1])
        context = functional.pad(context[..., -length:], (missing, 0))
        observed = functional.pad(observed[..., -length:], (missing, 0))
        recent = observed.clone()
        recent[..., : length - (self.config.scaling_length or length)] = False
        counted = torch.where(recent.any(-1, keepdim=True), recent, observed)
        state = measure_scale(
            context, counted, scaling=self.config.scaling, minimum_variance=self.config.minimum_variance
        )
        is_real = observed & (state.scale != 0)
        values = torch.where(is_real, state.standardise(context), torch.zeros_like(context))
        return values, observed.to(context.dtype), state

    def encode(self, values: Tensor, weight: Tensor, *, resolution: Tensor | None = None) -> Tensor:
        """Backbone features ``(batch, channel, patch, feature)`` of scaled values, coarsest view first."""
        features = torch.cat([self._embed(values, weight, i) for i in reversed(range(len(self.config.views)))], dim=2)
        if self.prefix is not None and resolution is not None:
            features = self.prefix(features, resolution)
        for level in self.backbone:
            features = level(features)
        return features

    def decode(self, features: Tensor) -> Tensor:
        """Decoder features ``(batch, channel, patch, decoder_width)`` of backbone features."""
        features = self.adapter(features)
        for layer in self.decoder:
            features = layer(features)
        return features

    def _embed(self, values: Tensor, weight: Tensor, view: int) -> Tensor:
        factor = self.config.views[view]
        n_steps = self.config.view_length * factor
        values, weight = values[..., -n_steps:], weight[..., -n_steps:]
        if factor > 1:
            values, weight = block_means(values, weight, factor)
        if self.config.scaling == "asinh":
            values = torch.asinh(values)
        patch_length = self.config.patch_length
        return self.embeddings[view](cut_patches(values, patch_length), cut_patches(weight, patch_length))

    def _refuse_unusable(self, context: Tensor, resolution: Tensor | None, unusable: dict[str, Any]) -> None:
        for name, value in unusable.items():
            if value is not None:
                raise ConfigError(
                    f"this TTM was built without a use for {name}; leave it out or use a checkpoint that has it"
                )
        if resolution is None and self.prefix is not None:
            raise ConfigError(
                "this TTM has a resolution prefix:"
                f" pass resolution, (batch,) integers below {self.config.n_resolutions}"
            )
        if resolution is not None and self.prefix is None:
            raise ConfigError("this TTM has no resolution prefix; leave resolution out")
        n_channels = context.shape[1]
        mixes = self.config.mixes_channels or self.config.decoder_mixes_channels
        if mixes and n_channels != self.config.n_channels:
            raise ConfigError(f"found {n_channels} channels, but this TTM mixes exactly {self.config.n_channels}")


def _make_head(c: TTMConfig) -> nn.Module:
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
