"""What training minimises: functions from a module and a batch to one number."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ttm_sk.data.windows import Batch
from ttm_sk.models.ttm import TTM
from ttm_sk.scoring.losses import mse, pinball

__all__ = ["Objective", "scaled_loss"]

Objective = Callable[[TTM, Batch], Tensor]
LARGEST_TARGET = 1e4  # in standard deviations of the context; further out a target teaches nothing but noise


def scaled_loss(module: TTM, batch: Batch) -> Tensor:
    """Pinball loss of a quantile head, squared error of a point head, both in scaled units.

    Every window counts alike whatever its units, and a history without movement, which no model can scale, is
    left out. A target of fewer steps than the module forecasts is compared with the first ones.
    """
    output, state = module.forecast_scaled(batch.context, batch.observed, resolution=batch.resolution)
    output = output[:, :, : batch.target.shape[-1]]
    target = state.apply(batch.target).float()
    counts = batch.target_observed & (state.scale != 0) & (target.abs() < LARGEST_TARGET)
    target = torch.where(counts, target, torch.zeros_like(target))
    if module.levels:
        return pinball(quantiles=output.float(), target=target, levels=module.levels, observed=counts)
    return mse(forecast=output.float(), target=target, observed=counts)
