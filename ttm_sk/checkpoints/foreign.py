"""The one place that opens a pickle: files of ``torch.save``, restricted to tensors and plain values."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from ttm_sk.errors import CheckpointError

__all__ = ["holds_name", "read_archive"]


def holds_name(path: Path, name: str) -> bool:
    """Whether a file is an archive of ``torch.save`` in which ``name`` occurs; nothing of it is executed.

    Examples
    --------
    >>> holds_name(Path("no-such-file.ckpt"), "weight")
    False
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        parts = [part for part in archive.namelist() if part.endswith("data.pkl")]
        return any(name.encode() in archive.read(part) for part in parts)


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
    except (RuntimeError, EOFError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); it may be truncated: fetch it again") from error
