"""Work in a forked process, so that it can be killed, interrupted or starved, and the imports are paid once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["end", "end_within", "fork"]


def fork(work: Callable[[], object], *, log: Path | int) -> int:
    """Start the work in a child, which ends with 0, or with 1, and return its process id.

    It prints into the log: a file, or an open handle.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        handle = log if isinstance(log, int) else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        found = work()
        code = found if isinstance(found, int) else 0
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def end(child: int) -> int:
    """Wait for it; the exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def end_within(child: int, seconds: float) -> int:
    """The same, but a child that is not over by then is killed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    return end(child)
