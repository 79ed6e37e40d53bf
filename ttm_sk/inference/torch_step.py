"""A torch module as a step on numpy arrays."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ttm_sk.inference.rollout import Step
from ttm_sk.layers.gaps import carry_forward
from ttm_sk.models.forecast_module import ForecastModule

__all__ = ["torch_step"]


def torch_step(module: ForecastModule, *, batch_size: int, device: torch.device, resolution: int | None = None) -> Step:
    """One pass of ``module``, at most ``batch_size`` rows at a time, without gradients.

    A point forecast becomes a quantile axis of length one. ``resolution`` is the token of all rows, for a module with a
    resolution prefix. A module that ``wants_filled_context`` always sees its whole context length, with the last
    observed value in every gap, so that a row's forecast does not depend on its batch.
    """
    is_filled = getattr(module, "wants_filled_context", False)

    def step(context: np.ndarray, observed: np.ndarray) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(context), batch_size):
                rows = slice(start, start + batch_size)
                past, flags = (torch.from_numpy(part[rows]).to(device) for part in (context, observed))
                if is_filled:
                    past, flags = _filled(past, flags, module.context_length)
                tokens = None if resolution is None else torch.full((len(past),), resolution, device=device)
                result = module(past, flags, resolution=tokens)
                values = result.mean[..., None] if result.quantiles is None else result.quantiles
                parts.append(values.cpu().numpy())
        return np.concatenate(parts)

    return step


def _filled(context: Tensor, observed: Tensor, length: int) -> tuple[Tensor, Tensor]:
    missing = (max(0, length - context.shape[-1]), 0)
    return functional.pad(carry_forward(context, observed), missing), functional.pad(observed, missing)
