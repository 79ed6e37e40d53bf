"""pandas frames to arrays and back: the only place that knows how sktime lays out series, panels and hierarchies."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.errors import DataError, HorizonError
from ttm_sk.estimators.panel import Panel, describe

__all__ = ["Panel", "from_forecast", "refuse_disorder", "shown_frequency", "steps_ahead", "text_columns", "to_panel"]

TELLING_STAMPS = 3  # fewer time stamps do not show a frequency


def shown_frequency(y: pd.DataFrame) -> Any:
    """The offset that the dates of a frame show, those of its longest series; None where they show none."""
    index = y.index
    if isinstance(index, pd.MultiIndex):
        starts = _first_rows(index)
        stops = np.append(starts[1:], len(index))
        longest = int(np.argmax(stops - starts))
        index = index[starts[longest] : stops[longest]].get_level_values(-1)
    if not isinstance(index, pd.DatetimeIndex) or len(index) < TELLING_STAMPS:
        return getattr(index, "freq", None)
    found = _inferred(index) if index.is_monotonic_increasing else None
    return index.freq if found is None else found


def refuse_disorder(y: Any) -> None:
    """Name the time stamp that makes a user's frame unreadable, where sktime would only say that it is unreadable.

    Raises
    ------
    DataError
        For time stamps that are duplicate, unsorted or missing.
    """
    if not isinstance(y, (pd.Series, pd.DataFrame)) or not len(y):
        return
    if isinstance(y.index, pd.MultiIndex):
        starts = _first_rows(y.index)
        _check_order(y.index.get_level_values(-1), y.index[starts].droplevel(-1), starts)
    elif isinstance(y.index, (pd.DatetimeIndex, pd.PeriodIndex)) or pd.api.types.is_integer_dtype(y.index.dtype):
        _check_order(y.index, None, np.zeros(1, dtype=np.intp))


def text_columns(y: Any) -> list[Hashable]:
    """Names of the columns of a user's frame that hold text."""
    if not isinstance(y, (pd.Series, pd.DataFrame)):
        return []
    frame = y.to_frame() if isinstance(y, pd.Series) else y
    return [name for i, name in enumerate(frame.columns) if _is_text(frame.iloc[:, i])]


def to_panel(y: pd.DataFrame) -> Panel:
    """A frame as sktime passes it (a series, a panel or a hierarchy), checked and cut into instances.

    Raises
    ------
    DataError
        Naming the instance and the column or the time stamp: no rows, no observed value, infinite values, text,
        or time stamps that are duplicate, unsorted, irregular, or too few to show a frequency.
    """
    values = _numbers(y)
    index, times, instances, starts = y.index, y.index, None, np.zeros(1, dtype=np.intp)
    if isinstance(index, pd.MultiIndex):
        times = index.get_level_values(-1)
        starts = _first_rows(index)
        instances = index[starts].droplevel(-1)
        if instances.has_duplicates:
            name = describe(instances, int(np.argmax(instances.duplicated())))
            raise DataError(f"the rows of {name} do not stand together; sort the frame, y = y.sort_index()")
    stops = np.append(starts[1:], len(index))
    _check_values(values, y.columns, instances, starts)
    _check_order(times, instances, starts)
    return Panel(
        instances,
        tuple(values[start:stop].T for start, stop in zip(starts, stops, strict=True)),
        times[stops - 1],
        _frequencies(times, instances, starts, stops),
        tuple(index.names),
        y.columns,
    )


def steps_ahead(fh: ForecastingHorizon, panel: Panel) -> list[np.ndarray]:
    """For each instance the horizon as whole steps after its own end, ascending as sktime keeps them.

    Raises
    ------
    HorizonError
        If a step does not lie in the future, or a time stamp of the horizon is not on the grid of the series.
    """
    wanted = fh.to_pandas()
    if fh.is_relative and pd.api.types.is_integer_dtype(wanted.dtype):
        shared = _future(wanted.to_numpy(dtype=np.int64), panel, 0)
        return [shared] * len(panel.histories)
    found: dict[Any, np.ndarray] = {}
    steps = []
    for i, key in enumerate(zip(panel.ends, panel.frequencies, strict=True)):
        if key not in found:
            stamps = _moved(panel, i, wanted) if fh.is_relative else wanted
            found[key] = _future(_count_steps(stamps, panel, i), panel, i)
        steps.append(found[key])
    return steps


def from_forecast(
    forecast: Sequence[np.ndarray], panel: Panel, fh: ForecastingHorizon, columns: pd.Index
) -> pd.DataFrame:
    """Rows for every instance and step of the horizon, from one array ``(row, column)`` per instance.

    Relative horizons count from the end of each instance's own history.
    """
    values = np.concatenate(forecast)
    if panel.instances is None:
        return pd.DataFrame(values, index=_stamps_of_one(fh, panel).rename(panel.names[0]), columns=columns)
    row = np.repeat(np.arange(len(panel.histories)), len(fh))
    upper = panel.instances[row]
    levels = [upper.get_level_values(level) for level in range(upper.nlevels)]
    index = pd.MultiIndex.from_arrays([*levels, _future_stamps(fh, panel)], names=panel.names)
    return pd.DataFrame(values, index=index, columns=columns)


def _numbers(y: pd.DataFrame) -> np.ndarray:
    """The values as a float64 copy, ``(row, column)``."""
    if not len(y) or not len(y.columns):
        raise DataError(f"found y with {len(y)} rows and {len(y.columns)} columns; expected at least one of each")
    for name, dtype in y.dtypes.items():
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
            raise DataError(
                f"column {name!r} has the type {dtype}, expected numbers; convert it, for example with pd.to_numeric"
            )
    return np.array(y.to_numpy(dtype=np.float64, na_value=np.nan))


def _is_text(column: pd.Series) -> bool:
    if column.dtype == object:
        return any(isinstance(value, str) for value in column)
    return isinstance(column.dtype, pd.StringDtype)


def _first_rows(index: pd.MultiIndex) -> np.ndarray:
    """The first row of every instance, ``(instance,)``."""
    codes = np.stack([np.asarray(codes) for codes in index.codes[:-1]])
    is_first = np.concatenate([[True], (codes[:, 1:] != codes[:, :-1]).any(axis=0)])
    return np.flatnonzero(is_first)


def _owner(row: int, instances: pd.Index | None, starts: np.ndarray) -> str:
    """How messages call the instance that a row belongs to."""
    return describe(instances, int(np.searchsorted(starts, row, side="right")) - 1)


def _check_values(values: np.ndarray, columns: pd.Index, instances: pd.Index | None, starts: np.ndarray) -> None:
    if np.isinf(values).any():
        row, column = (int(i) for i in np.argwhere(np.isinf(values))[0])
        where = int(np.searchsorted(starts, row, side="right")) - 1
        raise DataError(
            f"{describe(instances, where)}, column {columns[column]!r}: row {row - starts[where] + 1} is infinite;"
            " replace infinities by NaN where the value is unknown"
        )
    n_seen = np.add.reduceat(~np.isnan(values), starts, axis=0, dtype=np.intp)
    if not n_seen.all():
        i, column = (int(i) for i in np.argwhere(n_seen == 0)[0])
        raise DataError(
            f"{describe(instances, i)}, column {columns[column]!r}: all values are missing; drop it, or give at least"
            " one"
        )


def _check_order(times: pd.Index, instances: pd.Index | None, starts: np.ndarray) -> None:
    """Refuse time stamps that repeat or go back; also gaps, where stamps are whole numbers or periods."""
    is_counted = pd.api.types.is_integer_dtype(times.dtype)
    if not is_counted and not isinstance(times, (pd.DatetimeIndex, pd.PeriodIndex)):
        raise DataError(f"found time stamps of the type {times.dtype}, expected dates, periods or whole numbers")
    if times.hasnans:
        row = int(np.argmax(times.isna()))
        raise DataError(f"{_owner(row, instances, starts)}: a time stamp is missing; fill it in, or drop the row")
    gaps = np.diff(times.to_numpy(dtype=np.int64) if is_counted else times.asi8)
    step = times.freq.n if isinstance(times, pd.PeriodIndex) else 1
    is_inside = np.ones(len(gaps), dtype=bool)
    is_inside[starts[1:] - 1] = False  # from one instance to the next
    for is_wrong in (gaps <= 0, gaps != step):
        if (is_wrong & is_inside).any():
            row = int(np.argmax(is_wrong & is_inside)) + 1
            raise DataError(f"{_owner(row, instances, starts)}: {_disorder(times[row - 1], times[row])}")
        if isinstance(times, pd.DatetimeIndex):
            return  # whose steps differ in length


def _disorder(before: Any, after: Any) -> str:
    if after == before:
        return f"the time stamp {after} is a duplicate; keep one row for each, or their mean"
    if after < before:
        return f"the time stamps are not sorted ({after} comes after {before}); use y.sort_index()"
    kind = "periods have gaps" if isinstance(after, pd.Period) else "integer index has gaps"
    return (
        f"the {kind} ({before} is followed by {after}), expected steps of one; insert the missing rows (y.reindex),"
        " their values may stay NaN"
    )


def _frequencies(times: pd.Index, instances: pd.Index | None, starts: np.ndarray, stops: np.ndarray) -> tuple[Any, ...]:
    """The offset of every instance; instances with the same stamps share it, short ones take the longest one's."""
    if not isinstance(times, pd.DatetimeIndex):
        return (None,) * len(starts)
    if instances is None and times.freq is not None:
        return (times.freq,)
    lengths = stops - starts
    longest = int(np.argmax(lengths))
    known: dict[bytes, Any] = {}
    stamps = times.asi8
    usual = _read_frequency(times[starts[longest] : stops[longest]], where=describe(instances, longest))
    frequencies = []
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        if stop - start < TELLING_STAMPS:
            frequencies.append(usual)
            continue
        key = stamps[start:stop].tobytes()
        if key not in known:
            known[key] = _read_frequency(times[start:stop], where=describe(instances, i))
        frequencies.append(known[key])
    return tuple(frequencies)


def _read_frequency(stamps: pd.DatetimeIndex, *, where: str) -> Any:
    if len(stamps) < TELLING_STAMPS:
        raise DataError(
            f"{where}: found {len(stamps)} time stamp(s) without a frequency, too few to tell it; set it, for example"
            " y.index.freq = 'D', or use a PeriodIndex"
        )
    frequency = _inferred(stamps)
    if frequency is not None:
        return frequency
    odd = _first_irregular(stamps)
    usual = _inferred(stamps[:odd]) if odd > TELLING_STAMPS else None
    usual = None if usual is None else usual.freqstr
    raise DataError(
        f"{where}: the time stamps are irregular ({stamps[odd - 1]} is followed by {stamps[odd]}); bring them to one"
        f" frequency, for example y = y.asfreq({usual or 'D'!r}): missing rows may stay NaN"
    )


def _inferred(stamps: pd.DatetimeIndex) -> Any:
    """The offset that pandas sees in stamps and that leads from the first of them through all others, or None."""
    name = pd.infer_freq(stamps)
    if name is None:
        return None
    offset = pd.tseries.frequencies.to_offset(name)
    return offset if pd.date_range(stamps[0], periods=len(stamps), freq=offset).equals(stamps) else None


def _first_irregular(stamps: pd.DatetimeIndex) -> int:
    """The position of the first stamp that breaks the frequency of those before it."""
    regular, irregular = TELLING_STAMPS - 1, len(stamps)
    while irregular - regular > 1:
        middle = (regular + irregular) // 2
        if _inferred(stamps[:middle]) is None:
            irregular = middle
        else:
            regular = middle
    is_first_gap_wider = regular < TELLING_STAMPS and stamps[1] - stamps[0] > stamps[2] - stamps[1]
    return 1 if is_first_gap_wider else regular


def _moved(panel: Panel, i: int, durations: pd.Index) -> pd.Index:
    """The end of an instance plus each duration."""
    if isinstance(panel.ends, pd.DatetimeIndex):
        return panel.ends[i] + durations
    raise HorizonError("durations as a horizon need dates as time stamps; ask for numbers of steps")


def _count_steps(stamps: pd.Index, panel: Panel, i: int) -> np.ndarray:
    """How many steps after the end of the ``i``-th instance the stamps are; 0 for those that are not after it."""
    end, frequency = panel.ends[i], panel.frequencies[i]
    if isinstance(panel.ends, pd.PeriodIndex):
        _check_kind(stamps, pd.PeriodIndex, panel)
        return (stamps.asi8 - end.ordinal) // panel.ends.freq.n
    if frequency is None:
        return stamps.to_numpy(dtype=np.int64) - end
    _check_kind(stamps, pd.DatetimeIndex, panel)
    grid = _grid_to(stamps.max(), end, frequency)
    steps = grid.get_indexer(stamps) + 1
    is_off = (steps < 1) & (stamps > end)
    if is_off.any():
        raise HorizonError(
            f"the horizon's {stamps[is_off][0]} is not on the grid of {panel.describe(i)}, which goes on from {end} in"
            f" steps of {frequency.freqstr}; ask for a stamp that is, or for numbers of steps"
        )
    return steps


def _grid_to(last: pd.Timestamp, end: pd.Timestamp, frequency: Any) -> pd.DatetimeIndex:
    """The time stamps after ``end``, up to ``last``."""
    grid = pd.date_range(end, max(last, end), freq=frequency)
    return grid[grid > end]


def _check_kind(stamps: pd.Index, kind: type[pd.Index], panel: Panel) -> None:
    if not isinstance(stamps, kind):
        raise HorizonError(
            f"found a horizon of {type(stamps).__name__}, but the series has a {type(panel.ends).__name__}; give both"
            " the same kind of time stamps, or ask for numbers of steps"
        )


def _future(steps: np.ndarray, panel: Panel, i: int) -> np.ndarray:
    if (steps < 1).any():
        raise HorizonError(
            f"found step {steps.min()} of the horizon, at or before the end of {panel.describe(i)} ({panel.ends[i]});"
            " ask for steps from 1"
        )
    return steps


def _stamps_of_one(fh: ForecastingHorizon, panel: Panel) -> pd.Index:
    """The time stamps of the only instance; dates at once: sktime's adding step by step was half of a forecast."""
    steps = fh.to_pandas()
    if fh.is_relative and pd.api.types.is_integer_dtype(steps.dtype) and isinstance(panel.ends, pd.DatetimeIndex):
        first, last = int(steps[0]), int(steps[-1])
        grid = pd.date_range(panel.ends[0], periods=last + 1, freq=panel.frequencies[0]).as_unit(panel.ends.unit)
        if grid[0] == panel.ends[0]:
            return grid[first:] if last - first == len(steps) - 1 else grid[steps]
    return pd.Index(fh.to_absolute(panel.end(0)).to_pandas())


def _future_stamps(fh: ForecastingHorizon, panel: Panel) -> pd.Index:
    """The time stamps of all rows of a panel's forecast, instance after instance."""
    wanted = fh.to_pandas()
    n = len(panel.histories)
    if not fh.is_relative:
        return wanted[np.tile(np.arange(len(wanted)), n)]
    if not pd.api.types.is_integer_dtype(wanted.dtype):
        return _outer_sum(panel.ends, list(wanted))
    if not isinstance(panel.ends, pd.DatetimeIndex):
        return _outer_sum(panel.ends, wanted.tolist())
    groups: dict[Any, list[int]] = {}
    for i, frequency in enumerate(panel.frequencies):
        groups.setdefault(frequency, []).append(i)
    parts = [_outer_sum(panel.ends[rows], [step * frequency for step in wanted]) for frequency, rows in groups.items()]
    order = np.concatenate([np.asarray(rows) for rows in groups.values()])
    place = np.argsort(order)[:, None] * len(wanted) + np.arange(len(wanted))
    return parts[0].append(parts[1:])[place.ravel()]


def _outer_sum(ends: pd.Index, moves: Sequence[Any]) -> pd.Index:
    """Every end moved by every move: the moves of the first end, then those of the second."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)  # offsets that pandas adds one by one
        moved = [ends + move for move in moves]
    n = len(ends)
    return moved[0].append(moved[1:])[np.arange(n * len(moves)).reshape(len(moves), n).T.ravel()]
