"""Quantiles at the levels that a user asks for, from those that a head was trained at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttm_sk.errors import ConfigError

__all__ = ["at_levels", "pool"]

N_EVEN = 50  # levels at which a forecast is read off to be pooled with others: its tails reach to .01 and .99


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
    try:
        asked = np.atleast_1d(np.asarray(wanted, dtype=float))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"found levels {wanted!r}; expected numbers inside (0, 1), such as 0.9") from error
    outside = asked[~((asked >= levels[0] - 1e-9) & (asked <= levels[-1] + 1e-9))]
    if outside.size:
        if len(levels) == 1:
            raise ConfigError(
                f"found level {outside[0]:g}, but this checkpoint forecasts points only;"
                " use one with quantiles (model_path='ttm-tiny'), or ask for 0.5"
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


def pool(quantiles: np.ndarray, *, levels: Sequence[float]) -> np.ndarray:
    """The quantiles of an equal mixture of several forecasts, each known by its quantiles.

    Each forecast is read off at evenly spaced levels, linearly between its quantiles, and what all of them give is
    sorted: the pooled quantiles are those of these values. So they move no further than the quantiles do.

    Parameters
    ----------
    quantiles
        ``(batch, path, channel, horizon, quantile)`` at the ascending ``levels``.

    Returns
    -------
    ndarray
        ``(batch, channel, horizon, quantile)``, never decreasing along the last axis; with one path, that path.

    Examples
    --------
    >>> apart = np.array([[0.0, 1.0, 2.0], [4.0, 5.0, 6.0]]).reshape(1, 2, 1, 1, 3)
    >>> pool(apart, levels=(0.25, 0.5, 0.75)).ravel().round(6)
    array([1., 3., 5.])
    """
    n_paths = quantiles.shape[1]
    if n_paths == 1:
        return quantiles[:, 0]
    even = (np.arange(N_EVEN) + 0.5) / N_EVEN
    values = quantiles @ _weights(np.asarray(levels, dtype=float), even).astype(quantiles.dtype)
    values = np.sort(np.moveaxis(values, 1, -2).reshape(*values.shape[:1], *values.shape[2:4], -1), axis=-1)
    reached = (np.arange(values.shape[-1]) + 0.5) / values.shape[-1]
    return values @ _weights(reached, np.asarray(levels, dtype=float)).astype(values.dtype)


def _weights(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """``(known, wanted)``: what each known place weighs in a linear interpolation; the ends go on level."""
    right = np.clip(np.searchsorted(known, wanted), 1, len(known) - 1)
    share = np.clip((wanted - known[right - 1]) / (known[right] - known[right - 1]), 0, 1)
    found = np.zeros((len(known), len(wanted)))
    found[right - 1, np.arange(len(wanted))] = 1 - share
    found[right, np.arange(len(wanted))] += share
    return found
