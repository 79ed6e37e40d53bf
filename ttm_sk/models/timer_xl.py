"""Timer-XL: a decoder-only transformer over patches that forecasts the next patch from all patches before it.

Written from the paper (Liu et al., 2024, arXiv:2410.04803) and the sizes of its releases. Two things are done otherwise
than in the public code: statistics are measured once, on the context, and stay what they are while the forecast grows,
so that what was computed for a patch remains valid; and the time of a patch is its place in its own channel, as the
paper has it, not its place in the row of all channels' patches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.errors import ConfigError, DataError
from ttm_sk.layers.causal_attention import CausalAttention, KeyValueCache, Reach, put, reach_of
from ttm_sk.layers.patching import cut_patches
from ttm_sk.layers.scaling import ScaleState, scale_series
from ttm_sk.models.forecast_module import Forecast, PatchForecast, refuse_unusable_inputs
from ttm_sk.models.timer_xl_config import TimerXLConfig

__all__ = ["DecodingState", "TimerXL", "TimerXLConfig"]

LARGEST_LOG_VARIANCE = 10.0
FIRST_LOG_VARIANCE = -2.0  # before training; that of the public drafts
SMALLEST_SCALE = 1e-12  # of a constant series, so that its density exists


@dataclass(frozen=True)
class DecodingState:
    """Everything that the next patches depend on, as a value; all patches are scaled by one and the same ``scale``.

    Attributes
    ----------
    caches
        Of each layer.
    output
        ``(batch, channel, slot, feature)``: what the last layer said at every patch.
    lengths
        ``(batch,)`` integers: patches that each row has seen.
    first
        ``(batch, channel)`` integers: the first patch that holds an observed value.
    scale
        Of the context.
    """

    caches: tuple[KeyValueCache, ...]
    output: Tensor
    lengths: Tensor
    first: Tensor
    scale: ScaleState


class TimerXL(nn.Module):
    """A forecast of the next patch, or of as many patches as are asked for, one after the other.

    See :class:`~ttm_sk.models.timer_xl_config.TimerXLConfig` for what can be chosen.

    Examples
    --------
    >>> module = TimerXL(TimerXLConfig.tiny()).eval()
    >>> context = torch.randn(1, 1, 32)
    >>> state = module.start(context, torch.ones(1, 1, 32, dtype=torch.bool))
    >>> ahead = module.ahead(state)  # of the next patch
    >>> after, state = module.step(state, ahead.mean)  # and of the one after it, one pass over one patch
    >>> after.mean.shape
    torch.Size([1, 1, 1, 8])
    """

    def __init__(self, config: TimerXLConfig) -> None:
        super().__init__()
        c = self.config = config
        is_biased = c.feedforward != "gated"
        self.embedding = nn.Linear(c.patch_length, c.width, bias=is_biased)
        self.layers = nn.ModuleList(DecoderLayer(c) for _ in range(c.n_layers))
        self.norm = nn.LayerNorm(c.width)
        self.head = nn.Linear(c.width, c.patch_length, bias=is_biased)
        self.spread = nn.Linear(c.width, c.patch_length) if c.is_stochastic else None
        if self.spread is not None:
            nn.init.zeros_(self.spread.weight)
            nn.init.constant_(self.spread.bias, FIRST_LOG_VARIANCE)

    @property
    def context_length(self) -> int:
        """Steps of the past that the module sees."""
        return self.config.context_length

    @property
    def prediction_length(self) -> int:
        """Steps of a patch."""
        return self.config.patch_length

    @property
    def patch_length(self) -> int:
        """Steps of a patch."""
        return self.config.patch_length

    @property
    def levels(self) -> tuple[float, ...]:
        """No quantiles."""
        return ()

    @property
    def mixes_channels(self) -> bool:
        """Whether channels inform each other."""
        return self.config.mixes_channels

    @property
    def has_variance(self) -> bool:
        """Whether it forecasts how uncertain it is."""
        return self.config.is_stochastic

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
        """The forecast of the next patch; see :class:`~ttm_sk.models.forecast_module.ForecastModule`."""
        refuse_unusable_inputs(
            "Timer-XL",
            resolution=resolution,
            covariates=covariates,
            covariates_observed=covariates_observed,
            static=static,
        )
        return Forecast(self.ahead(self.start(context, observed)).mean[:, :, 0])

    def scale(self, context: Tensor, observed: Tensor) -> tuple[Tensor, ScaleState]:
        """The scaled context, 0 where nothing was observed, and what undoes the scaling."""
        return scale_series(context, observed, scaling="std", minimum_variance=self.config.minimum_variance)

    def start(self, context: Tensor, observed: Tensor, *, like: DecodingState | None = None) -> DecodingState:
        """The state after one pass over a context.

        Parameters
        ----------
        context, observed
            ``(batch, channel, time)`` of any length; the first patch is filled up on the left as unobserved.
        like
            A state whose scale to keep, instead of measuring that of this context.
        """
        if like is None:
            scaled, scale = self.scale(context, observed)
        else:
            scale = like.scale
            scaled = torch.where(observed & (scale.scale != 0), scale.apply(context), torch.zeros_like(context))
        missing = -context.shape[-1] % self.patch_length
        patches = cut_patches(functional.pad(scaled, (missing, 0)), self.patch_length)
        is_seen = cut_patches(functional.pad(observed, (missing, 0)), self.patch_length).any(-1)
        first = torch.where(is_seen.any(-1), is_seen.int().argmax(-1), is_seen.shape[-1])
        lengths = torch.zeros(len(context), dtype=torch.long, device=context.device)
        empty = DecodingState((), patches.new_zeros(0), lengths, first, scale)
        return self._advance(empty, patches)

    def unit(self, state: DecodingState) -> Tensor:
        """What the context is scaled by, above 0: ``(batch, channel, 1, 1)``."""
        return state.scale.scale.clamp(min=SMALLEST_SCALE)[..., None]

    def step(self, state: DecodingState, patches: Tensor) -> tuple[PatchForecast, DecodingState]:
        """What follows each of some patches, all in one causal pass.

        Parameters
        ----------
        state
            Left as it is.
        patches
            ``(batch, channel, patch, step)`` in the units of the context: what follows the patches that ``state`` has
            seen, row by row.

        Returns
        -------
        tuple of PatchForecast and DecodingState
            Entry ``i`` forecasts the patch after patch ``i``.
        """
        if patches.shape[-1] != self.patch_length:
            raise DataError(f"found patches of {patches.shape[-1]} steps, expected {self.patch_length}")
        units = ScaleState(state.scale.loc[..., None], state.scale.scale[..., None], False)
        scaled = torch.where(units.scale != 0, units.standardise(patches), torch.zeros_like(patches))
        after = self._advance(state, scaled)
        return self._forecast(self._newest(after, patches.shape[2]), state.scale), after

    def ahead(self, state: DecodingState) -> PatchForecast:
        """The forecast of the one patch that comes next in each row."""
        return self._forecast(self._newest(state, 1), state.scale)

    def rewind(self, state: DecodingState, n_patches: int | Tensor) -> DecodingState:
        """The state before the newest patches; ``n_patches`` for all rows, or ``(batch,)`` integers.

        Examples
        --------
        >>> module = TimerXL(TimerXLConfig.tiny())
        >>> state = module.start(torch.randn(2, 1, 24), torch.ones(2, 1, 24, dtype=torch.bool))
        >>> module.rewind(state, torch.tensor([0, 1])).lengths
        tensor([3, 2])
        """
        lengths = state.lengths - n_patches
        if (lengths < 1).any():
            raise ConfigError(
                f"found {int(state.lengths.min())} patches and {n_patches} to take back; at least one must remain"
            )
        return replace(state, lengths=lengths)

    def select(self, state: DecodingState, rows: Tensor) -> DecodingState:
        """The state of some rows, in that order."""
        caches = tuple(KeyValueCache(*(part[rows] for part in cache)) for cache in state.caches)
        scale = ScaleState(state.scale.loc[rows], state.scale.scale[rows], state.scale.is_asinh)
        return DecodingState(caches, state.output[rows], state.lengths[rows], state.first[rows], scale)

    def forecast_scaled(self, patches: Tensor, first: Tensor) -> tuple[Tensor, Tensor | None]:
        """For training: what follows each of ``patches`` ``(batch, channel, patch, step)``, in scaled units.

        Returns the means and, of a stochastic model, the logarithms of the variances, of the same shape.
        """
        positions = torch.arange(patches.shape[2], device=patches.device).expand(len(patches), -1)
        return self._heads(self._pass(patches, positions, first, ())[0])

    def _advance(self, state: DecodingState, patches: Tensor) -> DecodingState:
        positions = state.lengths[:, None] + torch.arange(patches.shape[2], device=patches.device)
        output, caches = self._pass(patches, positions, state.first, state.caches)
        n_slots = caches[0].keys.shape[-2]
        kept = put(state.output if state.caches else None, output, positions, n_slots=n_slots)
        return replace(state, caches=caches, output=kept, lengths=state.lengths + patches.shape[2])

    def _pass(
        self, patches: Tensor, positions: Tensor, first: Tensor, caches: tuple[KeyValueCache, ...]
    ) -> tuple[Tensor, tuple[KeyValueCache, ...]]:
        batch, n_channels = patches.shape[:2]
        is_apart = not self.mixes_channels and n_channels > 1  # channels that do not inform each other are rows
        if is_apart:
            patches = rearrange(patches, "batch channel patch step -> (batch channel) 1 patch step")
            positions, first = positions.repeat_interleave(n_channels, dim=0), first.reshape(-1, 1)
            caches = tuple(_folded(cache) for cache in caches)
        output, grown = self._decode(patches, positions, first, caches)
        if is_apart:
            output = rearrange(output, "(batch channel) 1 patch feature -> batch channel patch feature", batch=batch)
            grown = tuple(_unfolded(cache, batch) for cache in grown)
        return output, grown

    def _decode(
        self, patches: Tensor, positions: Tensor, first: Tensor, caches: tuple[KeyValueCache, ...]
    ) -> tuple[Tensor, tuple[KeyValueCache, ...]]:
        n_slots, informs = int(positions.max()) + 1, self._informs(patches.shape[1], patches.device)
        reach = reach_of(positions, first, informs, n_slots=n_slots, n_seen=self.config.n_patches)
        x, grown = self.embedding(patches), []
        for layer, cache in zip(self.layers, caches or [None] * len(self.layers), strict=True):
            x, after = layer(x, positions, reach, cache)
            grown.append(after)
        return self.norm(x), tuple(grown)

    def _informs(self, n_channels: int, device: torch.device) -> Tensor:
        if self.config.attends == "all":
            return torch.ones(n_channels, n_channels, dtype=torch.bool, device=device)
        informs = torch.eye(n_channels, dtype=torch.bool, device=device)
        if self.config.attends == "target":
            informs[-1] = True
        return informs

    def _newest(self, state: DecodingState, n_patches: int) -> Tensor:
        """The output at the newest patches of each row."""
        places = state.lengths[:, None] + torch.arange(-n_patches, 0, device=state.lengths.device)
        return _at(state.output, places)

    def _heads(self, output: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.spread is None:
            return self.head(output), None
        return self.head(output), self.spread(output).clamp(-LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE)

    def _forecast(self, output: Tensor, scale: ScaleState) -> PatchForecast:
        mean, log_variance = self._heads(output)
        if log_variance is not None:
            log_variance = log_variance + 2 * scale.scale.clamp(min=SMALLEST_SCALE).log()[..., None]
        return PatchForecast(scale.inverse(mean), log_variance)


class DecoderLayer(nn.Module):
    """Attention and a second half, each added to what came in and normalised after that."""

    def __init__(self, c: TimerXLConfig) -> None:
        super().__init__()
        self.attention = CausalAttention(
            c.width,
            heads=c.heads,
            rotary_share=c.rotary_share,
            has_output_bias=c.feedforward != "gated",
            knows_channels=c.mixes_channels,
        )
        self.feedforward = (GatedHalf if c.feedforward == "gated" else PlainHalf)(c)
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(c.width), nn.LayerNorm(c.width)
        self.dropout = nn.Dropout(c.dropout)

    def forward(
        self, x: Tensor, positions: Tensor, reach: Reach, cache: KeyValueCache | None
    ) -> tuple[Tensor, KeyValueCache]:
        mixed, cache = self.attention(x, positions, reach, cache)
        x = self.attention_norm(x + self.dropout(mixed))
        return self.feedforward_norm(x + self.dropout(self.feedforward(x))), cache


class PlainHalf(nn.Module):
    """Two linear maps of each patch, with biases."""

    def __init__(self, c: TimerXLConfig) -> None:
        super().__init__()
        self.expand, self.contract = nn.Linear(c.width, c.feedforward_width), nn.Linear(c.feedforward_width, c.width)
        self.activation = functional.relu if c.feedforward == "relu" else functional.gelu
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(self.dropout(self.activation(self.expand(x))))


class GatedHalf(nn.Module):
    """Two linear maps of each patch and a third one as their gate, without biases."""

    def __init__(self, c: TimerXLConfig) -> None:
        super().__init__()
        self.expand, self.gate = (nn.Linear(c.width, c.feedforward_width, bias=False) for _ in range(2))
        self.contract = nn.Linear(c.feedforward_width, c.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(functional.silu(self.gate(x)) * self.expand(x))


def _at(values: Tensor, places: Tensor) -> Tensor:
    """``(batch, channel, slot, feature)`` at the slots ``(batch, patch)`` of each row."""
    rows = torch.arange(len(values), device=values.device)[:, None]
    return values.movedim(2, 1)[rows, places].movedim(1, 2)


def _folded(cache: KeyValueCache) -> KeyValueCache:
    pattern = "batch head channel slot feature -> (batch channel) head 1 slot feature"
    return KeyValueCache(*(rearrange(part, pattern) for part in cache))


def _unfolded(cache: KeyValueCache, batch: int) -> KeyValueCache:
    pattern = "(batch channel) head 1 slot feature -> batch head channel slot feature"
    return KeyValueCache(*(rearrange(part, pattern, batch=batch) for part in cache))
