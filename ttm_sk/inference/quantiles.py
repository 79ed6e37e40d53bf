"""Quantiles at the levels that a user asks for, from those that a head was trained at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttm_sk.errors import ConfigError

__all__ = ["at_levels"]


def at_levels(quantiles: np.ndarray, *, known: Sequence[float], wanted: Sequence[float]) -> np.ndarray:
    """Quantiles at ``wanted`` levels, linearly interpolated between known ones and never crossing.

    Parameters
    ----------
    quantiles
        ``(..., quantile)`` at the ascending levels ``known``.
    wanted
        Levels within the known ones, in any order; the result keeps it.

    Returns
    -------
    ndarray
        ``(..., quantile)``, one per wanted level; higher levels are never lower.

    Raises
    ------
    ConfigError
        If a level lies outside of the known ones: nothing is extrapolated.

    Examples
    --------
    >>> at_levels(np.array([1.0, 2.0, 4.0]), known=(0.1, 0.5, 0.9), wanted=(0.5, 0.7))
    array([2., 3.])
    """
    levels = np.asarray(known, dtype=float)
    asked = np.asarray(wanted, dtype=float)
    outside = asked[~((asked >= levels[0] - 1e-9) & (asked <= levels[-1] + 1e-9))]
    if outside.size:
        if len(levels) == 1:
            raise ConfigError(
                f"found level {outside[0]:g}, but this checkpoint forecasts points only;"
                " use one with quantiles, or ask for 0.5"
            )
        raise ConfigError(
            f"found level {outside[0]:g}; this checkpoint knows levels from {levels[0]:g} to {levels[-1]:g}:"
            " ask within them"
        )
    ascending = np.sort(quantiles, axis=-1)
    if len(levels) == 1:
        return np.repeat(ascending, len(asked), axis=-1)
    right = np.clip(np.searchsorted(levels, asked - 1e-9), 1, len(levels) - 1)
    share = np.clip((asked - levels[right - 1]) / (levels[right] - levels[right - 1]), 0, 1).astype(quantiles.dtype)
    low, high = ascending[..., right - 1], ascending[..., right]
    return np.where(share == 0, low, np.where(share == 1, high, low + share * (high - low)))
