"""A fitted TTMRegressor as one safetensors file with a JSON header: no pickle, nothing in it can run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttm_sk.checkpoints.tensor_file import read_tensors, write_tensors
from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.models.ttm import TTMConfig

__all__ = ["read_regressor", "write_regressor"]

KIND = "regressor"
FORMAT_VERSION = 1
PLAIN = (str, int, float, bool, type(None))


def write_regressor(
    path: Path,
    *,
    params: Mapping[str, Any],
    config: TTMConfig,
    weights: Mapping[str, torch.Tensor],
    units: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
) -> None:
    """Write the file, whole or not at all.

    Parameters
    ----------
    params
        Of the constructor.
    config, weights
        The TTM's architecture, and every tensor of the module around it.
    units
        Float64 arrays.
    facts
        Whatever else is needed, in JSON types.

    Raises
    ------
    ConfigError
        If a parameter has no text form.
    """
    header = {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "params": {name: _encode(name, value) for name, value in params.items()},
        "config": config.to_dict(),
        "facts": json.loads(json.dumps(dict(facts), default=float)),
    }
    tensors = {f"module/{name}": value for name, value in weights.items()}
    tensors |= {f"units/{name}": torch.from_numpy(np.ascontiguousarray(value)) for name, value in units.items()}
    write_tensors(path, tensors, header)


def read_regressor(path: Path) -> dict[str, Any]:
    """The arguments of :func:`write_regressor`, ``path`` apart.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another kind or from a later format.
    """
    tensors, header = read_tensors(path)
    if header.get("kind") != KIND:
        raise CheckpointError(
            f"{path} holds a {header.get('kind')!r}, expected a {KIND!r}; give a file that save wrote"
        )
    if header.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {header.get('format_version')!r}; this ttm_sk reads {FORMAT_VERSION}: update it"
        )
    for part in ("params", "config", "facts"):
        if not isinstance(header.get(part), dict):
            raise CheckpointError(f"the header of {path} is damaged: it holds no object {part!r}; write the file again")
    return {
        "params": {name: _decode(value) for name, value in header["params"].items()},
        "config": TTMConfig.from_dict(header["config"]),
        "weights": {name.removeprefix("module/"): v for name, v in tensors.items() if name.startswith("module/")},
        "units": {name.removeprefix("units/"): v.numpy() for name, v in tensors.items() if name.startswith("units/")},
        "facts": header["facts"],
    }


def _encode(name: str, value: Any) -> Any:
    if isinstance(value, np.generic):  # as a search over an array sets them
        value = value.item()
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, TTMConfig):
        return {"config": value.to_dict()}
    word = getattr(value, "__name__", "")
    if word and getattr(torch.optim, word, None) is value:
        return {"optimizer": word}
    raise ConfigError(
        f"{name}={value!r} cannot be written as text; set_params({name}=...) to its default before save (what was"
        " learnt stays), or use pickle"
    )


def _decode(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "config" in value:
        return TTMConfig.from_dict(value["config"])
    found = getattr(torch.optim, str(value.get("optimizer")), None)
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise CheckpointError(f"found the parameter {value!r}, expected an optimizer of torch.optim; write it again")
    return found
