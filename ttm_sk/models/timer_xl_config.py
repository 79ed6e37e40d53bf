"""The configuration of a Timer-XL, its published sizes, and smaller drafts of any of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ttm_sk.errors import ConfigError
from ttm_sk.models.frozen_config import FrozenConfig
from ttm_sk.models.ttm_r3_config import PlainInputs

__all__ = ["ATTENDS", "FEEDFORWARDS", "TimerXLConfig"]

ATTENDS: tuple[str, ...] = ("own", "all", "target")
FEEDFORWARDS: tuple[str, ...] = ("relu", "gelu", "gated")
SCALABLE = ("width", "heads", "feedforward_width", "n_layers")


@dataclass(frozen=True)
class TimerXLConfig(PlainInputs, FrozenConfig):
    """An architecture of Timer-XL (arXiv:2410.04803); the defaults are the size of the speculative-decoding paper.

    Attributes
    ----------
    context_length
        Steps that a patch sees, itself included; a multiple of ``patch_length``.
    patch_length
        Steps of a patch: what is read, and what is forecast, at once.
    width, heads, n_layers, feedforward_width
        Features of a patch, heads that share them, decoder layers, features inside a layer's second half.
    feedforward
        ``"relu"`` or ``"gelu"``: two maps, and biases everywhere, as in OpenLTM. ``"gated"``: three maps with a SiLU
        gate, and biases for query, key and value alone, as in the released ``timer-base-84m``.
    rotary_share
        Part of each head's features that is turned by its position; .5 in OpenLTM, 1 in the release.
    attends
        ``"own"``: every channel by itself. ``"all"``: a patch sees the past of all channels. ``"target"``: the last
        channel sees the past of all, the others only their own.
    is_stochastic
        A second head forecasts the logarithm of the variance of every step.
    dropout
        After attention and inside the second half of a layer, while training.
    minimum_variance
        Added to the variance by which a context is scaled; 1e-5 in OpenLTM, 0 keeps forecasts exactly equivariant.

    Examples
    --------
    >>> TimerXLConfig.base_84m().draft(0.25)
    TimerXLConfig(context_length=2880, patch_length=96, width=256, heads=2, n_layers=2, feedforward_width=512,
                  feedforward='gated', rotary_share=1.0, attends='own', is_stochastic=False, dropout=0.0,
                  minimum_variance=0.0)
    """

    context_length: int = 1536
    patch_length: int = 96
    width: int = 1024
    heads: int = 8
    n_layers: int = 1
    feedforward_width: int = 2048
    feedforward: str = "relu"
    rotary_share: float = 0.5
    attends: str = "own"
    is_stochastic: bool = False
    dropout: float = 0.0
    minimum_variance: float = 0.0

    levels: ClassVar[tuple[float, ...]] = ()
    n_channels: ClassVar[int] = 1
    n_resolutions: ClassVar[int] = 0
    is_fixed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.check_types()
        for name in ("context_length", "patch_length", *SCALABLE):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        for name, known in (("attends", ATTENDS), ("feedforward", FEEDFORWARDS)):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"unknown {name} {getattr(self, name)!r}; choose one of {', '.join(map(repr, known))}"
                )
        if self.context_length % self.patch_length:
            raise ConfigError(
                f"context_length={self.context_length} must be a multiple of patch_length={self.patch_length};"
                f" for example {self.context_length - self.context_length % self.patch_length or self.patch_length}"
            )
        if self.width % self.heads:
            raise ConfigError(f"heads={self.heads} must divide width={self.width}")
        if not 0 <= self.rotary_share <= 1 or not 0 <= self.dropout < 1 or self.minimum_variance < 0:
            raise ConfigError(
                f"found rotary_share={self.rotary_share}, dropout={self.dropout},"
                f" minimum_variance={self.minimum_variance}; expected [0, 1], [0, 1) and at least 0"
            )

    @property
    def horizon(self) -> int:
        """Steps of the future that one pass gives: a patch."""
        return self.patch_length

    @property
    def n_patches(self) -> int:
        """Patches that a patch sees, itself included."""
        return self.context_length // self.patch_length

    @property
    def mixes_channels(self) -> bool:
        """Whether channels inform each other."""
        return self.attends != "own"

    @classmethod
    def paper(cls) -> TimerXLConfig:
        """The target of the paper on speculative decoding: one layer of 1024 features, a context of 1536 steps."""
        return cls(attends="all")

    @classmethod
    def base_84m(cls) -> TimerXLConfig:
        """The size of the released ``timer-base-84m``: 84,142,080 parameters."""
        return cls(context_length=2880, n_layers=8, feedforward="gated", rotary_share=1.0)

    @classmethod
    def timer(cls) -> TimerXLConfig:
        """The plain Timer (arXiv:2402.02368): eight layers, one channel at a time, a context of seven patches.

        Positions are rotary here, where the original adds sines and cosines to its patches.
        """
        return cls(context_length=672, n_layers=8)

    @classmethod
    def small(cls) -> TimerXLConfig:
        """Eight narrow layers, 280,352 parameters: a target that a laptop trains in minutes."""
        return cls(context_length=672, width=64, heads=4, n_layers=8, feedforward_width=128, dropout=0.1)

    @classmethod
    def tiny(cls) -> TimerXLConfig:
        """A model that forecasts in milliseconds, for tests and for first steps."""
        return cls(context_length=96, patch_length=8, width=16, heads=2, feedforward_width=32)

    def draft(
        self,
        scale: float = 0.25,
        *,
        width: float | None = None,
        heads: float | None = None,
        feedforward: float | None = None,
        layers: float | None = None,
        is_stochastic: bool = False,
    ) -> TimerXLConfig:
        """A smaller model of the same patches, to propose what this one verifies.

        Parameters
        ----------
        scale
            What width, heads, second halves and layers are multiplied by, each at least 1; the width is rounded to
            heads of an even number of features.
        width, heads, feedforward, layers
            Other factors for one of them each.

        Raises
        ------
        ConfigError
            For a factor outside (0, 1].
        """
        asked = {"width": width, "heads": heads, "feedforward_width": feedforward, "n_layers": layers}
        factors = {name: scale if factor is None else factor for name, factor in asked.items()}
        for name, factor in factors.items():
            if not 0 < factor <= 1:
                raise ConfigError(f"found a factor of {factor} for {name}; expected one in (0, 1]")
        sizes = {name: max(1, round(getattr(self, name) * factor)) for name, factor in factors.items()}
        sizes["width"] = max(1, round(sizes["width"] / (2 * sizes["heads"]))) * 2 * sizes["heads"]
        return replace(self, **sizes, is_stochastic=is_stochastic)
