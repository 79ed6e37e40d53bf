"""The one place that opens a pickle: files of ``torch.save``, restricted to tensors and plain values."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from ttm_sk.errors import CheckpointError

__all__ = ["holds_name", "read_archive"]

LARGEST_PICKLE = 100_000_000  # bytes; names and shapes take kilobytes, and a small file may claim to unpack to more


def holds_name(path: Path, name: str) -> bool:
    """Whether a file is an archive of ``torch.save`` in which ``name`` occurs; nothing of it is executed.

    Examples
    --------
    >>> holds_name(Path("no-such-file.ckpt"), "weight")
    False
    """
    if not path.is_file():
        return False
    try:
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            parts = [part for part in archive.infolist() if part.filename.endswith("data.pkl")]
            return any(name.encode() in archive.read(part) for part in parts if part.file_size <= LARGEST_PICKLE)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, NotImplementedError):
        return False  # what is damaged, encrypted or compressed in an unknown way, torch.save did not write


def read_archive(path: Path) -> Any:
    """What ``torch.save`` wrote, on the CPU: tensors, numbers, text and containers of them, and nothing that runs.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or holds anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} holds more than tensors and plain values ({reason}); such a file can run any code when it is"
            " opened: it is not read"
        ) from error
    except Exception as error:  # a damaged pickle may fail in any way: a KeyError, a TypeError, ...
        raise CheckpointError(f"{path} cannot be read ({error}); it may be truncated: fetch it again") from error
