"""Samay's metrics: truths first, forecasts second, of any shape; NaN among the truths does not count."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ttm_sk.scoring import metrics

__all__ = ["INTERVAL", "all_metrics", "mae", "mape", "mse", "rmse"]

INTERVAL = (0.025, 0.975)  # the 95 % interval that MSIS judges


def mse(trues: ArrayLike, preds: ArrayLike) -> float:
    """Mean squared error, in squared units of the data.

    Raises
    ------
    DataError
        If the shapes differ, or a forecast is not finite where the truth is known. So do the others.

    Examples
    --------
    >>> mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    return metrics.mse(target=trues, forecast=preds)


def mae(trues: ArrayLike, preds: ArrayLike) -> float:
    """Mean absolute error, in units of the data; raises as `mse`.

    Examples
    --------
    >>> mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return metrics.mae(target=trues, forecast=preds)


def rmse(trues: ArrayLike, preds: ArrayLike) -> float:
    """Root of the mean squared error, in units of the data; raises as `mse`.

    Examples
    --------
    >>> rmse([0.0, 0.0], [2.0, -2.0])
    2.0
    """
    return metrics.rmse(target=trues, forecast=preds)


def mape(trues: ArrayLike, preds: ArrayLike) -> float:
    """Mean absolute error relative to the truth, **in per cent**; truths of 0 do not count; raises as `mse`.

    Examples
    --------
    >>> mape([2.0, 0.0], [3.0, 5.0])
    50.0
    """
    return 100 * metrics.mape(target=trues, forecast=preds)


def all_metrics(
    histories: np.ndarray, trues: np.ndarray, preds: np.ndarray, interval: np.ndarray | None
) -> dict[str, float]:
    """The metrics that Samay's ``metric_only`` names.

    Parameters
    ----------
    histories, trues, preds
        ``(window, channel, time)``, and twice ``(window, channel, horizon)``.
    interval
        ``(window, channel, horizon, 2)``, the quantiles at :data:`INTERVAL`; None leaves MSIS out.

    Returns
    -------
    dict
        ``mse, mae, mase, mape, rmse, nrmse, smape, nd`` and ``msis``. MAPE is in per cent; MASE and MSIS are in units
        of the history's mean step (seasonality 1).

    Examples
    --------
    >>> found = all_metrics(np.array([[[1.0, 2.0]]]), np.array([[[3.0]]]), np.array([[[2.0]]]), None)
    >>> found["mase"], found["nd"]
    (1.0, 0.3333333333333333)
    """
    both = {"target": trues, "forecast": preds}
    unit = metrics.seasonal_error(histories, seasonality=1)
    found = {
        "mse": metrics.mse(**both),
        "mae": metrics.mae(**both),
        "mase": metrics.mase(**both, seasonal_error=unit),
        "mape": mape(trues, preds),
        "rmse": metrics.rmse(**both),
        "nrmse": metrics.nrmse(**both),
        "smape": metrics.smape(**both),
        "nd": metrics.nd(**both),
    }
    if interval is not None:
        lower, upper = np.moveaxis(interval, -1, 0)
        found["msis"] = metrics.msis(target=trues, lower=lower, upper=upper, seasonal_error=unit)
    return found
