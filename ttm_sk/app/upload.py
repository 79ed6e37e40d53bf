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
from ttm_sk.errors import DataError

__all__ = ["MEBIBYTE", "read_upload", "shown_name"]

MEBIBYTE = 2**20
MOST_UNPACKED = 8  # times the limit of the upload, of a gzip file: more is a trap
CHUNK = MEBIBYTE
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
        As :func:`~ttm_sk.data.tables.read_table` does, under the file's own name; and for a gzip file that unpacks to
        more than eight times the limit.

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
            return read_table(path)
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
