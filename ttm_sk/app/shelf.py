"""Uploaded tables and their forecasts, in memory, not without bound, each under a name that nobody can guess."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

import pandas as pd

from ttm_sk.app.analysis import Analysis

__all__ = ["MOST_TABLES", "Shelf", "StoredTable"]

MOST_TABLES = 100
MOST_ANALYSES = 20  # of one table
MOST_BYTES = 2**30  # of all of them, the newest table and forecast apart, which stay whatever their size


@dataclass
class StoredTable:
    """One upload: its file's name, what it holds, and what was forecast from it, by number."""

    name: str
    frame: pd.DataFrame
    analyses: OrderedDict[int, Analysis] = field(default_factory=OrderedDict)
    n_analyses: int = 0
    n_bytes: int = 0

    def __post_init__(self) -> None:
        self.n_bytes = _bytes_of(self.frame)

    def add(self, analysis: Analysis) -> None:
        """Keep a forecast under the next number."""
        self.n_analyses += 1
        self.analyses[self.n_analyses] = analysis
        self.n_bytes += _bytes_of(analysis.series, analysis.quantiles)

    def drop_oldest(self) -> None:
        """Let go of the oldest forecast."""
        _, analysis = self.analyses.popitem(last=False)
        self.n_bytes -= _bytes_of(analysis.series, analysis.quantiles)


def _bytes_of(*frames: pd.DataFrame) -> int:
    return int(sum(frame.memory_usage(deep=True).sum() for frame in frames))


class Shelf:
    """The newest tables; whoever has a table's key has the table, and nobody else.

    Examples
    --------
    >>> shelf = Shelf()
    >>> key = shelf.put("sales.csv", pd.DataFrame({"sales": [1, 2]}))
    >>> shelf.find(key).name, shelf.find("another key")
    ('sales.csv', None)
    """

    def __init__(self) -> None:
        self._tables: OrderedDict[str, StoredTable] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, frame: pd.DataFrame) -> str:
        """Keep a table, and return its key; the one that was longest unused makes room."""
        key, table = secrets.token_urlsafe(16), StoredTable(name, frame)
        with self._lock:
            self._tables[key] = table
            self._make_room(table)
        return key

    def _make_room(self, newest: StoredTable) -> None:
        while len(newest.analyses) > MOST_ANALYSES or (len(newest.analyses) > 1 and self._n_bytes() > MOST_BYTES):
            newest.drop_oldest()
        for key in [key for key, table in self._tables.items() if table is not newest]:  # longest unused first
            if len(self._tables) > MOST_TABLES or self._n_bytes() > MOST_BYTES:
                del self._tables[key]

    def _n_bytes(self) -> int:
        return sum(table.n_bytes for table in self._tables.values())

    def find(self, key: str) -> StoredTable | None:
        """The table, None where it has gone or never was."""
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
            return self._tables.get(key)

    def add(self, table: StoredTable, analysis: Analysis) -> int:
        """Keep a forecast of a table, and return its number, from 1."""
        with self._lock:
            table.add(analysis)
            self._make_room(table)
            return table.n_analyses

    def forget(self, key: str) -> None:
        """Drop a table and all that was forecast from it."""
        with self._lock:
            self._tables.pop(key, None)
