"""TTM-R3 beside IBM's own code (granite-tsfm 0.3.11): forecasts, quantiles, loss and every gradient, case by case.

    python benchmarks/granite/r3_parity.py                       # the table
    python benchmarks/granite/r3_parity.py --golden tests/golden # rewrites the small files that the tests compare with

Both modules get the same random weights (norms and biases too), the same series, gaps and futures. Errors are the
largest absolute difference over the largest absolute value, per tensor. One gradient is zero but for rounding (the bias
in front of the instance norm, which takes any shift away): it is measured by its weight's. Needs the environment of
`tox -e granite`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.granite_r3 import ttm_r3_config
from ttm_sk.checkpoints.granite_r3_keys import granite_r3_names
from ttm_sk.data.windows import Batch
from ttm_sk.training.r3_objective import R3Objective

LIMITS = {torch.float32: 1e-5, torch.float64: 1e-10}

SMALL = dict(
    context_length=96,
    patch_length=8,
    patch_stride=8,
    prediction_length=16,
    d_model=16,
    num_layers=1,
    adaptive_patching_levels=2,
    decoder_num_layers=1,
    decoder_d_model=8,
)
MULTI = {**SMALL, "multi_scale": True}
QUANTILES = {**MULTI, "multi_quantile_head": True}
POOLED = {**QUANTILES, "mq_use_decoder_pool": True}
PAIR = {**MULTI, "decompose": True, "residual_context_length": 48}
PAIR_QUANTILES = {**PAIR, "multi_quantile_head": True}
TREND = dict(
    trend_patch_length=16,
    trend_patch_stride=16,
    trend_d_model=24,
    trend_decoder_d_model=12,
    trend_num_layers=2,
    trend_decoder_num_layers=2,
    trend_register_tokens=1,
    trend_fft_length=2,
    trend_multi_scale=False,
    trend_adaptive_patching_levels=1,
)
FIVE = [0.05, 0.25, 0.5, 0.75, 0.95]


@dataclass(frozen=True)
class Case:
    """One configuration in Granite's keys, and the data it sees."""

    name: str
    keys: dict[str, Any] = field(repr=False)
    n_channels: int = 2
    n_steps: int = 96
    has_gaps: bool = True
    has_future_gaps: bool = False
    is_golden: bool = False


def architectures() -> Iterator[Case]:
    """Every option of the architecture and of the loss, one or a few at a time."""
    everything = dict(register_tokens=2, fft_length=3, resolution_prefix_tuning=True, frequency_token_vocab_size=12)
    yield Case("several resolutions", MULTI)
    yield Case("one resolution, token norm", {**SMALL, "enable_base_norm_always": True})
    yield Case("context no multiple of the patch", {**QUANTILES, "context_length": 101}, n_steps=101)
    yield Case("registers", {**SMALL, "register_tokens": 3})
    yield Case("frequencies, embedded", {**MULTI, "fft_length": 3})
    yield Case("frequencies, read", {**MULTI, "fft_length": 3, "use_fft_embedding": False})
    yield Case("frequencies without the mean", {**MULTI, "fft_length": 3, "fft_ignore_dc": True})
    yield Case("frequencies joined, embedded", {**MULTI, "fft_length": 3, "get_one_freq_emb": True})
    joined = dict(fft_length=5, get_one_freq_emb=True, use_fft_embedding=False, fft_d_freq_min=6, fft_d_freq_max=7)
    yield Case("frequencies joined, read", {**MULTI, **joined})
    yield Case("all extra tokens", {**POOLED, **everything}, is_golden=True)
    yield Case("all extra tokens, one resolution", {**SMALL, **everything, "multi_quantile_head": True})
    for path in ("pool", "flatten"):
        for mode in ("add", "concat"):
            keys = {**POOLED, "mq_cond_path": path, "mq_cond_mode": mode, "mq_decoder_d_model": 3}
            yield Case(
                f"spread sees the decoder: {path}, {mode}", keys, is_golden=(path, mode) == ("flatten", "concat")
            )
    yield Case("nine quantiles", QUANTILES)
    yield Case("median on the point", {**QUANTILES, "mq_q50_type": "mean"})
    sized = dict(quantile_levels=FIVE, mq_kernel_size=5, mq_hidden=4, mq_eps=1e-2)
    yield Case("five quantiles, kernel 5, width 4", {**QUANTILES, **sized}, is_golden=True)
    yield Case("median weight", {**QUANTILES, "point_extra_weight": 0.5})
    for mode in ("boundary", "wis"):
        penalty = dict(penalize_large_width_ratio=0.3, width_penalty_mode=mode, point_extra_weight=1)
        yield Case(f"width penalty: {mode}", {**QUANTILES, **penalty})
    yield Case("narrow levels stay whole", {**QUANTILES, "adaptive_patching_levels": 3})
    yield Case("flat backbone", {**QUANTILES, "adaptive_patching_levels": 0, "num_layers": 2})
    yield Case("decoder with levels", {**QUANTILES, "decoder_d_model": 16, "decoder_adaptive_patching_levels": 2})
    yield Case("no decoder", {**QUANTILES, "use_decoder": False})
    yield Case("no gate", {**QUANTILES, "gated_attn": False, "expansion_factor": 3})
    for mode in ("sigmoid", "glu", "group_sigmoid"):
        yield Case(f"gate: {mode}", {**POOLED, "gate_mode": mode, "gate_groups": 4})
    styled = dict(self_attn=True, self_attn_heads=2, use_positional_encoding=True, norm_eps=1e-3)
    yield Case("attention, positions, another epsilon", {**POOLED, **everything, **styled})
    yield Case(
        "batch norm, learnt positions",
        {**QUANTILES, "norm_mlp": "BatchNorm", "use_positional_encoding": True, "positional_encoding_type": "random"},
    )
    yield Case("mean scaling", {**QUANTILES, "scaling": "mean"})
    yield Case("no scaling", {**QUANTILES, "scaling": None})
    yield Case("minimum scale", {**QUANTILES, "minimum_scale": 0.1})
    yield Case("shortened horizon", {**POOLED, "prediction_filter_length": 10})
    mixing = dict(mode="mix_channel", decoder_mode="mix_channel", num_input_channels=3)
    yield Case("mixed channels", {**POOLED, **mixing}, n_channels=3)
    for loss in ("mse", "mae", "huber", "pinball"):
        keys = {**MULTI, "loss": loss, "quantile": 0.3, "huber_delta": 0.7}
        yield Case(f"point, {loss}, gaps in the future", keys, has_future_gaps=True)
        pair = {**PAIR, "loss": loss, "quantile": 0.3, "huber_delta": 0.7}
        yield Case(f"pair, point, {loss}", pair)
    yield Case("pair, quantiles", PAIR_QUANTILES)
    yield Case("pair, independent spreads", {**PAIR_QUANTILES, "combine_quantiles_via_variance": True})
    weights = dict(trend_loss_weight=0.1, residual_loss_weight=0.2, joint_loss_weight=2.0, point_extra_weight=0.5)
    penalty = dict(penalize_large_width_ratio=0.3, width_penalty_mode="wis")
    yield Case("pair, weights and penalties", {**PAIR_QUANTILES, **weights, **penalty})
    yield Case("pair, a trend of its own size", {**PAIR_QUANTILES, **TREND, **weights}, is_golden=True)
    full = {
        **PAIR_QUANTILES,
        **everything,
        **TREND,
        "mq_use_decoder_pool": True,
        "combine_quantiles_via_variance": True,
    }
    yield Case("pair, all extra tokens", full, is_golden=True)
    yield Case("pair, one context", {**PAIR_QUANTILES, "residual_context_length": None})
    yield Case("pair, mean scaling", {**PAIR_QUANTILES, "scaling": "mean"})
    yield Case("pair, shortened horizon", {**PAIR_QUANTILES, "prediction_filter_length": 10})


def cases() -> Iterator[Case]:
    """Each architecture on a whole context with gaps; a plain one and a pair on other pasts, too."""
    yield from architectures()
    for kind, keys in (("quantiles", POOLED), ("pair", {**PAIR_QUANTILES, **TREND})):
        for n_steps in (5, 40, 95, 97, 150):
            for has_gaps in (False, True):
                about = "with gaps" if has_gaps else "whole"
                yield Case(f"{kind}, {n_steps} of 96 steps, {about}", keys, n_steps=n_steps, has_gaps=has_gaps)


def reference(keys: dict[str, Any], dtype: torch.dtype, *, seed: int) -> torch.nn.Module:
    """IBM's module with every parameter random, the norms' too, in evaluation mode."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from tsfm_public.models.tinytimemixer import TinyTimeMixerConfig
    from tsfm_public.models.tinytimemixer import modeling_tinytimemixer as granite

    kind = "TinyTimeMixerForDecomposedPrediction" if keys.get("decompose") else "TinyTimeMixerForPrediction"
    torch.manual_seed(seed)
    module = getattr(granite, kind)(TinyTimeMixerConfig(**keys))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    for part in module.modules():
        # The reference reads frequencies as float32 whatever its weights are.
        if hasattr(part, "freq_index_mlp"):
            part.freq_index_mlp.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(dtype),))
    return module.to(dtype).eval()


def series(case: Case, dtype: torch.dtype, *, seed: int) -> dict[str, torch.Tensor]:
    """Walks with a wave on top, in the reference's axes ``(batch, time, channel)``."""
    rng = np.random.default_rng(seed)
    horizon = case.keys["prediction_length"]
    shape = (3, case.n_steps + horizon, case.n_channels)
    wave = np.sin(np.arange(shape[1]) * 2 * np.pi / rng.uniform(5, 30, (3, 1, shape[2])).transpose(0, 2, 1)).mean(1)
    values = 5 + rng.normal(size=shape).cumsum(axis=1) * 0.3 + wave[:, :, None]
    observed = rng.random(shape) > 0.25
    observed[:, case.n_steps - 2] = True
    if not case.has_gaps:
        observed[:, : case.n_steps] = True
    if not case.has_future_gaps:
        observed[:, case.n_steps :] = True
    tensors = {"values": torch.from_numpy(values).to(dtype), "observed": torch.from_numpy(observed)}
    if case.keys.get("resolution_prefix_tuning"):
        tensors["resolution"] = torch.from_numpy(rng.integers(0, case.keys["frequency_token_vocab_size"], 3))
    return tensors


def run_reference(case: Case, module: torch.nn.Module, data: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Point, quantiles and loss in our axes, and the gradients by IBM's names."""
    past, future = (slice(None, case.n_steps), slice(case.n_steps, None))
    output = module(
        past_values=data["values"][:, past],
        past_observed_mask=data["observed"][:, past],
        future_values=data["values"][:, future],
        future_observed_mask=data["observed"][:, future] if case.has_future_gaps else None,
        freq_token=data.get("resolution"),
        return_dict=True,
    )
    output.loss.backward()
    found = {"point": output.prediction_outputs.mT, "loss": output.loss}
    if output.quantile_outputs is not None:
        found["quantiles"] = output.quantile_outputs.permute(0, 3, 2, 1)
    gradients = {f"gradient {name}": p.grad for name, p in module.named_parameters() if p.grad is not None}
    return {name: value.detach() for name, value in (found | gradients).items()}


def run_ours(case: Case, weights: dict[str, torch.Tensor], data: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same from our module with the same weights, gradients by IBM's names."""
    module = new_module(ttm_r3_config(case.keys)).to(data["values"].dtype).eval()
    names = granite_r3_names(module.state_dict(), module.config)
    module.load_state_dict({ours: weights[theirs] for ours, theirs in names.items()})
    values, observed = data["values"].mT, data["observed"].mT
    batch = Batch(
        context=values[..., : case.n_steps],
        observed=observed[..., : case.n_steps],
        target=values[..., case.n_steps :][..., : module.prediction_length],
        target_observed=observed[..., case.n_steps :][..., : module.prediction_length],
        resolution=data.get("resolution"),
    )
    forecast = module(batch.context, batch.observed, resolution=batch.resolution)
    loss = R3Objective.from_granite(case.keys)(module, batch)
    loss.backward()
    found = {"point": forecast.mean, "loss": loss}
    if forecast.quantiles is not None:
        found["quantiles"] = forecast.quantiles
    gradients = {f"gradient {names[name]}": p.grad for name, p in module.named_parameters() if p.grad is not None}
    return {name: value.detach() for name, value in (found | gradients).items()}


def errors(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> dict[str, float]:
    """Largest difference over largest value of each tensor."""
    if set(found) != set(expected):
        raise SystemExit(f"tensors that only one side has: {sorted(set(found) ^ set(expected))}")
    ruler = {name: expected[name.replace("head_block.dw.bias", "head_block.dw.weight")] for name in expected}
    return {
        name: float((found[name] - value).abs().max() / ruler[name].abs().max()) for name, value in expected.items()
    }


def compare(case: Case, dtype: torch.dtype, *, seed: int = 0) -> dict[str, float]:
    """The worst error of a case: of point, quantiles, loss, and over all gradients.

    Where a float32 gradient is off by more than the limit, ``rounding`` is how far IBM's own float32 gradient of that
    tensor is from IBM's float64 one: a sum of many terms that cancel has no more digits on either side.
    """
    module = reference(case.keys, dtype, seed=seed)
    data = series(case, dtype, seed=seed)
    expected = run_reference(case, module, data)
    found = errors(run_ours(case, module.state_dict(), data), expected)
    worst = {name: found.get(name, 0.0) for name in ("point", "quantiles", "loss")}
    name = max((name for name in found if name.startswith("gradient")), key=found.__getitem__)
    worst |= {"gradient": found[name], "rounding": 0.0}
    if found[name] > LIMITS[dtype]:
        module.zero_grad()
        exact = run_reference(
            case, module.double(), {k: v.double() if v.is_floating_point() else v for k, v in data.items()}
        )
        worst["rounding"] = errors({k: v.double() for k, v in expected.items()}, exact)[name]
    return worst


def is_equal(found: dict[str, float], dtype: torch.dtype) -> bool:
    """Whether everything is within the limit, or within IBM's own rounding."""
    limit = LIMITS[dtype]
    return max(found[name] for name in ("point", "quantiles", "loss")) <= limit and (
        found["gradient"] <= max(limit, found["rounding"])
    )


def write_golden(folder: Path) -> None:
    """One small file per golden case: keys, weights, series, and what IBM's code makes of them."""
    for case in architectures():
        if not case.is_golden:
            continue
        module = reference(case.keys, torch.float32, seed=0)
        data = series(case, torch.float32, seed=0)
        expected = run_reference(case, module, data)
        name = "".join(letter if letter.isalnum() else "_" for letter in case.name)
        np.savez_compressed(
            folder / f"granite_r3_{name}.npz",
            keys=json.dumps(case.keys),
            **{f"weight {key}": value.numpy() for key, value in module.state_dict().items()},
            **{f"data {key}": value.numpy() for key, value in data.items()},
            **{f"expected {key}": value.numpy() for key, value in expected.items()},
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--golden", type=Path, help="folder to write the golden files to, instead of the table")
    arguments = parser.parse_args()
    if arguments.golden:
        write_golden(arguments.golden)
        return
    columns = ("point", "quantiles", "loss", "gradient", "rounding")
    for dtype, limit in LIMITS.items():
        print(f"\n{dtype}, limit {limit:g}\n{'case':44}" + "".join(f"{column:>11}" for column in columns))
        all_found = []
        for case in cases():
            found = compare(case, dtype)
            all_found.append(found)
            print(f"{case.name:44}" + "".join(f"{found[column]:11.1e}" for column in columns), flush=True)
        worst = {column: max(found[column] for found in all_found) for column in columns}
        print(f"{'worst':44}" + "".join(f"{worst[column]:11.1e}" for column in columns))
        print(f"{sum(is_equal(found, dtype) for found in all_found)} of {len(all_found)} cases are equal")


if __name__ == "__main__":
    main()
