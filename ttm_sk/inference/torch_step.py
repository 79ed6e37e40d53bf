"""A torch module as a step on numpy arrays."""

from __future__ import annotations

import numpy as np
import torch

from ttm_sk.inference.rollout import Step
from ttm_sk.models.forecast_module import ForecastModule

__all__ = ["torch_step"]


def torch_step(module: ForecastModule, *, batch_size: int, device: torch.device) -> Step:
    """One pass of ``module``, at most ``batch_size`` rows at a time, without gradients.

    A point forecast becomes a quantile axis of length one.
    """

    def step(context: np.ndarray, observed: np.ndarray) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(context), batch_size):
                rows = slice(start, start + batch_size)
                result = module(torch.from_numpy(context[rows]).to(device), torch.from_numpy(observed[rows]).to(device))
                values = result.mean[..., None] if result.quantiles is None else result.quantiles
                parts.append(values.cpu().numpy())
        return np.concatenate(parts)

    return step
