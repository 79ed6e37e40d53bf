"""Uploaded tables and their forecasts, in memory, each under a name that nobody can guess."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

import pandas as pd

from ttm_sk.app.analysis import Analysis

__all__ = ["MOST_TABLES", "Shelf", "StoredTable"]

MOST_TABLES = 8
MOST_ANALYSES = 20  # of one table


@dataclass
class StoredTable:
    """One upload: its file's name, what it holds, and what was forecast from it, by number."""

    name: str
    frame: pd.DataFrame
    analyses: OrderedDict[int, Analysis] = field(default_factory=OrderedDict)
    n_analyses: int = 0


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
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._tables[key] = StoredTable(name, frame)
            while len(self._tables) > MOST_TABLES:
                self._tables.popitem(last=False)
        return key

    def find(self, key: str) -> StoredTable | None:
        """The table, None where it has gone or never was."""
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
            return self._tables.get(key)

    def add(self, table: StoredTable, analysis: Analysis) -> int:
        """Keep a forecast of a table, and return its number, from 1."""
        with self._lock:
            table.n_analyses += 1
            table.analyses[table.n_analyses] = analysis
            while len(table.analyses) > MOST_ANALYSES:
                table.analyses.popitem(last=False)
            return table.n_analyses

    def forget(self, key: str) -> None:
        """Drop a table and all that was forecast from it."""
        with self._lock:
            self._tables.pop(key, None)
