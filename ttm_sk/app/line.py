"""Work that takes turns: one at a time, a few wait in line, and whoever comes then is sent away at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

__all__ = ["BusyError", "Line"]


class BusyError(Exception):
    """Too many are in line, or the wait was too long; not a mistake of whoever asked."""


class Line:
    """People in line for one worker.

    Parameters
    ----------
    work
        What is done when it is one's turn.
    most_waiting
        People in line, the one whose turn it is not among them.
    seconds
        That one waits at most; None waits for ever.

    Examples
    --------
    >>> line = Line(abs, most_waiting=0)
    >>> with line.place():
    ...     line.turn(-3)
    3
    """

    def __init__(self, work: Callable[..., Any], *, most_waiting: int, seconds: float | None = None) -> None:
        self._work = work
        self._most = most_waiting + 1
        self._seconds = -1 if seconds is None else seconds
        self._count, self._counting, self._turn = 0, Lock(), Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the line while inside.

        Raises
        ------
        BusyError
            If there is none, without waiting.
        """
        with self._counting:
            if self._count >= self._most:
                raise BusyError(f"found {self._count} others in line, which is as many as may be; try again later")
            self._count += 1
        try:
            yield
        finally:
            with self._counting:
                self._count -= 1

    def turn(self, *question: Any) -> Any:
        """Wait, and do the work.

        Raises
        ------
        BusyError
            If the wait takes too long.
        """
        if not self._turn.acquire(timeout=self._seconds):
            raise BusyError(f"waited {self._seconds:g} seconds for others; try again later")
        try:
            return self._work(*question)
        finally:
            self._turn.release()
