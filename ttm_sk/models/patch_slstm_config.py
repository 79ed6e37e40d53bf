"""The configuration of a PatchSLSTM, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ttm_sk.errors import ConfigError
from ttm_sk.models.frozen_config import FrozenConfig
from ttm_sk.models.ttm_checks import numbers
from ttm_sk.models.ttm_config import DEFAULT_LEVELS
from ttm_sk.models.ttm_r3_config import PlainInputs

__all__ = ["NINE_LEVELS", "PatchSLSTMConfig"]

NINE_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
COUNTS = ("context_length", "prediction_length", "patch_length", "width", "n_blocks", "n_heads", "hidden_width")


@dataclass(frozen=True)
class PatchSLSTMConfig(PlainInputs, FrozenConfig):
    """An architecture. The defaults are :meth:`full`, the published size.

    Attributes
    ----------
    context_length
        Most steps of the past that a forecast begins from, in whole patches; a shorter past costs less.
    prediction_length, longest_pass
        Steps that one call of the module gives, and steps up to which a forecast is made in one pass, by patches of
        the future that are not observed; beyond, forecasts are fed back.
    patch_length
        Steps of one patch, of the past and of the future.
    width, n_blocks, n_heads, hidden_width, expanded_width
        Features of a patch, blocks, heads of each sLSTM, hidden width of the first and last part, and hidden width of
        the feed-forward part of a block.
    levels
        Quantile levels, ascending, with .5 among them.
    scaling
        ``"std"`` or ``"asinh"``; see :func:`~ttm_sk.layers.scaling.scale_series`.
    norm_epsilon
        Of the root-mean-square norms.
    pads_context, scales_constants
        Two ways of the original, for its checkpoints alone: a short past is read behind as many unobserved patches as
        fill ``context_length`` (they are computed once for all series); the unit of a constant series is its own size,
        so that its forecast need not be constant.

    Raises
    ------
    ConfigError
        If the values contradict each other; the message names the rule.

    Examples
    --------
    >>> PatchSLSTMConfig.full().n_patches
    64
    """

    context_length: int = 2048
    prediction_length: int = 128
    longest_pass: int = 1024
    patch_length: int = 32
    width: int = 512
    n_blocks: int = 12
    n_heads: int = 4
    hidden_width: int = 2048
    expanded_width: int = 1408
    levels: tuple[float, ...] = NINE_LEVELS
    scaling: str = "std"
    norm_epsilon: float = 1e-6
    pads_context: bool = False
    scales_constants: bool = False

    n_resolutions: ClassVar[int] = 0
    n_channels: ClassVar[int] = 1
    is_fixed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", numbers("levels", self.levels, float))
        self.check_types()
        for name in (*COUNTS, "expanded_width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        if self.context_length % self.patch_length:
            raise ConfigError(
                f"context_length={self.context_length} is no multiple of patch_length={self.patch_length}; choose one"
            )
        if self.width % self.n_heads:
            raise ConfigError(f"n_heads={self.n_heads} does not divide width={self.width}; choose a divisor")
        if self.longest_pass < self.prediction_length:
            raise ConfigError(
                f"longest_pass={self.longest_pass} must be at least prediction_length={self.prediction_length}"
            )
        self._check_levels()
        if self.scaling not in ("std", "asinh"):
            raise ConfigError(f"found scaling {self.scaling!r}; choose 'std' or 'asinh'")
        if not self.norm_epsilon > 0:
            raise ConfigError(f"norm_epsilon={self.norm_epsilon} must be above 0")

    def _check_levels(self) -> None:
        levels = self.levels
        if list(levels) != sorted(set(levels)) or 0.5 not in levels:
            raise ConfigError(f"levels={levels} must ascend, with 0.5 among them")
        if not 0 < levels[0] <= levels[-1] < 1:
            raise ConfigError(f"levels={levels} must lie inside (0, 1)")

    @classmethod
    def full(cls) -> PatchSLSTMConfig:
        """The published size: 35,291,200 parameters, nine quantiles."""
        return cls()

    @classmethod
    def small(cls) -> PatchSLSTMConfig:
        """About two million parameters, thirteen quantiles."""
        return cls(width=192, n_blocks=4, hidden_width=384, expanded_width=512, levels=DEFAULT_LEVELS, scaling="asinh")

    @classmethod
    def tiny(cls) -> PatchSLSTMConfig:
        """Under a million parameters, thirteen quantiles."""
        return cls(width=128, n_blocks=4, hidden_width=256, expanded_width=352, levels=DEFAULT_LEVELS, scaling="asinh")

    @property
    def horizon(self) -> int:
        """Steps that one call of the module gives."""
        return self.prediction_length

    @property
    def n_patches(self) -> int:
        """Patches of the longest past."""
        return self.context_length // self.patch_length
