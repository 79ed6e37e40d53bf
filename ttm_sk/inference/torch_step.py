"""A torch module as a step on numpy arrays."""

from __future__ import annotations

import numpy as np
import torch

from ttm_sk.inference.rollout import Step
from ttm_sk.models.forecast_module import ForecastModule

__all__ = ["torch_step"]


def torch_step(module: ForecastModule, *, batch_size: int, device: torch.device, resolution: int | None = None) -> Step:
    """One pass of ``module``, at most ``batch_size`` rows at a time, without gradients.

    A point forecast becomes a quantile axis of length one. ``resolution`` is the token of all rows, for a module with a
    resolution prefix.
    """

    def step(context: np.ndarray, observed: np.ndarray) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(context), batch_size):
                rows = slice(start, start + batch_size)
                past, flags = (torch.from_numpy(part[rows]).to(device) for part in (context, observed))
                tokens = None if resolution is None else torch.full((len(past),), resolution, device=device)
                result = module(past, flags, resolution=tokens)
                values = result.mean[..., None] if result.quantiles is None else result.quantiles
                parts.append(values.cpu().numpy())
        return np.concatenate(parts)

    return step
