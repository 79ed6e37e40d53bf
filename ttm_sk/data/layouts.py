"""Which column of a table is what: long frames as libraries name them, and tables with a column for each series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from ttm_sk.data.stamps import holds_dates
from ttm_sk.data.tables import flat_table, numeric_columns, time_column, to_series
from ttm_sk.errors import DataError

__all__ = ["to_known_series"]

STATE = "state"  # LibCity's word for measurements; other rows are trajectories
LIBCITY = ("dyna_id", "type", "time", "entity_id")


class Layout(NamedTuple):
    """A long frame's columns; ``target`` None means every other column of numbers."""

    id: str
    time: str
    target: str | None


LAYOUTS = (
    Layout("unique_id", "ds", "y"),  # Nixtla: statsforecast, neuralforecast, ...
    Layout("item_id", "timestamp", "target"),  # GluonTS's PandasDataset.from_long_dataframe, AutoGluon, Chronos
    Layout("entity_id", "time", None),  # LibCity's .dyna
)


def to_known_series(
    frame: pd.DataFrame,
    *,
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    id: str | None = None,
    freq: str | None = None,
) -> pd.DataFrame:
    """The table as :func:`~ttm_sk.data.tables.to_series` gives it, with what is not said read from the table.

    Long frames of Nixtla, GluonTS and LibCity are known by the names of their columns. In any other table whose time
    stamps repeat, the one column of words that tells the rows of a stamp apart names the series. Every column of
    numbers is a target.

    Parameters
    ----------
    frame
        Never changed.
    time, target, id, freq
        As in :func:`~ttm_sk.data.tables.to_series`; what is given counts.

    Raises
    ------
    DataError
        As :func:`~ttm_sk.data.tables.to_series`.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=12)
    >>> to_known_series(pd.DataFrame({"ds": days, "y": range(12), "unique_id": "a"})).index[0]
    ('a', Timestamp('2024-01-01 00:00:00'))
    """
    table = flat_table(frame)
    if set(LIBCITY) <= set(table.columns):
        table = _measurements(table)
    known = next((layout for layout in LAYOUTS if _fits(layout, table)), None)
    if known is not None and id is None and time in (None, known.time):
        id, time, target = known.id, known.time, target or known.target
    time = time or time_column(table, taken=[id])
    if id is None and time is not None and time in table.columns:
        id = _naming_column(table, time)
    return to_series(table, time=time, target=target or numeric_columns(table, taken=[time, id]), id=id, freq=freq)


def _fits(layout: Layout, table: pd.DataFrame) -> bool:
    return {layout.id, layout.time, layout.target or layout.id} <= set(table.columns)


def _measurements(table: pd.DataFrame) -> pd.DataFrame:
    is_state = table["type"] == STATE
    if not is_state.any():
        found = ", ".join(map(str, table["type"].unique()[:3]))
        raise DataError(f"found LibCity rows of the type {found}; expected {STATE!r}, as traffic states have")
    return table[is_state].drop(columns=["dyna_id", "type"]).reset_index(drop=True)


def _naming_column(table: pd.DataFrame, time: str) -> str | None:
    """The one column of words that tells apart the rows of a time stamp; None if no stamp repeats."""
    if not table[time].duplicated().any():
        return None
    free = [name for name in table.columns if name != time]
    words = [name for name in free if name not in numeric_columns(table, taken=[time]) and not holds_dates(table[name])]
    naming = [name for name in words if not table.duplicated([time, name]).any()]
    return naming[0] if len(naming) == 1 else None
