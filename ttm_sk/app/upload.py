"""The bytes of an uploaded file to a table, by way of a file that is gone afterwards."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import BinaryIO

import pandas as pd

from ttm_sk.data.tables import read_table
from ttm_sk.errors import DataError, MissingExtraError

__all__ = ["MEBIBYTE", "read_upload", "shown_name"]

MEBIBYTE = 2**20
MOST_UNPACKED = 8  # times the limit of the upload, of a gzip file: more is a trap
CHUNK = MEBIBYTE
BYTES_OF_A_CELL = 8  # in memory, at least
MOST_COLUMNS = 2_000  # the form has a line for each
LONGEST_NAME = 80
ENDING = re.compile(r"\.[a-z0-9]{1,10}")


def shown_name(name: str | None) -> str:
    r"""What the page calls a file, without folders and control characters.

    Examples
    --------
    >>> shown_name("C:\\Users\\me\\sales.csv"), shown_name("../../etc/passwd"), shown_name("")
    ('sales.csv', 'passwd', 'your file')
    """
    last = PureWindowsPath(PurePosixPath(name or "").name).name
    clean = "".join(letter for letter in last if letter.isprintable()).strip()
    return clean[:LONGEST_NAME] or "your file"


def read_upload(file: BinaryIO, name: str, *, limit: int) -> pd.DataFrame:
    r"""The table in an uploaded file of at most ``limit`` bytes.

    Raises
    ------
    DataError
        As :func:`~ttm_sk.data.tables.read_table` does, under the file's own name; for a gzip or parquet file that
        unpacks to more than eight times the limit; and for more than 2,000 columns.

    Examples
    --------
    >>> import io
    >>> read_upload(io.BytesIO(b"day,sales\n2024-01-01,3\n"), "sales.csv", limit=100)
              day  sales
    0  2024-01-01      3
    """
    ending = PurePosixPath(name.lower()).suffix
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{ending if ENDING.fullmatch(ending) else ''}"
        size = _copy(file, path, limit)
        if not size:
            raise DataError(f"“{name}” is empty; choose a file with a line of column names, and data below it")
        try:
            _refuse_trap(path, name, most=MOST_UNPACKED * limit)
            _refuse_parquet_trap(path, name, most=MOST_UNPACKED * limit)
            _refuse_wide(path, name)
            return _few_enough(read_table(path), name)
        except DataError as error:
            raise DataError(str(error).replace(str(path), f"“{name}”")) from error


def _copy(file: BinaryIO, path: Path, limit: int) -> int:
    size = 0
    with path.open("wb") as copy:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            if size > limit:
                raise DataError(f"found a file of more than {limit // MEBIBYTE} MB; choose a smaller one")
            copy.write(chunk)
    return size


def _refuse_trap(path: Path, name: str, *, most: int) -> None:
    """Raise where a small gzip file unpacks to a huge one; what is no gzip file is not ours to judge."""
    size = 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
                if size > most:
                    raise DataError(
                        f"“{name}” unpacks to more than {most // MEBIBYTE} MB; cut it, or use `ttm-sk forecast`"
                    )
    except zlib.error as error:
        raise DataError(f"“{name}” is a damaged gzip file ({error}); pack it again") from error
    except (OSError, EOFError):
        return


def _refuse_parquet_trap(path: Path, name: str, *, most: int) -> None:
    """Raise where a small parquet file repeats one value until it fills the memory."""
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            return
    try:
        from ttm_sk.data.arrow_files import parquet_shape
    except MissingExtraError:  # the reader says so in its own words
        return
    n_rows, n_columns = parquet_shape(path)
    if n_rows * n_columns * BYTES_OF_A_CELL > most:
        raise DataError(
            f"“{name}” has {n_rows:,} rows of {n_columns:,} columns, expected at most {most // BYTES_OF_A_CELL:,}"
            " cells; cut it, or use `ttm-sk forecast`"
        )


def _refuse_wide(path: Path, name: str) -> None:
    """Raise where the line of names alone would take minutes to read; what is no text is not ours to judge."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if is_gzip else open)(path, "rb") as file:
            line = next((line for line in file if line.strip()), b"")
    except (OSError, EOFError, zlib.error):
        return
    if not line.startswith(b"PAR1") and max(line.count(separator) for separator in b",;\t|") >= MOST_COLUMNS:
        raise _too_wide(name, "more than")


def _few_enough(table: pd.DataFrame, name: str) -> pd.DataFrame:
    if len(table.columns) > MOST_COLUMNS:
        raise _too_wide(name, f"{len(table.columns):,} columns, expected at most")
    return table


def _too_wide(name: str, found: str) -> DataError:
    return DataError(f"“{name}” has {found} {MOST_COLUMNS:,} columns; leave out those that are not forecast")
