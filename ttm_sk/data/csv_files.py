"""CSV files as people and programs write them: any common separator, plain or gzip, with what Excel puts before it."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from ttm_sk.errors import DataError

__all__ = ["open_text", "read_csv"]

SEPARATORS = ",;\t|"
JSON = re.compile(r"""\s*(\{\s*("|\}|$)|\[\s*([\[{"\]]|-?\d|$))""")  # how it begins; a column may be called [time]
LEADING_ZERO = re.compile(r"(?:^|[,;\t|\"])\s*0\d+\s*(?=[,;\t|\"]|$)")
LINE_BREAK = re.compile(r"\s*[\r\n]+\s*")  # within a name, where no command or form can give it
SEPARATOR_LINE = re.compile(r"sep=(?P<separator>.)", re.IGNORECASE)


def read_csv(path: Path, *, is_gzip: bool) -> pd.DataFrame:
    """The table in a CSV file, column for column; whole numbers with zeros before them stay text.

    Raises
    ------
    DataError
        If the file is empty, damaged, not UTF-8, JSON, or has no line of column names.
    """
    try:
        with open_text(path, is_gzip=is_gzip) as file:
            header, row = (next((line for line in file if line.strip()), "") for _ in range(2))
            told = SEPARATOR_LINE.fullmatch(header.strip())  # Excel's own first line
            header = row if told else header
            has_names = _has_leading_zeros(file, [header, row])
        if JSON.match(header):
            raise DataError(f"{path} holds JSON: {header.strip()[:40]!r}; convert it to a CSV or parquet file")
        separator = told["separator"] if told else _separator(header, row)
        options: dict[str, Any] = {"sep": separator, "skiprows": 1 if told else None}
        with open_text(path, is_gzip=is_gzip) as file:
            frame = _parse(file, **options)
        if has_names:
            with open_text(path, is_gzip=is_gzip) as file:
                frame = _with_names_of_digits(frame, _parse(file, **options, dtype=str, keep_default_na=False))
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty; expected a line of column names, and data below it") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no UTF-8 text ({error.reason} at byte {error.start}); save it as CSV in UTF-8, or as parquet"
        ) from error
    except (OSError, EOFError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is no readable CSV file ({str(error).strip()}); write it again") from error
    frame.columns = [LINE_BREAK.sub(" ", name) if isinstance(name, str) else name for name in frame.columns]
    nameless = [name for name in frame.columns if str(name).startswith("Unnamed: ") and frame[name].isna().all()]
    frame = frame.drop(columns=nameless)  # of a separator at the end of every line
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            f"{path} has rows with more cells than the {len(frame.columns)} column names; give every column a name"
        )
    if all(_is_value(name) for name in frame.columns):
        raise DataError(
            f"{path} has no line of column names: the first line is {header.strip()!r}; write one above it, for example"
            " time,value"
        )
    return frame


def open_text(path: Path, *, is_gzip: bool = False) -> TextIO:
    """The file as text whose lines end alike: at a run of carriage returns pandas' own parser fills the memory."""
    if is_gzip:
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def _parse(file: TextIO, **options: Any) -> pd.DataFrame:
    # pandas' own way to read a number may miss the last bit
    return pd.read_csv(file, skipinitialspace=True, low_memory=False, float_precision="round_trip", **options)


def _separator(header: str, row: str) -> str:
    """What stands as often between the names as in the first row; a comma between digits is a decimal sign first."""
    names, cells = (re.sub(r'"[^"]*"', "", line) for line in (header, row))
    alike = [mark for mark in SEPARATORS if names.count(mark) and names.count(mark) == cells.count(mark)]
    if len(alike) > 1 and "," in alike and re.search(r"\d,\d", cells):
        alike.remove(",")
    return max(alike or SEPARATORS, key=names.count)


def _has_leading_zeros(file: Iterable[str], lines: list[str]) -> bool:
    """Whether a cell of the lines, or of the rest of the file, begins with a zero and a digit."""
    return any(LEADING_ZERO.search(line) for line in chain(lines, file))


def _with_names_of_digits(frame: pd.DataFrame, text: pd.DataFrame) -> pd.DataFrame:
    """The frame with columns such as 007 as text: to a number, two such names could become one."""
    columns = {}
    for name in frame.columns:
        is_whole = pd.api.types.is_integer_dtype(frame[name].dtype)
        columns[name] = text[name].str.strip() if is_whole and text[name].str.match(r"\s*0\d").any() else frame[name]
    return pd.DataFrame(columns, index=frame.index)


def _is_value(text: str) -> bool:
    """Whether a column's name is a number or a date."""
    return bool(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?|\d{4}-\d\d.*", str(text), flags=re.IGNORECASE))
