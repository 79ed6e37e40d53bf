"""Tables of figures to frames in sktime's layout, checked; ``sources`` opens what is no table.

Rows are counted from 1 in every message, without the line of column names.
"""

from __future__ import annotations

import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ttm_sk.data.csv_files import open_text, read_csv
from ttm_sk.data.stamps import SAMPLE, holds_dates, is_dated, regular_panel, regular_series, to_stamps
from ttm_sk.errors import DataError, did_you_mean

__all__ = [
    "flat_table",
    "load_example",
    "numeric_columns",
    "read_all_series",
    "read_benchmark_table",
    "read_table",
    "time_column",
    "to_series",
]

EXAMPLES = Path(__file__).with_name("examples")
FOREIGN_NUMBER = re.compile(r"[-+]?\s*[^\w\s]?\s*\d[\d.,'\s]*[^\w\s]?")
# What zipfile and numpy say of files that are cut short, scrambled, locked, or packed in a way that they do not know.
UNREADABLE_ARCHIVE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
DATA = "data"  # the array of a PEMS archive
TIME_NAMES = ("time", "date", "datetime", "timestamp", "ds", "year")


def read_table(path: str | Path) -> pd.DataFrame:
    """The table in a CSV file (any common separator, plain or gzip) or a parquet file, column for column.

    What the file holds is told from its content, not from its name. A parquet file's index becomes columns.

    Raises
    ------
    DataError
        If the file is missing, empty, damaged, not UTF-8, or has no line of column names.

    Examples
    --------
    >>> read_table(EXAMPLES / "airline.csv").head(2)
             time  passengers_thousands
    0  1949-01-01                   112
    1  1949-02-01                   118
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"found no file {path}; give the path of a CSV or parquet file")
    with path.open("rb") as file:
        magic = file.read(4)
    frame = _read_parquet(path) if magic == b"PAR1" else read_csv(path, is_gzip=magic.startswith(b"\x1f\x8b"))
    if frame.empty:
        raise DataError(f"{path} is empty: found {len(frame)} rows and {len(frame.columns)} columns; expected data")
    return frame


def read_benchmark_table(path: str | Path) -> pd.DataFrame:
    """A table as benchmarks publish theirs: CSV with names (ETT, Weather, ...), bare numbers, or an archive of arrays.

    ``.txt`` is read as ``solar_AL.txt`` is made: a row a step, numbers between commas, no line of names. ``.npz`` is
    read as ``PEMS03.npz`` is: an array ``data`` ``(time, sensor, measurement)``, of which the first one counts.
    Columns without a name are numbered. Everything else goes to :func:`read_table`.

    Raises
    ------
    DataError
        If the file is missing or made otherwise.
    """
    path = Path(path)
    if path.suffix == ".npz" and path.is_file():
        return _read_archive_of_arrays(path)
    if path.suffix != ".txt" or not path.is_file():
        return read_table(path)
    try:
        with open_text(path) as file:
            frame = pd.read_csv(file, header=None)
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is no table of numbers between commas ({error}); write a row a step") from error
    if not all(pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns):
        raise DataError(
            f"{path} holds text; a .txt file holds numbers alone, one row a step: rename a CSV file to .csv"
        )
    return frame.set_axis([str(name) for name in frame.columns], axis=1)


def _read_archive_of_arrays(path: Path) -> pd.DataFrame:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            names = list(archive)
            values = archive[DATA] if DATA in names else None
    except UNREADABLE_ARCHIVE as error:
        raise DataError(f"{path} is no archive of plain arrays ({error}); write it with numpy.savez") from error
    if not isinstance(values, np.ndarray) or values.ndim not in (2, 3) or not np.issubdtype(values.dtype, np.number):
        raise DataError(f"{path} holds {', '.join(names)}; expected {DATA!r}, numbers (time, sensor, measurement)")
    table = values if values.ndim == 2 else values[..., 0]
    return pd.DataFrame(table, columns=[str(i) for i in range(table.shape[1])])


def to_series(
    frame: pd.DataFrame,
    *,
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    id: str | None = None,
    freq: str | None = None,
) -> pd.DataFrame:
    """A table as sktime wants it: float64 columns over one regular time index, or over (id, time) for a panel.

    Parameters
    ----------
    frame
        A row for each time stamp (and each series); never changed. An index with names or dates counts as columns.
    time
        Column of the time stamps: dates, or consecutive integers. None takes the one column that holds dates (else
        the one called time, date, year or the like); where there is none, the rows are numbered from 0.
    target
        Columns to forecast, in any unit; NaN and empty cells are missing values. None takes the only numeric column.
    id
        Column that says which series a row belongs to; None means one series. Rows of several series may alternate.
    freq
        A pandas frequency (``"D"``, ``"MS"``, ``"30min"``) whose grid the stamps are put on; missing rows become NaN.
        None reads it from the stamps, which must then be regular.

    Returns
    -------
    DataFrame
        For one series the index knows its frequency. In a panel a series of fewer than 10 stamps begins with rows
        of NaN, because only a longer one tells its frequency. Stamps with offsets from UTC are given in UTC.

    Raises
    ------
    DataError
        Naming the column, row or series, with the remedy: an unknown column; several columns to choose from; text,
        infinities or nothing at all in a target; stamps that are missing, no dates, unsorted, duplicate, irregular
        or off the grid; series of different frequencies.

    Examples
    --------
    >>> table = pd.DataFrame({"day": ["2024-01-01", "2024-01-02", "2024-01-04"], "sales": [3, 5, 4]})
    >>> to_series(table, freq="D")["sales"].tolist()
    [3.0, 5.0, nan, 4.0]
    """
    table = flat_table(frame)
    targets = [target] if isinstance(target, str) else list(target or ())
    _check_chosen([name for name in (time, id, *targets) if name is not None], table)
    time = time or time_column(table, taken=[id, *targets])
    targets = targets or [_only_target(table, taken=[time, id])]
    if time is None and freq is not None:
        raise DataError(f"found freq={freq!r} but no time column; name it (--time){_columns(table)}")
    values = pd.DataFrame({name: _numbers(table[name]) for name in targets})
    keys = None if id is None else _keys(table[id])
    values.index = _numbered(keys, len(values)) if time is None else to_stamps(table[time])
    if keys is not None:
        return regular_panel(values, keys, freq=freq).rename_axis([id, time or "time"])
    hint = f"; if the file holds several series, name the column that tells them apart (--id){_columns(table)}"
    return regular_series(values, freq=freq, where="the series", hint=hint).rename_axis(time or "time")


def numeric_columns(frame: pd.DataFrame, *, taken: Sequence[str | None] = ()) -> list[str]:
    """The columns that hold numbers (text that is mostly numbers included), but for ``taken`` ones.

    A nameless column that counts the rows, as pandas writes one for its index, is left out.

    Examples
    --------
    >>> numeric_columns(pd.DataFrame({"day": ["2024-01-01"], "a": [1], "b": [2.5]}))
    ['a', 'b']
    """
    free = [name for name in frame.columns if name not in taken]
    return [name for name in free if _is_mostly_numeric(frame[name]) and not _counts_rows(frame[name])]


def read_all_series(
    path: str | Path, *, time: str | None = None, id: str | None = None, freq: str | None = None
) -> list[np.ndarray]:
    """Every numeric column of a file, of every series in it, as float64 ``(time,)``; NaN = missing.

    The columns ``time`` and ``id`` are guessed, and errors raised, as in :func:`to_series`.

    Examples
    --------
    >>> [values.shape for values in read_all_series(EXAMPLES / "airline.csv")]
    [(144,)]
    """
    table = read_table(path)
    time = time or time_column(table, taken=[id])
    frame = to_series(table, time=time, target=numeric_columns(table, taken=[time, id]), id=id, freq=freq)
    parts = [frame] if id is None else [part for _, part in frame.groupby(level=0, sort=False)]
    return [part[name].to_numpy() for part in parts for name in part.columns]


def load_example(name: str) -> pd.DataFrame:
    """A bundled real series that no weights of ours saw: ``"airline"`` (monthly) or ``"solar"`` (half-hourly).

    Raises
    ------
    DataError
        For another name, with those that exist.

    Examples
    --------
    >>> load_example("solar").index.freqstr
    '30min'
    """
    path = EXAMPLES / f"{name}.csv"
    known = sorted(path.stem for path in EXAMPLES.glob("*.csv"))
    if name not in known:
        raise DataError(f"found no example {name!r}; choose one of {', '.join(known)}")
    return to_series(read_table(path))


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return flat_table(pd.read_parquet(path))
    except ImportError as error:
        raise DataError(
            "found a parquet file, but pyarrow is not installed; run: pip install pyarrow, or give a CSV file"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no readable parquet file ({error}); write it again") from error


def flat_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its index as columns, if the index says anything; column names are text."""
    is_plain = isinstance(frame.index, pd.RangeIndex) or (
        frame.index.name is None and pd.api.types.is_integer_dtype(frame.index)
    )
    if (name := frame.index.name) is not None and name in frame.columns:
        if not np.array_equal(frame.index, frame[name]):
            raise DataError(f"found {name!r} as the index and as a column, with different values; rename one")
        is_plain = True
    table = frame.reset_index(drop=True) if is_plain else frame.reset_index()
    table.columns = [str(name) for name in table.columns]
    if table.empty:
        raise DataError(
            f"found a table of {len(table)} rows and {len(table.columns)} columns; expected at least one of each"
        )
    if table.columns.has_duplicates:
        raise DataError(f"found two columns called {table.columns[table.columns.duplicated()][0]!r}; rename one")
    return table


def _check_chosen(names: Sequence[str], table: pd.DataFrame) -> None:
    for name in names:
        if name not in table.columns:
            raise DataError(f"found no column {name!r}{did_you_mean(name, table.columns)}{_columns(table)}")
        if names.count(name) > 1:
            raise DataError(f"found column {name!r} named twice; expected different columns for time, id and targets")


def _columns(table: pd.DataFrame) -> str:
    return f"; columns are {', '.join(map(repr, table.columns))}"


def _numbered(keys: pd.Series | None, n_rows: int) -> pd.Index:
    """0, 1, 2 and so on; in each series if there are several."""
    return pd.RangeIndex(n_rows) if keys is None else pd.Index(keys.groupby(keys).cumcount().to_numpy())


def time_column(table: pd.DataFrame, *, taken: Sequence[str | None] = ()) -> str | None:
    """The one column that holds dates, or else is called time, date, year or the like; None if there is none.

    Raises
    ------
    DataError
        If there are several.
    """
    free = [name for name in table.columns if name not in taken]
    found = [name for name in free if holds_dates(table[name])] or [name for name in free if name.lower() in TIME_NAMES]
    if len(found) > 1:
        raise DataError(
            f"found several columns that could be the time: {', '.join(map(repr, found))}; name one (--time)"
        )
    return found[0] if found else None


def _only_target(table: pd.DataFrame, *, taken: Sequence[str | None]) -> str:
    found = numeric_columns(table, taken=taken)
    if len(found) > 1:
        raise DataError(
            f"found several columns that could be forecast: {', '.join(map(repr, found))}; name those that you want"
            " (--target)"
        )
    if not found:
        raise DataError(f"found no column of numbers to forecast{_columns(table)}{_foreign_number(table, taken)}")
    return found[0]


def _foreign_number(table: pd.DataFrame, taken: Sequence[str | None]) -> str:
    """What to do about the first column of numbers with a decimal comma, a separator of thousands or a currency."""
    for name in table.columns:
        text = table[name].dropna().head(SAMPLE).astype(str)
        is_free = name not in taken and not holds_dates(table[name])
        if is_free and len(text) and text.str.fullmatch(FOREIGN_NUMBER).all():
            return f"; {name!r} holds text such as {text.iloc[0]!r}: write numbers as 1234.5, the decimal sign a point"
    return ""


def _counts_rows(column: pd.Series) -> bool:
    """Whether it is the index that pandas wrote: a first column without a name, 0, 1, 2 and so on."""
    return str(column.name) == "Unnamed: 0" and bool((column == np.arange(len(column))).all())


def _is_mostly_numeric(column: pd.Series) -> bool:
    if is_dated(column) or pd.api.types.is_bool_dtype(column) or _is_no_number(column):
        return False
    if pd.api.types.is_numeric_dtype(column):
        return True
    sample = column.dropna().head(SAMPLE)
    if sample.map(lambda value: isinstance(value, (bool, np.bool_))).all():  # with gaps beside them
        return False
    return bool(len(sample)) and pd.to_numeric(sample, errors="coerce").notna().mean() >= 0.5


def _is_no_number(column: pd.Series) -> bool:
    """Whether the type is one that would lose its meaning as a number: durations, and complex numbers."""
    return pd.api.types.is_timedelta64_dtype(column) or pd.api.types.is_complex_dtype(column)


def _numbers(column: pd.Series) -> np.ndarray:
    """The column as float64, NaN = missing; text and infinities raise."""
    if is_dated(column):
        raise DataError(f"column {column.name!r} holds dates, expected numbers; choose another target (--target)")
    if _is_no_number(column):
        raise DataError(f"column {column.name!r} has the type {column.dtype}, expected real numbers; convert it")
    numbers = pd.to_numeric(column, errors="coerce")
    if (bad := (numbers.isna() & column.notna()).to_numpy()).any():
        row = int(np.argmax(bad))
        raise DataError(
            f"column {column.name!r}, row {row + 1}: found {column.iloc[row]!r}, expected a number; correct it, or"
            " leave the cell empty where the value is missing (the decimal sign is a point)"
        )
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    if (bad := np.isinf(values)).any():
        row = int(np.argmax(bad))
        raise DataError(
            f"column {column.name!r}, row {row + 1}: found an infinite value, expected a finite one; leave the"
            " cell empty where the value is missing"
        )
    return values


def _keys(column: pd.Series) -> pd.Series:
    if column.isna().any():
        raise DataError(
            f"column {column.name!r}, row {int(np.argmax(column.isna())) + 1}: the name of the series is missing;"
            " fill it in"
        )
    return column if pd.api.types.is_numeric_dtype(column) else column.astype(str)
