"""One series as files of many series keep it: a name, values, and where they begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["StoredSeries", "StoredSet"]


@dataclass(frozen=True, eq=False)
class StoredSeries:
    """Values of one series.

    Attributes
    ----------
    id
        Its name in the file.
    values
        Float64 ``(channel, time)``, NaN = missing.
    start
        Of the first value: a date in any form that pandas reads, a period, or None where the file says none.
    stamps
        A date for every value, where the file has them; then ``start`` does not count.
    """

    id: str
    values: np.ndarray
    start: Any = None
    stamps: Sequence[Any] | None = None


@dataclass(frozen=True, eq=False)
class StoredSet:
    """The series of one file or folder, the frequency that it names (None: none), and where it came from."""

    series: tuple[StoredSeries, ...]
    frequency: str | None
    where: str
