"""What a measurement used: memory."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import resource

__all__ = ["peak_memory_mb"]


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
