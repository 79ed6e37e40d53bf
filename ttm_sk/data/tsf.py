"""Files of the Monash forecasting archive (``.tsf``, or the zip around one); without pandas.

A head of ``@`` lines names the attributes of a series; below ``@data`` every line is a series, attributes and values
between colons, values between commas, ``?`` where one is missing. Format: Godahewa et al. (2021), arXiv:2105.06643.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from ttm_sk.data.stored_series import StoredSeries, StoredSet
from ttm_sk.errors import DataError

__all__ = ["read_tsf"]

START = "start_timestamp"
NAME = "series_name"


@dataclass
class _Head:
    """What the lines before ``@data`` say: attributes (name, type) in order, and everything else by name."""

    attributes: list[tuple[str, str]] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


def read_tsf(path: str | Path) -> StoredSet:
    """Every series of a ``.tsf`` file, or of a zip archive that holds one.

    A series is called by its attribute ``series_name``; where that does not tell them apart, by all its words.

    Raises
    ------
    DataError
        If the file is missing or no such file, naming the line: no ``@data``, no attributes, a series with other
        attributes than the head names, text among the values, nothing but missing values.
    """
    path = Path(path)
    lines = [(number, line.strip()) for number, line in enumerate(_text(path).split("\n"), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    first = next((i for i, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
    if first is None:
        raise DataError(f"{path} has no line @data; expected one between the attributes and the series: fetch it again")
    head = _head(lines[:first], path)
    rows = [_row(line, head, f"{path}, line {number}") for number, line in lines[first + 1 :]]
    if not rows:
        raise DataError(f"{path} has no series below @data; fetch it again")
    names = _names([words for words, _ in rows], head, path)
    starts = [_start(words.get(START), name, path) for name, (words, _) in zip(names, rows, strict=True)]
    series = [
        StoredSeries(name, values[None], start) for name, (_, values), start in zip(names, rows, starts, strict=True)
    ]
    return StoredSet(tuple(series), head.facts.get("frequency"), str(path))


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content.startswith(b"PK"):
            content = _unpacked(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read ({error}); fetch it again") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # what the archive's own reader expects


def _unpacked(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        inside = [name for name in archive.namelist() if name.lower().endswith(".tsf")]
        if len(inside) != 1:
            raise DataError(f"{path} holds {len(inside)} .tsf files, expected 1; unpack it and give one of them")
        return archive.read(inside[0])


def _head(lines: list[tuple[int, str]], path: Path) -> _Head:
    head = _Head()
    for number, line in lines:
        words = line.split()
        if not line.startswith("@") or len(words) < 2:
            raise DataError(f"{path}, line {number}: found {line[:60]!r} before @data, expected '@name value'")
        if words[0].lower() != "@attribute":
            head.facts[words[0][1:].lower()] = " ".join(words[1:])
        elif len(words) == 3 and words[2] in ("string", "numeric", "date"):
            head.attributes.append((words[1], words[2]))
        else:
            raise DataError(
                f"{path}, line {number}: found {line[:60]!r}, expected '@attribute name type' of the type string,"
                " numeric or date"
            )
    if not head.attributes:
        raise DataError(f"{path} names no @attribute before @data; expected at least one: fetch it again")
    return head


def _row(line: str, head: _Head, where: str) -> tuple[dict[str, str], np.ndarray]:
    """The attributes of a series by name, and its values."""
    *words, values = line.split(":")
    if len(words) != len(head.attributes):
        expected = ", ".join(name for name, _ in head.attributes)
        raise DataError(
            f"{where}: found {len(words)} attributes before the values, expected {len(head.attributes)} ({expected});"
            " correct the line"
        )
    try:
        numbers = np.array([np.nan if word.strip() == "?" else float(word) for word in values.split(",")])
    except ValueError as error:
        raise DataError(f"{where}: {error}; expected numbers between commas, ? where one is missing") from error
    if np.isinf(numbers).any():
        raise DataError(f"{where}: a value is infinite; write ? where it is missing")
    if not np.isfinite(numbers).any():
        raise DataError(f"{where}: all {len(numbers)} values are missing; leave the series out")
    return dict(zip([name for name, _ in head.attributes], (word.strip() for word in words), strict=True)), numbers


def _start(text: str | None, name: str, path: Path) -> datetime | None:
    try:
        return None if text is None else datetime.strptime(text, "%Y-%m-%d %H-%M-%S")
    except ValueError as error:
        raise DataError(
            f"{path}, series {name!r}: found {START} {text!r}, expected one such as 2024-01-31 15-30-00"
        ) from error


def _names(rows: list[dict[str, str]], head: _Head, path: Path) -> list[str]:
    words = [name for name, kind in head.attributes if kind != "date"]
    for chosen in ([NAME], words) if NAME in words else (words,):
        names = ["/".join(row[name] for name in chosen) for row in rows]
        if chosen and len(set(names)) == len(names):
            return names
    twice = next((name for name, count in Counter(names).items() if count > 1), "")
    if not words:
        return [f"T{i + 1}" for i in range(len(rows))]
    raise DataError(f"{path}: two series are called {twice!r}; rename one, so that they can be told apart")
