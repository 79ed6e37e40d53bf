"""Quantiles at the levels that a user asks for, from those that a head was trained at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttm_sk.errors import ConfigError

__all__ = ["at_levels", "pool"]


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

    Every quantile stands for the probability between the midpoints to its neighbours; the pooled ones are read off the
    sorted values, linearly interpolated.

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
    >>> pool(apart, levels=(0.25, 0.5, 0.75)).ravel()
    array([1., 3., 5.])
    """
    n_paths = quantiles.shape[1]
    if n_paths == 1:
        return quantiles[:, 0]
    edges = np.concatenate([[0.0], (np.asarray(levels)[1:] + np.asarray(levels)[:-1]) / 2, [1.0]])
    mass = np.tile(np.diff(edges) / n_paths, n_paths)
    values = np.moveaxis(quantiles, 1, -2).reshape(*quantiles.shape[:1], *quantiles.shape[2:4], -1)
    order = np.argsort(values, axis=-1, kind="stable")
    values = np.take_along_axis(values, order, axis=-1)
    reached = np.cumsum(mass[order], axis=-1) - mass[order] / 2
    return np.stack([_read_off(values, reached, level) for level in levels], axis=-1)


def _read_off(values: np.ndarray, reached: np.ndarray, level: float) -> np.ndarray:
    """The value at which the cumulated probability ``reached`` passes ``level``, along the last axis."""
    right = np.clip((reached < level).sum(axis=-1, keepdims=True), 1, values.shape[-1] - 1)
    low, high = (np.take_along_axis(values, i, axis=-1)[..., 0] for i in (right - 1, right))
    start, stop = (np.take_along_axis(reached, i, axis=-1)[..., 0] for i in (right - 1, right))
    share = np.clip((level - start) / (stop - start), 0, 1).astype(values.dtype)
    return low + share * (high - low)
