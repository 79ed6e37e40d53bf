"""How many steps a season has, by the pace of a series: what seasonal naive repeats."""

from __future__ import annotations

import re

import pandas as pd

from ttm_sk.estimators.frames import shown_frequency

__all__ = ["season_length", "season_of"]

PER_DAY = {"s": 86_400, "min": 1_440, "t": 1_440, "h": 24}
PER_YEAR = {"w": 52, "sm": 24, "m": 12, "wom": 12, "lwom": 12, "q": 4, "y": 1, "a": 1}
WEEK = {"d": 7, "b": 5, "c": 5}
PARTS_OF_SECOND = ("ms", "us", "ns")  # in small letters; MS is the start of a month
BUSINESS = re.compile(r"C?B(?=[MQYA])")
ALIAS = re.compile(r"(?P<count>\d*)(?P<unit>[a-z]+)", re.IGNORECASE)


def season_length(frequency: str | None) -> int:
    """A day of steps faster than a day, a week of days, a year of what is slower; 1 where nothing is known.

    Parameters
    ----------
    frequency
        A pandas alias such as ``"h"``, ``"15min"``, ``"MS"``, ``"W-SUN"``; None where a series shows none.

    Examples
    --------
    >>> [season_length(frequency) for frequency in ("h", "15min", "D", "B", "W-SUN", "MS", "QE-DEC", "YS", None)]
    [24, 96, 7, 5, 52, 12, 4, 1, 1]
    >>> [season_length(frequency) for frequency in ("BME", "BQS-JAN", "WOM-1MON", "SME", "100ms")]
    [12, 4, 12, 24, 864000]
    """
    found = ALIAS.match(frequency or "")
    if not found:
        return 1
    unit, count = BUSINESS.sub("", found["unit"]), int(found["count"] or 1)
    if unit in PARTS_OF_SECOND:
        return max(1, PER_DAY["s"] * 1000 ** (1 + PARTS_OF_SECOND.index(unit)) // count)
    unit = unit.lower()
    if unit in WEEK:
        return max(1, WEEK[unit] // count)
    steps = PER_DAY.get(unit) or PER_YEAR.get(unit) or PER_YEAR.get(unit.removesuffix("e").removesuffix("s"), 1)
    return max(1, steps // count)


def season_of(y: pd.DataFrame) -> int:
    """The season of a series or panel in sktime's layout, by the frequency that its index shows.

    Examples
    --------
    >>> from ttm_sk.data.tables import load_example
    >>> season_of(load_example("airline"))
    12
    """
    index = y.index.get_level_values(-1)
    return season_length(getattr(shown_frequency(y), "freqstr", None) or getattr(index, "freqstr", None))
