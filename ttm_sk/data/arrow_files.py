"""Arrow files (IPC files and streams), alone or as the folder of a Hugging Face data set; its own extra, ``arrow``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ttm_sk.errors import DataError, MissingExtraError

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError as error:
    raise MissingExtraError("arrow", package="pyarrow") from error

__all__ = ["FILE_MAGIC", "STREAM_MAGIC", "parquet_shape", "read_arrow", "read_arrow_folder", "variates"]

FILE_MAGIC = b"ARROW1"
STREAM_MAGIC = b"\xff\xff\xff\xff"


def read_arrow(path: Path) -> pa.Table:
    """The table in an arrow file, written as an IPC file (feather) or as a stream; mapped, not read.

    Raises
    ------
    DataError
        If it is neither.
    """
    try:
        mapped = pa.memory_map(os.fspath(path))
        is_file = mapped.read(len(FILE_MAGIC)) == FILE_MAGIC
        mapped.seek(0)
        return (pa.ipc.open_file(mapped) if is_file else pa.ipc.open_stream(mapped)).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not readable as an arrow file ({error}); write or copy it again") from error


def read_arrow_folder(folder: Path, *, prefix: str = "") -> pa.Table:
    """The ``*.arrow`` files of a folder (``datasets.save_to_disk``), or else its ``*.parquet`` files, as one table.

    Parameters
    ----------
    prefix
        Begin of the files' names, where the folder keeps several splits; empty takes all.

    Raises
    ------
    DataError
        If there is none, or one cannot be read.
    """
    files = sorted(folder.glob(f"{prefix}*.arrow"))
    packed = [] if files else sorted(folder.glob(f"{prefix}*.parquet"))
    if not files and not packed:
        raise DataError(
            f"found no *.arrow file in {folder}; expected a data set as datasets.save_to_disk writes it, or *.parquet"
        )
    try:
        # mapped, not read: the largest data sets have gigabytes
        return pa.concat_tables([read_arrow(file) for file in files] or [parquet.read_table(file) for file in packed])
    except (pa.ArrowException, OSError, DataError) as error:
        raise DataError(f"{folder}: not readable as arrow streams ({error}); copy the data set again") from error


def parquet_shape(path: Path) -> tuple[int, int]:
    """Rows and columns that a parquet file says it has; none of them is read.

    Raises
    ------
    DataError
        If it is no parquet file.
    """
    try:
        found = parquet.read_metadata(os.fspath(path))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no readable parquet file ({error}); write it again") from error
    return found.num_rows, found.num_columns


def variates(target: pa.ListScalar) -> Sequence[np.ndarray]:
    """The series in a list, or in a list of lists; null is NaN."""
    rows = target.values
    if pa.types.is_list(rows.type) or pa.types.is_large_list(rows.type):
        return [row.values.to_numpy(zero_copy_only=False) for row in rows]
    return [rows.to_numpy(zero_copy_only=False)]
