"""What a model with a resolution prefix is told about the pace of a series; without pandas."""

from __future__ import annotations

import re

__all__ = ["RESOLUTION_TOKENS", "UNKNOWN_RESOLUTION", "resolution_token"]

SECONDS = {"s": 1, "min": 60, "t": 60, "h": 3_600, "d": 86_400, "w": 604_800}
UNKNOWN_RESOLUTION = 0  # "out of vocabulary": what training shows for every other pace
# Seconds of a step -> token, as in the preprocessor of IBM's granite-tsfm (its DEFAULT_FREQUENCY_MAPPING).
RESOLUTION_TOKENS = {60: 1, 120: 2, 300: 3, 600: 4, 900: 5, 1_800: 6, 3_600: 7, 86_400: 8, 604_800: 9}
ALIAS = re.compile(r"(?P<count>\d*)(?P<unit>[a-z]+)(-[a-z]+)?", re.IGNORECASE)


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
