"""IBM Granite's folders, config.json and model.safetensors, read and written without transformers.

What the tensors are called stands in :mod:`~ttm_sk.checkpoints.granite_keys`, what the configuration means in
:mod:`~ttm_sk.checkpoints.granite_config`. Source of both: the code of granite-tsfm 0.3.11 (Apache-2.0).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.granite_config import granite_values, ttm_config
from ttm_sk.checkpoints.granite_keys import granite_names
from ttm_sk.checkpoints.granite_options import MODEL_TYPE
from ttm_sk.checkpoints.granite_r3 import granite_r3_values, is_r3, ttm_r3_config
from ttm_sk.checkpoints.granite_r3_keys import granite_r3_names
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.checkpoints.tensor_file import write_atomically
from ttm_sk.errors import CheckpointError
from ttm_sk.models.ttm_config import TTMConfig
from ttm_sk.models.ttm_r3_config import DecomposedTTMConfig, TTMR3Config

__all__ = ["from_granite", "is_granite", "read_folder", "to_granite"]

CONFIG, WEIGHTS = "config.json", "model.safetensors"
PROVENANCE = "granite"  # where a checkpoint keeps the content of its config.json


def is_granite(path: Path) -> bool:
    """Whether a path is a folder; the other formats are files."""
    return path.is_dir()


def from_granite(folder: str | Path) -> Checkpoint:
    """The checkpoint in a folder that IBM's granite-tsfm wrote (R1, R2, R2.1, research-use R2, R3).

    It forecasts what it forecasts there, bit for bit the same weights; ``provenance["granite"]`` keeps its config.json.

    Parameters
    ----------
    folder
        With ``config.json`` and ``model.safetensors``.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, the configuration has an option that is not supported (the message names the
        key), or the tensors are not those of the configuration.
    """
    folder = Path(folder)
    values, tensors = read_folder(folder)
    try:
        config = ttm_r3_config(values) if is_r3(values) else ttm_config(values)
        return Checkpoint(config, _ours(tensors, config), {PROVENANCE: values})
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from error


def to_granite(checkpoint: Checkpoint, folder: str | Path) -> Path:
    """Write a checkpoint as a folder that IBM's granite-tsfm opens, whole or not at all, and return its path.

    Complete histories are forecast there as here. Short ones and gaps are read as IBM's code reads them.

    Parameters
    ----------
    checkpoint
        One without quantiles, several views, observed flags and asinh scaling, which the format has no words for.
    folder
        A new one, or empty.

    Raises
    ------
    CheckpointError
        If the folder holds something, or the format cannot describe the checkpoint; the message names the field.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f"{folder} exists; nothing is overwritten: choose a new folder")
    config, original = checkpoint.config, checkpoint.provenance.get(PROVENANCE)
    if not isinstance(config, (TTMConfig, TTMR3Config, DecomposedTTMConfig)):
        raise CheckpointError(f"IBM Granite's format describes TTMs, not a {type(config).__name__}; write it as ttm-sk")
    values = granite_values(config, original) if isinstance(config, TTMConfig) else granite_r3_values(config, original)
    names = _names(checkpoint.weights, config)
    tensors = {names[name]: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.weights.items()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        temporary.chmod(0o755)
        write_atomically(temporary / WEIGHTS, save(tensors, metadata={"format": "pt"}))
        write_atomically(temporary / CONFIG, (json.dumps(values, indent=2, sort_keys=True) + "\n").encode())
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The content of config.json and the tensors, by Granite's names.

    Raises
    ------
    CheckpointError
        If either is missing or cannot be read.
    """
    values = _read_config(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        others = sorted(path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".ckpt"))
        raise CheckpointError(
            f"{folder} holds {others[0]}, a pickle, which can run any code when it is opened: it is not read;"
            f" get the {WEIGHTS} of the same model"
            if others
            else f"found no {WEIGHTS} in {folder}; download it beside {CONFIG}"
        )
    try:
        with safe_open(weights, framework="pt") as file:
            return values, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{weights} is no readable safetensors file ({error}); download it again") from error


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(
            f"found no {CONFIG} in {folder}; expected {CONFIG} and {WEIGHTS}, the folder of an IBM Granite checkpoint"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is no JSON ({error}); download it again") from error
    found = values.get("model_type") if isinstance(values, dict) else None
    if found != MODEL_TYPE:
        raise CheckpointError(f"{path} describes a model of type {found!r}, expected {MODEL_TYPE!r}")
    return values


def _names(names: Iterable[str], config: TTMConfig | TTMR3Config | DecomposedTTMConfig) -> dict[str, str]:
    """Granite's name for each of ours."""
    return granite_names(names, config) if isinstance(config, TTMConfig) else granite_r3_names(names, config)


def _ours(tensors: Mapping[str, Tensor], config: TTMConfig | TTMR3Config | DecomposedTTMConfig) -> dict[str, Tensor]:
    """The tensors by our names; all of the model's, and no others."""
    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in new_module(config).state_dict().items()}
    names = _names(expected, config)
    if further := sorted(set(tensors) - set(names.values())):
        raise CheckpointError(f"the tensor {further[0]!r} is not part of the model that the configuration describes")
    for name, shape in expected.items():
        theirs = names[name]
        if theirs not in tensors:
            raise CheckpointError(f"the tensor {theirs!r} is missing; the file is not that of this configuration")
        if tuple(tensors[theirs].shape) != shape:
            raise CheckpointError(f"the tensor {theirs!r} has shape {tuple(tensors[theirs].shape)}, expected {shape}")
    return {name: tensors[names[name]] for name in expected}
