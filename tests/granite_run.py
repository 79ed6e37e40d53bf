"""What this package makes of a case, under Granite's names."""

from __future__ import annotations

from granite_cases import Case, Inputs, as_batch
from torch import Tensor

from ttm_sk.checkpoints.granite_config import ttm_config
from ttm_sk.checkpoints.granite_keys import granite_names
from ttm_sk.models.ttm import TTM
from ttm_sk.training.objectives import UnscaledLoss

# A bias of the keys shifts all scores of a query alike, which a softmax does not see: its gradient is rounding.
WITHOUT_EFFECT = "self_attn_layer.k_proj.bias"


def run(case: Case, weights: dict[str, Tensor], inputs: Inputs) -> dict[str, Tensor]:
    """Forecast ``(batch, channel, horizon)``, loss, the gradient of every parameter and the buffers afterwards."""
    values = case.values
    module = TTM(ttm_config(values))
    names = granite_names(module.state_dict(), module.config)
    module.to(inputs.past.dtype).load_state_dict({ours: weights[theirs] for ours, theirs in names.items()})
    module.train(case.is_training)
    batch = as_batch(case, inputs)
    loss = UnscaledLoss(values.get("loss", "mse"), values.get("quantile", 0.5), values.get("huber_delta", 1))
    forecasts: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _inputs, output: forecasts.append(output.mean.detach()))
    value = loss(module, batch)
    handle.remove()
    value.backward()
    result = {"forecast": forecasts[0], "loss": value.detach()}
    result |= {f"grad {names[name]}": part.grad for name, part in module.named_parameters() if part.requires_grad}
    return result | {
        f"buffer {names[name]}": part for name, part in module.named_buffers() if part.dtype.is_floating_point
    }


def differences(found: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, float]:
    """``max|a - b| / max|b|`` of each tensor; of a gradient that is 0 in theory, relative to the largest of all."""
    assert set(found) == set(expected)
    largest = max(float(value.abs().max()) for name, value in expected.items() if name.startswith("grad"))
    result = {}
    for name, value in expected.items():
        size = largest if name.endswith(WITHOUT_EFFECT) else float(value.abs().max())
        result[name] = float((found[name] - value).abs().max()) / size
    return result
