"""Any horizon from an autoregressive module: patch after patch, with what was computed kept, or all over again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ttm_sk.errors import ConfigError, HorizonError
from ttm_sk.models.forecast_module import AutoregressiveModule, PatchForecast

__all__ = ["as_values", "decode", "draw", "n_patches_of", "with_sigma"]


def decode(
    module: AutoregressiveModule,
    context: Tensor,
    observed: Tensor,
    *,
    horizon: int,
    is_cached: bool = True,
    is_random: bool = False,
    sigma: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The forecast ``(batch, channel, horizon)``, in the units of the context, without a draft.

    Parameters
    ----------
    module
        In evaluation mode.
    context, observed
        ``(batch, channel, time)``.
    horizon
        Steps ahead, at least 1; as many patches as that takes.
    is_cached
        Keep keys and values, so that a patch costs a pass over one patch. Otherwise every patch costs a pass over
        everything before it, as in the public code; the forecast is the same.
    is_random
        Draw every patch from its distribution, instead of taking its mean.
    sigma
        Standard deviation in units of the context's own, for a module without variances.

    Raises
    ------
    ConfigError, HorizonError
        For a draw from a module that has no variance, when no ``sigma`` is given; for a horizon below 1.

    Examples
    --------
    >>> from ttm_sk.models.timer_xl import TimerXL, TimerXLConfig
    >>> module, context = TimerXL(TimerXLConfig.tiny()).eval(), torch.randn(1, 1, 40)
    >>> decode(module, context, torch.ones(1, 1, 40, dtype=torch.bool), horizon=20).shape
    torch.Size([1, 1, 20])
    """
    n_patches = n_patches_of(horizon, module.patch_length)
    with torch.inference_mode():
        state = module.start(context, observed)
        ahead, unit, parts = module.ahead(state), module.unit(state), []
        while True:
            patch = draw(with_sigma(ahead, sigma, unit), generator) if is_random else ahead.mean
            parts.append(patch)
            if len(parts) == n_patches:
                return as_values(torch.cat(parts, dim=2), horizon)
            if is_cached:
                ahead, state = module.step(state, patch)
            else:
                ahead = _all_over_again(module, context, observed, torch.cat(parts, dim=2), state)


def n_patches_of(horizon: int, patch_length: int) -> int:
    """Patches that cover a horizon."""
    if horizon < 1:
        raise HorizonError(f"found a horizon of {horizon} steps; it must be at least 1")
    return -(-horizon // patch_length)


def as_values(patches: Tensor, horizon: int) -> Tensor:
    """``(batch, channel, patch, step)`` as the first ``horizon`` steps ``(batch, channel, horizon)``."""
    return patches.flatten(-2)[..., :horizon]


def draw(forecast: PatchForecast, generator: torch.Generator | None) -> Tensor:
    """One draw from each distribution, of the shape of ``forecast.mean``."""
    assert forecast.log_variance is not None
    noise = torch.randn(forecast.mean.shape, generator=generator, dtype=forecast.mean.dtype).to(forecast.mean.device)
    return forecast.mean + noise * (forecast.log_variance / 2).exp()


def with_sigma(forecast: PatchForecast, sigma: float | None, unit: Tensor) -> PatchForecast:
    """The forecast with its own variances or else ``sigma`` times ``unit`` ``(batch, channel, 1, 1)`` as its deviation.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    if forecast.log_variance is not None:
        return forecast
    if sigma is None or not sigma > 0:
        raise ConfigError(
            f"this model forecasts no variance and sigma={sigma!r}; give sigma, its standard deviation in units of the"
            " context's, or use a model with is_stochastic=True"
        )
    return PatchForecast(forecast.mean, (2 * (sigma * unit).log()).expand_as(forecast.mean))


def _all_over_again(
    module: AutoregressiveModule, context: Tensor, observed: Tensor, known: Tensor, state: Any
) -> PatchForecast:
    values = torch.cat([context, known.flatten(-2)], dim=-1)
    is_real = torch.cat([observed, torch.ones_like(known.flatten(-2), dtype=torch.bool)], dim=-1)
    return module.ahead(module.start(values, is_real, like=state))
