"""TTM-R3, the third of IBM's TinyTimeMixers: several resolutions, extra tokens, quantiles, trend and residual apart.

Rebuilt from the architecture's description and the facts of IBM's configuration files, so that their weights give the
same numbers; Ekambaram et al. (2024), arXiv:2401.03955, is the family's paper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.errors import ConfigError
from ttm_sk.layers.gaps import carry_forward
from ttm_sk.layers.heads import PointHead
from ttm_sk.layers.multiscale import MultiScaleEmbedding
from ttm_sk.layers.patching import PatchPositions
from ttm_sk.layers.prefix import ResolutionPrefix
from ttm_sk.layers.scaling import ScaleState, measure_scale
from ttm_sk.layers.smoothing import robust_trend
from ttm_sk.layers.spread import QuantileSpread, add_quantiles
from ttm_sk.layers.tokens import FrequencyTokens, RegisterTokens
from ttm_sk.models.forecast_module import Forecast, refuse_unusable_inputs
from ttm_sk.models.ttm_parts import make_backbone, make_levels
from ttm_sk.models.ttm_r3_config import DecomposedTTMConfig, TTMR3Config

__all__ = ["DecomposedTTM", "DecomposedTTMConfig", "TTMR3", "TTMR3Config"]


class GraniteForecaster(nn.Module):
    """What :class:`TTMR3` and :class:`DecomposedTTM` share: the interface, and how they read gaps."""

    config: TTMR3Config | DecomposedTTMConfig
    wants_filled_gaps = True  # IBM's own predictor fills them before the model sees them; see inference/torch_step.py

    @property
    def context_length(self) -> int:
        """Steps of the past that the module sees."""
        return self.config.context_length

    @property
    def prediction_length(self) -> int:
        """Steps of the future that one pass gives."""
        return self.config.horizon

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
            ``(batch, channel, time)``. Only observed values set the scale. Where ``observed`` is False these models
            still read what stands there, as IBM's do; NaN is read as the last observed value. A shorter past is padded
            with zeros on the left.
        resolution
            ``(batch,)`` integer tokens; needed by a config with ``n_resolutions``, an error for others.

        Raises
        ------
        ConfigError
            If an argument is given that this architecture cannot use, or ``resolution`` is missing, or the
            number of channels differs from a config that mixes channels.
        """
        refuse_unusable_inputs("TTM-R3", covariates=covariates, covariates_observed=covariates_observed, static=static)
        self._check_resolution(resolution)
        scaled, state = self.forecast_scaled(context, observed, resolution=resolution)
        values = state.inverse(scaled)
        return Forecast(point_of(values, self.levels), values if self.levels else None, self.levels)

    def forecast_scaled(
        self, context: Tensor, observed: Tensor, *, resolution: Tensor | None = None
    ) -> tuple[Tensor, ScaleState]:
        """The forecast in scaled units, and the scaling.

        ``(batch, channel, horizon)`` from a point head, ``(batch, channel, horizon, quantile)`` from a quantile head.
        """
        raise NotImplementedError

    def scale(self, context: Tensor, observed: Tensor) -> tuple[Tensor, ScaleState]:
        """Scaled values of all steps, the unobserved ones too, and the scaling, which observed steps alone set."""
        state = measure_scale(
            context, observed, scaling=self.config.scaling, minimum_variance=self.config.minimum_variance
        )
        filled = torch.where(torch.isnan(context) & ~observed, carry_forward(context, observed), context)
        return state.standardise(filled), state

    def _check_resolution(self, resolution: Tensor | None) -> None:
        n_resolutions = self.config.n_resolutions
        if resolution is None and n_resolutions:
            raise ConfigError(
                f"this TTM has a resolution prefix: pass resolution, (batch,) integers below {n_resolutions}"
            )
        if resolution is not None and not n_resolutions:
            raise ConfigError("this TTM has no resolution prefix; leave resolution out")


class TTMR3(GraniteForecaster):
    """One TTM-R3 as its config describes it, with random weights.

    scale -> patch at every resolution -> prefix, registers, frequencies in front -> norm -> backbone -> decoder ->
    point forecast -> quantiles around it -> unscale.

    Examples
    --------
    >>> module = TTMR3(TTMR3Config(is_multiscale=True, n_registers=1, levels=(0.1, 0.5, 0.9))).eval()
    >>> context = torch.randn(2, 1, 512)
    >>> module(context, torch.ones_like(context, dtype=torch.bool)).quantiles.shape
    torch.Size([2, 1, 96, 3])
    """

    def __init__(self, config: TTMR3Config) -> None:
        super().__init__()
        self.config: TTMR3Config = config
        c = config
        self.embedding = MultiScaleEmbedding(
            context_length=c.context_length, patch_length=c.patch_length, width=c.width, n_scales=len(c.patch_counts)
        )
        self.prefix = (
            ResolutionPrefix(n_resolutions=c.n_resolutions, patch_length=c.patch_length, width=c.width)
            if c.n_resolutions
            else None
        )
        self.registers = RegisterTokens(n_tokens=c.n_registers, width=c.width) if c.n_registers else None
        self.frequencies = _make_frequencies(c)
        self.positions = (
            PatchPositions(n_patches=c.n_patches, width=c.width, positions=c.positions)
            if c.positions != "none"
            else None
        )
        self.norm = nn.LayerNorm(c.n_patches * c.width, eps=c.norm_epsilon) if c.normalises_patches else None
        self.backbone = make_backbone(c)
        self.adapter = nn.Linear(c.width, c.decoder_width) if c.decoder_width != c.width else nn.Identity()
        self.decoder = make_levels(
            c,
            c.decoder_factors,
            c.decoder_layers,
            width=c.decoder_width,
            dropout=c.head_dropout,
            n_channels=c.n_channels if c.decoder_mixes_channels else None,
        )
        self.head = PointHead(
            n_features=c.n_patches * c.decoder_width, horizon=c.prediction_length, dropout=c.head_dropout
        )
        self.spread = _make_spread(c) if c.levels else None

    def forecast_scaled(
        self, context: Tensor, observed: Tensor, *, resolution: Tensor | None = None
    ) -> tuple[Tensor, ScaleState]:
        missing = max(0, self.config.context_length - context.shape[-1])
        context = functional.pad(context[..., -self.config.context_length :], (missing, 0))
        observed = functional.pad(observed[..., -self.config.context_length :], (missing, 0))
        values, state = self.scale(context, observed)
        features = self.decode(self.encode(values, resolution=resolution))
        point = self.head(features)[..., : self.config.horizon]
        return (point if self.spread is None else self.spread(point, features)), state

    def encode(self, values: Tensor, *, resolution: Tensor | None = None) -> Tensor:
        """Backbone features ``(batch, channel, patch, feature)`` of scaled values, the extra patches first."""
        self._check_channels(values.shape[1])
        features = self.embedding(values)
        if self.prefix is not None and resolution is not None:
            features = self.prefix(features, resolution)
        if self.registers is not None:
            features = self.registers(features)
        if self.frequencies is not None:
            features = self.frequencies(features, values)
        if self.positions is not None:
            features = self.positions(features)
        if self.norm is not None:
            features = self.norm(features.flatten(-2)).reshape(features.shape)
        for level in self.backbone:
            features = level(features)
        return features

    def decode(self, features: Tensor) -> Tensor:
        """Decoder features ``(batch, channel, patch, feature)`` of backbone features."""
        features = self.adapter(features)
        for level in self.decoder:
            features = level(features)
        return features

    def _check_channels(self, n_channels: int) -> None:
        if self.config.is_fixed and n_channels != self.config.n_channels:
            raise ConfigError(f"found {n_channels} channels, but this TTM mixes exactly {self.config.n_channels}")


class DecomposedTTM(GraniteForecaster):
    """Two TTM-R3 that forecast a series together: the trend from the whole past, the rest from the recent past.

    The trend is divided off by :func:`~ttm_sk.layers.smoothing.robust_trend`, through which no gradient flows. The
    trend's forecaster reads the past itself, not its trend. Scale and trend are measured over all steps that are given,
    also those that exceed ``context_length``.

    Examples
    --------
    >>> part = TTMR3Config(scaling="none", levels=(0.1, 0.5, 0.9))
    >>> module = DecomposedTTM(DecomposedTTMConfig(trend=part, residual=part)).eval()
    >>> context = torch.randn(2, 1, 512)
    >>> module(context, torch.ones_like(context, dtype=torch.bool)).mean.shape
    torch.Size([2, 1, 96])
    """

    wants_own_length = True  # the trend of a pad is no trend

    def __init__(self, config: DecomposedTTMConfig) -> None:
        super().__init__()
        self.config: DecomposedTTMConfig = config
        self.trend = TTMR3(config.trend)
        self.residual = TTMR3(config.residual)

    def forecast_scaled(
        self, context: Tensor, observed: Tensor, *, resolution: Tensor | None = None
    ) -> tuple[Tensor, ScaleState]:
        values, state = self.scale(context, observed)
        return self.join(*self.forecast_parts(values, observed, resolution=resolution)), state

    def forecast_parts(
        self, values: Tensor, observed: Tensor, *, resolution: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Forecasts of trend and residual in scaled units, each as :meth:`forecast_scaled` gives their sum."""
        with torch.no_grad():
            trend = robust_trend(values)
        recent = slice(-self.config.residual.context_length, None)
        rest = values[..., recent] - trend[..., recent]
        return (
            self.trend.forecast_scaled(values, observed, resolution=resolution)[0],
            self.residual.forecast_scaled(rest, observed[..., recent], resolution=resolution)[0],
        )

    def join(self, trend: Tensor, residual: Tensor) -> Tensor:
        """The forecast of the series from those of its two parts."""
        if not self.levels:
            return trend + residual
        return add_quantiles(trend, residual, is_independent=self.config.is_independent)


def point_of(values: Tensor, levels: tuple[float, ...]) -> Tensor:
    """``(batch, channel, horizon)``: the median of quantiles ``(..., quantile)``, or the point forecast itself."""
    return values[..., levels.index(0.5)] if levels else values


def _make_frequencies(c: TTMR3Config) -> FrequencyTokens | None:
    if not c.n_frequencies:
        return None
    return FrequencyTokens(
        n_frequencies=c.n_frequencies,
        context_length=c.context_length,
        width=c.width,
        is_embedded=c.embeds_frequencies,
        joined_width=c.joined_frequency_width,
        with_mean=c.with_mean_frequency,
    )


def _make_spread(c: TTMR3Config) -> QuantileSpread:
    return QuantileSpread(
        n_levels=len(c.levels),
        width=c.spread_width,
        kernel_size=c.spread_kernel,
        minimum_step=c.spread_minimum_step,
        moves_median=c.moves_median,
        condition=c.condition,
        n_patches=c.n_patches,
        n_features=c.decoder_width,
        condition_width=c.condition_width,
        is_concatenated=c.concatenates_condition,
    )
