"""A checkpoint: config, weights, provenance and calibration, and the one file that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttm_sk.checkpoints.architectures import ARCHITECTURES, AnyConfig, AnyModule, architecture_of, new_module
from ttm_sk.checkpoints.tensor_file import hash_tensors, read_tensors, write_tensors
from ttm_sk.errors import CheckpointError, ConfigError

__all__ = ["Checkpoint", "read_checkpoint", "save_checkpoint"]

KIND = "checkpoint"
FORMAT_VERSION = 1
PARTS = ("layers", "levels", "blocks")  # what the names of counts end in of which each part has tensors of its own
MOST_ENTRIES = 100  # of a list, or parts, that a file may claim however few tensors it holds


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that a forecast depends on, as a value.

    Attributes
    ----------
    config
        The architecture.
    weights
        Tensors by name, exactly those of the module that the config describes; never changed after construction.
    provenance
        What the weights saw and how: windows, seconds, data sets, settings, version. JSON types.
    calibration
        What inference may correct by; empty for none. JSON types.

    Raises
    ------
    CheckpointError
        If the weights are not those of the config, or are not finite.
    """

    config: AnyConfig
    weights: Mapping[str, Tensor] = field(repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _refuse_more_parts(self.config.to_dict(), n_tensors=len(self.weights))
        try:
            with torch.device("meta"):
                expected = {name: tuple(value.shape) for name, value in new_module(self.config).state_dict().items()}
        except (RuntimeError, OverflowError) as error:  # sizes whose product no tensor can have
            raise CheckpointError(f"no model has the sizes of this configuration ({error}); fetch it again") from error
        found = {name: tuple(value.shape) for name, value in self.weights.items()}
        if found != expected:
            raise CheckpointError(
                f"the weights do not fit the configuration: {_first_difference(found, expected)}; fetch both again"
            )
        for name, value in self.weights.items():
            if not torch.isfinite(value).all():
                raise CheckpointError(
                    f"the weights hold values that are not finite, in {name!r}; train or fetch them again"
                )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Checkpoint):
            return NotImplemented
        notes = (self.config, self.provenance, self.calibration)
        return self.hash == other.hash and notes == (other.config, other.provenance, other.calibration)

    def __hash__(self) -> int:
        return hash(self.hash)

    def __deepcopy__(self, memo: dict[int, Any]) -> Checkpoint:
        """Itself: a value that nothing changes need not be copied, and estimators copy their parameters often."""
        return self

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the weights: the name by which results refer to them."""
        return hash_tensors(self.weights)

    @property
    def n_parameters(self) -> int:
        """How many numbers were trained."""
        return sum(value.numel() for value in self.weights.values())

    @property
    def architecture(self) -> str:
        """The name of the kind of model, as in :data:`~ttm_sk.checkpoints.architectures.ARCHITECTURES`."""
        return architecture_of(self.config).name

    def build(self) -> AnyModule:
        """A new module with these weights, in evaluation mode; training it leaves the checkpoint as it is."""
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, only to be replaced
            module = new_module(self.config)
        module.load_state_dict({name: value.clone() for name, value in self.weights.items()}, strict=True)
        return module.eval()


def save_checkpoint(checkpoint: Checkpoint, path: str | Path) -> Path:
    """Write a checkpoint as one file, whole or not at all, and return its path.

    Whatever its ending, the file is safetensors; :func:`ttm_sk.load_checkpoint` opens it bit for bit.
    """
    path = Path(path)
    header = {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "architecture": checkpoint.architecture,
        "config": checkpoint.config.to_dict(),
        "provenance": dict(checkpoint.provenance),
        "calibration": dict(checkpoint.calibration),
    }
    write_tensors(path, checkpoint.weights, header)
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint that :func:`save_checkpoint` wrote.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated, changed, of another kind or from a later format.
    """
    tensors, header = read_tensors(path)
    architecture = ARCHITECTURES.get(str(header.get("architecture")))
    if header.get("kind") != KIND or architecture is None:
        found = header.get("architecture" if header.get("kind") == KIND else "kind")
        known = ", ".join(map(repr, ARCHITECTURES))
        raise CheckpointError(f"{path} holds {found!r}, expected a checkpoint of {known}; choose another file")
    if header.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {header.get('format_version')!r}; this ttm_sk reads {FORMAT_VERSION}: update it"
        )
    for part in ("config", "provenance", "calibration"):
        if not isinstance(header.get(part), dict):
            raise CheckpointError(
                f"the header of {path} is damaged: it holds no object {part!r}; fetch or write the file again"
            )
    try:
        config = architecture.config.from_dict(header["config"])
        return Checkpoint(config, tensors, header["provenance"], header["calibration"])
    except (ConfigError, CheckpointError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _refuse_more_parts(config: Mapping[str, Any], *, n_tensors: int) -> None:
    """Refuse, before a module is built, a configuration with more layers than there are tensors."""
    for name, value in config.items():
        if isinstance(value, dict):
            _refuse_more_parts(value, n_tensors=n_tensors)
        count = len(value) if isinstance(value, (list, tuple)) else value if name.endswith(PARTS) else 0
        if isinstance(count, int) and count > max(n_tensors, MOST_ENTRIES):
            raise CheckpointError(
                f"the configuration has {name} = {count}, but there are {n_tensors} tensors; fetch the weights again"
            )


def _first_difference(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> str:
    for name in sorted(set(found) | set(expected)):
        if name not in found:
            return f"{name!r} is missing"
        if name not in expected:
            return f"{name!r} is not part of it"
        if found[name] != expected[name]:
            return f"{name!r} is {found[name]}, expected {expected[name]}"
    return "no difference"
