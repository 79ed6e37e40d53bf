"""Safetensors files with a JSON header, written whole or not at all, read strictly."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ttm_sk.errors import CheckpointError

__all__ = ["hash_tensors", "read_header", "read_tensors", "write_atomically", "write_tensors"]

HEADER_KEY = "ttm_sk"
LONGEST_PREFIX = 100  # letters of a file's name in that of its temporary one, which must not be too long


def write_atomically(path: Path, content: bytes) -> None:
    """``path`` holds ``content`` afterwards, or what it held before: written beside it, then renamed.

    An ``OSError``, such as that of a full disk, names ``path``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_beside(path, content)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _write_beside(path: Path, content: bytes) -> None:
    path = path.resolve()  # what a link stands for is written, not the link
    temporary = path.with_name(f".{path.name[:LONGEST_PREFIX]}.{secrets.token_hex(6)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)  # less umask
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(temporary, path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Tensors and a JSON header as one safetensors file, sealed by a hash of each."""
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    sealed = {**header, "tensors_sha256": hash_tensors(content)}
    sealed["header_sha256"] = _hash_header(sealed)
    write_atomically(path, save(content, metadata={HEADER_KEY: json.dumps(sealed, default=_plain)}))


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header alone, without reading the tensors.

    Raises
    ------
    CheckpointError
        If the file is missing, no safetensors file, none of ours, or its header was changed.
    """
    if not path.is_file():
        raise CheckpointError(f"found no file {path}; give the path of a .safetensors checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is no readable safetensors file ({error}); it may be truncated: fetch or write it again"
        ) from error
    if HEADER_KEY not in metadata:
        raise CheckpointError(
            f"{path} is a safetensors file, but not one of ttm_sk: its header has no {HEADER_KEY!r} entry;"
            " give a checkpoint that ttm_sk wrote, or the folder of an IBM Granite one"
        )
    try:
        header = json.loads(metadata[HEADER_KEY])
    except (ValueError, RecursionError) as error:  # JSON that is none, or nested without end
        raise CheckpointError(f"the header of {path} is damaged ({error}); fetch or write the file again") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"the header of {path} is damaged: expected a JSON object, found {type(header).__name__}")
    seal = header.pop("header_sha256", None)
    if seal != _hash_header(header):
        raise CheckpointError(f"the header of {path} was changed after it was written; fetch or write the file again")
    return header


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a file that :func:`write_tensors` wrote.

    Raises
    ------
    CheckpointError
        If it cannot be read, or the tensors are not those that were written.
    """
    header = read_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"the tensors of {path} cannot be read: {error}") from error
    expected = header.pop("tensors_sha256", None)
    found = hash_tensors(tensors)
    if found != expected:
        raise CheckpointError(
            f"the tensors of {path} were changed after they were written:"
            f" their hash is {found[:12]}, expected {str(expected)[:12]}; fetch or write the file again"
        )
    return tensors, header


def _hash_header(header: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A number of numpy's, which settings may be, as JSON knows it."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"found {value!r} in a header, expected what JSON can hold")


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
