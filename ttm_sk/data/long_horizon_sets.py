"""The seven tables of the long-horizon comparison, cut and scaled as the field does it.

The splits are those of Informer (Zhou et al., 2021, arXiv:2012.07436) and Autoformer (Wu et al., 2021,
arXiv:2106.13008): ETT is cut after 12, 4 and 4 months of 30 days, the others after 70, 10 and 20 % of their rows; every
column is standardised by its mean and deviation in the training part.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttm_sk.data.tables import numeric_columns, read_benchmark_table, read_table
from ttm_sk.errors import DataError, HorizonError

__all__ = ["LAYOUTS", "Layout", "LongHorizonSet", "read_any_set", "read_long_horizon_set"]

ENDINGS = (".gz", ".csv", ".parquet", ".txt", ".npz")


@dataclass(frozen=True)
class Layout:
    """What a published table must look like: its pace, counts of rows and columns, and of the rows of its parts."""

    frequency: str
    n_rows: int
    n_channels: int
    n_train: int
    n_validation: int
    n_test: int


def _months(per_day: int) -> tuple[int, int, int]:
    return 12 * 30 * per_day, 4 * 30 * per_day, 4 * 30 * per_day


def _shares(n_rows: int) -> tuple[int, int, int]:
    n_train, n_test = n_rows * 7 // 10, n_rows * 2 // 10
    return n_train, n_rows - n_train - n_test, n_test


LAYOUTS = {
    "ETTh1": Layout("h", 17_420, 7, *_months(24)),
    "ETTh2": Layout("h", 17_420, 7, *_months(24)),
    "ETTm1": Layout("15min", 69_680, 7, *_months(96)),
    "ETTm2": Layout("15min", 69_680, 7, *_months(96)),
    "Weather": Layout("10min", 52_696, 21, *_shares(52_696)),
    "Electricity": Layout("h", 26_304, 321, *_shares(26_304)),
    "Traffic": Layout("h", 17_544, 862, *_shares(17_544)),
}


@dataclass(frozen=True, eq=False)
class LongHorizonSet:
    """One of the seven tables.

    Attributes
    ----------
    name
        A name in :data:`LAYOUTS`.
    values
        Float64 ``(channel, time)``, standardised on the training part; no NaN.
    loc, scale
        ``(channel, 1)``: mean and deviation of the training part, in the units of the file.
    test_start, test_stop
        Rows of the test part, ``test_start <= row < test_stop``: what is forecast. The past may reach before them.
    """

    name: str
    values: np.ndarray
    loc: np.ndarray
    scale: np.ndarray
    test_start: int
    test_stop: int

    def starts(self, horizon: int) -> range:
        """The first row of every test window of that length: one window a row, all inside the test part.

        Raises
        ------
        HorizonError
            If the test part is shorter than the horizon.
        """
        if not 1 <= horizon <= self.test_stop - self.test_start:
            raise HorizonError(
                f"found a horizon of {horizon} steps; the test part of {self.name} has"
                f" {self.test_stop - self.test_start}: ask for 1 to that many"
            )
        return range(self.test_start, self.test_stop - horizon + 1)


def read_long_horizon_set(path: str | Path, *, name: str | None = None) -> LongHorizonSet:
    """The table in a CSV file (plain or gzip) or parquet file, cut and standardised.

    Parameters
    ----------
    path
        The file as it is published: a column of dates and the columns of numbers.
    name
        Which of the seven it is; None reads it from the file's name (``ETTh1.csv.gz``), in any case.

    Raises
    ------
    DataError
        If the file cannot be read, is none of the seven, or has other rows or columns or missing values: figures on it
        could not stand beside the published ones.
    """
    path = Path(path)
    name = _known_name(name or _stem(path), path)
    table = read_table(path)
    columns = numeric_columns(table)
    layout = LAYOUTS[name]
    if (len(table), len(columns)) != (layout.n_rows, layout.n_channels):
        raise DataError(
            f"{path} has {len(table):,} rows and {len(columns)} columns of numbers; {name} as published has"
            f" {layout.n_rows:,} and {layout.n_channels}: fetch the whole file again"
        )
    return _standardised(name, table[columns].to_numpy(dtype=np.float64).T, layout)


def read_any_set(path: str | Path) -> LongHorizonSet:
    """One of the seven tables as published, or any other table, cut after 70 and 80 % of its rows (PEMS: 60 and 80 %).

    Others are read by :func:`~ttm_sk.data.tables.read_benchmark_table`, such as ``solar_AL.txt`` and ``PEMS03.npz``.

    Raises
    ------
    DataError
        If the file cannot be read, or has missing values.
    """
    path = Path(path)
    if _stem(path).lower() in {name.lower() for name in LAYOUTS}:
        return read_long_horizon_set(path)
    table = read_benchmark_table(path)
    columns = numeric_columns(table)
    n_rows = len(table)
    n_train = n_rows * (6 if _stem(path).upper().startswith("PEMS") else 7) // 10
    n_test = n_rows * 2 // 10
    if not columns or n_test < 1:
        raise DataError(f"{path} has {n_rows} rows and {len(columns)} columns of numbers; expected five rows or more")
    layout = Layout("", n_rows, len(columns), n_train, n_rows - n_train - n_test, n_test)
    return _standardised(_stem(path), table[columns].to_numpy(dtype=np.float64).T, layout)


def _standardised(name: str, values: np.ndarray, layout: Layout) -> LongHorizonSet:
    if not np.isfinite(values).all():
        channel, row = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise DataError(
            f"{name}: row {row + 1} of column {channel + 1} is missing or infinite; as published it has no gaps:"
            " fetch the file again"
        )
    train = values[:, : layout.n_train]
    loc, deviation = train.mean(axis=1, keepdims=True), train.std(axis=1, keepdims=True)
    scale = np.where(deviation == 0, 1.0, deviation)  # as scikit-learn's StandardScaler leaves a constant column
    test_start = layout.n_train + layout.n_validation
    return LongHorizonSet(name, (values - loc) / scale, loc, scale, test_start, test_start + layout.n_test)


def _stem(path: Path) -> str:
    stem = path.name
    while Path(stem).suffix.lower() in ENDINGS:
        stem = Path(stem).stem
    return stem


def _known_name(name: str, path: Path) -> str:
    known = {each.lower(): each for each in LAYOUTS}
    if name.lower() not in known:
        raise DataError(
            f"found {name!r} ({path}), expected one of {', '.join(LAYOUTS)}; name the file or the set like that"
        )
    return known[name.lower()]
