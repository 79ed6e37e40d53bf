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
    left out.
    """
    output, state = module.forecast_scaled(batch.context, batch.observed, resolution=batch.resolution)
    target = state.apply(batch.target).float()
    counts = batch.target_observed & (state.scale != 0) & (target.abs() < LARGEST_TARGET)
    target = torch.where(counts, target, torch.zeros_like(target))
    import os
    if os.environ.get('WEIGHTED'):
        x = state.apply(batch.context[..., -256:]); o = batch.observed[..., -256:]
        pr = (o[..., 1:] & o[..., :-1]).float()
        r = ((x[..., 1:] - x[..., :-1]).abs() * pr).sum(-1, keepdim=True) / pr.sum(-1, keepdim=True).clamp(min=1)
        w = r.clamp(0.05, 1).rsqrt(); w = w / w.mean()
        err = torch.where(counts, target, 0)[..., None] - output.float()
        lv = torch.tensor(module.levels)
        l = 2 * torch.maximum(lv * err, (lv - 1) * err) * counts[..., None] * w[..., None]
        return l.sum() / counts.sum().clamp(min=1) / len(module.levels)
    if module.levels:
        return pinball(quantiles=output.float(), target=target, levels=module.levels, observed=counts)
    return mse(forecast=output.float(), target=target, observed=counts)
