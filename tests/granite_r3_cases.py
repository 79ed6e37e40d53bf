"""Small TTM-R3 in IBM Granite's format, every option of the architecture and of the loss, one or a few at a time.

As ``granite_cases.py`` for R1 and R2: ``tests/granite_parity`` compares them with granite-tsfm, the default tests
with what it gave (``tests/golden/granite_r3.npz``, written by ``benchmarks/granite/make_r3_golden.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from granite_cases import draw_tensor
from torch import Tensor

from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.granite_r3 import ttm_r3_config
from ttm_sk.checkpoints.granite_r3_keys import granite_r3_names

SMALL: dict[str, Any] = {
    "model_type": "tinytimemixer",
    "context_length": 96,
    "patch_length": 8,
    "patch_stride": 8,
    "prediction_length": 16,
    "d_model": 16,
    "num_layers": 1,
    "adaptive_patching_levels": 2,
    "decoder_num_layers": 1,
    "decoder_d_model": 8,
}
MULTI = SMALL | {"multi_scale": True}
QUANTILES = MULTI | {"multi_quantile_head": True}
POOLED = QUANTILES | {"mq_use_decoder_pool": True}
PAIR = MULTI | {"decompose": True, "residual_context_length": 48}
PAIR_QUANTILES = PAIR | {"multi_quantile_head": True}
TREND = {
    "trend_patch_length": 16,
    "trend_patch_stride": 16,
    "trend_d_model": 24,
    "trend_decoder_d_model": 12,
    "trend_num_layers": 2,
    "trend_decoder_num_layers": 2,
    "trend_register_tokens": 1,
    "trend_fft_length": 2,
    "trend_multi_scale": False,
    "trend_adaptive_patching_levels": 1,
}
TOKENS = {"register_tokens": 2, "fft_length": 3, "resolution_prefix_tuning": True, "frequency_token_vocab_size": 12}
JOINED = {"fft_length": 3, "get_one_freq_emb": True}
FIVE = {"quantile_levels": [0.05, 0.25, 0.5, 0.75, 0.95], "mq_kernel_size": 5, "mq_hidden": 4, "mq_eps": 1e-2}
MIXED = {"mode": "mix_channel", "decoder_mode": "mix_channel", "num_input_channels": 3}
WEIGHTS = {"trend_loss_weight": 0.1, "residual_loss_weight": 0.2, "joint_loss_weight": 2.0, "point_extra_weight": 0.5}
PENALTY = {"penalize_large_width_ratio": 0.3, "width_penalty_mode": "wis"}
ATTENTION = {"self_attn": True, "self_attn_heads": 2, "use_positional_encoding": True, "norm_eps": 1e-3}
LEARNT = {"use_positional_encoding": True, "positional_encoding_type": "random", "norm_mlp": "BatchNorm"}


@dataclass(frozen=True)
class Case:
    """A configuration in Granite's keys, and the data that it sees."""

    values: dict[str, Any] = field(repr=False)
    n_channels: int = 2
    n_steps: int = 96
    has_gaps: bool = True
    has_future_gaps: bool = False


def _losses() -> Iterator[tuple[str, Case]]:
    for loss in ("mse", "mae", "huber", "pinball"):
        named = {"loss": loss, "quantile": 0.3, "huber_delta": 0.7}
        yield f"point, {loss}, gaps in the future", Case(MULTI | named, has_future_gaps=True)
        yield f"pair, point, {loss}", Case(PAIR | named)


def _spreads() -> Iterator[tuple[str, Case]]:
    for path in ("pool", "flatten"):
        for mode in ("add", "concat"):
            named = {"mq_cond_path": path, "mq_cond_mode": mode, "mq_decoder_d_model": 3}
            yield f"spread sees the decoder: {path}, {mode}", Case(POOLED | named)


def _gates() -> Iterator[tuple[str, Case]]:
    for gate in ("sigmoid", "glu", "group_sigmoid"):
        yield f"gate {gate}", Case(POOLED | {"gate_mode": gate, "gate_groups": 4})


ARCHITECTURES: dict[str, Case] = {
    "several resolutions": Case(MULTI),
    "one resolution, token norm": Case(SMALL | {"enable_base_norm_always": True}),
    "context no multiple of the patch": Case(QUANTILES | {"context_length": 101}, n_steps=101),
    "registers": Case(SMALL | {"register_tokens": 3}),
    "frequencies embedded": Case(MULTI | {"fft_length": 3}),
    "frequencies read": Case(MULTI | {"fft_length": 3, "use_fft_embedding": False}),
    "frequencies without the mean": Case(MULTI | {"fft_length": 3, "fft_ignore_dc": True}),
    "frequencies joined, embedded": Case(MULTI | JOINED),
    "frequencies joined, read": Case(
        MULTI | JOINED | {"fft_length": 5, "use_fft_embedding": False, "fft_d_freq_min": 6, "fft_d_freq_max": 7}
    ),
    "all extra tokens": Case(POOLED | TOKENS),
    "all extra tokens, one resolution": Case(SMALL | TOKENS | {"multi_quantile_head": True}),
    "attention, positions, epsilon": Case(POOLED | TOKENS | ATTENTION),
    "batch norm, learnt positions": Case(QUANTILES | LEARNT),
    "nine quantiles": Case(QUANTILES),
    "median on the point": Case(QUANTILES | {"mq_q50_type": "mean"}),
    "five quantiles, kernel 5, width 4": Case(QUANTILES | FIVE),
    "median weight": Case(QUANTILES | {"point_extra_weight": 0.5}),
    "width penalty, widest": Case(QUANTILES | {"penalize_large_width_ratio": 0.3, "point_extra_weight": 1}),
    "width penalty, all": Case(QUANTILES | PENALTY),
    "narrow levels stay whole": Case(QUANTILES | {"adaptive_patching_levels": 3}),
    "flat backbone": Case(QUANTILES | {"adaptive_patching_levels": 0, "num_layers": 2}),
    "decoder with levels": Case(QUANTILES | {"decoder_d_model": 16, "decoder_adaptive_patching_levels": 2}),
    "no decoder": Case(QUANTILES | {"use_decoder": False}),
    "no gate, expansion 3": Case(QUANTILES | {"gated_attn": False, "expansion_factor": 3}),
    "mean scaling": Case(QUANTILES | {"scaling": "mean"}),
    "no scaling": Case(QUANTILES | {"scaling": None}),
    "minimum scale": Case(QUANTILES | {"minimum_scale": 0.1}),
    "shortened horizon": Case(POOLED | {"prediction_filter_length": 10}),
    "mixed channels": Case(POOLED | MIXED, n_channels=3),
    "pair, quantiles": Case(PAIR_QUANTILES),
    "pair, independent spreads": Case(PAIR_QUANTILES | {"combine_quantiles_via_variance": True}),
    "pair, weights and penalties": Case(PAIR_QUANTILES | WEIGHTS | PENALTY),
    "pair, a trend of its own size": Case(PAIR_QUANTILES | TREND | WEIGHTS),
    "pair, all extra tokens": Case(
        PAIR_QUANTILES | TOKENS | TREND | {"mq_use_decoder_pool": True, "combine_quantiles_via_variance": True}
    ),
    "pair, one context": Case(PAIR_QUANTILES | {"residual_context_length": None}),
    "pair, mean scaling": Case(PAIR_QUANTILES | {"scaling": "mean"}),
    "pair, shortened horizon": Case(PAIR_QUANTILES | {"prediction_filter_length": 10}),
    **dict(_losses()),
    **dict(_spreads()),
    **dict(_gates()),
}
PASTS: dict[str, Case] = {
    f"{kind}, {n_steps} of 96 steps, {'gaps' if has_gaps else 'whole'}": Case(
        values, n_steps=n_steps, has_gaps=has_gaps
    )
    for kind, values in (("quantiles", POOLED), ("pair", PAIR_QUANTILES | TREND))
    for n_steps in (5, 40, 95, 97, 150)
    for has_gaps in (False, True)
}
CASES = ARCHITECTURES | PASTS


def draw_weights(values: dict[str, Any], *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Random tensors by Granite's names, each by its name alone; norms are not neutral."""
    state = new_module(ttm_r3_config(values)).state_dict()
    names = granite_r3_names(state, ttm_r3_config(values))
    return {names[name]: draw_tensor(names[name], value).to(dtype) for name, value in state.items()}


def draw_inputs(case: Case, *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Walks with a wave on top, and what of them was observed, both ``(batch, time, channel)``; tokens ``(batch,)``."""
    rng = np.random.RandomState(7)
    shape = (3, case.n_steps + case.values["prediction_length"], case.n_channels)
    wave = np.sin(np.arange(shape[1])[:, None] * 2 * np.pi / rng.uniform(5, 30, (3, 1, shape[2])))
    values = 5 + rng.standard_normal(shape).cumsum(axis=1) * 0.3 + wave
    observed = rng.random_sample(shape) > 0.25
    observed[:, case.n_steps - 2] = True
    if not case.has_gaps:
        observed[:, : case.n_steps] = True
    if not case.has_future_gaps:
        observed[:, case.n_steps :] = True
    inputs = {"values": torch.from_numpy(values).to(dtype), "observed": torch.from_numpy(observed)}
    if case.values.get("resolution_prefix_tuning"):
        inputs["token"] = torch.from_numpy(rng.randint(0, case.values["frequency_token_vocab_size"], 3))
    return inputs
