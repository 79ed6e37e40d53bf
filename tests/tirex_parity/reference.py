"""What tirex-ts itself makes of a case; importable only where that package is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from tirex.models.slstm.cell import sLSTMCell
from tirex.models.tirex import TiRexZero
from torch import Tensor


def build(hyper_parameters: Mapping[str, Any], weights: Mapping[str, Tensor]) -> TiRexZero:
    """Its model, with these weights, strictly, in evaluation mode."""
    model = TiRexZero(backend="torch", **hyper_parameters)
    model.load_state_dict(dict(weights), strict=True)
    return model.eval()


def quantiles(model: TiRexZero, series: Tensor, horizon: int) -> Tensor:
    """``(row, horizon, quantile)``, all patches of the future in one pass, sorted as ours are."""
    patches = -(-horizon // model.config.output_patch_size)
    with torch.no_grad():
        found = model._forecast_tensor(series, prediction_length=horizon, new_patch_count=patches)
    return found.transpose(1, 2).sort(dim=-1).values


@contextmanager
def single_precision() -> Iterator[None]:
    """Inside, its cell computes in float32 what it otherwise rounds to bfloat16, by its own equations."""

    def exact(self: sLSTMCell, gates: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        c = self.config
        bias = self._bias_.reshape(c.num_heads, c.num_gates, c.head_dim).transpose(0, 1).reshape(-1)
        return self._impl_forward_torch(gates.flatten(2), state, self._recurrent_kernel_, bias)

    shipped, sLSTMCell._impl_torch = sLSTMCell._impl_torch, exact
    try:
        yield
    finally:
        sLSTMCell._impl_torch = shipped
