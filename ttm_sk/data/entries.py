"""Rows that hold a whole series each: GluonTS's entries and their JSON lines, and nested Hugging Face data sets.

An entry is a mapping with ``target`` (a list, or a list of lists for several channels), and ``start`` or a list
``timestamp``; ``item_id`` names it and ``freq`` says its pace, where they are there. No pandas is needed here.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ttm_sk.data.stored_series import StoredSeries, StoredSet
from ttm_sk.errors import DataError

__all__ = ["entry_files", "is_entry", "read_gluonts_folder", "read_json_lines", "stored_set"]

TARGETS = ("target", "y")
IDS = ("item_id", "id", "unique_id", "series_name")
DESCRIPTIONS = ("metadata.json", "dataset_dict.json", "dataset_info.json", "state.json")
STAMPS = ("timestamp", "timestamps", "ds", "date", "time")


def is_entry(row: object) -> bool:
    """Whether an object is a series as a mapping.

    Examples
    --------
    >>> is_entry({"start": "2024-01-01", "target": [1.0, 2.0]}), is_entry({"target": 1.0})
    (True, False)
    """
    return isinstance(row, Mapping) and any(_is_list(row[name]) for name in TARGETS if name in row)


def stored_set(entries: Iterable[Mapping[str, Any]], *, where: str, frequency: str | None = None) -> StoredSet:
    """The series of some entries; ``frequency`` is what is known of it besides.

    Raises
    ------
    DataError
        Naming the entry: without a target, with text in it, with other channels than the first, with another
        frequency; and if there is none at all.
    """
    series, paces = [], {frequency} - {None}
    for i, entry in enumerate(entries):
        series.append(_series(entry, i, where))
        pace = entry.get("freq") or getattr(entry.get("start"), "freqstr", None)
        paces |= {str(pace)} if pace else set()
    if not series:
        raise DataError(f"{where}: found no entry; expected at least one series with a target")
    if len(paces) > 1:
        raise DataError(f"{where}: found the frequencies {', '.join(sorted(map(str, paces)))}; read them one by one")
    n_channels = {len(one.values) for one in series}
    if len(n_channels) > 1:
        raise DataError(f"{where}: found series of {sorted(n_channels)} channels; expected one number for all")
    return StoredSet(tuple(series), next(iter(paces), None), where)


def read_json_lines(path: str | Path, *, frequency: str | None = None) -> StoredSet:
    """The entries of a file with one JSON object a line, or one JSON list; plain or gzip.

    Raises
    ------
    DataError
        Naming the line that is no JSON object, or that holds no series.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); write it again") from error
    return stored_set(_objects(text, path), where=str(path), frequency=frequency)


def read_gluonts_folder(folder: str | Path) -> StoredSet:
    """The entries of a GluonTS data set's part on disk, ``data.json`` or several, with the frequency of its metadata.

    Raises
    ------
    DataError
        If there is no JSON file, or one cannot be read.
    """
    folder = Path(folder)
    files = entry_files(folder)
    if not files:
        raise DataError(f"found no data.json in {folder}; expected the train or test folder of a GluonTS data set")
    frequency = _frequency_beside(folder)
    parts = [read_json_lines(file, frequency=frequency) for file in files]
    return StoredSet(tuple(one for part in parts for one in part.series), parts[0].frequency, str(folder))


def entry_files(folder: Path) -> list[Path]:
    """The files of a folder that may hold entries: JSON, but for what only describes a data set."""
    return sorted(file for file in folder.glob("*.json*") if file.name not in DESCRIPTIONS)


def _frequency_beside(folder: Path) -> str | None:
    for place in (folder, folder.parent, folder.parent / "metadata"):
        file = place / "metadata.json"
        if file.is_file():
            try:
                return str(json.loads(file.read_text(encoding="utf-8"))["freq"])
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f'{file} names no frequency ({error!r}); expected {{"freq": "D"}}') from error
    return None


def _objects(text: str, path: Path) -> list[Mapping[str, Any]]:
    if text.lstrip().startswith("["):
        parts = [(1, text)]
    else:
        parts = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    found: list[Mapping[str, Any]] = []
    for number, part in parts:
        try:
            read = json.loads(part)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: no JSON ({error}); correct the line") from error
        entries = read if isinstance(read, list) else [read]
        if strange := [entry for entry in entries if not isinstance(entry, Mapping)]:
            raise DataError(
                f"{path}, line {number}: found {str(strange[0])[:60]!r}; expected objects such as"
                ' {"start": "2024-01-31", "target": [1.0, 2.0]}'
            )
        found += entries
    return found


def _series(entry: Mapping[str, Any], i: int, where: str) -> StoredSeries:
    name = _first(entry, IDS)
    called = f"{where}, entry {i + 1}" + ("" if name is None else f" ({str(entry[name])!r})")
    target = _first(entry, TARGETS)
    if target is None:
        found = ", ".join(map(str, entry)) or "nothing"
        raise DataError(f"{called}: found {found}; expected a series under 'target'")
    stamps = _first(entry, STAMPS)
    return StoredSeries(
        str(i) if name is None else str(entry[name]),
        _values(entry[target], called),
        entry.get("start"),
        entry[stamps] if stamps is not None and _is_list(entry[stamps]) else None,
    )


def _values(target: Any, called: str) -> np.ndarray:
    try:
        rows = [np.asarray(row, dtype=np.float64) for row in target] if _is_list(target[0]) else target
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{called}: its target is no series of numbers ({error}); expected [1.0, 2.0, null]") from error
    if values.ndim != 2 or not values.size:
        raise DataError(f"{called}: its target has the shape {values.shape}; expected (time,) or (channel, time)")
    if np.isinf(values).any():
        raise DataError(f"{called}: its target holds an infinite value; write null where a value is missing")
    return values


def _is_list(value: object) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes, Mapping))


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in entry and entry[name] is not None), None)
