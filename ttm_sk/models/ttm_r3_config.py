"""The configuration of a TTM-R3, and of the pair of them that forecasts trend and residual apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import Any, ClassVar, Self

from ttm_sk.errors import ConfigError
from ttm_sk.layers.mixing import GATES, NORMS
from ttm_sk.layers.multiscale import multiscale_patches
from ttm_sk.layers.patching import POSITIONS
from ttm_sk.layers.scaling import SCALINGS
from ttm_sk.layers.spread import CONDITIONS
from ttm_sk.models.frozen_config import FrozenConfig
from ttm_sk.models.ttm_checks import numbers

__all__ = ["DecomposedTTMConfig", "TTMR3Config"]

LEAST_ONE = (
    "context_length",
    "prediction_length",
    "patch_length",
    "width",
    "expansion",
    "gate_groups",
    "decoder_width",
    "spread_width",
    "condition_width",
    "n_channels",
)
CHOICES = {"gate": GATES, "norm": NORMS, "positions": POSITIONS, "scaling": SCALINGS, "condition": CONDITIONS}
NARROWEST_SPLIT = 5  # a level that would cut patches into parts narrower than this leaves them whole


def _factors(n_levels: int, width: int) -> tuple[int, ...]:
    factors = [2**i for i in reversed(range(n_levels))]
    return tuple(factor if width // factor >= NARROWEST_SPLIT else 1 for factor in factors) or (1,)


class PlainInputs:
    """What callers ask a config for, and these architectures do not have: covariates, static numbers, chosen targets.

    Gaps are filled before these models see a series (``wants_filled_gaps``), so no special padding is asked for.
    """

    target_channels: ClassVar[tuple[int, ...]] = ()
    covariate_channels: ClassVar[tuple[int, ...]] = ()
    static_sizes: ClassVar[tuple[int, ...]] = ()
    keeps_unobserved: ClassVar[bool] = False
    pads_count: ClassVar[bool] = False


@dataclass(frozen=True)
class TTMR3Config(PlainInputs, FrozenConfig):
    """An architecture of IBM's third TTM release. The released sizes are not public; the defaults are a mid-sized one.

    Attributes
    ----------
    context_length, prediction_length, forecast_length
        Steps of the past that are seen, steps of the future that are computed, and how many of those are given (0
        means all).
    patch_length, is_multiscale
        Steps in one patch, and whether patches are also cut from means over 2, 4, ... steps.
    width, n_levels, n_layers, expansion, dropout, gate, gate_groups, norm, norm_epsilon, attention_heads, positions
        As in :class:`~ttm_sk.models.ttm_config.TTMConfig`.
    n_resolutions, n_registers, n_frequencies
        Extra patches: size of the resolution prefix's vocabulary, learnt ones, and ones that name the strongest
        frequencies; 0 for none.
    embeds_frequencies, joined_frequency_width, with_mean_frequency
        Whether a frequency has a learnt vector (else two layers read its number); 0, or the features that each gets in
        one patch for all; whether the mean is one of the frequencies.
    normalises_patches
        Whether one layer norm over all patches and features of a channel stands before the mixers.
    decoder_width, decoder_levels, decoder_layers, head_dropout
        The part that fine-tuning trains first.
    levels
        Quantile levels: ascending, an odd number, .5 in the middle. None make a point forecast.
    spread_width, spread_kernel, spread_minimum_step, moves_median
        Of the network that reads quantiles off the point forecast: see :class:`~ttm_sk.layers.spread.QuantileSpread`.
    condition, condition_width, concatenates_condition
        What of the decoder it sees, how narrow (where all patches are seen), and whether beside its own features.
    scaling, minimum_variance
        Instance scaling, and what is added to the variance.
    n_channels, mixes_channels, decoder_mixes_channels
        Channel mixing in the backbone or the decoder, for exactly ``n_channels``.

    Raises
    ------
    ConfigError
        If the values contradict each other; the message names the rule.

    Examples
    --------
    >>> TTMR3Config(is_multiscale=True, n_registers=2, n_frequencies=3).n_patches
    20
    """

    context_length: int = 512
    prediction_length: int = 96
    forecast_length: int = 0
    patch_length: int = 64
    is_multiscale: bool = False
    width: int = 192
    n_levels: int = 3
    n_layers: int = 2
    expansion: int = 2
    dropout: float = 0.2
    gate: str = "softmax"
    gate_groups: int = 8
    norm: str = "layer"
    norm_epsilon: float = 1e-5
    attention_heads: int = 0
    positions: str = "none"
    n_resolutions: int = 0
    n_registers: int = 0
    n_frequencies: int = 0
    embeds_frequencies: bool = True
    joined_frequency_width: int = 0
    with_mean_frequency: bool = True
    normalises_patches: bool = False
    decoder_width: int = 128
    decoder_levels: int = 0
    decoder_layers: int = 2
    head_dropout: float = 0.2
    levels: tuple[float, ...] = ()
    spread_width: int = 8
    spread_kernel: int = 3
    spread_minimum_step: float = 1e-6
    moves_median: bool = True
    condition: str = "none"
    condition_width: int = 8
    concatenates_condition: bool = False
    scaling: str = "std"
    minimum_variance: float = 1e-5
    n_channels: int = 1
    mixes_channels: bool = False
    decoder_mixes_channels: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", numbers("levels", self.levels, float))
        self.check_types()
        self._check_counts()
        self._check_names()
        self._check_patches()
        self._check_levels()

    @property
    def patch_counts(self) -> tuple[int, ...]:
        """Patches of each resolution, the finest first."""
        counts = multiscale_patches(self.context_length, self.patch_length)
        return counts if self.is_multiscale else counts[:1]

    @property
    def n_patches(self) -> int:
        """Patches per channel that the mixers see, the extra ones included."""
        n_frequency_tokens = min(self.n_frequencies, 1) if self.joined_frequency_width else self.n_frequencies
        return sum(self.patch_counts) + (1 if self.n_resolutions else 0) + self.n_registers + n_frequency_tokens

    @property
    def horizon(self) -> int:
        """Steps that one pass gives."""
        return self.forecast_length or self.prediction_length

    @property
    def is_fixed(self) -> bool:
        """Whether a series needs exactly ``n_channels``; others take any number, one by one."""
        return self.mixes_channels or self.decoder_mixes_channels

    @property
    def level_factors(self) -> tuple[int, ...]:
        """Into how many parts each backbone level splits a patch, the finest level first."""
        return _factors(self.n_levels, self.width)

    @property
    def decoder_factors(self) -> tuple[int, ...]:
        """The same for the decoder."""
        return _factors(self.decoder_levels, self.decoder_width)

    def _check_counts(self) -> None:
        for name in LEAST_ONE:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not 0 <= value < inf:
                raise ConfigError(f"{field.name}={value} must not be negative, nor infinite")
        for name in ("dropout", "head_dropout"):
            if not getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must lie in [0, 1)")
        if self.forecast_length > self.prediction_length:
            raise ConfigError(
                f"forecast_length={self.forecast_length} must lie in 1..prediction_length={self.prediction_length};"
                " 0 means all"
            )

    def _check_names(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"unknown {name} {getattr(self, name)!r}; choose one of {', '.join(known)}")
        if self.scaling == "asinh":
            raise ConfigError("scaling='asinh' is not part of this architecture; choose 'std', 'mean' or 'none'")

    def _check_patches(self) -> None:
        if self.context_length <= self.patch_length:
            raise ConfigError(f"patch_length={self.patch_length} must be below context_length={self.context_length}")
        if self.n_frequencies > self.context_length // 2 + 1:
            raise ConfigError(
                f"n_frequencies={self.n_frequencies}, but {self.context_length} steps have"
                f" {self.context_length // 2 + 1} frequencies; choose at most as many"
            )
        for width, factors in ((self.width, self.level_factors), (self.decoder_width, self.decoder_factors)):
            for factor in factors:
                if width % factor:
                    raise ConfigError(
                        f"adaptive levels split a patch into {factor} parts, which does not divide {width} features;"
                        " choose another width, or fewer levels"
                    )
                if self.attention_heads and width // factor % self.attention_heads:
                    raise ConfigError(
                        f"attention_heads={self.attention_heads} does not divide the {width // factor} features that a"
                        " level leaves of a patch; choose a divisor"
                    )
        if self.positions == "sincos" and self.width % 2:
            raise ConfigError(f"positions='sincos' needs an even width, found {self.width}; use 'learnt'")

    def _check_levels(self) -> None:
        if not self.levels:
            return
        levels, n_below = self.levels, len(self.levels) // 2
        is_ascending = list(levels) == sorted(set(levels)) and 0 < levels[0] <= levels[-1] < 1
        if not is_ascending or len(levels) % 2 == 0 or levels[n_below] != 0.5:
            raise ConfigError(f"levels={levels} must ascend inside (0, 1), be odd in number and have 0.5 in the middle")
        if self.spread_kernel % 2 == 0:
            raise ConfigError(f"spread_kernel={self.spread_kernel} must be odd, or the horizon changes its length")
        if self.horizon < 2:
            raise ConfigError("a horizon of 1 step: quantiles are read off the shape of the forecast; take 2 or more")


@dataclass(frozen=True)
class DecomposedTTMConfig(PlainInputs, FrozenConfig):
    """Two TTM-R3: one forecasts the trend from the whole past, one what is left of the recent past.

    Attributes
    ----------
    trend, residual
        The two forecasters, which do not scale by themselves; the residual's context may be shorter.
    scaling, minimum_variance
        Instance scaling in front of both.
    is_independent
        Whether the spreads of trend and residual add up as if their errors were independent.

    Raises
    ------
    ConfigError
        If the two do not fit together.

    Examples
    --------
    >>> part = TTMR3Config(scaling="none", levels=(0.1, 0.5, 0.9))
    >>> DecomposedTTMConfig(trend=part, residual=part).context_length
    512
    """

    trend: TTMR3Config = TTMR3Config(scaling="none")
    residual: TTMR3Config = TTMR3Config(scaling="none")
    scaling: str = "std"
    minimum_variance: float = 1e-5
    is_independent: bool = False

    def __post_init__(self) -> None:
        self.check_types()
        if self.scaling not in SCALINGS or self.scaling == "asinh":
            raise ConfigError(f"found scaling {self.scaling!r}; choose 'std', 'mean' or 'none'")
        if not 0 <= self.minimum_variance < inf:
            raise ConfigError(f"minimum_variance={self.minimum_variance} must not be negative, nor infinite")
        if self.residual.context_length > self.trend.context_length:
            raise ConfigError(
                f"the residual's context of {self.residual.context_length} steps is longer than the trend's,"
                f" {self.trend.context_length}; choose at most as many"
            )
        for name in ("horizon", "levels", "n_resolutions", "n_channels", "scaling"):
            found = getattr(self.trend, name), getattr(self.residual, name)
            if found[0] != found[1]:
                raise ConfigError(f"trend and residual differ in {name}: {found[0]!r} and {found[1]!r}; give both one")
        if self.trend.scaling != "none":
            raise ConfigError(f"trend and residual scale again ({self.trend.scaling!r}); give them scaling='none'")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The config that :meth:`to_dict` wrote."""
        parts = {
            name: TTMR3Config.from_dict(values[name])
            for name in ("trend", "residual")
            if isinstance(values.get(name), Mapping)
        }
        return super().from_dict({**values, **parts})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, one entry per field."""
        return {**super().to_dict(), "trend": self.trend.to_dict(), "residual": self.residual.to_dict()}

    @property
    def context_length(self) -> int:
        """Steps of the past that are seen."""
        return self.trend.context_length

    @property
    def horizon(self) -> int:
        """Steps that one pass gives."""
        return self.trend.horizon

    @property
    def n_channels(self) -> int:
        """Channels that a series has, where they are mixed."""
        return self.trend.n_channels

    @property
    def is_fixed(self) -> bool:
        """Whether a series needs exactly ``n_channels``; others take any number, one by one."""
        return self.trend.is_fixed or self.residual.is_fixed

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels of both; empty for a point forecast."""
        return self.trend.levels

    @property
    def n_resolutions(self) -> int:
        """Size of the resolution prefix's vocabulary; 0 means no prefix."""
        return self.trend.n_resolutions
