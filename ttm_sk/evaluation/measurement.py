"""What a measurement depends on besides its input: the code's commit, and what it used: memory."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

if sys.platform != "win32":
    import resource

__all__ = ["peak_memory_mb", "source_commit"]


@cache
def source_commit() -> str:
    """Commit of the git checkout that this package runs from, ``-dirty`` where its files were changed since.

    Empty for an installed package, or without git.

    Examples
    --------
    >>> isinstance(source_commit(), str)
    True
    """
    here = Path(__file__)
    try:
        _git("ls-files", "--error-unmatch", here.name)  # a checkout around an installed package is not ours
        package = here.parents[1].as_posix()
        return _git("rev-parse", "HEAD") + ("-dirty" if _git("status", "--porcelain", "--", package) else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def peak_memory_mb() -> float:
    """The most memory that this process has had so far, in MB; NaN where the system does not say.

    Examples
    --------
    >>> peak_memory_mb() > 10
    True
    """
    if sys.platform == "win32":
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
