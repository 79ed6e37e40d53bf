"""What this package makes of a TTM-R3 case, under Granite's names."""

from __future__ import annotations

from granite_r3_cases import Case
from torch import Tensor

from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.granite_r3 import ttm_r3_config
from ttm_sk.checkpoints.granite_r3_keys import granite_r3_names
from ttm_sk.data.windows import Batch
from ttm_sk.training.r3_objective import R3Objective

# What shifts a whole sequence before the instance norm is taken away by it: the gradient of that bias is rounding, and
# measured by its weight. The bias of the keys in an attention has no effect either (see granite_run.py).
SHIFT, SHIFT_RULER = "multi_quantile_head_block.dw.bias", "multi_quantile_head_block.dw.weight"
KEYS, KEYS_RULER = "self_attn_layer.k_proj.bias", "self_attn_layer.k_proj.weight"


def run(case: Case, weights: dict[str, Tensor], inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Point ``(batch, channel, horizon)``, quantiles with one more axis, loss, and the gradient of every parameter."""
    module = new_module(ttm_r3_config(case.values)).to(inputs["values"].dtype).eval()
    names = granite_r3_names(module.state_dict(), module.config)
    module.load_state_dict({ours: weights[theirs] for ours, theirs in names.items()})
    values, observed = inputs["values"].mT, inputs["observed"].mT
    past, future = slice(None, case.n_steps), slice(case.n_steps, case.n_steps + module.prediction_length)
    batch = Batch(
        context=values[..., past],
        observed=observed[..., past],
        target=values[..., future],
        target_observed=observed[..., future],
        resolution=inputs.get("token"),
    )
    forecast = module(batch.context, batch.observed, resolution=batch.resolution)
    loss = R3Objective.from_granite(case.values)(module, batch)
    loss.backward()
    result = {"point": forecast.mean.detach(), "loss": loss.detach()}
    if forecast.quantiles is not None:
        result["quantiles"] = forecast.quantiles.detach()
    return result | {f"grad {names[name]}": part.grad for name, part in module.named_parameters() if part.requires_grad}


def differences(found: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, float]:
    """``max|a - b| / max|b|`` of each tensor."""
    assert set(found) == set(expected)
    rulers = {name: expected[name.replace(SHIFT, SHIFT_RULER).replace(KEYS, KEYS_RULER)] for name in expected}
    return {
        name: float((found[name] - value).abs().max() / rulers[name].abs().max()) for name, value in expected.items()
    }
