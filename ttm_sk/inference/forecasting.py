"""The walk from histories to quantiles, shared by estimators, benchmarks and the command line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ttm_sk.data.padding import pad
from ttm_sk.errors import ConfigError, DataError, HorizonError
from ttm_sk.inference import rollout
from ttm_sk.inference.quantiles import at_levels
from ttm_sk.inference.symmetry import sign_symmetric
from ttm_sk.inference.torch_step import torch_step
from ttm_sk.models.ttm import TTM

__all__ = ["EFFORTS", "check_effort", "forecast_series"]

EFFORTS = ("plain", "fast")


def check_effort(effort: str) -> None:
    """Refuse an effort that does not exist, or does not exist yet.

    Raises
    ------
    ConfigError
        With the choices.
    """
    if effort == "best":
        raise ConfigError(
            "effort='best' (rate selection and blends) is not in this version; use effort='fast' or 'plain'"
        )
    if effort not in EFFORTS:
        raise ConfigError(f"unknown effort {effort!r}; choose one of {', '.join(map(repr, EFFORTS))}")


def forecast_series(
    module: TTM,
    histories: Sequence[np.ndarray] | np.ndarray,
    horizon: int,
    *,
    levels: Sequence[float] = (0.5,),
    effort: str = "fast",
    batch_size: int = 256,
    context_length: int | None = None,
    resolution: int | None = None,
) -> np.ndarray:
    """Quantiles of what follows each history, all histories in one batch.

    Parameters
    ----------
    module
        A model in evaluation mode, on any device.
    histories
        Arrays ``(time,)`` or ``(channel, time)`` of any length from one step; NaN = not observed.
    horizon
        Steps ahead; beyond the model's own horizon its forecast is fed back.
    levels
        Quantile levels, in (0, 1).
    effort
        ``"plain"``: one pass, and the median fed back; ``"fast"``: the sign-symmetric average of two, and five
        quantiles fed back, each as a future of its own.
    batch_size
        Rows in one pass.
    context_length
        Newest steps to use; None uses all that the model can see.
    resolution
        Token of the pace of all histories (:func:`~ttm_sk.data.frequency.resolution_token`), for a model with a
        resolution prefix.

    Returns
    -------
    ndarray
        Float64 ``(series, horizon, level)``, or ``(series, channel, horizon, level)`` where a history has channels.

    Raises
    ------
    ConfigError, DataError, HorizonError
        For an unknown effort or level, a history without a value, a horizon or context length below 1.

    Examples
    --------
    >>> from ttm_sk import load_checkpoint
    >>> module = load_checkpoint("ttm-tiny").build()
    >>> forecast_series(module, [np.arange(50.0), np.ones(7)], 12, levels=(0.1, 0.5, 0.9)).shape
    (2, 12, 3)
    """
    check_effort(effort)
    _check_counts(horizon=horizon, batch_size=batch_size, context_length=context_length)
    if isinstance(histories, np.ndarray) and histories.ndim == 1:
        raise DataError("found one array of numbers, expected several histories; pass [history]")
    histories = list(histories)
    longest = min(module.context_length, context_length or module.context_length)
    config = module.config
    _check_feedback(module, horizon)
    padded = pad(
        histories, context_length=longest, keeps_units=config.keeps_unobserved, counts_padding=config.pads_count
    )
    step = torch_step(module, batch_size=batch_size, device=_device_of(module), resolution=resolution)
    known = module.levels or (0.5,)
    if effort == "fast":
        _check_symmetric(known)
        step = sign_symmetric(step)
    scaled = rollout.forecast(
        step,
        padded.context,
        padded.observed,
        horizon=horizon,
        context_length=longest,
        levels=known,
        paths=[level for level in rollout.FIVE_PATHS if level in known] if effort == "fast" else [0.5],
    )
    quantiles = at_levels(padded.restore(scaled), known=known, wanted=levels)
    return quantiles[:, 0] if np.ndim(histories[0]) == 1 else quantiles


def _check_counts(*, horizon: int, batch_size: int, context_length: int | None) -> None:
    if not isinstance(horizon, (int, np.integer)):
        raise HorizonError(f"found a horizon of {horizon!r} steps; it must be a whole number of at least 1")
    if batch_size < 1:
        raise ConfigError(f"batch_size={batch_size} must be at least 1")
    if context_length is not None and context_length < 1:
        raise ConfigError(f"context_length={context_length} must be at least 1; None uses all that the model can see")


def _check_feedback(module: TTM, horizon: int) -> None:
    config = module.config
    is_partial = 0 < len(config.target_channels) < config.n_channels
    if is_partial and horizon > module.prediction_length:
        raise HorizonError(
            f"found a horizon of {horizon} steps; this model forecasts {len(config.target_channels)} of its"
            f" {config.n_channels} channels, so no forecast can be fed back: ask for at most {module.prediction_length}"
        )


def _check_symmetric(levels: Sequence[float]) -> None:
    if not np.allclose(levels, 1 - np.asarray(levels)[::-1], rtol=0, atol=1e-9):
        raise ConfigError(
            f"effort='fast' needs levels that are symmetric around 0.5, found {tuple(levels)}; use effort='plain'"
        )


def _device_of(module: torch.nn.Module) -> torch.device:
    return next(module.parameters()).device
