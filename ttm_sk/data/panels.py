"""Series that were stored whole become a panel in sktime's layout; one of the modules of ``data`` that know pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttm_sk.data.frequency import MONTHS, grid_frequency
from ttm_sk.data.stamps import regular_panel, to_stamps
from ttm_sk.data.stored_series import StoredSeries, StoredSet
from ttm_sk.errors import DataError

__all__ = ["to_panel"]

CALENDAR = {"MS": "M", "QS": "Q", "YS": "Y"}  # steps of unequal length: a start is moved to the begin of its period
TARGET = "target"


def to_panel(stored: StoredSet, *, freq: str | None = None) -> pd.DataFrame:
    """The series over (id, time), sorted by id; one of them is a panel of one.

    Parameters
    ----------
    stored
        Series with starts, with a date for every value, or with neither: then steps are numbered from 0.
    freq
        A pandas frequency; None takes what the file says, or reads it from the dates of the values.

    Returns
    -------
    DataFrame
        Float64, the column ``target``, or ``target_0``, ``target_1``, ... of several channels. A series of fewer than
        10 dated values begins with rows of NaN, as in :func:`~ttm_sk.data.tables.to_series`.

    Raises
    ------
    DataError
        If two series have one name, a start is no date, no frequency is known, or only some series have dates.

    Examples
    --------
    >>> series = StoredSeries("a", np.arange(12.0)[None], start="2024-01-31")
    >>> to_panel(StoredSet((series,), "monthly", "example")).index[0]
    ('a', Timestamp('2024-01-01 00:00:00'))
    """
    names = pd.Index([one.id for one in stored.series])
    if names.has_duplicates:
        raise DataError(
            f"{stored.where}: two series are called {names[names.duplicated()][0]!r}; expected a name for"
            " each: rename one"
        )
    is_dated = {one.start is not None or one.stamps is not None for one in stored.series}
    if len(is_dated) > 1:
        raise DataError(f"{stored.where}: some series have a start and others have none; expected one for all, or none")
    asked = freq or stored.frequency
    grid = None if asked is None or not is_dated.pop() else grid_frequency(asked)
    frames = [_frame(one, grid, stored.where) for one in stored.series]
    if len({getattr(frame.index, "tz", None) for frame in frames}) > 1:
        raise DataError(f"{stored.where}: some series have a time zone and others none; expected one for all, or none")
    keys = pd.Series(np.repeat(names, [len(frame) for frame in frames]))
    is_listed = any(one.stamps is not None for one in stored.series)
    return regular_panel(pd.concat(frames), keys, freq=freq if is_listed else grid).rename_axis(["id", "time"])


def _frame(one: StoredSeries, grid: str | None, where: str) -> pd.DataFrame:
    columns = [TARGET] if len(one.values) == 1 else [f"{TARGET}_{i}" for i in range(len(one.values))]
    return pd.DataFrame(one.values.T, index=_stamps(one, grid, f"{where}, series {one.id!r}"), columns=columns)


def _stamps(one: StoredSeries, grid: str | None, where: str) -> pd.Index:
    n_steps = one.values.shape[1]
    if one.stamps is not None:
        if len(one.stamps) != n_steps:
            raise DataError(f"{where}: found {len(one.stamps)} time stamps for {n_steps} values; expected one for each")
        return to_stamps(pd.Series(one.stamps, name="timestamp"))
    if one.start is None:
        return pd.RangeIndex(n_steps)
    first = _first(one, where)
    if grid is None:
        raise DataError(f"{where}: found a start, {one.start}, but no frequency; give it, for example freq='D'")
    try:
        first = _begin_of_period(first, grid.lstrip("0123456789"))
        return pd.date_range(first, periods=n_steps, freq=grid)
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        raise DataError(
            f"{where}: {n_steps} steps of {grid} from {one.start} leave the years 1678 to 2261; expected a start and a"
            " frequency within: correct them"
        ) from error


def _begin_of_period(first: pd.Timestamp, unit: str) -> pd.Timestamp:
    """Where the month, quarter or year begins that the stamp lies in; the stamp itself for other units."""
    kind, _, month = unit.partition("-")
    if kind not in CALENDAR:
        return first
    end = f"-{MONTHS[MONTHS.index(month) - 1]}" if month else ""
    return first.tz_localize(None).to_period(CALENDAR[kind] + end).to_timestamp().tz_localize(first.tz)


def _first(one: StoredSeries, where: str) -> pd.Timestamp:
    try:
        first = one.start.to_timestamp() if isinstance(one.start, pd.Period) else pd.Timestamp(one.start)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{where}: found the start {one.start!r}; expected a date such as 2024-01-31") from error
    if first is pd.NaT:
        raise DataError(f"{where}: found the start {one.start!r}, which is none; expected a date such as 2024-01-31")
    return first if first.tz is None else first.tz_convert("UTC")
