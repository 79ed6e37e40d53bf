"""Learning to forecast the next patch from every patch of a window, which is how a Timer-XL is trained."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ttm_sk.data.windows import Batch
from ttm_sk.errors import ConfigError
from ttm_sk.layers.patching import cut_patches
from ttm_sk.models.timer_xl import TimerXL
from ttm_sk.scoring.losses import gaussian, mse

__all__ = ["next_patch_loss", "scaled_patches"]

LARGEST_TARGET = 1e4  # in standard deviations of the context; further out a target teaches nothing but noise


def next_patch_loss(module: TimerXL, batch: Batch) -> Tensor:
    """The error of every patch's forecast of the patch after it, in the units of the context; one number.

    Squared error, or the negative log-likelihood of a stochastic module. Context and target are read as one row of
    patches, so a window teaches as many times as it has patches; only observed steps count, and a context without
    movement not at all.
    """
    patches, observed, first = scaled_patches(module, batch)
    mean, log_variance = module.forecast_scaled(patches[:, :, :-1], first)
    target = patches[:, :, 1:].float()
    counts = observed[:, :, 1:] & (target.abs() < LARGEST_TARGET)
    target, mean = torch.where(counts, target, torch.zeros_like(target)), mean.float()
    if log_variance is None:
        return mse(forecast=mean, target=target, observed=counts)
    return gaussian(mean=mean, log_variance=log_variance.float(), target=target, observed=counts)


def scaled_patches(module: TimerXL, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Context and target as patches in units of the context.

    Returns
    -------
    tuple of Tensor
        Patches and whether each step counts, both ``(batch, channel, patch, step)``, and ``(batch, channel)`` the first
        patch that holds an observed value.

    Raises
    ------
    ConfigError
        If the target is not made of whole patches.
    """
    length = module.patch_length
    if batch.target.shape[-1] % length:
        raise ConfigError(
            f"found a target of {batch.target.shape[-1]} steps; this module learns from whole patches of {length}"
        )
    context, scale = module.scale(batch.context, batch.observed)
    target = torch.where(batch.target_observed, scale.apply(batch.target), torch.zeros_like(batch.target))
    missing = -context.shape[-1] % length
    observed = torch.cat([batch.observed, batch.target_observed], dim=-1) & (scale.scale != 0)
    values = functional.pad(torch.cat([context, target], dim=-1), (missing, 0))
    patches, observed = cut_patches(values, length), cut_patches(functional.pad(observed, (missing, 0)), length)
    is_seen = observed.any(-1)
    first = torch.where(is_seen.any(-1), is_seen.int().argmax(-1), is_seen.shape[-1])
    return patches, observed, first
