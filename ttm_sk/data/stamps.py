"""Time stamps: dates from text, and rows on a regular grid; the part of ``tables`` that reads time.

Rows are counted from 1 in every message: those of the series that it names, without the line of column names.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format
from pandas.tseries.frequencies import to_offset

from ttm_sk.errors import DataError

__all__ = ["holds_dates", "is_dated", "regular_panel", "regular_series", "to_stamps"]

TEXT_FORMATS = ("%b %Y", "%B %Y", "%Y %b", "%b-%Y", "%b-%y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y")
NUMBER_FORMATS = {6: "%Y%m", 8: "%Y%m%d"}  # by the number of digits
OFFSET_FROM_UTC = re.compile(r"\d\d:\d\d\S* ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?)$")
QUARTER = re.compile(r"\s*\d{4}[- ]?Q[1-4]\s*")
YEAR_FIRST = re.compile(r"\s*\d{4}[-/.]?\d\d?(?:\D|\d\d|$)")
SAMPLE = 200  # values that are looked at to guess what a column holds
TELLING_LENGTH = 10  # steps from which the frequency of any series can be read, business days included
MOSTLY_MISSING = 100  # times more steps than rows on a grid


def is_dated(column: pd.Series) -> bool:
    """Whether the column's type is a date or a period."""
    return pd.api.types.is_datetime64_any_dtype(column) or isinstance(column.dtype, pd.PeriodDtype)


def holds_dates(column: pd.Series) -> bool:
    """Whether the column holds dates: by its type, or as text of which at least half reads as dates.

    Examples
    --------
    >>> holds_dates(pd.Series(["2024-01-31", "unknown"])), holds_dates(pd.Series([2023, 2024]))
    (True, False)
    """
    if is_dated(column):
        return True
    if pd.api.types.is_numeric_dtype(column):
        return False
    text = column.dropna().head(SAMPLE).astype(str)
    text = text[text.str.contains(r"\D", regex=True)]
    return bool(max((reading.notna().mean() for reading in _readings(text)), default=0.0) >= 0.5)


def to_stamps(column: pd.Series) -> pd.Index:
    """The column as dates (those with an offset from UTC in UTC), or as integers; 202401 and 20240131 are dates.

    Raises
    ------
    DataError
        If one is missing, is neither, or can be read both month first and day first.

    Examples
    --------
    >>> to_stamps(pd.Series(["31/12/2023", "01/01/2024"])).tolist()
    [Timestamp('2023-12-31 00:00:00'), Timestamp('2024-01-01 00:00:00')]
    """
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(f"{_cell(column, missing)}: the time stamp is missing; fill it in, or drop the row")
    if isinstance(column.dtype, pd.PeriodDtype):
        return pd.PeriodIndex(column).to_timestamp()
    if is_dated(column):
        return pd.DatetimeIndex(column)
    if not pd.api.types.is_numeric_dtype(column):
        try:
            return _dates(column.astype(str))
        except ValueError as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"column {column.name!r} holds dates of several kinds ({error}); write all alike"
            ) from error
    broken = (column % 1 != 0).to_numpy()
    if broken.any():
        found = column.iloc[int(np.argmax(broken))]
        raise DataError(f"{_cell(column, broken)}: found {found}, expected dates such as 2024-01-31, or whole numbers")
    return _dates_in_digits(column) if len(column) > 1 else pd.Index(column.astype(np.int64))


def _dates_in_digits(column: pd.Series) -> pd.Index:
    """Whole numbers as dates where all are such as 202401 or 20240131; else as they are."""
    numbers = column.astype(np.int64)
    size = len(str(numbers.iloc[0]))
    if size in NUMBER_FORMATS and numbers.between(1900 * 10 ** (size - 4), 2101 * 10 ** (size - 4)).all():
        dates = pd.to_datetime(numbers.astype(str), format=NUMBER_FORMATS[size], errors="coerce")
        if dates.notna().all():
            return pd.DatetimeIndex(dates)
    return pd.Index(numbers)


def regular_series(values: pd.DataFrame, *, freq: str | None, where: str, hint: str = "") -> pd.DataFrame:
    """The rows of one series on its regular index; a ``DatetimeIndex`` knows its frequency.

    Parameters
    ----------
    values
        Float columns over dates or integers; not changed.
    freq
        Grid to put the stamps on, missing rows NaN; None takes the one that they are on.
    where, hint
        Begin and end of the messages.

    Raises
    ------
    DataError
        For a column without a value, and for stamps that are duplicate, unsorted, irregular or off the grid.

    Examples
    --------
    >>> days = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-03"])
    >>> regular_series(pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=days), freq=None, where="x").index.freqstr
    'D'
    """
    for name in values.columns:
        if values[name].isna().all():
            raise DataError(
                f"{where}, column {name!r}: all {len(values)} values are missing; leave it out, or give at least one"
            )
    _check_order(values.index, where=where, hint=hint)
    if not isinstance(values.index, pd.DatetimeIndex):
        return values.reindex(_integer_grid(values.index, freq, where=where))
    if freq is None:
        return values.reindex(_shown_grid(values.index, where=where))
    return values.reindex(_given_grid(values.index, freq, where=where))


def regular_panel(values: pd.DataFrame, keys: pd.Series, *, freq: str | None) -> pd.DataFrame:
    """Several series of one frequency over (key, time), sorted by key; ``keys`` says whose each row is.

    Without ``freq`` the longest series shows the frequency and the others must be on its grid. A series of fewer than
    10 dates begins with rows of NaN, because only a longer one tells its frequency to those who read the panel.

    Raises
    ------
    DataError
        As :func:`regular_series`, naming the series; and for series of different frequencies.

    Examples
    --------
    >>> values = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=[0, 1, 0])
    >>> regular_panel(values, pd.Series(["x", "x", "y"]), freq=None).index.tolist()
    [('x', 0), ('x', 1), ('y', 0)]
    """
    parts = {key: values.iloc[rows] for key, rows in keys.groupby(keys, sort=True).indices.items()}
    longest = max(parts, key=lambda key: len(parts[key]))
    usual = freq
    if freq is None and isinstance(values.index, pd.DatetimeIndex):
        usual = regular_series(parts[longest], freq=None, where=_named(longest)).index.freqstr
    made = {}
    for key, part in parts.items():
        own = usual if freq is not None or _is_on_grid(part.index, usual) else None
        series = regular_series(part, freq=own, where=_named(key))
        if isinstance(series.index, pd.DatetimeIndex) and freq is None and series.index.freqstr != usual:
            raise DataError(
                f"{_named(key)} has the frequency {series.index.freqstr}, {_named(longest)} has {usual}; forecast them"
                " apart, or give one for all (--freq)"
            )
        made[key] = _lengthened(series)
    return pd.concat(made)


def _named(key: object) -> str:
    return f"series {str(key)!r}"


def _cell(column: pd.Series, is_bad: np.ndarray) -> str:
    return f"column {column.name!r}, row {int(np.argmax(is_bad)) + 1}"


def _dates(text: pd.Series) -> pd.DatetimeIndex:
    readings = _readings(text)
    best = max(readings, key=lambda reading: reading.notna().sum(), default=pd.Series(pd.NaT, index=text.index))
    broken = best.isna().to_numpy()
    if broken.any():
        found = text.iloc[int(np.argmax(broken))]
        raise DataError(
            f"{_cell(text, broken)}: found {found!r}, expected a date such as 2024-01-31 or 2024-01-31 15:30"
        )
    if any(reading.notna().all() and not (reading == best).all() for reading in readings):
        raise DataError(
            f"column {text.name!r}: dates such as {text.iloc[0]!r} can be read month first and day first; write them as"
            " year-month-day, for example 2024-01-31"
        )
    return pd.DatetimeIndex(best)


def _readings(text: pd.Series) -> list[pd.Series]:
    """The dates under each format that any of the first values has; what does not fit is NaT."""
    text = text.str.strip()
    sample = text.head(SAMPLE)
    is_utc = bool(sample.str.contains(OFFSET_FROM_UTC, regex=True).any())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas remarks on day-first dates; here both readings are compared
        if sample.str.fullmatch(QUARTER).any():
            quarters = text.str.replace(r"[- ]", "", regex=True).where(text.str.fullmatch(QUARTER))
            return [pd.to_datetime(quarters, errors="coerce")]
        forms = _formats(sample)
        tried = {form: pd.to_datetime(sample, format=form, errors="coerce", utc=is_utc) for form in forms}
        kept = [form for form in forms if tried[form].notna().any()]
        return [pd.to_datetime(text, format=form, errors="coerce", utc=is_utc) for form in kept]


def _formats(sample: pd.Series) -> list[str]:
    if sample.str.match(YEAR_FIRST).any():
        guessed = [guess_datetime_format(value) for value in sample[sample.str.match(YEAR_FIRST)].head(1)]
        return [form for form in dict.fromkeys(["ISO8601", *guessed]) if form]
    orders = (False, True)
    guessed = [guess_datetime_format(value, dayfirst=order) for value in sample.unique()[:20] for order in orders]
    return [form for form in dict.fromkeys([*guessed, *TEXT_FORMATS]) if form]


def _check_order(stamps: pd.Index, *, where: str, hint: str) -> None:
    if stamps.has_duplicates:
        found = stamps[stamps.duplicated()].unique()
        names = ", ".join(map(str, found[:3])) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise DataError(
            f"{where}: found duplicate time stamps ({names}), expected one row for each; keep one of them, or their"
            f" mean{hint}"
        )
    if not stamps.is_monotonic_increasing:
        row = int(np.argmax(stamps[1:] < stamps[:-1])) + 1
        raise DataError(
            f"{where}: the time stamps are not sorted ({stamps[row]} in row {row + 1} comes after {stamps[row - 1]});"
            f" sort the rows by time{hint}"
        )


def _integer_grid(stamps: pd.Index, freq: str | None, *, where: str) -> pd.RangeIndex:
    if freq not in (None, "1"):
        raise DataError(f"found freq={freq!r} for time stamps that are whole numbers; expected '1', or dates")
    is_gap = np.diff(stamps) != 1
    if freq is None and is_gap.any():
        row = int(np.argmax(is_gap))
        raise DataError(
            f"{where}: the time stamps are irregular ({stamps[row]} is followed by {stamps[row + 1]}, expected steps of"
            " 1); give the frequency 1 (--freq 1) and missing rows become NaN"
        )
    _check_size((stamps[-1] - stamps[0]), len(stamps), freq="1", where=where)
    return pd.RangeIndex(stamps[0], stamps[-1] + 1)


def _shown_grid(stamps: pd.DatetimeIndex, *, where: str) -> pd.DatetimeIndex:
    """The stamps with the frequency that they show."""
    if len(stamps) < 3:
        raise DataError(
            f"{where}: found {len(stamps)} time stamp(s), too few to tell the frequency; give it (for example --freq D)"
        )
    freq = pd.infer_freq(stamps)
    if freq is not None:
        grid = pd.date_range(stamps[0], periods=len(stamps), freq=freq)
        if grid.equals(stamps):  # pandas also names calendars that the stamps only resemble
            return grid
    usual = _usual_step(stamps)
    odd = min(int(np.argmax((stamps[:-1] + usual) != stamps[1:])) + 1, len(stamps) - 1)
    raise DataError(
        f"{where}: the time stamps are irregular ({stamps[odd - 1]} is followed by {stamps[odd]} in row {odd + 1}, the"
        f" usual step is {usual.freqstr}); give the frequency (--freq {usual.freqstr}) and missing rows become NaN"
    )


def _given_grid(stamps: pd.DatetimeIndex, freq: str, *, where: str) -> pd.DatetimeIndex:
    try:
        offset = to_offset(freq)
        step = stamps[0] + offset - stamps[0]
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"found freq={freq!r} ({error}); expected a frequency such as D, h, 30min, MS, W-SUN"
        ) from error
    if step <= pd.Timedelta(0):
        raise DataError(f"found freq={freq!r}, expected one that steps forward, such as D")
    _check_size((stamps[-1] - stamps[0]) / step, len(stamps), freq=freq, where=where)
    grid = pd.date_range(stamps[0], stamps[-1], freq=offset)
    is_off = ~stamps.isin(grid)
    if is_off.any():
        row = int(np.argmax(is_off))
        raise DataError(
            f"{where}: the time stamp {stamps[row]} in row {row + 1} is not on the grid of {freq!r}; choose another"
            " frequency (--freq), or round the stamps"
        )
    return grid


def _check_size(n_steps: float, n_rows: int, *, freq: str, where: str) -> None:
    if n_steps > MOSTLY_MISSING * (n_rows + TELLING_LENGTH):
        raise DataError(
            f"{where}: on the grid of {freq!r} more than 99 % of the rows would be missing; choose a coarser frequency"
            " (--freq), or correct the first or last time stamp"
        )


def _is_on_grid(stamps: pd.Index, freq: str | None) -> bool:
    if freq is None or not isinstance(stamps, pd.DatetimeIndex):
        return False
    return stamps.equals(pd.date_range(stamps[0], periods=len(stamps), freq=freq))


def _usual_step(stamps: pd.DatetimeIndex) -> pd.DateOffset:
    """The commonest step as a frequency; calendar months, quarters and years by their first or last day."""
    gap = pd.Series(stamps[1:] - stamps[:-1]).mode().iloc[0]
    anchor = "E" if stamps.is_month_end.mean() > 0.5 else "S"
    for letter, low, high in (("M", 28, 31), ("Q", 89, 92), ("Y", 365, 366)):
        if low <= gap / pd.Timedelta(days=1) <= high:
            return to_offset(letter + anchor)
    if gap == pd.Timedelta(days=1) and (stamps.dayofweek < 5).all():
        return to_offset("B")
    return to_offset(f"{gap.days}D" if gap == pd.Timedelta(days=gap.days) else gap)


def _lengthened(values: pd.DataFrame) -> pd.DataFrame:
    n_missing = TELLING_LENGTH - len(values)
    if n_missing <= 0 or not isinstance(values.index, pd.DatetimeIndex):
        return values
    earlier = pd.date_range(end=values.index[0], periods=n_missing + 1, freq=values.index.freq)
    return values.reindex(earlier[:-1].append(values.index))
