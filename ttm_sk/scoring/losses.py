"""Training losses: tensors in, one number out, and only observed entries count.

Shared by every function:

* ``forecast`` and ``target`` are ``(batch, channel, horizon)``, ``quantiles`` ``(batch, channel, horizon, quantile)``.
* ``observed`` is boolean with the target's shape; True = a real value. What the target holds elsewhere, NaN included,
  changes neither the loss nor its gradient.
* The result is the mean over the observed entries, a scalar; where nothing is observed it is 0, and ``backward`` still
  works (all gradients are 0).
* The unit is the target's (squared for `mse`), the dtype what torch promotes forecast and target to.
* Shapes that differ raise ``DataError``: they are never broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ttm_sk.errors import DataError

__all__ = ["gaussian", "huber", "mae", "mse", "pinball", "width"]


def mse(*, forecast: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean squared error over the observed entries.

    Examples
    --------
    >>> target = torch.tensor([[[1.0, float("nan")]]])
    >>> float(mse(forecast=torch.full((1, 1, 2), 3.0), target=target, observed=~target.isnan()))
    4.0
    """
    return _observed_mean(_errors(forecast, target, observed).square(), observed)


def mae(*, forecast: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean absolute error over the observed entries.

    Examples
    --------
    >>> target = torch.tensor([[[1.0, float("nan")]]])
    >>> float(mae(forecast=torch.full((1, 1, 2), 3.0), target=target, observed=~target.isnan()))
    2.0
    """
    return _observed_mean(_errors(forecast, target, observed).abs(), observed)


def huber(*, forecast: Tensor, target: Tensor, observed: Tensor, delta: float = 1.0) -> Tensor:
    """Huber loss: ``e ** 2 / 2`` up to ``delta`` (in units of the target), ``delta * (|e| - delta / 2)`` beyond.

    Raises
    ------
    DataError
        If the shapes differ or ``delta`` is not positive.

    Examples
    --------
    >>> target = torch.zeros(1, 1, 2)
    >>> float(huber(forecast=torch.tensor([[[1.0, 3.0]]]), target=target, observed=target == 0))
    1.5
    """
    if delta <= 0:
        raise DataError(f"huber found delta={delta}; expected a positive error: use mae for the limit towards 0")
    errors = _errors(forecast, target, observed).abs()
    return _observed_mean(torch.where(errors <= delta, errors.square() / 2, delta * (errors - delta / 2)), observed)


def pinball(*, quantiles: Tensor, target: Tensor, observed: Tensor, levels: Sequence[float] | Tensor) -> Tensor:
    """Quantile loss ``2 max(level * e, (level - 1) * e)``, ``e = y - q``, averaged over entries and levels.

    The factor 2 is GluonTS's: at the median alone the loss is the mean absolute error.

    Parameters
    ----------
    quantiles
        ``(batch, channel, horizon, quantile)``, in the order of ``levels``.
    target, observed
        ``(batch, channel, horizon)``.
    levels
        Probabilities in (0, 1), ``(quantile,)``; a tensor on the right device saves a copy per step.

    Raises
    ------
    DataError
        If the shapes do not fit.

    Examples
    --------
    >>> target, quantiles = torch.ones(1, 1, 1), torch.tensor([[[[0.0, 3.0]]]])
    >>> float(pinball(quantiles=quantiles, target=target, observed=target == 1, levels=[0.5, 0.75]))
    1.0
    """
    probabilities = torch.as_tensor(levels, dtype=target.dtype, device=target.device)
    if quantiles.ndim == 0 or probabilities.shape != quantiles.shape[-1:]:
        raise DataError(
            f"pinball found {tuple(probabilities.shape)} levels for quantiles of shape {tuple(quantiles.shape)}; "
            "expected one level for each entry of the last axis"
        )
    _check_shapes(forecast_shape=quantiles.shape[:-1], target=target, observed=observed)
    counts = observed.unsqueeze(-1).expand_as(quantiles)
    errors = torch.where(counts, target.unsqueeze(-1) - quantiles, 0.0)
    return _observed_mean(2 * torch.maximum(probabilities * errors, (probabilities - 1) * errors), counts)


def _errors(forecast: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """``target - forecast``, 0 (and no gradient) where nothing was observed."""
    _check_shapes(forecast_shape=forecast.shape, target=target, observed=observed)
    return torch.where(observed, target - forecast, 0.0)


def _observed_mean(losses: Tensor, observed: Tensor) -> Tensor:
    return losses.sum() / observed.sum().clamp(min=1)


def _check_shapes(*, forecast_shape: torch.Size, target: Tensor, observed: Tensor) -> None:
    if not forecast_shape == target.shape == observed.shape:
        raise DataError(
            f"found a forecast of shape {tuple(forecast_shape)}, a target of shape {tuple(target.shape)} and "
            f"observed of shape {tuple(observed.shape)}; expected one shape (batch, channel, horizon)"
        )
    if observed.dtype != torch.bool:
        raise DataError(f"found observed of dtype {observed.dtype}; expected torch.bool: pass observed.bool()")


def width(*, quantiles: Tensor, observed: Tensor, is_outermost: bool = True) -> Tensor:
    """Mean width of prediction intervals over the observed entries: what a sharpness penalty adds to `pinball`.

    Parameters
    ----------
    quantiles
        ``(batch, channel, horizon, quantile)``, ascending, an odd number of at least 3.
    observed
        ``(batch, channel, horizon)``.
    is_outermost
        The widest interval alone, or the mean of all that are symmetric around the median.

    Raises
    ------
    DataError
        If the shapes do not fit.

    Examples
    --------
    >>> quantiles = torch.tensor([[[[0.0, 2.0, 3.0, 4.0, 8.0]]]])
    >>> float(width(quantiles=quantiles, observed=torch.tensor([[[True]]]), is_outermost=False))
    5.0
    """
    n_intervals, is_even = divmod(quantiles.shape[-1] - 1, 2)
    if n_intervals < 1 or is_even or quantiles.shape[:-1] != observed.shape:
        raise DataError(
            f"width found quantiles of shape {tuple(quantiles.shape)} and observed of shape {tuple(observed.shape)};"
            " expected an odd number of at least 3 quantiles for each entry"
        )
    used = 1 if is_outermost else n_intervals
    widths = quantiles.flip(-1)[..., :used] - quantiles[..., :used]
    return _observed_mean(torch.where(observed[..., None], widths, 0.0), observed) / used


def gaussian(*, mean: Tensor, log_variance: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean negative log-likelihood of independent normal distributions over the observed entries, in nats.

    Parameters
    ----------
    mean, log_variance
        Of the target's shape; any, not only ``(batch, channel, horizon)``.

    Examples
    --------
    >>> zero = torch.zeros(1, 1, 1)
    >>> round(float(gaussian(mean=zero, log_variance=zero, target=zero, observed=zero == 0)), 4)
    0.9189
    """
    _check_shapes(forecast_shape=log_variance.shape, target=target, observed=observed)
    squared = _errors(mean, target, observed).square() * (-log_variance).exp()
    return _observed_mean(torch.where(observed, (squared + log_variance + math.log(2 * math.pi)) / 2, 0.0), observed)
