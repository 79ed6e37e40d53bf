"""TinyTimeMixer: scale -> patch -> prefix -> backbone (split, mix, merge) -> decoder -> head -> unscale.

Written from the papers: Ekambaram et al. (2024), arXiv:2401.03955 (TTM), and (2023), arXiv:2306.09364
(TSMixer). What this house adds (each a field of the config, all off in IBM's configurations): observed
flags beside the values, several views of the past at falling resolution, scaling by asinh, seasonal templates
and the single newest cycles, the last value and the roughness of the past in the head, a mark on what was fed
back, and a head of quantiles that never cross.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.layers.heads import QuantileHead
from ttm_sk.layers.patching import PatchEmbedding, PatchPositions, block_means, cut_patches
from ttm_sk.layers.prefix import ResolutionPrefix
from ttm_sk.layers.scaling import ScaleState, measure_scale
from ttm_sk.layers.seasonal import last_value_and_roughness, seasonal_templates
from ttm_sk.models.forecast_module import Forecast
from ttm_sk.models.ttm_config import DEFAULT_LEVELS, TTMConfig
from ttm_sk.models.ttm_inputs import check_inputs, join_covariates
from ttm_sk.models.ttm_parts import make_backbone, make_decoder, make_forecast_mixing, make_head

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
        self.positions = (
            PatchPositions(n_patches=c.n_patches, width=c.width, positions=c.positions)
            if c.positions != "none"
            else None
        )
        self.backbone = make_backbone(c)
        self.adapter = nn.Linear(c.width, c.decoder_width) if c.decoder_width != c.width else nn.Identity()
        self.raw = nn.Linear(c.patch_length, c.decoder_width) if c.raw_residual else None
        self.static = nn.ModuleList(nn.Embedding(size, c.decoder_width) for size in c.static_sizes)
        self.decoder = make_decoder(c)
        self.head = make_head(c)
        self.forecast_mixing = make_forecast_mixing(c)

    @property
    def context_length(self) -> int:
        """Steps of the past that the module sees; earlier ones are cut off."""
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
            ``(batch, channel, time)``. Where ``observed`` is False the value is ignored and may be NaN. A longer
            past is cut, a shorter one padded on the left with unobserved steps. A config with a ``fed_back_weight``
            also takes floats: 1 observed, 0 not, that weight for a forecast that is fed back.
        resolution
            ``(batch,)`` integer tokens; needed by a config with ``n_resolutions``, an error for others.
        covariates, covariates_observed
            ``(batch, covariate, time + horizon)``: past and known future of the ``covariate_channels``, which
            ``context`` then leaves out; without flags, what is finite was observed.
        static
            ``(batch, n_static)`` integers; needed by a config with ``static_sizes``, an error for others.

        Returns
        -------
        Forecast
            Of all channels, or of the ``target_channels``.

        Raises
        ------
        ConfigError
            If an argument is given that this architecture cannot use, or one is missing that it needs, or the
            number of channels differs from a config that mixes channels.
        """
        check_inputs(
            self.config,
            context,
            resolution=resolution,
            covariates=covariates,
            covariates_observed=covariates_observed,
            static=static,
        )
        scaled, state = self.forecast_scaled(
            context,
            observed,
            resolution=resolution,
            covariates=covariates,
            covariates_observed=covariates_observed,
            static=static,
        )
        if self.config.scaling == "asinh":
            scaled = scaled.clamp(-LARGEST_SCALED, LARGEST_SCALED)
        values = state.inverse(scaled.to(state.loc.dtype))
        if not self.levels:
            return Forecast(values)
        return Forecast(values[..., self.levels.index(0.5)], values, self.levels)

    def forecast_scaled(
        self,
        context: Tensor,
        observed: Tensor,
        *,
        resolution: Tensor | None = None,
        covariates: Tensor | None = None,
        covariates_observed: Tensor | None = None,
        static: Tensor | None = None,
    ) -> tuple[Tensor, ScaleState]:
        """The head's output in scaled units, which is what a training loss compares, and the scaling of the targets.

        ``(batch, channel, horizon)`` from a point head, ``(batch, channel, horizon, quantile)`` from a quantile head.
        """
        future = None
        if covariates is not None:
            context, observed, future = join_covariates(self.config, context, observed, covariates, covariates_observed)
        values, weight, state = self.scale(context, observed)
        seen = self._seen()
        past, flags = values[:, seen], weight[:, seen]
        own = state._replace(loc=state.loc[:, seen], scale=state.scale[:, seen])
        features = self.decode(self.encode(past, flags, resolution=resolution), past, static=static)
        scaled = self._select(self.read_out(features, past, flags, own), seen)
        if self.forecast_mixing is not None:
            raw = self._fit_length(context, observed)[0] if self.config.reach_raw else None
            scaled = self._mix_forecasts(scaled, raw, values, state, future)
        targets = list(self.config.target_channels)
        if targets:
            state = state._replace(loc=state.loc[:, targets], scale=state.scale[:, targets])
        return scaled, state

    def read_out(self, features: Tensor, values: Tensor, weight: Tensor, state: ScaleState) -> Tensor:
        """The head's output from decoder features and what :meth:`scale` gave, every channel and step of it."""
        if not isinstance(self.head, QuantileHead):
            return self.head(features)
        recent = slice(-min(values.shape[-1], LONGEST_TEMPLATE_PAST), None)
        if self.config.fed_back_weight < 1:
            weight = (weight > 0).to(weight.dtype)
        values, weight = (
            (torch.asinh(values[..., recent]) if state.is_asinh else values[..., recent]),
            weight[..., recent],
        )
        anchor = last_value_and_roughness(values, weight)
        if not self.config.n_templates:
            return self.head(features, anchor)
        seasons = seasonal_templates(
            values, weight, horizon=self.config.prediction_length, n_templates=self.config.n_templates
        )
        return self.head(features, anchor, seasons)

    def _seen(self) -> list[int] | slice:
        """The channels that go through backbone and head: all, or the targets where channels do not meet there."""
        c = self.config
        is_apart = not (c.mixes_channels or c.decoder_mixes_channels)
        return list(c.target_channels) if c.target_channels and is_apart else slice(None)

    def _select(self, scaled: Tensor, seen: list[int] | slice) -> Tensor:
        """The target channels, of those that were seen, and the steps that are kept."""
        if self.config.target_channels and isinstance(seen, slice):
            scaled = scaled[:, list(self.config.target_channels)]
        return scaled[:, :, : self.config.horizon]

    def _mix_forecasts(
        self, scaled: Tensor, raw: Tensor | None, values: Tensor, state: ScaleState, future: Tensor | None
    ) -> Tensor:
        c = self.config
        covariates = list(c.covariate_channels)
        past = None
        if c.reach_past and c.reach:
            stop = values.shape[-1] - c.reach_offset
            source = torch.asinh(values) if state.is_asinh else values
            source = source if raw is None else torch.nan_to_num(raw)
            past = source[:, [*c.targets, *covariates], stop - c.reach : stop]
        if future is not None and not c.reach_raw:
            known = state._replace(loc=state.loc[:, covariates], scale=state.scale[:, covariates])
            future = known.apply(future)
        assert self.forecast_mixing is not None  # the caller has looked
        if not c.levels:
            return self.forecast_mixing(scaled, future=future, past=past)
        median = scaled[..., c.levels.index(0.5)]
        shift = self.forecast_mixing(median, future=future, past=past) - median
        return scaled + shift[..., None]

    def _fit_length(self, context: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """The newest ``context_length`` steps; before a shorter past stand zeros, observed only by ``pads_count``."""
        length = self.config.context_length
        context, observed = context[..., -length:], observed[..., -length:]
        if missing := length - context.shape[-1]:
            context = functional.pad(context, (missing, 0))
            observed = functional.pad(observed, (missing, 0), value=self.config.pads_count)
        return torch.nan_to_num(context) if self.config.keeps_unobserved else context, observed

    def scale(self, context: Tensor, observed: Tensor) -> tuple[Tensor, Tensor, ScaleState]:
        """Standardised values (0 where unobserved) and weights (1 = observed) of the whole context, and the scaling."""
        context, observed = self._fit_length(context, observed)
        weight = observed.to(context.dtype)
        is_marked = observed.dtype != torch.bool  # forecasts that are fed back have a weight of their own
        observed = observed > 0 if is_marked else observed
        state = measure_scale(
            context,
            self._counted(observed),
            scaling=self.config.scaling,
            minimum_variance=self.config.minimum_variance,
        )
        if self.config.keeps_unobserved:
            return state.standardise(context), weight, state
        values = torch.where(observed, context, torch.zeros_like(context))  # what stands elsewhere may be NaN
        counted = observed.to(context.dtype) if is_marked else weight
        return state.standardise(values) * (counted * (state.scale != 0)), weight, state

    def _counted(self, observed: Tensor) -> Tensor:
        """The steps that set the scale: the newest ones, or all of a series that was not observed lately."""
        if self.config.scaling_length in (0, self.config.context_length):
            return observed
        recent = observed.clone()
        recent[..., : self.config.context_length - self.config.scaling_length] = False
        return recent | (observed & ~recent.any(-1, keepdim=True))

    def encode(self, values: Tensor, weight: Tensor, *, resolution: Tensor | None = None) -> Tensor:
        """Backbone features ``(batch, channel, patch, feature)`` of scaled values, coarsest view first."""
        features = torch.cat([self._embed(values, weight, i) for i in reversed(range(len(self.config.views)))], dim=2)
        if self.prefix is not None and resolution is not None:
            features = self.prefix(features, resolution)
        if self.positions is not None:
            features = self.positions(features)
        for level in self.backbone:
            features = level(features)
        return features

    def decode(self, features: Tensor, values: Tensor | None = None, *, static: Tensor | None = None) -> Tensor:
        """Decoder features ``(batch, channel, patch, decoder_width)`` of backbone features.

        ``values``, the scaled context, is what a config with ``raw_residual`` adds.
        """
        n_channels = features.shape[1]
        features = self.adapter(features)
        if self.raw is not None and values is not None:
            values = torch.asinh(values) if self.config.scaling == "asinh" else values
            patches = cut_patches(values, self.config.patch_length)
            missing = features.shape[2] - patches.shape[2]  # the prefix holds no values
            features = features + self.raw(functional.pad(patches, (0, 0, missing, 0)))
        if static is not None:
            further = torch.stack([part(static[:, i]) for i, part in enumerate(self.static)], dim=1)
            further = further[:, :, None].expand(-1, -1, features.shape[2], -1)
            features = torch.cat([features, further.to(features.dtype)], dim=1)
        for layer in self.decoder:
            features = layer(features)
        return features[:, :n_channels]

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
