"""The configuration of a TinyTimeMixer: what it is made of, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ttm_sk.models.frozen_config import FrozenConfig
from ttm_sk.models.ttm_checks import check_config, numbers

__all__ = ["DEFAULT_LEVELS", "TTMConfig"]

DEFAULT_LEVELS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class TTMConfig(FrozenConfig):
    """An architecture. The defaults are IBM's released 512-96 model; :meth:`tiny` is what this package ships.

    Attributes
    ----------
    context_length, prediction_length
        Steps of the past that are seen, and steps of the future that one pass gives.
    patch_length
        Steps (of a view) in one patch.
    views
        Resolutions at which the past is seen, ascending, the first 1: view ``k`` is the newest
        ``context_length / views[-1] * k`` steps as means over blocks of ``k``. ``(1,)`` is the plain TTM.
    width, n_levels, n_layers, expansion, dropout, gate
        Features of a patch; adaptive levels (level ``i`` splits patches into ``2 ** (n_levels - 1 - i)``
        parts, so the finest comes first; 0 is a flat stack); mixer layers per level; hidden width of the
        MLPs as a multiple; dropout of the backbone; one of :data:`~ttm_sk.layers.mixing.GATES`.
    narrowest_part
        A level whose parts would be narrower than this many features leaves the patches whole; 0: never.
    gate_groups
        Most groups of values that share a weight where ``gate="group_sigmoid"``.
    norm, norm_epsilon
        ``"layer"``, or ``"batch"`` over series and patches, and what is added to its variance.
    attention_heads
        Heads of a self-attention over patches beside each patch mixing; 0 means none.
    positions
        What is added to the patches by their place: ``"none"``, ``"sincos"`` (fixed) or ``"learnt"``.
    decoder_width, decoder_layers, decoder_levels, head_dropout
        The part that fine-tuning trains first; with levels, ``decoder_layers`` is their number per level.
    raw_residual
        Whether the decoder also sees the scaled values of each patch.
    levels, head_width
        Quantile levels (ascending, with .5) and the hidden width of their head; no levels make a point head.
    with_flags
        Whether observed flags stand beside the values of each patch.
    fed_back_weight
        What stands there for a step of an earlier forecast that is fed back: 1, as if it had been observed, or less, so
        that the model can tell. Other parts take such a step for observed.
    n_templates, cycle_width
        Seasonal templates that the quantile head is shown, and the hidden width of the small network that reads the
        newest cycles one by one (0 leaves it out).
    n_resolutions
        Size of the resolution prefix's vocabulary; 0 means no prefix.
    scaling, scaling_length, minimum_variance
        Instance scaling, over how many of the newest steps (0 means all), and what is added to the variance; for
        ``"mean"`` the least scale.
    n_channels, mixes_channels, decoder_mixes_channels
        Channel mixing in the backbone or the decoder, for exactly ``n_channels``.
    static_sizes
        Number of values of each static category; they enter a decoder that mixes channels, as further channels.
    target_channels, covariate_channels
        Channels (of ``n_channels``) that are forecast, () for all, and channels whose future is known.
    forecast_length
        Steps of the forecast that are kept; 0 keeps all of ``prediction_length``.
    mixes_forecasts
        Whether the forecasts of all targets and the future of the covariates are reconciled
        (:class:`~ttm_sk.layers.exogenous.ForecastMixing`), with these:
    reach, reach_layers, reach_gate, reach_past, reach_offset, reach_raw
        Steps before and after that each step sees; mixer layers (0: none); their gate and that behind them; whether the
        first steps see the past, and how many of its newest steps they skip; whether past and covariates enter in
        their own units beside scaled forecasts, as in IBM's code, instead of scaled.
    pads_count, keeps_unobserved, drops_remainder
        Three ways of IBM's code, for its checkpoints alone: the zeros before a short history count as observed;
        what stands at unobserved places (0 for NaN) enters the patches; the context need not be whole patches.

    Raises
    ------
    ConfigError
        If the values contradict each other; the message names the rule.

    Examples
    --------
    >>> TTMConfig().n_patches
    8
    >>> TTMConfig(patch_length=100)
    Traceback (most recent call last):
    ...
    ttm_sk.errors.ConfigError: patch_length=100 does not divide the 512 steps of a view; choose a divisor of 512
    """

    context_length: int = 512
    prediction_length: int = 96
    patch_length: int = 64
    views: tuple[int, ...] = (1,)
    width: int = 192
    n_levels: int = 3
    n_layers: int = 2
    expansion: int = 2
    dropout: float = 0.2
    gate: str = "softmax"
    narrowest_part: int = 0
    gate_groups: int = 8
    norm: str = "layer"
    norm_epsilon: float = 1e-5
    attention_heads: int = 0
    positions: str = "none"
    decoder_width: int = 128
    decoder_layers: int = 2
    decoder_levels: int = 0
    head_dropout: float = 0.2
    raw_residual: bool = False
    levels: tuple[float, ...] = ()
    head_width: int = 0
    with_flags: bool = False
    fed_back_weight: float = 1.0
    n_templates: int = 0
    cycle_width: int = 0
    n_resolutions: int = 0
    scaling: str = "std"
    scaling_length: int = 0
    minimum_variance: float = 1e-5
    n_channels: int = 1
    mixes_channels: bool = False
    decoder_mixes_channels: bool = False
    static_sizes: tuple[int, ...] = ()
    target_channels: tuple[int, ...] = ()
    covariate_channels: tuple[int, ...] = ()
    forecast_length: int = 0
    mixes_forecasts: bool = False
    reach: int = 1
    reach_layers: int = 0
    reach_gate: str = "softmax"
    reach_past: bool = True
    reach_offset: int = 0
    reach_raw: bool = False
    pads_count: bool = False
    keeps_unobserved: bool = False
    drops_remainder: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(field.default, tuple):
                kind = float if field.name == "levels" else int
                object.__setattr__(self, field.name, numbers(field.name, getattr(self, field.name), kind))
        check_config(self)

    @classmethod
    def tiny(cls) -> TTMConfig:
        """Under a million parameters with the quantile head: the bundled weights, but for their ``fed_back_weight``."""
        return cls(
            context_length=4096,
            views=(1, 4, 16),
            gate="none",
            decoder_width=128,
            levels=DEFAULT_LEVELS,
            head_width=112,
            with_flags=True,
            n_templates=2,
            cycle_width=32,
            scaling="asinh",
            scaling_length=512,
            minimum_variance=0.0,
            dropout=0.0,
            head_dropout=0.0,
        )

    @classmethod
    def small(cls) -> TTMConfig:
        """About five million parameters."""
        return replace(cls.tiny(), width=480, decoder_width=256, head_width=320)

    @classmethod
    def base(cls) -> TTMConfig:
        """About fifteen million parameters."""
        return replace(cls.tiny(), width=704, n_layers=3, decoder_width=448, head_width=640)

    @classmethod
    def granite(
        cls, context_length: int = 512, prediction_length: int = 96, patch_length: int = 64, *, n_levels: int = 3
    ) -> TTMConfig:
        """IBM's family rule: width three patches, decoder two, three levels of two layers, a point head.

        Source: ``config.json`` of the released granite-timeseries-ttm checkpoints.
        """
        return cls(
            context_length=context_length,
            prediction_length=prediction_length,
            patch_length=patch_length,
            width=3 * patch_length,
            decoder_width=2 * patch_length,
            n_levels=n_levels,
        )

    @property
    def view_length(self) -> int:
        """Steps of each view, counted in its own resolution."""
        return self.context_length // self.views[-1]

    @property
    def n_patches(self) -> int:
        """Patches per channel that the mixers see, the prefix included."""
        return len(self.views) * (self.view_length // self.patch_length) + (1 if self.n_resolutions else 0)

    @property
    def level_factors(self) -> tuple[int, ...]:
        """Into how many parts each backbone level splits a patch, the finest level first."""
        return self._factors(self.n_levels, self.width)

    @property
    def decoder_factors(self) -> tuple[int, ...]:
        """The same of the decoder, where it has levels."""
        return self._factors(self.decoder_levels, self.decoder_width)

    @property
    def horizon(self) -> int:
        """Steps that one pass gives: ``forecast_length``, or all of ``prediction_length``."""
        return self.forecast_length or self.prediction_length

    @property
    def targets(self) -> tuple[int, ...]:
        """The channels that are forecast, of a model with a fixed number of them."""
        return self.target_channels or tuple(range(self.n_channels))

    @property
    def is_fixed(self) -> bool:
        """Whether a series needs exactly ``n_channels``; others take any number, one by one."""
        parts = (self.mixes_channels, self.decoder_mixes_channels, self.mixes_forecasts, self.static_sizes)
        return any(parts) or bool(self.target_channels)

    def _factors(self, n_levels: int, width: int) -> tuple[int, ...]:
        finest_first = [2**i for i in reversed(range(n_levels))]
        return tuple(1 if width // factor < self.narrowest_part else factor for factor in finest_first) or (1,)
