"""The one door: any checkpoint that this package knows, opened by path or by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ttm_sk.checkpoints.granite import from_granite, is_granite
from ttm_sk.checkpoints.hub import locate
from ttm_sk.checkpoints.store import Checkpoint, read_checkpoint
from ttm_sk.checkpoints.timer_xl import from_openltm, from_timer_folder, is_openltm, is_timer_folder
from ttm_sk.checkpoints.tirex import from_tirex, is_tirex

__all__ = ["load_checkpoint"]

# What recognises a format, and what reads it; the first that recognises a path reads it.
FORMATS: tuple[tuple[Callable[[Path], bool], Callable[[Path], Checkpoint]], ...] = (
    (is_timer_folder, from_timer_folder),
    (is_granite, from_granite),
    (is_openltm, from_openltm),
    (is_tirex, from_tirex),
    (lambda path: True, read_checkpoint),  # its messages are about a file of ours
)


def load_checkpoint(path: str | Path = "ttm-tiny") -> Checkpoint:
    """The checkpoint of that name or path, bit for bit as it was saved.

    Parameters
    ----------
    path
        The name of bundled weights (``"ttm-tiny"``), the path of a file, the folder of an IBM Granite checkpoint, a
        TiRex ``model.ckpt``, or a name known to :func:`ttm_sk.checkpoints.hub.locate`.

    Raises
    ------
    CheckpointError
        If it is missing, truncated, changed, foreign, or unknown.

    Examples
    --------
    >>> load_checkpoint("ttm-tiny").n_parameters < 1_000_000
    True
    """
    found = locate(path)
    return next(read for recognises, read in FORMATS if recognises(found))(found)
