"""The configuration of a TinyTimeMixer: what it is made of, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from math import inf
from typing import Any

from ttm_sk.errors import ConfigError
from ttm_sk.layers.mixing import GATES
from ttm_sk.layers.scaling import SCALINGS

__all__ = ["DEFAULT_LEVELS", "TTMConfig"]

DEFAULT_LEVELS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class TTMConfig:
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
        MLPs as a multiple; dropout of the backbone; ``"softmax"``, ``"sigmoid"`` or ``"none"``.
    decoder_width, decoder_layers, head_dropout
        The part that fine-tuning trains first.
    levels, head_width
        Quantile levels (ascending, with .5) and the hidden width of their head; no levels make a point head.
    with_flags
        Whether observed flags stand beside the values of each patch.
    n_templates, cycle_width
        Seasonal templates that the quantile head is shown, and the hidden width of the small network that reads the
        newest cycles one by one (0 leaves it out).
    n_resolutions
        Size of the resolution prefix's vocabulary; 0 means no prefix.
    scaling, scaling_length, minimum_variance
        Instance scaling, over how many of the newest steps (0 means all), and what is added to the variance.
    n_channels, mixes_channels, decoder_mixes_channels
        Channel mixing in the backbone or the decoder, for exactly ``n_channels``.

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
    decoder_width: int = 128
    decoder_layers: int = 2
    head_dropout: float = 0.2
    levels: tuple[float, ...] = ()
    head_width: int = 0
    with_flags: bool = False
    n_templates: int = 0
    cycle_width: int = 0
    n_resolutions: int = 0
    scaling: str = "std"
    scaling_length: int = 0
    minimum_variance: float = 1e-5
    n_channels: int = 1
    mixes_channels: bool = False
    decoder_mixes_channels: bool = False

    def __post_init__(self) -> None:
        for name in ("views", "levels"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name), int if name == "views" else float))
        self._check_types()
        self._check_sizes()
        self._check_views()
        self._check_head()

    @classmethod
    def tiny(cls) -> TTMConfig:
        """Under a million parameters with the quantile head: the architecture of the bundled weights."""
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

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TTMConfig:
        """The config that :meth:`to_dict` wrote.

        Raises
        ------
        ConfigError
            For a key that is no field, with the nearest one that is.
        """
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
                raise ConfigError(f"unknown configuration key {key!r}{hint}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError(f"a configuration value has the wrong type: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, one entry per field."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

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
        return tuple(2**i for i in reversed(range(self.n_levels))) or (1,)

    def _check_types(self) -> None:
        for field in fields(self):
            value, default = getattr(self, field.name), field.default
            is_right = isinstance(value, type(default)) or (isinstance(default, float) and isinstance(value, int))
            if not is_right or (isinstance(value, bool) and not isinstance(default, bool)):
                raise ConfigError(f"{field.name}={value!r} is no {type(default).__name__}; for example {default!r}")

    def _check_sizes(self) -> None:
        least_one = (
            "context_length",
            "prediction_length",
            "patch_length",
            "width",
            "n_layers",
            "expansion",
            "decoder_width",
            "n_channels",
        )
        for name in least_one:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        counts = ("n_levels", "decoder_layers", "head_width", "n_templates", "cycle_width", "n_resolutions")
        for name in (*counts, "minimum_variance"):
            if not 0 <= getattr(self, name) < inf:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative, nor infinite")
        for name in ("dropout", "head_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must lie in [0, 1)")
        if not 0 <= self.scaling_length <= self.context_length:
            raise ConfigError(
                f"scaling_length={self.scaling_length} must lie in 1..context_length={self.context_length}; 0 means all"
            )
        for name, known in (("gate", GATES), ("scaling", SCALINGS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"unknown {name} {getattr(self, name)!r}; choose one of {', '.join(known)}")

    def _check_views(self) -> None:
        if not self.views or self.views[0] != 1 or list(self.views) != sorted(set(self.views)):
            raise ConfigError(
                f"views={self.views} must be ascending, without repetition, and begin with 1, for example (1, 4, 16)"
            )
        if self.context_length % self.views[-1]:
            raise ConfigError(
                f"context_length={self.context_length} must be divisible by the coarsest view, {self.views[-1]}"
            )
        if self.view_length % self.patch_length:
            raise ConfigError(
                f"patch_length={self.patch_length} does not divide the {self.view_length} steps of a view;"
                f" choose a divisor of {self.view_length}"
            )
        finest = self.level_factors[0]
        if self.width % finest:
            raise ConfigError(
                f"{self.n_levels} adaptive levels split a patch into {finest} parts,"
                f" which does not divide width={self.width};"
                f" choose a multiple of {finest}, or fewer levels"
            )

    def _check_head(self) -> None:
        if not self.levels:
            if self.n_templates:
                raise ConfigError("seasonal templates need a quantile head: give levels, or n_templates=0")
            return
        if self.cycle_width and not self.n_templates:
            raise ConfigError(f"cycle_width={self.cycle_width} needs seasonal templates: n_templates of at least 1")
        if (
            list(self.levels) != sorted(set(self.levels))
            or not 0 < self.levels[0] <= self.levels[-1] < 1
            or 0.5 not in self.levels
        ):
            raise ConfigError(f"levels={self.levels} must ascend inside (0, 1) and contain 0.5")
        if self.head_width < 1:
            raise ConfigError(
                f"head_width={self.head_width}: a quantile head needs a hidden layer of at least 1 feature"
            )


def _numbers(name: str, values: Any, kind: type) -> tuple[Any, ...]:
    """``values`` as a tuple of that kind of number, whole ones read as floats where floats are meant."""
    is_sequence = isinstance(values, Iterable) and not isinstance(values, str)
    found = tuple(values) if is_sequence else ()
    if not is_sequence or not all(isinstance(value, (int, kind)) and not isinstance(value, bool) for value in found):
        raise ConfigError(f"{name}={values!r} must be a tuple of numbers ({kind.__name__})")
    return tuple(kind(value) for value in found)
