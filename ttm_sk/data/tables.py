"""Files of figures to frames in sktime's layout, checked: the only module of ``data`` that knows pandas.

Rows are counted from 1 in every message, without the line of column names.
"""

from __future__ import annotations

import gzip
import re
import warnings
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from ttm_sk.errors import DataError

__all__ = ["load_example", "numeric_columns", "read_table", "to_series"]

EXAMPLES = Path(__file__).with_name("examples")
SEPARATORS = ",;\t|"
TIME_NAMES = ("time", "date", "datetime", "timestamp", "ds", "year")
MONTH_FORMATS = ("%b %Y", "%B %Y", "%Y %b", "%b-%Y", "%b-%y")
OFFSET_FROM_UTC = re.compile(r"\d\d:\d\d\S* ?(Z|UTC|[+-]\d\d(:?\d\d)?)$")
SAMPLE = 200  # values that are looked at to guess what a column holds
TELLING_LENGTH = 10  # steps from which the frequency of any series can be read, business days included
MOSTLY_MISSING = 100  # times more steps than rows on a grid


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
    frame = _read_parquet(path) if magic == b"PAR1" else _read_csv(path, is_gzip=magic.startswith(b"\x1f\x8b"))
    if frame.empty:
        raise DataError(f"{path} is empty: found {len(frame)} rows and {len(frame.columns)} columns; expected data")
    return frame


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
    table = _flat(frame)
    targets = [target] if isinstance(target, str) else list(target or ())
    for name in [time, id, *targets]:
        _check_known(name, table)
    time = time or _time_column(table, taken=[id, *targets])
    targets = targets or [_only_target(table, taken=[time, id])]
    values = pd.DataFrame({name: _numbers(table[name]) for name in targets})
    if time is None and freq is not None:
        raise DataError(
            f"found freq={freq!r} but no time column; name it (--time), or leave the frequency out{_list_of(table)}"
        )
    values.index = pd.RangeIndex(len(values)) if time is None else _stamps(table[time])
    if id is None:
        hint = f"; if the file holds several series, name the column that tells them apart (--id){_list_of(table)}"
        return _one_series(values, freq=freq, where="the series", hint=hint, is_numbered=time is None).rename_axis(
            time or "time"
        )
    return _panel(values, _keys(table[id]), freq=freq, is_numbered=time is None).rename_axis([id, time or "time"])


def numeric_columns(frame: pd.DataFrame, *, taken: Sequence[str | None] = ()) -> list[str]:
    """The columns that hold numbers (text that is mostly numbers included), but for ``taken`` ones.

    Examples
    --------
    >>> numeric_columns(pd.DataFrame({"day": ["2024-01-01"], "a": [1], "b": [2.5]}))
    ['a', 'b']
    """
    return [name for name in frame.columns if name not in taken and _is_mostly_numeric(frame[name])]


def load_example(name: str) -> pd.DataFrame:
    """A bundled real series that no weights of ours have seen: ``"airline"`` (monthly) or ``"solar"`` (half-hourly).

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


# Reading


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return _flat(pd.read_parquet(path))
    except ImportError as error:
        raise DataError(
            "found a parquet file, but pyarrow is not installed; run: pip install pyarrow, or give a CSV file"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no readable parquet file ({error}); write it again") from error


def _read_csv(path: Path, *, is_gzip: bool) -> pd.DataFrame:
    try:
        with (gzip.open if is_gzip else open)(path, "rt", encoding="utf-8-sig") as file:  # type: ignore[operator]
            header = next((line for line in file if line.strip()), "")
        frame = pd.read_csv(
            path,
            sep=_separator(header),
            compression="gzip" if is_gzip else None,
            encoding="utf-8-sig",
            skipinitialspace=True,
            low_memory=False,
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty; expected a line of column names, and data below it") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no UTF-8 text ({error.reason} at byte {error.start}); save it as CSV in UTF-8, or as parquet"
        ) from error
    except (OSError, EOFError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is no readable CSV file ({str(error).strip()}); write it again") from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            f"{path} has rows with more cells than the {len(frame.columns)} column names; give every column a name"
        )
    if all(_is_value(name) for name in frame.columns):
        raise DataError(
            f"{path} has no line of column names: the first line is {header.strip()!r}; write one above it, for example time,value"
        )
    return frame


def _separator(header: str) -> str:
    bare = re.sub(r'"[^"]*"', "", header)
    return max(SEPARATORS, key=bare.count)


def _is_value(text: str) -> bool:
    """Whether a column's name is a number or a date."""
    return bool(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?|\d{4}-\d\d.*", str(text), flags=re.IGNORECASE))


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its index as columns, if the index says anything; column names are text."""
    is_plain = isinstance(frame.index, pd.RangeIndex) or (
        frame.index.name is None and pd.api.types.is_integer_dtype(frame.index)
    )
    table = frame.reset_index(drop=True) if is_plain else frame.reset_index()
    table.columns = [str(name) for name in table.columns]
    if table.empty:
        raise DataError(
            f"found a table of {len(table)} rows and {len(table.columns)} columns; expected at least one of each"
        )
    if table.columns.has_duplicates:
        raise DataError(f"found two columns called {table.columns[table.columns.duplicated()][0]!r}; rename one")
    return table


# Choosing columns


def _check_known(name: str | None, table: pd.DataFrame) -> None:
    if name is None or name in table.columns:
        return
    near = get_close_matches(name, table.columns, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    raise DataError(f"found no column {name!r}{hint} {_list_of(table, start='')}")


def _list_of(table: pd.DataFrame, *, start: str = "; ") -> str:
    return f"{start}columns are {', '.join(map(repr, table.columns))}"


def _time_column(table: pd.DataFrame, *, taken: Sequence[str | None]) -> str | None:
    free = [name for name in table.columns if name not in taken]
    found = [name for name in free if _holds_dates(table[name])] or [
        name for name in free if name.lower() in TIME_NAMES
    ]
    if len(found) > 1:
        raise DataError(
            f"found several columns that could be the time: {', '.join(map(repr, found))}; name one (--time)"
        )
    return found[0] if found else None


def _only_target(table: pd.DataFrame, *, taken: Sequence[str | None]) -> str:
    found = numeric_columns(table, taken=taken)
    if len(found) > 1:
        raise DataError(
            f"found several columns that could be forecast: {', '.join(map(repr, found))}; name those you want (--target)"
        )
    if not found:
        raise DataError(f"found no column of numbers to forecast{_list_of(table)}")
    return found[0]


def _holds_dates(column: pd.Series) -> bool:
    if _is_dated(column):
        return True
    if pd.api.types.is_numeric_dtype(column):
        return False
    text = column.dropna().head(SAMPLE).astype(str)
    text = text[text.str.contains(r"\D", regex=True)]
    return bool(len(text)) and max(reading.notna().mean() for reading in _readings(text)) >= 0.5


def _is_dated(column: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column) or isinstance(column.dtype, pd.PeriodDtype)


def _is_mostly_numeric(column: pd.Series) -> bool:
    if _is_dated(column) or pd.api.types.is_bool_dtype(column):
        return False
    if pd.api.types.is_numeric_dtype(column):
        return True
    sample = column.dropna().head(SAMPLE)
    return bool(len(sample)) and pd.to_numeric(sample, errors="coerce").notna().mean() >= 0.5


# Cells


def _numbers(column: pd.Series) -> np.ndarray:
    """The column as float64, NaN = missing; text and infinities raise."""
    if _is_dated(column):
        raise DataError(f"column {column.name!r} holds dates, expected numbers; choose another target (--target)")
    numbers = pd.to_numeric(column, errors="coerce")
    if (bad := (numbers.isna() & column.notna()).to_numpy()).any():
        row = int(np.argmax(bad))
        raise DataError(
            f"column {column.name!r}, row {row + 1}: found {column.iloc[row]!r}, expected a number; correct it, or leave the"
            " cell empty where the value is missing (the decimal sign is a point)"
        )
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    if (bad := np.isinf(values)).any():
        row = int(np.argmax(bad))
        raise DataError(
            f"column {column.name!r}, row {row + 1}: found an infinite value, expected a finite one; leave the cell empty"
            " where the value is missing"
        )
    return values


def _keys(column: pd.Series) -> pd.Series:
    if column.isna().any():
        raise DataError(
            f"column {column.name!r}, row {int(np.argmax(column.isna())) + 1}: the name of the series is missing; fill it in"
        )
    return column if pd.api.types.is_numeric_dtype(column) else column.astype(str)


def _stamps(column: pd.Series) -> pd.Index:
    """The column as dates, or as integers."""
    if column.isna().any():
        raise DataError(
            f"column {column.name!r}, row {int(np.argmax(column.isna())) + 1}: the time stamp is missing; fill it in, or drop the row"
        )
    if isinstance(column.dtype, pd.PeriodDtype):
        return pd.PeriodIndex(column).to_timestamp()
    if _is_dated(column):
        return pd.DatetimeIndex(column)
    if not pd.api.types.is_numeric_dtype(column):
        return _dates(column.astype(str))
    if (column % 1 != 0).any():
        row = int(np.argmax(column % 1 != 0))
        raise DataError(
            f"column {column.name!r}, row {row + 1}: found {column.iloc[row]}, expected dates such as 2024-01-31 or whole numbers"
        )
    return pd.Index(column.astype(np.int64))


def _dates(text: pd.Series) -> pd.DatetimeIndex:
    readings = list(_readings(text))
    best = max(readings, key=lambda reading: reading.notna().sum())
    if best.isna().any():
        row = int(np.argmax(best.isna()))
        raise DataError(
            f"column {text.name!r}, row {row + 1}: found {text.iloc[row]!r}, expected a date such as 2024-01-31 or 2024-01-31 15:30"
        )
    if any(reading.notna().all() and not reading.equals(best) for reading in readings):
        raise DataError(
            f"column {text.name!r}: dates such as {text.iloc[0]!r} can be read month first and day first; write them as"
            " year-month-day, for example 2024-01-31"
        )
    return pd.DatetimeIndex(best)


def _readings(text: pd.Series) -> Iterator[pd.Series]:
    """The dates under each format that the first value allows; what does not fit is NaT."""
    first = str(text.iloc[0]).strip()
    is_utc = bool(OFFSET_FROM_UTC.search(first))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas remarks on day-first dates; both readings are compared here
        guessed = [guess_datetime_format(first, dayfirst=dayfirst) for dayfirst in (False, True)]
        is_iso = re.match(r"\d{4}[-/T]?\d\d", first) is not None
        quarters = text.str.fullmatch(r"\s*\d{4}[- ]?Q[1-4]\s*")
        yield pd.to_datetime(text.str.replace(r"[- ]", "", regex=True).where(quarters), errors="coerce")
        for form in dict.fromkeys(["ISO8601", *([guessed[0]] if is_iso else guessed), *MONTH_FORMATS]):
            if form is not None:
                yield pd.to_datetime(text, format=form, errors="coerce", utc=is_utc)


# Time


def _panel(values: pd.DataFrame, keys: pd.Series, *, freq: str | None, is_numbered: bool) -> pd.DataFrame:
    parts = {key: values.iloc[rows] for key, rows in keys.groupby(keys, sort=True).indices.items()}
    longest = max(parts, key=lambda key: len(parts[key]))
    usual = freq
    if usual is None and isinstance(values.index, pd.DatetimeIndex):
        usual = _one_series(parts[longest], freq=None, where=f"series {longest!r}").index.freqstr
    made = {}
    for key, part in parts.items():
        where = f"series {key!r}"
        own = freq if freq is not None or not _fits(part.index, usual) else usual
        made[key] = _one_series(part, freq=own, where=where, is_numbered=is_numbered)
        found = getattr(made[key].index, "freqstr", usual)
        if found != usual and freq is None:
            raise DataError(
                f"{where} has the frequency {found}, series {longest!r} {usual}; forecast them apart, or give one (--freq)"
            )
        made[key] = _lengthened(made[key])
    return pd.concat(made)


def _one_series(
    values: pd.DataFrame, *, freq: str | None, where: str, hint: str = "", is_numbered: bool = False
) -> pd.DataFrame:
    """The rows of one series on its regular index."""
    for name in values.columns:
        if values[name].isna().all():
            raise DataError(
                f"{where}, column {name!r}: all {len(values)} values are missing; leave it out, or give at least one value"
            )
    if is_numbered:
        return values.set_axis(pd.RangeIndex(len(values)))
    _check_order(values.index, where=where, hint=hint)
    if not isinstance(values.index, pd.DatetimeIndex):
        return _on_integers(values, freq=freq, where=where)
    return values.reindex(
        _read_grid(values.index, where=where) if freq is None else _given_grid(values.index, freq, where=where)
    )


def _check_order(stamps: pd.Index, *, where: str, hint: str) -> None:
    if stamps.has_duplicates:
        found = stamps[stamps.duplicated()].unique()
        names = ", ".join(map(str, found[:3])) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise DataError(
            f"{where}: found duplicate time stamps ({names}), expected one row for each; keep one of them, or their mean{hint}"
        )
    if not stamps.is_monotonic_increasing:
        row = int(np.argmax(stamps[1:] < stamps[:-1])) + 1
        raise DataError(
            f"{where}: the time stamps are not sorted ({stamps[row]} comes after {stamps[row - 1]}, row {row + 1}); sort the rows by time{hint}"
        )


def _on_integers(values: pd.DataFrame, *, freq: str | None, where: str) -> pd.DataFrame:
    if freq not in (None, "1"):
        raise DataError(f"found freq={freq!r} for time stamps that are whole numbers; expected '1', or dates")
    steps = np.diff(values.index)
    if freq is None and (steps != 1).any():
        row = int(np.argmax(steps != 1))
        raise DataError(
            f"{where}: the time stamps are irregular ({values.index[row]} is followed by {values.index[row + 1]}, expected steps of 1);"
            " give the frequency 1 (--freq 1): missing rows become NaN"
        )
    return values.reindex(pd.RangeIndex(values.index[0], values.index[-1] + 1))


def _fits(stamps: pd.Index, freq: str | None) -> bool:
    if freq is None or not isinstance(stamps, pd.DatetimeIndex):
        return False
    return stamps.equals(pd.date_range(stamps[0], periods=len(stamps), freq=freq))


def _read_grid(stamps: pd.DatetimeIndex, *, where: str) -> pd.DatetimeIndex:
    """The stamps with the frequency that they show."""
    if len(stamps) < 3:
        raise DataError(
            f"{where}: found {len(stamps)} time stamp(s), too few to tell the frequency; give it (--freq D, for example)"
        )
    freq = pd.infer_freq(stamps)
    if freq is not None:
        return pd.date_range(stamps[0], periods=len(stamps), freq=freq)
    usual = _usual_step(stamps)
    odd = int(np.argmax((stamps[:-1] + usual) != stamps[1:])) + 1
    raise DataError(
        f"{where}: the time stamps are irregular ({stamps[odd - 1]} is followed by {stamps[odd]} in row {odd + 1}; the usual step is"
        f" {usual.freqstr}); give the frequency to put them on its grid (--freq {usual.freqstr}): missing rows become NaN"
    )


def _given_grid(stamps: pd.DatetimeIndex, freq: str, *, where: str) -> pd.DatetimeIndex:
    try:
        offset = pd.tseries.frequencies.to_offset(freq)
        is_forward = stamps[0] + offset > stamps[0]
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"found freq={freq!r} ({error}); expected a pandas frequency such as D, h, 30min, MS, W-SUN"
        ) from error
    if not is_forward:
        raise DataError(f"found freq={freq!r}, expected one that steps forward, such as D")
    if (stamps[-1] - stamps[0]) / (stamps[0] + offset - stamps[0]) > MOSTLY_MISSING * (len(stamps) + 10):
        raise DataError(
            f"{where}: on the grid of {freq!r} more than 99 % of the rows would be missing; choose a coarser frequency (--freq)"
        )
    grid = pd.date_range(stamps[0], stamps[-1], freq=offset)
    if (off := ~stamps.isin(grid)).any():
        row = int(np.argmax(off))
        raise DataError(
            f"{where}: the time stamp {stamps[row]} does not lie on the grid of {freq!r}; choose another frequency (--freq), or round the stamps"
        )
    return grid


def _usual_step(stamps: pd.DatetimeIndex) -> pd.DateOffset:
    """The commonest step as a frequency; calendar months, quarters and years by their first or last day."""
    gap = pd.Series(stamps[1:] - stamps[:-1]).mode().iloc[0]
    anchor = "E" if stamps.is_month_end.mean() > 0.5 else "S"
    for letter, low, high in (("M", 28, 31), ("Q", 89, 92), ("Y", 365, 366)):
        if low <= gap / pd.Timedelta(days=1) <= high:
            return pd.tseries.frequencies.to_offset(letter + anchor)
    if gap == pd.Timedelta(days=1) and (stamps.dayofweek < 5).all():
        return pd.tseries.frequencies.to_offset("B")
    return pd.tseries.frequencies.to_offset(gap)


def _lengthened(values: pd.DataFrame) -> pd.DataFrame:
    n_missing = TELLING_LENGTH - len(values)
    if n_missing <= 0 or not isinstance(values.index, pd.DatetimeIndex):
        return values
    earlier = pd.date_range(end=values.index[0], periods=n_missing + 1, freq=values.index.freq)
    return values.reindex(earlier[:-1].append(values.index))
