"""Any horizon from a model with a fixed one: the median is fed back as if it had been observed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ttm_sk.errors import HorizonError

__all__ = ["Step", "forecast"]

# (context float32, observed bool), both (batch, channel, time) -> float32 (batch, channel, prediction_length, quantile)
Step = Callable[[np.ndarray, np.ndarray], np.ndarray]


def forecast(
    step: Step, context: np.ndarray, observed: np.ndarray, *, horizon: int, context_length: int, median: int
) -> np.ndarray:
    """Quantiles for ``horizon`` steps, as many passes as that takes.

    Parameters
    ----------
    step
        One pass of the model; see :data:`Step`.
    context, observed
        ``(batch, channel, time)``.
    horizon
        Steps ahead, at least 1.
    context_length
        Longest past that the model can use; what falls out of it is dropped as the forecast is fed back.
    median
        Position of the median on the quantile axis.

    Returns
    -------
    ndarray
        ``(batch, channel, horizon, quantile)``, in the units of ``context``.

    Raises
    ------
    HorizonError
        If ``horizon`` is below 1.

    Examples
    --------
    >>> last = lambda context, observed: np.repeat(context[..., -1:, None], 2, axis=2)
    >>> forecast(last, np.ones((1, 1, 3)), np.ones((1, 1, 3), bool), horizon=5, context_length=8, median=0).shape
    (1, 1, 5, 1)
    """
    if horizon < 1:
        raise HorizonError(f"found a horizon of {horizon} steps; it must be at least 1")
    parts: list[np.ndarray] = []
    n_done = 0
    while True:
        parts.append(step(context, observed))
        n_done += parts[-1].shape[2]
        if n_done >= horizon:
            return np.concatenate(parts, axis=2)[:, :, :horizon]
        fed_back = parts[-1][..., median]
        context = np.concatenate([context, fed_back], axis=-1)[..., -context_length:]
        observed = np.concatenate([observed, np.ones_like(fed_back, dtype=bool)], axis=-1)[..., -context_length:]
