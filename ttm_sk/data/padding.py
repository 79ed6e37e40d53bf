"""Histories of any length as one array: shifted and scaled in float64, padded on the left, cast to float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ttm_sk.errors import DataError

__all__ = ["Padded", "pad", "refuse_unusable"]

CONSTANT_TOLERANCE = 1e-12


class Padded(NamedTuple):
    """Histories in common units.

    ``context`` float32 and ``observed`` bool are ``(batch, channel, time)``, ``loc`` and ``scale`` float64
    ``(batch, channel, 1, 1)``, or one number for all; :meth:`restore` brings a forecast back to the histories' units.
    """

    context: np.ndarray
    observed: np.ndarray
    loc: np.ndarray
    scale: np.ndarray

    def restore(self, quantiles: np.ndarray) -> np.ndarray:
        """``(batch, channel, horizon, quantile)`` in the units of the histories, float64."""
        return quantiles.astype(np.float64) * self.scale + self.loc


def pad(
    histories: Sequence[np.ndarray], *, context_length: int, keeps_units: bool = False, counts_padding: bool = False
) -> Padded:
    """The newest ``context_length`` steps of every history, each centred and scaled by itself.

    Float32 holds seven digits: a series near one million that moves by one would lose its movement. Centring in
    float64 first keeps it.

    Parameters
    ----------
    histories
        Arrays ``(time,)`` or ``(channel, time)``, all with the same number of channels and any length from one
        step; NaN = not observed. They are not changed.
    context_length
        Longest past that is kept.
    keeps_units
        Neither centre nor scale, for a model that reads 0 as a value: missing values are 0 in the series' own units.
    counts_padding
        Call the pad observed, as IBM's code does.

    Raises
    ------
    DataError
        If there is no history, or one has no observed value, infinities, or another number of channels than the first.

    Examples
    --------
    >>> padded = pad([np.array([1e9, 1e9 + 2]), np.array([5.0])], context_length=4)
    >>> padded.context[:, 0].tolist()
    [[-1.0, 1.0], [0.0, 0.0]]
    >>> padded.observed[:, 0].tolist()
    [[True, True], [False, True]]
    """
    arrays = [np.atleast_2d(np.asarray(history, dtype=np.float64))[:, -context_length:] for history in histories]
    _check_channels(arrays)
    shape = (len(arrays), arrays[0].shape[0], max(array.shape[1] for array in arrays))
    values = np.full(shape, np.nan)
    for row, array in zip(values, arrays, strict=True):
        row[:, shape[2] - array.shape[1] :] = array
    observed = ~np.isnan(values)
    _check(values, observed)
    if keeps_units:
        context = _as_float32(np.where(observed, values, 0.0))
        if counts_padding:
            for flags, array in zip(observed, arrays, strict=True):
                flags[:, : shape[2] - array.shape[1]] = True
        return Padded(context, observed, np.zeros((1, 1, 1, 1)), np.ones((1, 1, 1, 1)))
    loc, scale = _centre(values, observed)
    context = np.where(observed & (scale != 0), values - loc, 0.0) / np.where(scale == 0, 1.0, scale)
    return Padded(context.astype(np.float32), observed, loc[..., None], scale[..., None])


def _centre(values: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the observed values, ``(batch, channel, 1)``; without overflow, 0 for a constant."""
    seen = np.where(observed, values, 0.0)
    largest = np.abs(seen).max(axis=-1, keepdims=True)
    unit = np.where(largest > 0, largest, 1.0)
    count = observed.sum(axis=-1, keepdims=True)
    mean = (seen / unit).sum(axis=-1, keepdims=True) / count
    deviation = np.where(observed, seen / unit - mean, 0.0)
    spread = np.sqrt((deviation**2).sum(axis=-1, keepdims=True) / count)
    return mean * unit, np.where(spread <= CONSTANT_TOLERANCE, 0.0, spread * unit)


def _as_float32(values: np.ndarray) -> np.ndarray:
    if np.abs(values).max() > np.finfo(np.float32).max:
        raise DataError(
            f"found a value of size {np.abs(values).max():.3g}, but this model reads the series' own units as float32;"
            " divide the series, or use a model that scales"
        )
    return values.astype(np.float32)


def _check_channels(arrays: list[np.ndarray]) -> None:
    if not arrays:
        raise DataError("found no history; give at least one")
    n_channels = arrays[0].shape[0]
    for row, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[0] != n_channels:
            raise DataError(
                f"history {row} has shape {array.shape}, read as (channel, time);"
                f" expected {n_channels} channel(s), as history 0 has"
            )


def _check(values: np.ndarray, observed: np.ndarray) -> None:
    if not observed.any(axis=-1).all() or np.isinf(values).any():
        refuse_unusable(values)


def refuse_unusable(histories: Sequence[np.ndarray] | np.ndarray) -> None:
    """Raise ``DataError`` for the first history ``(channel, time)`` without an observed value, or with infinities."""
    for row, history in enumerate(histories):
        is_blank, is_infinite = np.isnan(history).all(axis=-1), np.isinf(history).any(axis=-1)
        if is_blank.any():
            raise DataError(
                f"history {row}, channel {is_blank.argmax()} has no observed value; drop it, or give at least one"
                " finite value"
            )
        if is_infinite.any():
            raise DataError(
                f"history {row}, channel {is_infinite.argmax()} holds an infinite value; replace it by NaN where the"
                " value is unknown"
            )
