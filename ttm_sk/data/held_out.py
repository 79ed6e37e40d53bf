"""The real series that no weights of ours ever see, and the code that recognises them under any name.

``HELD_OUT`` says which series are kept for evaluation and demonstrations; ``HELD_OUT_DATASETS`` names the training
data sets that are refused whole; ``held_out_match`` recognises a copy of a member by its shape, whatever its name,
offset, (positive) scale or cropping. The fingerprints lie in ``held_out_fingerprints.npz`` beside this file and are
written by ``benchmarks/pretraining/make_held_out.py``.

A fingerprint is made of 61-bit *shape codes*: in a window of 32 steps, one bit for each first difference (rising or
not) and one for each second difference (bending up or not), where "rising" means by more than 1 % of the window's
range, so that rounding and the ties of counts do not flip it. A series shorter than a window is kept as its
standardised values instead, and found by correlation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ttm_sk.errors import DataError

__all__ = ["HELD_OUT", "HELD_OUT_DATASETS", "HeldOutSeries", "held_out_match", "is_telling", "shape_codes"]

WINDOW_LENGTH = 32
TEMPLATE_LENGTH = 16
DEAD_ZONE = 0.01  # of the window's range: a smaller step counts as level
ENOUGH_CODES = 8
SHARE_OF_CODES = 0.25
LEVEL_CORRELATION = 0.9999
STEP_CORRELATION = 0.999
MINIMUM_TURNS = 12
CHUNK_LENGTH = 16_384
TABLE_BITS = 18
FINGERPRINTS = Path(__file__).with_name("held_out_fingerprints.npz")


@dataclass(frozen=True)
class HeldOutSeries:
    """One held-out data set: where it comes from and what it is good for.

    Examples
    --------
    >>> HELD_OUT[0].name, HELD_OUT[0].frequency
    ('airline', 'MS')
    """

    name: str
    origin: str
    licence: str
    frequency: str
    description: str
    target: str
    drivers: tuple[str, ...] = ()


_SKTIME = "sktime 1.2.0 (BSD-3-Clause package), sktime/datasets/data/"
_FACTS = "BSD-3-Clause (the package); the underlying figures are published statistics"

HELD_OUT: tuple[HeldOutSeries, ...] = (
    HeldOutSeries(
        "airline",
        _SKTIME + "Airline",
        _FACTS,
        "MS",
        "international airline passengers, thousands, 1949-1960",
        "Passengers",
    ),
    HeldOutSeries(
        "seatbelts",
        _SKTIME + "seatbelts",
        _FACTS,
        "MS",
        "car drivers killed or seriously injured in Great Britain, 1969-1984, with a step at the seat belt law of 1983",
        "KSI",
    ),
    HeldOutSeries(
        "solar",
        _SKTIME + "solar (Sheffield Solar PV_Live, University of Sheffield)",
        "BSD-3-Clause (the package); PV_Live is free to use, with credit to Sheffield Solar",
        "30min",
        "solar generation of Great Britain as a share of installed capacity, six days of May 2021",
        "solar_gen",
    ),
    HeldOutSeries(
        "shampoo_sales", _SKTIME + "ShampooSales", _FACTS, "MS", "sales of shampoo over three years", "Sales"
    ),
    HeldOutSeries("lynx", _SKTIME + "Lynx", _FACTS, "YS", "Canadian lynx trapped, 1821-1934", "0"),
    HeldOutSeries(
        "PBS_dataset",
        _SKTIME + "PBS_dataset",
        _FACTS,
        "MS",
        "Australian prescriptions of one rare group of medicines, intermittent counts, 1991-2008",
        "Scripts",
    ),
    HeldOutSeries(
        "uschange",
        _SKTIME + "Uschange",
        _FACTS,
        "QS",
        "quarterly percentage changes of United States consumption and what goes with it, 1970-2016",
        "Consumption",
        ("Income", "Production", "Savings", "Unemployment"),
    ),
    HeldOutSeries(
        "longley",
        _SKTIME + "Longley",
        _FACTS,
        "YS",
        "United States employment and six other macroeconomic figures, 1947-1962",
        "TOTEMP",
        ("GNPDEFL", "GNP", "UNEMP", "ARMED", "POP"),
    ),
    HeldOutSeries(
        "seoul_bikes_hourly",
        "UCI Machine Learning Repository, Seoul Bike Sharing Demand (data set 560)",
        "CC BY 4.0",
        "h",
        "bicycles rented in Seoul, December 2017 to November 2018, with the weather of each hour",
        "Rented Bike Count",
        (
            "Temperature",
            "Humidity",
            "Wind speed",
            "Visibility",
            "Dew point temperature",
            "Solar Radiation",
            "Rainfall",
            "Snowfall",
        ),
    ),
)

# The member itself, and the two FRED collections, which hold the national accounts that uschange is computed from.
HELD_OUT_DATASETS: frozenset[str] = frozenset({"fred_md", "fred_qd", "seoul_bikes_hourly"})


class _Fingerprints(NamedTuple):
    codes: np.ndarray  # sorted unsigned integers
    owners: np.ndarray  # index into names, one for each code
    templates: np.ndarray  # (template, time), standardised
    template_owners: np.ndarray
    names: tuple[str, ...]
    n_codes: np.ndarray  # stored codes of each name
    sampling: np.ndarray  # one code in this many was stored, of each name
    table: np.ndarray  # True at the hashes of stored codes


def held_out_match(values: np.ndarray) -> str | None:
    """Name of the held-out data set that a series copies, or None.

    The copy may be shifted, scaled by a positive factor, rounded to a few thousandths of its spread, given as its
    logarithm, or cut at either end down to about 40 steps. A resampled, differenced or seasonally adjusted series is
    another series and is not recognised.

    Parameters
    ----------
    values : np.ndarray
        One series, shape ``(time,)``, any unit and numeric type. Windows that hold NaN are passed over.

    Returns
    -------
    str or None
        A ``name`` of `HELD_OUT`.

    Raises
    ------
    DataError
        When `values` has more than one axis.

    Examples
    --------
    >>> import numpy as np
    >>> held_out_match(np.random.default_rng(0).normal(size=1000)) is None
    True
    """
    series = _as_series(values)
    known = _fingerprints()
    codes = shape_codes(series, window_length=WINDOW_LENGTH)
    found = _match_codes(codes, known)
    return found if found is not None else _match_templates(series, known)


def shape_codes(series: np.ndarray, *, window_length: int = WINDOW_LENGTH) -> np.ndarray:
    """One integer for each window of a series, equal wherever the shape is equal.

    Parameters
    ----------
    series : np.ndarray
        Shape ``(time,)``, any unit; NaN allowed.
    window_length : int
        Steps in a window, 3 to 32.

    Returns
    -------
    np.ndarray
        ``uint64``, shape ``(max(0, time - window_length + 1),)``; 0 for a window with NaN or without variation.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.sin(np.arange(40.0))
    >>> bool((shape_codes(wave) == shape_codes(5 - 3 * -wave)).all())
    True
    """
    series = _as_series(series)
    n_windows = max(0, series.size - window_length + 1)
    codes = np.zeros(n_windows, dtype=np.uint64)
    for start in range(0, n_windows, CHUNK_LENGTH):
        stop = min(start + CHUNK_LENGTH, n_windows)
        chunk = series[start : stop + window_length - 1]
        codes[start:stop] = _chunk_codes(chunk, window_length=window_length)
    return codes


def is_telling(codes: np.ndarray, *, minimum_turns: int = MINIMUM_TURNS) -> np.ndarray:
    """Which codes turn often enough that an unrelated series is unlikely to share them.

    Parameters
    ----------
    codes : np.ndarray
        ``uint64``, shape ``(window,)``.
    minimum_turns : int
        Neighbouring bits that must differ, of 60.

    Returns
    -------
    np.ndarray
        bool, shape ``(window,)``.

    Examples
    --------
    >>> import numpy as np
    >>> is_telling(shape_codes(np.arange(32.0))).tolist()
    [False]
    """
    turns = codes ^ (codes >> np.uint64(1))
    bits = np.unpackbits(np.ascontiguousarray(turns).view(np.uint8).reshape(-1, 8), axis=1)
    return bits.sum(axis=1) >= minimum_turns


def _as_series(values: np.ndarray) -> np.ndarray:
    series = np.asarray(values)
    if series.ndim != 1:
        raise DataError(
            f"found values of shape {series.shape}, expected one series (time,); pass one channel at a time"
        )
    if series.dtype == np.float32:
        return series
    series = series.astype(np.float64)
    finite = series[np.isfinite(series)]
    with np.errstate(invalid="ignore", over="ignore"):
        return (series - finite[0] if finite.size else series).astype(np.float32)


def _chunk_codes(chunk: np.ndarray, *, window_length: int) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        smallest_step = np.float32(DEAD_ZONE) * _sliding_range(chunk, window_length=window_length)
        rises = np.diff(chunk)
        bends = np.diff(rises)
        codes = np.zeros(smallest_step.size, dtype=np.uint64)
        _append_bits(codes, rises, smallest_step, n_bits=window_length - 1)
        _append_bits(codes, bends, smallest_step, n_bits=window_length - 2)
    return codes


def _append_bits(codes: np.ndarray, steps: np.ndarray, smallest_step: np.ndarray, *, n_bits: int) -> None:
    bit = np.empty(codes.size, dtype=bool)
    for i in range(n_bits):
        np.greater(steps[i : i + codes.size], smallest_step, out=bit)
        codes += codes
        codes += bit


def _sliding_range(chunk: np.ndarray, *, window_length: int) -> np.ndarray:
    high, low, covered = chunk, chunk, 1
    while covered < window_length:
        shift = min(covered, window_length - covered)
        high = np.maximum(high[shift:], high[:-shift])
        low = np.minimum(low[shift:], low[:-shift])
        covered += shift
    return high - low


@cache
def _fingerprints() -> _Fingerprints:
    with np.load(FINGERPRINTS) as stored:
        parts = {key: stored[key] for key in stored.files}
    names = tuple(str(name) for name in parts.pop("names"))
    table = np.zeros(1 << TABLE_BITS, dtype=bool)
    table[_table_slot(parts["codes"])] = True
    n_codes = np.bincount(parts["owners"], minlength=len(names))
    return _Fingerprints(names=names, n_codes=n_codes, table=table, **parts)


def _table_slot(codes: np.ndarray) -> np.ndarray:
    return (codes * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - TABLE_BITS)


def _match_codes(codes: np.ndarray, known: _Fingerprints) -> str | None:
    likely = codes[known.table[_table_slot(codes)]]
    place = np.searchsorted(known.codes, likely)
    place[place == known.codes.size] = 0
    hits = np.unique(place[known.codes[place] == likely])
    if not hits.size:
        return None
    n_hits = np.bincount(known.owners[hits], minlength=len(known.names))
    possible = np.minimum(known.n_codes, codes.size // known.sampling)
    needed = np.clip(SHARE_OF_CODES * possible, 1, ENOUGH_CODES)
    best = int(np.argmax(n_hits / needed))
    return known.names[best] if n_hits[best] >= needed[best] else None


def _match_templates(series: np.ndarray, known: _Fingerprints) -> str | None:
    for windows in _window_chunks(series):
        levels = _standardise(windows)
        with np.errstate(invalid="ignore", over="ignore"):
            steps = _standardise(np.diff(windows, axis=1))
        level_correlation = levels @ _standardise(known.templates).T
        step_correlation = steps @ _standardise(np.diff(known.templates, axis=1)).T
        copies = (level_correlation > LEVEL_CORRELATION) & (step_correlation > STEP_CORRELATION)
        if copies.any():
            return known.names[known.template_owners[int(np.argmax(copies.any(axis=0)))]]
    return None


def _window_chunks(series: np.ndarray) -> Iterator[np.ndarray]:
    if series.size < TEMPLATE_LENGTH:
        return
    windows = np.lib.stride_tricks.sliding_window_view(series, TEMPLATE_LENGTH)
    for start in range(0, len(windows), CHUNK_LENGTH):
        yield windows[start : start + CHUNK_LENGTH]


def _standardise(rows: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        centred = rows - rows.mean(axis=1, keepdims=True)
        return centred / np.sqrt((centred * centred).sum(axis=1, keepdims=True))
