"""pandas frames to arrays and back: the only place that knows how sktime lays out series, panels and hierarchies."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.errors import DataError, HorizonError

__all__ = ["Panel", "from_forecast", "steps_ahead", "to_panel"]


@dataclass(frozen=True)
class Panel:
    """The instances of a frame.

    Attributes
    ----------
    keys
        The index of each instance: () for a single series, else a tuple of its upper index levels.
    histories
        Float64 arrays ``(channel, time)``, NaN = not observed; one per instance, of any length.
    ends
        The last time stamp of each, as an index of length one that knows its frequency.
    names
        Names of the upper index levels and of the time level.
    columns
        The channels.
    """

    keys: tuple[tuple[Hashable, ...], ...]
    histories: tuple[np.ndarray, ...]
    ends: tuple[pd.Index, ...]
    names: tuple[Hashable, ...]
    columns: pd.Index


def to_panel(y: pd.DataFrame) -> Panel:
    """A frame as sktime passes it (a series, a panel or a hierarchy), checked and cut into instances.

    Raises
    ------
    DataError
        Naming the instance and the column: no rows, no observed value, infinite values, text, or time stamps
        without a regular frequency.
    """
    columns, index = y.columns, y.index
    values = _numbers(y)
    if not isinstance(index, pd.MultiIndex):
        _check_values(values, columns, where="y")
        end = _end(index, where="y")
        return Panel(((),), (values.T,), (end,), (index.name,), columns)
    keys, histories, ends = [], [], []
    times = index.get_level_values(-1)
    for key, start, stop in _runs(index):
        where = f"series {key[0] if len(key) == 1 else key!r}"
        block = values[start:stop]
        _check_values(block, columns, where=where)
        keys.append(key)
        histories.append(block.T)
        ends.append(_end(times[start:stop], where=where))
    return Panel(tuple(keys), tuple(histories), tuple(ends), tuple(index.names), columns)


def steps_ahead(fh: ForecastingHorizon, end: pd.Index) -> np.ndarray:
    """The horizon as whole steps after ``end``, in the order asked for.

    Raises
    ------
    HorizonError
        If a step does not lie in the future.
    """
    steps = fh.to_relative(end).to_numpy()
    steps = np.asarray([int(step) for step in steps])
    if (steps < 1).any():
        raise HorizonError(f"found step {steps.min()} of the horizon, at or before the end of the data ({end[0]}); ask for steps from 1")
    return steps


def from_forecast(forecast: Sequence[np.ndarray], panel: Panel, fh: ForecastingHorizon, columns: pd.Index) -> pd.DataFrame:
    """Rows for every instance and step of the horizon, from one array ``(row, column)`` per instance.

    Relative horizons count from the end of each instance's own history.
    """
    stamps: dict[Any, pd.Index] = {}
    indices = []
    for end in panel.ends:
        if end[0] not in stamps:
            stamps[end[0]] = pd.Index(fh.to_absolute(end).to_pandas())
        indices.append(stamps[end[0]])
    values = np.concatenate(forecast)
    if panel.keys == ((),):
        return pd.DataFrame(values, index=indices[0].rename(panel.names[0]), columns=columns)
    lengths = [len(index) for index in indices]
    levels = [np.repeat(np.array([key[i] for key in panel.keys], dtype=object), lengths) for i in range(len(panel.keys[0]))]
    arrays = [pd.Index(level).infer_objects() for level in levels]
    time = indices[0].append(indices[1:])
    return pd.DataFrame(values, index=pd.MultiIndex.from_arrays([*arrays, time], names=panel.names), columns=columns)


def _numbers(y: pd.DataFrame) -> np.ndarray:
    if not len(y) or not len(y.columns):
        raise DataError(f"found y with {len(y)} rows and {len(y.columns)} columns; expected at least one of each")
    try:
        return y.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        bad = [str(name) for name in y.columns if not pd.api.types.is_numeric_dtype(y[name])]
        raise DataError(f"found values that are no numbers in column(s) {', '.join(bad) or '?'}; convert them, for example with pd.to_numeric") from error


def _check_values(values: np.ndarray, columns: pd.Index, *, where: str) -> None:
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise DataError(f"{where}, column {columns[column]!r}: row {row} is infinite; replace infinities by NaN where the value is unknown")
    empty = ~np.isfinite(values).any(axis=0)
    if empty.any():
        name = columns[int(np.flatnonzero(empty)[0])]
        raise DataError(f"{where}, column {name!r}: all {len(values)} values are missing; drop it, or give at least one value")


def _runs(index: pd.MultiIndex) -> list[tuple[tuple[Hashable, ...], int, int]]:
    """Key, first row and row after the last of every instance; sktime guarantees that instances are contiguous."""
    codes = np.stack([np.asarray(index.codes[i]) for i in range(index.nlevels - 1)])
    starts = np.flatnonzero(np.concatenate([[True], (codes[:, 1:] != codes[:, :-1]).any(axis=0)]))
    stops = [*starts[1:].tolist(), len(index)]
    return [(index[start][:-1], int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def _end(index: pd.Index, *, where: str) -> pd.Index:
    """The last time stamp with its frequency."""
    if isinstance(index, pd.DatetimeIndex):
        frequency = index.freq or _inferred_frequency(index, where=where)
        return pd.DatetimeIndex([index[-1]], freq=frequency) if frequency is not None else index[-1:]
    if pd.api.types.is_integer_dtype(index.dtype) and len(index) > 1 and (np.diff(index.to_numpy()) != 1).any():
        raise DataError(f"{where}: the integer index has gaps, so steps are not defined; reindex to consecutive integers (missing rows become NaN)")
    return index[-1:]


def _inferred_frequency(index: pd.DatetimeIndex, *, where: str) -> Any:
    """The frequency of an index that does not carry one; unknown (None) below three time stamps."""
    if len(index) < 3:
        return None
    frequency = pd.infer_freq(index)
    if frequency is None:
        gaps = pd.Series(np.diff(index.to_numpy()))
        usual = gaps.mode().iloc[0]
        odd = int(np.flatnonzero((gaps != usual).to_numpy())[0]) + 1
        raise DataError(
            f"{where}: the time stamps are irregular ({index[odd - 1]} is followed by {index[odd]}, the usual step is {usual});"
            " bring them to one frequency first, for example y.asfreq('D'): missing rows may stay NaN"
        )
    return pd.tseries.frequencies.to_offset(frequency)
