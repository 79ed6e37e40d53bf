"""What a Samay configuration asks for, and the checkpoint that it begins with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.hub import bundled_names
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError, UntrainedWarning, did_you_mean
from ttm_sk.models.ttm_config import TTMConfig

__all__ = ["Configuration", "warn_if_untrained"]

SIZES = {"tiny": TTMConfig.tiny, "small": TTMConfig.small, "base": TTMConfig.base}
# A key of the configuration, and the fields of an architecture that it sets.
OVERRIDES = {
    "d_model": ("width",),
    "n_heads": ("attention_heads",),
    "n_layers": ("n_layers",),
    "dropout": ("dropout", "head_dropout"),
}
WITHOUT_WEIGHTS = ("dropout", "head_dropout")  # fields that change what training does, and no weight


@dataclass(frozen=True)
class Configuration:
    """The keys of the dictionary that :class:`~ttm_sk.samay.TinyTimeMixerModel` takes.

    Attributes
    ----------
    context_len, horizon_len
        Newest steps that the model reads, and steps that one forecast has.
    model_size
        ``"tiny"``, ``"small"`` or ``"base"``: about 1, 5 and 15 million parameters.
    d_model, n_heads, n_layers, dropout
        Features of a patch, heads of self-attention beside the mixing (0: none), mixer layers in each of three levels,
        and dropout of backbone and head; None keeps the size's own.
    seed
        Of the weights where none are pretrained.

    Raises
    ------
    ConfigError
        For a value that no model can have.

    Examples
    --------
    >>> Configuration.of({"context_len": 256}).horizon_len
    96
    """

    context_len: int = 512
    horizon_len: int = 96
    model_size: str = "tiny"
    d_model: int | None = None
    n_heads: int | None = None
    n_layers: int | None = None
    dropout: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.model_size, str) or self.model_size not in SIZES:
            raise ConfigError(f"found model_size={self.model_size!r}; choose one of {', '.join(map(repr, SIZES))}")
        for name in ("context_len", "horizon_len", "seed", "d_model", "n_heads", "n_layers"):
            value, least = getattr(self, name), 0 if name in ("seed", "n_heads") else 1
            is_left_out = value is None and name in OVERRIDES
            if not is_left_out and (not isinstance(value, int) or isinstance(value, bool) or value < least):
                raise ConfigError(f"found {name}={value!r}; expected a whole number of at least {least}")

    @classmethod
    def of(cls, config: Mapping[str, Any] | None) -> Configuration:
        """The configuration in a dictionary; what it leaves out has its default.

        Raises
        ------
        ConfigError
            For a key that nothing reads, with the nearest one that is; and for what is no dictionary.
        """
        if not isinstance(config, Mapping | None):
            raise ConfigError(
                f"found {config!r} for a configuration; give a dictionary such as {{'context_len': 512}} (weights have"
                " an argument of their own: repo='ttm-tiny')"
            )
        known = [field.name for field in fields(cls)]
        for key in config or {}:
            if key not in known:
                raise ConfigError(
                    f"found {key!r} in the configuration{did_you_mean(key, known)}; expected keys among"
                    f" {', '.join(known)}"
                )
        return cls(**dict(config or {}))

    @property
    def overrides(self) -> dict[str, Any]:
        """Fields of the architecture that are set by name."""
        given = {key: getattr(self, key) for key in OVERRIDES}
        return {field: given[key] for key, into in OVERRIDES.items() for field in into if given[key] is not None}

    def checkpoint(self) -> Checkpoint:
        """The pretrained weights of this architecture or, with a warning, random ones from the seed.

        A random model forecasts ``horizon_len`` steps in one pass; a pretrained one has its own horizon, and its
        forecast is fed back beyond that.
        """
        wanted = replace(SIZES[self.model_size](), **self.overrides)
        name = f"ttm-{self.model_size}"
        if name in bundled_names():
            pretrained = load_checkpoint(name)
            assert isinstance(pretrained.config, TTMConfig)  # as the name says
            marked = replace(wanted, fed_back_weight=pretrained.config.fed_back_weight)  # of training, not of the size
            free = {field: getattr(marked, field) for field in WITHOUT_WEIGHTS}
            if replace(pretrained.config, **free) == marked:
                return replace(pretrained, config=marked)
        return self._untrained(replace(wanted, prediction_length=self.horizon_len))

    def _untrained(self, architecture: TTMConfig) -> Checkpoint:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            weights = new_module(architecture).state_dict()
        changed = "".join(f", {key}={getattr(self, key)}" for key in OVERRIDES if getattr(self, key) is not None)
        checkpoint = Checkpoint(architecture, weights, {"untrained": {"seed": self.seed}})
        warn_if_untrained(checkpoint, where=f"model_size={self.model_size!r}{changed}", stacklevel=5)
        return checkpoint


def warn_if_untrained(checkpoint: Checkpoint, *, where: str, stacklevel: int = 3) -> None:
    """An ``UntrainedWarning`` if nothing was ever learnt by these weights."""
    seed = checkpoint.provenance.get("untrained")
    if seed and not checkpoint.provenance.get("finetuning"):
        warnings.warn(
            f"{where}: no pretrained weights are known, so they are random, from seed {seed['seed']}, and forecasts"
            " mean nothing until finetune; model_size='tiny' in its own architecture is pretrained",
            UntrainedWarning,
            stacklevel=stacklevel,
        )
