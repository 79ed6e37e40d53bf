"""A process that is asked one thing at a time, and stopped where its answer takes too long."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from threading import Lock
from typing import Any

from ttm_sk.errors import TTMError

START_SECONDS = 300.0  # that a process may take to import what it needs; not the time of whoever asks
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
        self._is_ready = False
        self._asking = Lock()

    def start(self) -> None:
        """Have a process; what it imports, it imports while nobody waits for it."""
        if self._asking.acquire(blocking=False):  # whoever asks just now has one
            try:
                self._connected()
            finally:
                self._asking.release()

    def _connected(self) -> Connection:
        """The line to a process that lives."""
        if self._line is not None and self._process is not None and self._process.is_alive():
            return self._line
        self.stop()
        context = multiprocessing.get_context("spawn")  # a fork would inherit threads half-way through their work
        line, far = context.Pipe()
        self._process = context.Process(target=_answer, args=(self._work, far), daemon=True)
        self._process.start()
        far.close()  # now the end of the process is the end of the line
        self._line, self._is_ready = line, False
        return line

    def ask(self, *question: Any) -> Any:
        """The answer, or the error that the work raised; one question at a time, the others wait.

        Raises
        ------
        TooSlowError
            After the time is over; the process is stopped, and the next question gets a new one.
        LostError
            If the process ended.
        """
        with self._asking:
            try:
                is_answer, found = self._exchange(question)
            except (EOFError, OSError) as error:
                self.stop()
                raise LostError("the process that forecasts ended without an answer") from error
        if is_answer:
            return found
        raise found

    def _exchange(self, question: tuple[Any, ...]) -> tuple[bool, Any]:
        line = self._connected()
        if not self._is_ready:
            self._await(line, START_SECONDS)
            self._is_ready = True
        line.send(question)
        return self._await(line, self._seconds)

    def _await(self, line: Connection, seconds: float) -> Any:
        if not line.poll(seconds):
            self.stop()
            raise TooSlowError(f"found no answer after {seconds:g} seconds")
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
    line.send(True)  # ready: the work has come, and with it what it imports
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
