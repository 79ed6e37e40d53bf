"""What granite-tsfm itself makes of a TTM-R3 case; importable only where that package is installed."""

from __future__ import annotations

from typing import Any

import torch
from granite_r3_cases import Case
from torch import Tensor
from tsfm_public.models.tinytimemixer import TinyTimeMixerConfig
from tsfm_public.models.tinytimemixer.modeling_tinytimemixer import (
    TinyTimeMixerForDecomposedPrediction,
    TinyTimeMixerForPrediction,
)


def build(values: dict[str, Any], weights: dict[str, Tensor]) -> TinyTimeMixerForPrediction:
    """Its model, with these weights, strictly, in evaluation mode."""
    kind = TinyTimeMixerForDecomposedPrediction if values.get("decompose") else TinyTimeMixerForPrediction
    model = kind(TinyTimeMixerConfig(**{key: value for key, value in values.items() if key != "model_type"}))
    dtype = next(iter(weights.values())).dtype
    for part in model.modules():
        if hasattr(part, "freq_index_mlp"):  # it is given float32 there, whatever the weights are
            part.freq_index_mlp.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(dtype),))
    model.to(dtype).load_state_dict(weights, strict=True)
    return model.eval()


def run(case: Case, weights: dict[str, Tensor], inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Point ``(batch, channel, horizon)``, quantiles with one more axis, loss, and the gradient of every parameter."""
    model = build(case.values, weights)
    past, future = slice(None, case.n_steps), slice(case.n_steps, None)
    output = model(
        past_values=inputs["values"][:, past],
        past_observed_mask=inputs["observed"][:, past],
        future_values=inputs["values"][:, future],
        future_observed_mask=inputs["observed"][:, future] if case.has_future_gaps else None,
        freq_token=inputs.get("token"),
    )
    output.loss.backward()
    result = {"point": output.prediction_outputs.detach().mT, "loss": output.loss.detach()}
    if output.quantile_outputs is not None:
        result["quantiles"] = output.quantile_outputs.detach().permute(0, 3, 2, 1)
    return result | {f"grad {name}": part.grad for name, part in model.named_parameters() if part.requires_grad}


TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
