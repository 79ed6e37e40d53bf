"""The one door: any checkpoint that this package knows, opened by path or by name."""

from __future__ import annotations

from pathlib import Path

from ttm_sk.checkpoints.hub import locate
from ttm_sk.checkpoints.store import Checkpoint, read_checkpoint

__all__ = ["load_checkpoint"]


def load_checkpoint(path: str | Path = "ttm-tiny") -> Checkpoint:
    """The checkpoint of that name or path, bit for bit as it was saved.

    Parameters
    ----------
    path
        The name of bundled weights (``"ttm-tiny"``), the path of a file, or a name known to
        :func:`ttm_sk.checkpoints.hub.locate`.

    Raises
    ------
    CheckpointError
        If it is missing, truncated, changed, foreign, or unknown.

    Examples
    --------
    >>> load_checkpoint("ttm-tiny").n_parameters < 1_000_000
    True
    """
    return read_checkpoint(locate(path))
