"""One function from a long frame to a long frame, for engines that hold more series than one machine.

Ray Data, Dask and Spark map :func:`forecast_frame` over partitions that hold whole series; it needs numpy, pandas and
either torch or onnxruntime on the workers, keeps nothing between calls, and gives the same rows when a partition is
computed again, so an engine may lose a worker on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from ttm_sk.data.stamps import to_stamps
from ttm_sk.errors import ConfigError, DataError, HorizonError
from ttm_sk.inference.arrays import forecast

__all__ = ["forecast_frame", "forecast_frames"]


def forecast_frame(
    frame: pd.DataFrame,
    *,
    horizon: int,
    freq: str | int,
    levels: Sequence[float] = (0.1, 0.9),
    id: str = "unique_id",
    time: str = "ds",
    target: str = "y",
    model_path: str | Path = "ttm-tiny",
    effort: str = "fast",
    backend: str = "auto",
) -> pd.DataFrame:
    """Forecasts of every series in a long frame.

    Parameters
    ----------
    frame
        A row for each series and time stamp, in any order, all rows of a series among them; not changed. NaN in
        ``target`` = not observed. Without any row the answer has none either.
    horizon
        Steps ahead, at least 1.
    freq
        Step between neighbouring stamps of a series: a pandas frequency (``"h"``, ``"MS"``), or a whole number where
        the stamps are numbers. No row of a series may be missing. Stamps with offsets from UTC come back in UTC.
    levels
        Quantile levels, a column each, called ``"0.1"`` and so on.
    id, time, target
        Names of the columns.
    model_path, effort, backend
        As in :func:`ttm_sk.forecast`.

    Returns
    -------
    DataFrame
        ``id``, ``time``, ``forecast`` (the median) and a column for each level: ``horizon`` rows for each series, the
        series sorted by ``id``.

    Raises
    ------
    DataError
        If a column is missing, or a series is irregular, off the grid, holds a stamp twice, or has no value at all.
    ConfigError
        If ``freq`` is none, or a column is called as one of the forecast is.
    HorizonError
        If the horizon is no whole number of at least 1.

    Examples
    --------
    With Ray Data ``dataset.repartition(64, keys=["unique_id"]).map_batches(forecast_frame, batch_size=None,
    batch_format="pandas", fn_kwargs=options)``, with Dask ``frame.shuffle("unique_id").map_partitions(forecast_frame,
    **options)``.

    >>> days = pd.date_range("2024-01-01", periods=50)
    >>> frame = pd.DataFrame({"unique_id": "shop", "ds": days, "y": np.arange(50.0)})
    >>> forecast_frame(frame, horizon=2, freq="D")[["unique_id", "ds"]]
      unique_id         ds
    0      shop 2024-02-20
    1      shop 2024-02-21
    """
    if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)) or horizon < 1:
        raise HorizonError(f"found horizon={horizon!r}; expected a whole number of steps, at least 1")
    names = ["forecast", *(f"{level:g}" for level in levels)]
    if taken := {id, time} & set(names) or ({id} & {time}):
        raise ConfigError(f"found a column {taken.pop()!r}, as columns of the forecast are called; rename it")
    if missing := [name for name in (id, time, target) if name not in frame.columns]:
        columns = ", ".join(map(repr, frame.columns))
        raise DataError(f"found no column {missing[0]!r}; name it (id=, time=, target=), columns are {columns}")
    if twice := [name for name in (id, time, target) if list(frame.columns).count(name) > 1]:
        raise DataError(f"found two columns called {twice[0]!r}; rename one")
    if frame[id].isna().any():
        raise DataError(f"column {id!r}: row {int(frame[id].isna().argmax()) + 1} is missing; name its series")
    rows = frame[[id, time, target]].assign(**{time: to_stamps(frame[time])})  # engines have types of their own
    rows = rows.sort_values([id, time], kind="stable", ignore_index=True)
    step = _step(freq, rows[time])
    starts = np.flatnonzero(~rows[id].duplicated().to_numpy())
    _check_regular(rows, starts, step, id=id, time=time)
    stops = np.append(starts[1:], len(rows))[: len(starts)]
    ends = pd.Index(rows[time].iloc[stops - 1])
    _refuse_off_grid(ends, step, rows[id].iloc[stops - 1])
    ahead = [ends + k * step for k in range(1, horizon + 1)]
    table: dict[str, Any] = {
        id: rows[id].iloc[starts].repeat(horizon).reset_index(drop=True),
        time: _interleaved(ahead, rows[time]),
    }
    quantiles = np.empty((0, horizon, len(levels) + 1))
    if len(rows):
        values = _numbers(rows[target])
        _refuse_unseen(values, starts, rows[id])
        histories = [values[start:stop] for start, stop in zip(starts, stops, strict=True)]
        asked: dict[str, Any] = {"model_path": model_path, "effort": effort, "backend": backend}
        quantiles = forecast(histories, horizon, levels=[0.5, *levels], **asked)
    return pd.DataFrame(table | {name: quantiles[..., i].ravel() for i, name in enumerate(names)})


def forecast_frames(frames: Iterable[pd.DataFrame], **options: Any) -> Iterator[pd.DataFrame]:
    """:func:`forecast_frame` for Spark, whose partitions arrive in pieces: they are joined first.

    ``df.repartition("unique_id").mapInPandas(partial(forecast_frames, horizon=28, freq="D"), schema)``

    Examples
    --------
    >>> frame = pd.DataFrame({"unique_id": 1, "ds": np.arange(40), "y": np.ones(40)})
    >>> pieces = iter([frame[:25], frame[25:]])
    >>> [len(part) for part in forecast_frames(pieces, horizon=3, freq=1)]
    [3]
    """
    if pieces := list(frames):
        yield forecast_frame(pd.concat(pieces, ignore_index=True), **options)


def _numbers(column: pd.Series) -> np.ndarray:
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise DataError(f"column {column.name!r} holds no numbers ({error}); convert it with pd.to_numeric") from error


def _step(freq: str | int, times: pd.Series) -> Any:
    if pd.api.types.is_numeric_dtype(times):
        if isinstance(freq, bool) or not isinstance(freq, (int, np.integer)) or freq < 1:
            raise ConfigError(f"found freq={freq!r}, but the stamps are numbers: give the step between them, such as 1")
        return freq
    try:
        step = to_offset(freq)
        if isinstance(step, pd.offsets.Day) and times.dt.tz is not None:
            return pd.DateOffset(days=step.n)  # days of the calendar, which are not all 24 hours long
        return step
    except (ValueError, TypeError) as error:
        raise ConfigError(f"found freq={freq!r}; give a pandas frequency such as 'D', 'h' or 'MS'") from error


def _check_regular(rows: pd.DataFrame, starts: np.ndarray, step: Any, *, id: str, time: str) -> None:
    stamps = pd.Index(rows[time])
    is_wrong = np.asarray(stamps[:-1] + step != stamps[1:])
    is_wrong[starts[1:] - 1] = False  # from one series to the next
    if is_wrong.any():
        row = int(is_wrong.argmax())
        raise DataError(
            f"series {rows[id].iloc[row]!r}: {stamps[row + 1]} follows {stamps[row]}, expected {stamps[row] + step};"
            " put every series on a regular grid, with NaN where nothing was observed"
        )


def _refuse_off_grid(ends: pd.Index, step: Any, ids: pd.Series) -> None:
    """Name a series whose stamps do not lie where the frequency steps, as a Monday where weeks end on Sundays."""
    if not isinstance(ends, pd.DatetimeIndex) or type(step) is pd.DateOffset:
        return
    is_off = np.asarray(ends + 0 * step != ends)
    if is_off.any():
        row = int(is_off.argmax())
        raise DataError(f"series {ids.iloc[row]!r}: {ends[row]} is not on the grid of {step.freqstr!r}; give its freq")


def _refuse_unseen(values: np.ndarray, starts: np.ndarray, ids: pd.Series) -> None:
    is_blank = np.add.reduceat(np.isfinite(values), starts, dtype=np.intp) == 0
    if is_blank.any():
        name = ids.iloc[starts[int(is_blank.argmax())]]
        raise DataError(f"series {name!r}: no value was observed; leave it out, or give at least one")


def _interleaved(ahead: list[pd.Index], times: pd.Series) -> Any:
    """The stamps of all series at each step as those of each series at all steps."""
    if not ahead or not len(ahead[0]):
        return times.iloc[:0]
    n_series = len(ahead[0])
    joined = ahead[0].append(ahead[1:])
    return joined.take(np.arange(len(joined)).reshape(-1, n_series).T.ravel())
