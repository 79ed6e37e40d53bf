"""Series of GIFT-Eval from its folder on disk (``datasets.save_to_disk``: arrow streams), cut as the benchmark does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ttm_sk.errors import DataError, MissingExtraError
from ttm_sk.evaluation.gift_eval_tasks import Configuration, parse_frequency

try:
    import pyarrow as pa

    from ttm_sk.data.arrow_files import read_arrow_folder, variates
except ImportError as error:
    raise MissingExtraError("gift-eval", package="pyarrow") from error

__all__ = ["Series", "Task", "history_before_tests", "is_stored", "read_task"]

COLUMNS = ("item_id", "start", "freq", "target")
PERIOD_NAMES = {"S": "s", "T": "min", "H": "h", "A": "Y"}  # pandas 2.2 and later warn of the old spelling


@dataclass(frozen=True, eq=False)
class Series:
    """Values ``(time,)`` of one variate from ``start`` on, NaN where nothing was observed."""

    item_id: str
    start: pd.Period
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Task:
    """A configuration with its data: every variate of every item is a series; each ends in ``n_windows`` windows."""

    configuration: Configuration
    series: tuple[Series, ...]
    n_windows: int

    @property
    def n_tested(self) -> int:
        """Steps at the end of every series that are tested on."""
        return self.n_windows * self.configuration.prediction_length

    @property
    def n_forecasts(self) -> int:
        """Windows of all series."""
        return self.n_windows * len(self.series)


def history_before_tests(task: Task) -> list[Series]:
    """What precedes the first test window of each series: all that may choose how to forecast it.

    Examples
    --------
    >>> from ttm_sk.evaluation.gift_eval_tasks import select_configurations
    >>> whole = Series("a", pd.Period("2024-01", "M"), np.arange(40.0))
    >>> task = Task(select_configurations(["hospital"])[0], (whole,), n_windows=1)
    >>> len(history_before_tests(task)[0].values)
    28
    """
    return [
        Series(series.item_id, series.start, series.values[: len(series.values) - task.n_tested])
        for series in task.series
    ]


def is_stored(storage: Path | str, configuration: Configuration) -> bool:
    """Whether the storage has a folder for the configuration's data set."""
    return (Path(storage) / configuration.folder).is_dir()


def read_task(storage: Path | str, configuration: Configuration) -> Task:
    """The configuration with its series.

    Parameters
    ----------
    storage
        The benchmark's folder, with one folder for each data set (``ett1/H``, ``hospital``).
    configuration
        Which to read.

    Raises
    ------
    DataError
        If the data set is missing, cannot be read, holds no series, has another frequency or too short a series.
    """
    folder = Path(storage) / configuration.folder
    table = _read_table(folder)
    frequencies = table["freq"].unique().to_pylist()
    if len(frequencies) != 1 or parse_frequency(frequencies[0]) != parse_frequency(configuration.frequency):
        raise DataError(
            f"{folder}: found the frequency {', '.join(map(str, frequencies))}, expected {configuration.frequency};"
            " copy the data set again"
        )
    series = tuple(_series(table, frequencies[0]))
    shortest = min(len(one.values) for one in series)
    task = Task(configuration, series, configuration.n_windows(shortest))
    if shortest <= task.n_tested:
        raise DataError(
            f"{folder}: found a series of {shortest} steps, expected more than the {task.n_tested} that are tested on;"
            " copy the data set again"
        )
    return task


def _read_table(folder: Path) -> pa.Table:
    table = read_arrow_folder(folder)
    if missing := [name for name in COLUMNS if name not in table.column_names]:
        raise DataError(
            f"{folder}: found the columns {', '.join(table.column_names)}, expected also {', '.join(missing)}"
        )
    if not table.num_rows:
        raise DataError(f"{folder}: found no series; copy the data set again")
    return table


def _series(table: pa.Table, frequency: str) -> list[Series]:
    unit, multiple = parse_frequency(frequency)
    anchor = frequency.partition("-")[2]
    spelled = f"{multiple if multiple > 1 else ''}{PERIOD_NAMES.get(unit, unit)}{'-' if anchor else ''}{anchor}"
    read = []
    for item_id, start, target in zip(table["item_id"], table["start"], table["target"], strict=True):
        first = pd.Period(start.as_py(), freq=spelled)
        parts = variates(target)
        names = [f"{item_id}_dim{i}" for i in range(len(parts))] if len(parts) > 1 else [str(item_id)]
        read += [Series(name, first, values) for name, values in zip(names, parts, strict=True)]
    return read
