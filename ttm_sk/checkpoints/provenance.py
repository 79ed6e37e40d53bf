"""Where weights and figures come from: the commit of the code that made them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

__all__ = ["source_commit"]


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
