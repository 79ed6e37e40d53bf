"""What is known of a series besides its own past: drivers, of which the future is known too, and fixed categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Known", "driver_window"]


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of one series.

    Attributes
    ----------
    drivers
        ``(covariate, time)`` from the first step of the series on, without gaps; None for none. What stands behind the
        end of the series is their future.
    static
        ``(n_static,)`` integers, or None.
    """

    drivers: np.ndarray | None = None
    static: np.ndarray | None = None


def driver_window(drivers: np.ndarray, cutoff: int, *, n_past: int, n_future: int) -> np.ndarray:
    """Drivers around a cutoff, in units of their own past there, float32 ``(covariate, n_past + n_future)``.

    Before the first step stands NaN (not observed), behind the last one its value. A driver that did not move in that
    past is only centred.

    Parameters
    ----------
    drivers
        ``(covariate, time)``, without gaps.
    cutoff
        Step at which the future begins, at least 1.

    Examples
    --------
    >>> driver_window(np.array([[1.0, 3.0, 5.0]]), 2, n_past=3, n_future=2)
    array([[nan, -1.,  1.,  3.,  3.]], dtype=float32)
    """
    steps = np.arange(cutoff - n_past, cutoff + n_future)
    values = drivers[:, np.clip(steps, 0, drivers.shape[1] - 1)].astype(np.float64)
    past = values[:, max(0, n_past - cutoff) : n_past]
    loc, scale = past.mean(axis=1, keepdims=True), past.std(axis=1, keepdims=True)
    scaled = (values - loc) / np.where(scale <= 1e-9 * np.abs(past).max(axis=1, keepdims=True), 1.0, scale)
    return np.where(steps < 0, np.nan, scaled).astype(np.float32)
