"""Any horizon from a model with a fixed one: what it forecasts is fed back as if it had been observed.

Feeding back the median alone keeps later intervals too narrow, as if the median had really come. So several quantiles
are fed back, each as a future of its own, and what the model says about all of them is pooled. Source of the idea:
Chronos-Bolt (amazon-science/chronos-forecasting); what it buys is in ``docs/experiments.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ttm_sk.errors import ConfigError, HorizonError
from ttm_sk.inference.quantiles import pool

__all__ = ["FIVE_PATHS", "Beside", "Step", "forecast"]

# (context float32, observed bool), both (batch, channel, time) -> float32 (batch, channel, prediction_length, quantile)
# by name it may be given what else the model uses: covariates (batch, covariate, time + horizon), static
Step = Callable[..., np.ndarray]
# (steps of the past that a pass sees, steps that were forecast before) -> what else it is given, by name
Beside = Callable[[int, int], Mapping[str, np.ndarray]]
FIVE_PATHS = (0.1, 0.3, 0.5, 0.7, 0.9)


def forecast(
    step: Step,
    context: np.ndarray,
    observed: np.ndarray,
    *,
    horizon: int,
    context_length: int,
    levels: Sequence[float] = (0.5,),
    paths: Sequence[float] = (0.5,),
    beside: Beside | None = None,
    fed_back_weight: float = 1.0,
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
    levels
        The level of each of the model's quantiles, ascending.
    paths
        Levels that are fed back, each as a future of its own, equally likely; every pass after the first takes as many
        rows as there are paths. ``(0.5,)`` feeds back the median alone.
    beside
        What else each pass is given, a row of it for every row of ``context``; None for nothing.
    fed_back_weight
        What stands in ``observed`` for what is fed back: 1 is True, less makes float32 of it.

    Returns
    -------
    ndarray
        ``(batch, channel, horizon, quantile)``, in the units of ``context``.

    Raises
    ------
    HorizonError
        If ``horizon`` is below 1.
    ConfigError
        If a path is none of the levels.

    Examples
    --------
    >>> last = lambda context, observed: np.repeat(context[..., -1:, None], 2, axis=2)
    >>> forecast(last, np.ones((1, 1, 3)), np.ones((1, 1, 3), bool), horizon=5, context_length=8).shape
    (1, 1, 5, 1)
    """
    if horizon < 1:
        raise HorizonError(f"found a horizon of {horizon} steps; it must be at least 1")
    if missing := set(paths) - set(levels):
        raise ConfigError(f"cannot feed back the levels {sorted(missing)}; the model knows {tuple(levels)}")
    fed_back = [list(levels).index(path) for path in paths]
    given = beside or (lambda n_past, n_before: {})
    parts = [step(context, observed, **given(context.shape[-1], 0))]
    n_done = parts[0].shape[2]
    context, observed = (np.repeat(part, len(paths), axis=0) for part in (context, observed))
    while n_done < horizon:
        futures = _one_row_a_path(parts[-1][..., fed_back])
        context = np.concatenate([context, futures], axis=-1)[..., -context_length:]
        flags = np.full_like(futures, fed_back_weight, dtype=bool if fed_back_weight == 1 else np.float32)
        observed = np.concatenate([observed, flags], axis=-1)[..., -context_length:]
        more = given(context.shape[-1], n_done).items()
        after = step(context, observed, **{name: np.repeat(rows, len(paths), axis=0) for name, rows in more})
        parts.append(pool(after.reshape(-1, len(paths), *after.shape[1:]), levels=levels))
        n_done += parts[-1].shape[2]
    return np.concatenate(parts, axis=2)[:, :, :horizon]


def _one_row_a_path(futures: np.ndarray) -> np.ndarray:
    """``(batch, channel, horizon, path)`` as ``(batch * path, channel, horizon)``."""
    return np.moveaxis(futures, -1, 1).reshape(-1, *futures.shape[1:3])
