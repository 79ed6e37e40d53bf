"""A trend without parameters: a Gaussian moving average that outliers cannot pull, twice reweighted."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ttm_sk.errors import DataError

__all__ = ["SHORTEST_TREND", "robust_trend"]

SHORTEST_TREND = 3  # a window is odd and has a neighbour on each side
WINDOW_SHARE = 0.15
SHORTEST_WINDOW = 5
N_REWEIGHTINGS = 2
FAR = 6.0  # in median absolute deviations: from there on a value has no weight
SMALL = 1e-8


def robust_trend(values: Tensor) -> Tensor:
    """The slow part of a series, with the same mean as the series.

    A Gaussian kernel over 15 % of the steps (at least 5; its deviation is a quarter of that), reflected at both ends;
    then twice again with Tukey's bisquare weights of the residuals, which are 0 beyond six median absolute deviations.

    Parameters
    ----------
    values
        ``(batch, channel, time)``, finite, ``time`` at least 3.

    Raises
    ------
    DataError
        If there are fewer than three steps.

    Notes
    -----
    The idea is Cleveland's (1979) robust locally weighted regression, with local means in place of local lines; it is
    what divides trend and residual in IBM's decomposed TTM-R3.

    Examples
    --------
    >>> values = torch.zeros(1, 1, 21)
    >>> values[..., 10] = 21.0
    >>> bool(robust_trend(values)[..., 10] < 1.1)  # the outlier is left to the residual; its mean, 1, is not
    True
    """
    n_steps = values.shape[-1]
    if n_steps < SHORTEST_TREND:
        raise DataError(f"found {n_steps} step(s); a trend needs at least {SHORTEST_TREND}: give a longer past")
    kernel = _gaussian_kernel(_window(n_steps), values)
    trend = _local_mean(values, torch.ones_like(values), kernel)
    for _ in range(N_REWEIGHTINGS):
        trend = _local_mean(values, _bisquare_weight(values - trend), kernel)
    return trend


def _window(n_steps: int) -> int:
    """15 % of the steps, at least 5, odd, and no more than there are."""
    wanted = max(SHORTEST_WINDOW, round(WINDOW_SHARE * n_steps))
    return min(wanted + (wanted % 2 == 0), n_steps - (n_steps % 2 == 0))


def _gaussian_kernel(window: int, like: Tensor) -> Tensor:
    reach = window // 2
    steps = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
    kernel = torch.exp(-0.5 * (steps / (0.25 * window)) ** 2)
    return (kernel / (kernel.sum() + 1e-12)).reshape(1, 1, window)


def _local_mean(values: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
    """Weighted means over the kernel, moved so that their own mean is that of the values."""
    reach = kernel.shape[-1] // 2
    parts = torch.stack([values * weight, weight]).reshape(-1, 1, values.shape[-1])
    smooth = functional.conv1d(functional.pad(parts, (reach, reach), mode="reflect"), kernel)
    total, norm = smooth.reshape(2, *values.shape)
    means = total / (norm + SMALL)
    return means - means.mean(-1, keepdim=True) + values.mean(-1, keepdim=True)


def _bisquare_weight(residual: Tensor) -> Tensor:
    centred = residual - residual.median(dim=-1, keepdim=True).values
    spread = centred.abs().median(dim=-1, keepdim=True).values + SMALL
    return (1 - (centred / (FAR * spread)).square().clamp(max=1)).square()
