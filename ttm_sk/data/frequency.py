"""What a model with a resolution prefix is told about the pace of a series; without pandas."""

from __future__ import annotations

import re

from ttm_sk.errors import DataError

__all__ = ["MONTHS", "RESOLUTION_TOKENS", "UNKNOWN_RESOLUTION", "grid_frequency", "resolution_token"]

SECONDS = {"s": 1, "min": 60, "t": 60, "h": 3_600, "d": 86_400, "w": 604_800}
UNKNOWN_RESOLUTION = 0  # "out of vocabulary": what training shows for every other pace
# Seconds of a step -> token, as in the preprocessor of IBM's granite-tsfm (its DEFAULT_FREQUENCY_MAPPING).
RESOLUTION_TOKENS = {60: 1, 120: 2, 300: 3, 600: 4, 900: 5, 1_800: 6, 3_600: 7, 86_400: 8, 604_800: 9}
ALIAS = re.compile(r"(?P<count>\d*)(?P<unit>[a-z]+)(?P<anchor>-[a-z]+)?", re.IGNORECASE)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# Units of pandas, in capitals -> the unit of time stamps at the beginning of each step.
STAMP_UNITS = {
    **dict.fromkeys(("S", "SEC"), "s"),
    **dict.fromkeys(("T", "MIN"), "min"),
    "H": "h",
    "D": "D",
    "B": "B",
    "W": "W",
    **dict.fromkeys(("M", "MS", "ME"), "MS"),
    **dict.fromkeys(("Q", "QS", "QE"), "QS"),
    **dict.fromkeys(("A", "Y", "AS", "YS", "YE"), "YS"),
}
MONASH_UNITS = {
    **dict.fromkeys(("secondly", "seconds"), "s"),
    **dict.fromkeys(("minutely", "minutes"), "min"),
    "hourly": "h",
    "daily": "D",
    "weekly": "W",
    "monthly": "MS",
    "quarterly": "QS",
    "yearly": "YS",
}
WORDS = re.compile(rf"((?P<count>\d+)_)?(?P<half>half_(?=hourly))?(?P<unit>{'|'.join(MONASH_UNITS)})")


def resolution_token(frequency: str | None, *, n_resolutions: int) -> int:
    """The token of a pandas frequency such as ``"h"``, ``"15min"``, ``"W-SUN"``.

    Parameters
    ----------
    frequency
        None where a series shows none.
    n_resolutions
        Size of the model's vocabulary. A pace that is not in it, or not in the map (months, business days), gets the
        token of everything unknown, 0, as in training.

    Examples
    --------
    >>> [resolution_token(frequency, n_resolutions=10) for frequency in ("h", "60min", "W-SUN", "MS", None)]
    [7, 7, 9, 0, 0]
    >>> resolution_token("D", n_resolutions=8)
    0
    """
    found = ALIAS.fullmatch(frequency or "")
    unit = SECONDS.get(found["unit"].lower()) if found and found["unit"] not in ("M", "Min") else None
    if not found or unit is None:
        return UNKNOWN_RESOLUTION
    token = RESOLUTION_TOKENS.get(unit * int(found["count"] or 1), UNKNOWN_RESOLUTION)
    return token if token < n_resolutions else UNKNOWN_RESOLUTION


def grid_frequency(frequency: str) -> str:
    """The pandas frequency of time stamps that begin each step, from what files call it.

    Understood are pandas' names, old and new, of stamps and of periods (``"T"``, ``"M"``, ``"A-DEC"``), and the words
    of the Monash archive. Weeks become steps of seven days, so that they begin on any day.

    Raises
    ------
    DataError
        If it is none of these.

    Examples
    --------
    >>> [grid_frequency(name) for name in ("H", "15T", "M", "Q-DEC", "W-SUN", "half_hourly", "4_seconds", "B")]
    ['h', '15min', 'MS', 'QS', '7D', '30min', '4s', 'B']
    >>> [grid_frequency(name) for name in ("A-JUN", "YS-JUL", "Q-NOV", "QS-DEC", "10ms")]
    ['YS-JUL', 'YS-JUL', 'QS-MAR', 'QS-MAR', '10ms']
    """
    name = frequency.strip()
    words = WORDS.fullmatch(name.lower())
    if words:
        unit: str | None = "min" if words["half"] else MONASH_UNITS[words["unit"]]  # half an hour is the only half
        count = 30 if words["half"] else int(words["count"] or 1)
    else:
        found = ALIAS.fullmatch(name)
        count, unit = int(found["count"] or 1) if found else 1, STAMP_UNITS.get(found["unit"].upper() if found else "")
        if found and found["unit"] == "ms":  # MS is the start of a month
            unit = "ms"
        if found and unit in ("QS", "YS") and found["anchor"]:
            unit += _first_month(
                found["anchor"][1:].upper(), by_quarter=unit == "QS", is_end=found["unit"][-1:] not in "sS"
            )
    if unit is None:
        raise DataError(f"found the frequency {frequency!r}; expected one such as D, h, 30min, M, Q, W-SUN, or hourly")
    if unit == "W":
        return f"{7 * count}D"
    return f"{count if count > 1 else ''}{unit}"


def _first_month(anchor: str, *, by_quarter: bool, is_end: bool) -> str:
    """The month in which a year (or the first quarter of one) begins, as pandas writes it behind QS and YS."""
    if anchor not in MONTHS:
        raise DataError(f"found the month {anchor!r} in a frequency; expected one of {', '.join(MONTHS)}")
    first = (MONTHS.index(anchor) + is_end) % 12
    first = first % 3 if by_quarter else first
    return f"-{MONTHS[first]}" if first else ""
