"""A process that is asked one thing at a time, and stopped where its answer takes too long."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from ttm_sk.errors import TTMError

__all__ = ["LostError", "TooSlowError", "Worker"]


class TooSlowError(Exception):
    """No answer came within the time."""


class LostError(Exception):
    """The process ended without an answer: the system ran out of memory, or somebody killed it."""


class Worker:
    """Work in a process of its own.

    Parameters
    ----------
    work
        What is asked; a function that another process can import, as must be what goes in and out.
    seconds
        That an answer may take.
    """

    def __init__(self, work: Callable[..., Any], *, seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._process: SpawnProcess | None = None
        self._line: Connection | None = None

    def start(self) -> None:
        """Have a process; what it imports, it imports while nobody waits for it."""
        if self._process is None or not self._process.is_alive():
            self._connect()

    def _connect(self) -> Connection:
        self.stop()
        context = multiprocessing.get_context("spawn")  # a fork would inherit threads half-way through their work
        line, far = context.Pipe()
        self._process = context.Process(target=_answer, args=(self._work, far), daemon=True)
        self._process.start()
        far.close()  # now the end of the process is the end of the line
        self._line = line
        return line

    def ask(self, *question: Any) -> Any:
        """The answer, or the error that the work raised.

        Raises
        ------
        TooSlowError
            After the time is over; the process is stopped, and the next question gets a new one.
        LostError
            If the process ended.
        """
        self.start()
        try:
            is_answer, found = self._exchange(question)
        except (EOFError, OSError) as error:
            self.stop()
            raise LostError(f"the process ended without an answer ({error or 'nothing was said'})") from error
        if is_answer:
            return found
        raise found

    def _exchange(self, question: tuple[Any, ...]) -> tuple[bool, Any]:
        line = self._line or self._connect()
        line.send(question)
        if not line.poll(self._seconds):
            self.stop()
            raise TooSlowError(f"found no answer after {self._seconds:g} seconds")
        return line.recv()

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        process, line = self._process, self._line
        self._process = self._line = None
        if process is not None:
            process.kill()
            process.join()
        if line is not None:
            line.close()


def _answer(work: Callable[..., Any], line: Connection) -> None:
    """Serve until the line is closed at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the page's, which ends this process with it
    while True:
        try:
            question = line.recv()
        except (EOFError, OSError):
            return
        try:
            line.send((True, work(*question)))
        except TTMError as error:
            line.send((False, error))
        except Exception as error:
            traceback.print_exc()
            line.send((False, RuntimeError(f"{type(error).__name__}: {error}")))
