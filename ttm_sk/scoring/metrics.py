"""Accuracy of forecasts, as numbers: GluonTS's definitions in plain numpy.

Shared by every function:

* ``target`` has any shape (usually ``(item, horizon)``), ``forecast`` the same, ``quantiles`` one axis more at the end.
* An entry of ``target`` that is NaN (or infinite, as in GluonTS) was not observed and does not count.
* In MAPE, sMAPE, MASE and MSIS an entry whose denominator is 0 does not count either (a target of 0, a constant past).
* ND, NRMSE and the weighted quantile loss divide by one number for all entries; where every target is 0 they are
  infinite, or NaN for a perfect forecast.
* The mean runs over all entries that count, of all items together; where none counts the result is NaN.
* A forecast that is not finite where the target was observed raises ``DataError``, and so do shapes that do not fit.
* Everything is computed in float64; nothing is modified.

Ratios are fractions, not percentages.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttm_sk.errors import DataError

__all__ = [
    "coverage",
    "mae",
    "mape",
    "mase",
    "mse",
    "msis",
    "nd",
    "nrmse",
    "pinball",
    "rmse",
    "seasonal_error",
    "smape",
    "weighted_quantile_loss",
]

Floats = NDArray[np.float64]


def mse(*, target: ArrayLike, forecast: ArrayLike) -> float:
    """Mean squared error, in squared units of the target. NaN in ``target`` is ignored.

    Raises
    ------
    DataError
        If the shapes differ, or the forecast is not finite where the target was observed.

    Examples
    --------
    >>> mse(target=[1.0, 2.0, float("nan")], forecast=[1.0, 4.0, 0.0])
    2.0
    """
    actual, expected = _observed_pairs(target, forecast)
    return _mean(np.square(actual - expected))


def rmse(*, target: ArrayLike, forecast: ArrayLike) -> float:
    """Root of the mean squared error, in units of the target. NaN in ``target`` is ignored; raises as `mse`.

    Examples
    --------
    >>> rmse(target=[0.0, 0.0], forecast=[2.0, -2.0])
    2.0
    """
    return float(np.sqrt(mse(target=target, forecast=forecast)))


def nrmse(*, target: ArrayLike, forecast: ArrayLike) -> float:
    """RMSE over the mean absolute target, without unit. NaN in ``target`` is ignored; raises as `mse`.

    Examples
    --------
    >>> nrmse(target=[4.0, -4.0], forecast=[6.0, -6.0])
    0.5
    """
    actual, expected = _observed_pairs(target, forecast)
    return _ratio(np.sqrt(_mean(np.square(actual - expected))), _mean(np.abs(actual)))


def mae(*, target: ArrayLike, forecast: ArrayLike) -> float:
    """Mean absolute error, in units of the target. NaN in ``target`` is ignored; raises as `mse`.

    Examples
    --------
    >>> mae(target=[1.0, 2.0], forecast=[0.0, 4.0])
    1.5
    """
    actual, expected = _observed_pairs(target, forecast)
    return _mean(np.abs(actual - expected))


def nd(*, target: ArrayLike, forecast: ArrayLike) -> float:
    """Normalized deviation: the sum of absolute errors over the sum of absolute targets; raises as `mse`.

    Examples
    --------
    >>> nd(target=[1.0, -3.0], forecast=[2.0, -2.0])
    0.5
    """
    actual, expected = _observed_pairs(target, forecast)
    return _ratio(_mean(np.abs(actual - expected)), _mean(np.abs(actual)))


def mape(*, target: ArrayLike, forecast: ArrayLike) -> float:
    """Mean absolute error relative to the target, a fraction. Targets that are NaN or 0 are ignored; raises as `mse`.

    Examples
    --------
    >>> mape(target=[2.0, 0.0], forecast=[3.0, 5.0])
    0.5
    """
    actual, expected = _observed_pairs(target, forecast)
    return _mean_ratio(np.abs(actual - expected), np.abs(actual))


def smape(*, target: ArrayLike, forecast: ArrayLike) -> float:
    """Symmetric MAPE, ``mean(2 |y - f| / (|y| + |f|))``, from 0 to 2. NaN in ``target`` is ignored; raises as `mse`.

    Examples
    --------
    >>> smape(target=[1.0, 0.0], forecast=[3.0, 0.0])
    1.0
    """
    actual, expected = _observed_pairs(target, forecast)
    return _mean_ratio(2 * np.abs(actual - expected), np.abs(actual) + np.abs(expected))


def seasonal_error(history: ArrayLike, *, seasonality: int) -> Floats:
    """How much a history differs from itself one season ago: ``mean(|y[t] - y[t - seasonality]|)`` over its last axis.

    Parameters
    ----------
    history
        ``(..., time)``; pairs with a NaN do not count.
    seasonality
        The lag in steps, at least 1. As in GluonTS, a history that is shorter than it uses lag 1.

    Returns
    -------
    numpy.ndarray
        ``(...)``, in units of the history; NaN where no pair was observed.

    Raises
    ------
    DataError
        If ``seasonality`` is below 1 or ``history`` has no axis.

    Examples
    --------
    >>> float(seasonal_error([1.0, 2.0, 4.0, float("nan"), 6.0], seasonality=2))
    2.5
    """
    values = _floats(history)
    if seasonality < 1 or values.ndim == 0:
        raise DataError(
            f"seasonal_error found seasonality={seasonality} and a history of shape {values.shape}; "
            "expected a lag of at least 1 and an axis of time: pass (time,) or (item, time)"
        )
    lag = seasonality if seasonality <= values.shape[-1] else 1
    with np.errstate(invalid="ignore"):
        difference = np.abs(values[..., lag:] - values[..., :-lag])
    counts = np.isfinite(difference)
    with np.errstate(invalid="ignore"):
        return np.where(counts, difference, 0.0).sum(axis=-1) / counts.sum(axis=-1)


def mase(*, target: ArrayLike, forecast: ArrayLike, seasonal_error: ArrayLike) -> float:
    """Mean absolute error in units of each item's seasonal error: ``mean(|y - f| / seasonal_error)``.

    Parameters
    ----------
    target, forecast
        ``(item, horizon)``, or ``(horizon,)`` for one item. NaN in ``target`` is ignored.
    seasonal_error
        ``(item,)``, or a number for one item, from `seasonal_error` of what came before the target.
        Items where it is 0 or NaN do not count.

    Raises
    ------
    DataError
        If the shapes do not fit, or the forecast is not finite where the target was observed.

    Examples
    --------
    >>> mase(target=[[1.0, 2.0], [5.0, float("nan")]], forecast=[[2.0, 2.0], [3.0, 9.0]], seasonal_error=[0.5, 1.0])
    1.3333333333333333
    """
    actual, expected = _observed_pairs(target, forecast)
    return _mean_ratio(np.abs(actual - expected), _scale_of_observed(target, seasonal_error))


def msis(
    *, target: ArrayLike, lower: ArrayLike, upper: ArrayLike, seasonal_error: ArrayLike, alpha: float = 0.05
) -> float:
    """Mean scaled interval score of a central ``1 - alpha`` interval: its width plus ``2 / alpha`` times each miss.

    Parameters
    ----------
    target, lower, upper
        ``(item, horizon)`` or ``(horizon,)``: the truth and the quantiles at ``alpha / 2`` and ``1 - alpha / 2``.
        NaN in ``target`` is ignored.
    seasonal_error
        As in `mase`.

    Raises
    ------
    DataError
        If the shapes do not fit, a bound is not finite where the target was observed, or alpha is outside (0, 1).

    Examples
    --------
    >>> msis(target=[1.0, 5.0], lower=[0.0, 0.0], upper=[2.0, 4.0], seasonal_error=2.0, alpha=0.5)
    2.5
    """
    if not 0 < alpha < 1:
        raise DataError(f"msis found alpha={alpha}; expected a share in (0, 1): pass 0.05 for a 95 % interval")
    actual, low = _observed_pairs(target, lower)
    _, high = _observed_pairs(target, upper)
    below, above = np.maximum(low - actual, 0), np.maximum(actual - high, 0)
    return _mean_ratio(high - low + 2 / alpha * (below + above), _scale_of_observed(target, seasonal_error))


def pinball(*, target: ArrayLike, quantiles: ArrayLike, levels: Sequence[float]) -> Floats:
    """Mean quantile loss of each level, ``2 |(q - y) (1[y <= q] - level)|``: at the median it is the absolute error.

    Parameters
    ----------
    target
        ``(...)``; NaN is ignored.
    quantiles
        ``(..., quantile)``, in the order of ``levels``.
    levels
        Probabilities in (0, 1).

    Returns
    -------
    numpy.ndarray
        ``(quantile,)``, in units of the target.

    Raises
    ------
    DataError
        If the shapes do not fit, a level is outside (0, 1), or a quantile is not finite where the target was observed.

    Examples
    --------
    >>> pinball(target=[1.0, 3.0], quantiles=[[0.0, 2.0], [0.0, 2.0]], levels=[0.5, 0.75]).tolist()
    [2.0, 1.0]
    """
    probabilities = _checked_levels(levels, n_quantiles=np.shape(quantiles)[-1] if np.ndim(quantiles) else 0)
    actual, expected = _observed_quantiles(target, quantiles)
    if not len(actual):
        return np.full(len(probabilities), np.nan)
    return (2 * np.abs((expected - actual) * ((actual <= expected) - probabilities))).mean(axis=0)


def weighted_quantile_loss(*, target: ArrayLike, quantiles: ArrayLike, levels: Sequence[float]) -> float:
    """Quantile loss summed over all entries, over the sum of absolute targets, averaged over the levels.

    GluonTS calls it the mean weighted sum quantile loss; leaderboards call it CRPS, which it approximates.
    Arguments and errors as in `pinball`; the result has no unit.

    Examples
    --------
    >>> weighted_quantile_loss(target=[1.0, 3.0], quantiles=[[0.0, 2.0], [0.0, 2.0]], levels=[0.5, 0.75])
    0.75
    """
    losses = pinball(target=target, quantiles=quantiles, levels=levels)
    values = _floats(target)
    return _ratio(float(losses.mean()), _mean(np.abs(values[np.isfinite(values)])))


def coverage(*, target: ArrayLike, quantiles: ArrayLike) -> Floats:
    """Share of targets at or below each quantile: near the level where the quantiles are calibrated.

    ``target`` is ``(...)`` with NaN ignored, ``quantiles`` ``(..., quantile)``; the result is ``(quantile,)``, without
    unit. The coverage of an interval is the difference of two entries. Raises ``DataError`` as `pinball`.

    Examples
    --------
    >>> coverage(target=[1.0, 2.0], quantiles=[[1.0, 3.0], [1.0, 3.0]]).tolist()
    [0.5, 1.0]
    """
    actual, expected = _observed_quantiles(target, quantiles)
    if not len(actual):
        return np.full(expected.shape[-1], np.nan)
    return (actual <= expected).mean(axis=0)


def _floats(values: ArrayLike | Sequence[float]) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"found values that are no numbers ({error}); convert them to floats first") from error


def _observed_pairs(target: ArrayLike, forecast: ArrayLike) -> tuple[Floats, Floats]:
    """The observed targets and their forecasts, both ``(observation,)``."""
    actual, expected = _floats(target), _floats(forecast)
    if actual.shape != expected.shape:
        raise DataError(
            f"found a target of shape {actual.shape} and a forecast of shape {expected.shape}; "
            "expected one shape: reshape or cut one of them"
        )
    observed = np.isfinite(actual)
    return actual[observed], _checked_finite(expected[observed])


def _observed_quantiles(target: ArrayLike, quantiles: ArrayLike) -> tuple[Floats, Floats]:
    """The observed targets ``(observation, 1)`` and their quantiles ``(observation, quantile)``."""
    actual, expected = _floats(target), _floats(quantiles)
    if expected.shape[:-1] != actual.shape or expected.ndim == 0:
        raise DataError(
            f"found a target of shape {actual.shape} and quantiles of shape {expected.shape}; "
            "expected the target's shape and one more axis, the quantile, at the end"
        )
    observed = np.isfinite(actual)
    return actual[observed][:, None], _checked_finite(expected[observed])


def _checked_finite(expected: Floats) -> Floats:
    if not np.isfinite(expected).all():
        raise DataError(
            f"found {np.count_nonzero(~np.isfinite(expected))} forecast values that are NaN or infinite where the "
            "target was observed; expected finite ones: check what the forecaster returned"
        )
    return expected


def _checked_levels(levels: Sequence[float], *, n_quantiles: int) -> Floats:
    probabilities = _floats(levels)
    if probabilities.shape != (n_quantiles,) or not ((probabilities > 0) & (probabilities < 1)).all():
        raise DataError(
            f"found levels {probabilities.tolist()} for {n_quantiles} quantiles; "
            "expected one probability in (0, 1) for each: pass the levels that the quantiles were made for"
        )
    return probabilities


def _scale_of_observed(target: ArrayLike, seasonal_error: ArrayLike) -> Floats:
    """The seasonal error beside every observed target, ``(observation,)``."""
    actual, scale = _floats(target), _floats(seasonal_error)
    if scale.shape != actual.shape[:-1]:
        raise DataError(
            f"found seasonal errors of shape {scale.shape} for a target of shape {actual.shape}; "
            f"expected one for each item, {actual.shape[:-1]}: compute them with seasonal_error"
        )
    return np.broadcast_to(scale[..., None], actual.shape)[np.isfinite(actual)]


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")


def _mean_ratio(numerator: ArrayLike, denominator: ArrayLike) -> float:
    """The mean of the ratios whose denominator is finite and not 0."""
    above, below = np.atleast_1d(numerator), np.atleast_1d(denominator)
    counts = np.isfinite(below) & (below != 0)
    return _mean(above[counts] / below[counts])


def _ratio(numerator: float, denominator: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(numerator) / np.float64(denominator))
