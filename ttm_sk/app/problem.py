"""What went wrong, as the page says it: what was found, then what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["FIELDS", "Problem"]

# The options of the command line, which messages name, and the fields of the page that mean the same.
FIELDS = {
    "time": "Time column",
    "target": "Columns to forecast",
    "id": "Series column",
    "freq": "Grid of time stamps",
    "horizon": "Steps ahead",
    "windows": "Windows of the backtest",
    "season": "Steps of a season",
    "effort": "Effort",
    "strategy": "Strategy",
}
OPTION = re.compile(r"--(?P<name>[a-z]+)")


@dataclass(frozen=True)
class Problem:
    """A message in two parts.

    Attributes
    ----------
    what
        What was found and what was expected.
    remedy
        What to do about it; empty where the message does not say.

    Examples
    --------
    >>> Problem.of("found several columns: 'a', 'b'; name those that you want (--target)").remedy
    'Name those that you want (Columns to forecast).'
    """

    what: str
    remedy: str = ""

    @classmethod
    def of(cls, error: Exception | str) -> Problem:
        """The parts of an error's message, with the page's fields instead of the command line's options."""
        text = OPTION.sub(lambda option: FIELDS.get(option["name"], option[0]), str(error))
        what, _, remedy = text.partition("; ")
        return cls(_sentence(what), _sentence(remedy))


def _sentence(text: str) -> str:
    text = text.strip()
    return text and text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
