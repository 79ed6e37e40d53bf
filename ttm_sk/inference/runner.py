"""What the walk needs of a model: a few facts about it, and a step on numpy arrays. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol, Self, runtime_checkable

from ttm_sk.errors import CheckpointError
from ttm_sk.inference.rollout import Step

__all__ = ["Outline", "Runner"]


@dataclass(frozen=True)
class Outline:
    """A model as its callers see it; plain numbers, so that an exported file can carry them.

    Attributes
    ----------
    context_length, prediction_length
        Steps that one pass sees and gives.
    levels
        Quantile levels, ascending; empty for a point forecast.
    n_channels
        How many channels a series must have; 0: any number, each by itself.
    n_targets
        How many of them are forecast; 0: all.
    n_covariates, n_static
        How many of the channels are covariates whose future is given, and how many static categories are.
    keeps_unobserved, pads_count
        How gaps and the pad before a short history are read; see :class:`~ttm_sk.models.ttm_config.TTMConfig`.
    fed_back_weight
        What the flag of a step that is fed back says; 1: that it was observed.
    hash
        SHA-256 of the weights; empty where nobody asked for it.

    Examples
    --------
    >>> outline = Outline(context_length=512, prediction_length=96, levels=(0.1, 0.5, 0.9))
    >>> Outline.from_dict(outline.to_dict()) == outline
    True
    """

    context_length: int
    prediction_length: int
    levels: tuple[float, ...] = ()
    n_channels: int = 0
    n_targets: int = 0
    n_covariates: int = 0
    n_static: int = 0
    keeps_unobserved: bool = False
    pads_count: bool = False
    fed_back_weight: float = 1.0
    hash: str = ""

    @classmethod
    def of_config(cls, config: Any, *, hash: str = "") -> Self:
        """The outline of the model that a config describes."""
        return cls(
            context_length=config.context_length,
            prediction_length=config.horizon,
            levels=tuple(config.levels),
            n_channels=config.n_channels if config.is_fixed else 0,
            n_targets=len(config.target_channels),
            n_covariates=len(config.covariate_channels),
            n_static=len(config.static_sizes),
            keeps_unobserved=config.keeps_unobserved,
            pads_count=config.pads_count,
            fed_back_weight=getattr(config, "fed_back_weight", 1.0),
            hash=hash,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The outline that :meth:`to_dict` wrote.

        Raises
        ------
        CheckpointError
            If entries are unknown, or missing that files have always had.
        """
        known = {field.name for field in fields(cls)}
        if wrong := (set(values) - known) | (known - set(values) - {"fed_back_weight"}):
            named = ", ".join(map(repr, sorted(wrong)))
            raise CheckpointError(f"the outline of an exported model lacks, or should not have, {named}; export again")
        return cls(**{**values, "levels": tuple(values["levels"])})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, one entry per field."""
        return asdict(self) | {"levels": list(self.levels)}

    @property
    def known_levels(self) -> tuple[float, ...]:
        """The levels of the last axis of a step's result; a point forecast counts as the median."""
        return self.levels or (0.5,)

    @property
    def is_partial(self) -> bool:
        """Whether it forecasts only some of its channels, so that no forecast can be fed back."""
        return 0 < self.n_targets < self.n_channels - self.n_covariates


@runtime_checkable
class Runner(Protocol):
    """Something that makes forecasts: a torch module, or an exported file in another engine."""

    @property
    def outline(self) -> Outline:
        """Facts about the model."""
        ...

    def step(self, *, batch_size: int, resolution: int | None = None, horizon: int | None = None) -> Step:
        """One pass, at most ``batch_size`` rows at a time; ``resolution`` is the token of all rows.

        A model that can reach further than its ``prediction_length`` at once is asked for ``horizon`` steps.

        Raises
        ------
        ConfigError
            If the model has no use for a resolution.
        """
        ...
