"""What granite-tsfm itself makes of a case; importable only where that package is installed."""

from __future__ import annotations

from typing import Any

from granite_cases import Case, Inputs
from torch import Tensor
from tsfm_public.models.tinytimemixer import TinyTimeMixerConfig, TinyTimeMixerForPrediction


def build(values: dict[str, Any], weights: dict[str, Tensor] | None = None) -> TinyTimeMixerForPrediction:
    """Its model, with these weights, strictly, in evaluation mode."""
    unwanted = ("model_type", "architectures")
    model = TinyTimeMixerForPrediction(
        TinyTimeMixerConfig(**{key: value for key, value in values.items() if key not in unwanted})
    )
    if weights is not None:
        model.to(next(iter(weights.values())).dtype).load_state_dict(weights, strict=True)
    return model.eval()


def run(case: Case, weights: dict[str, Tensor], inputs: Inputs) -> dict[str, Tensor]:
    """Forecast ``(batch, channel, horizon)``, loss, the gradient of every parameter and the buffers afterwards."""
    model = build(case.values, weights).train(case.is_training)
    output = model(
        past_values=inputs.past,
        past_observed_mask=inputs.past_observed,
        future_values=inputs.future,
        future_observed_mask=inputs.future_observed,
        freq_token=inputs.token,
        static_categorical_values=inputs.static,
    )
    output.loss.backward()
    result = {"forecast": output.prediction_outputs.detach().transpose(1, 2), "loss": output.loss.detach()}
    result |= {f"grad {name}": part.grad for name, part in model.named_parameters() if part.requires_grad}
    return result | {f"buffer {name}": part for name, part in model.named_buffers() if part.dtype.is_floating_point}
