"""Small models in IBM Granite's format, with weights and inputs that any machine draws alike.

``tests/granite_parity`` compares them with granite-tsfm itself; ``benchmarks/granite/make_golden.py`` keeps what
granite-tsfm gave in ``tests/golden/granite.npz``, which the default tests compare with.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttm_sk.checkpoints.granite_config import ttm_config
from ttm_sk.checkpoints.granite_keys import granite_names
from ttm_sk.data.windows import Batch
from ttm_sk.models.ttm import TTM

SMALL: dict[str, Any] = {
    "model_type": "tinytimemixer",
    "architectures": ["TinyTimeMixerForPrediction"],
    "context_length": 32,
    "patch_length": 8,
    "patch_stride": 8,
    "prediction_length": 6,
    "d_model": 24,
    "num_layers": 1,
    "adaptive_patching_levels": 2,
    "dropout": 0.0,
    "head_dropout": 0.0,
    "decoder_num_layers": 1,
    "decoder_d_model": 16,
}
MIXED = {"num_input_channels": 3, "decoder_mode": "mix_channel"}
FCM = {"num_input_channels": 4, "enable_forecast_channel_mixing": True, "fcm_context_length": 2}
EXOGENOUS = FCM | {"prediction_channel_indices": [0, 2], "exogenous_channel_indices": [1, 3]}


@dataclass(frozen=True)
class Case:
    """A configuration, and how it is called."""

    options: dict[str, Any] = field(default_factory=dict)
    extra_length: int = 0  # steps of history more (or fewer) than the model sees
    has_gaps: bool = False
    is_training: bool = False

    @property
    def values(self) -> dict[str, Any]:
        return SMALL | self.options


CASES = {
    "levels 0": Case({"adaptive_patching_levels": 0, "num_layers": 2}),
    "levels 1": Case({"adaptive_patching_levels": 1, "num_layers": 2}),
    "levels 3": Case({"adaptive_patching_levels": 3}),
    "levels 5, wide": Case({"adaptive_patching_levels": 5, "d_model": 96}),
    "levels 5, narrow parts kept whole": Case({"adaptive_patching_levels": 5, "d_model": 32}),
    "decoder as wide": Case({"decoder_d_model": 24}),
    "decoder levels 2": Case({"decoder_adaptive_patching_levels": 2, "decoder_num_layers": 2}),
    "decoder levels 3, narrow": Case({"decoder_adaptive_patching_levels": 3, "decoder_d_model": 12}),
    "no decoder": Case({"use_decoder": False, "decoder_mode": "mix_channel", "decoder_raw_residual": True}),
    "expansion 3": Case({"expansion_factor": 3, "norm_eps": 1e-3}),
    "one patch": Case({"context_length": 9, "adaptive_patching_levels": 0}),
    "context of no whole patches": Case({"context_length": 37}, has_gaps=True),
    "prefix": Case({"resolution_prefix_tuning": True}),
    "prefix, vocabulary 8, raw residual": Case(
        {"resolution_prefix_tuning": True, "frequency_token_vocab_size": 8, "decoder_raw_residual": True}
    ),
    "raw residual": Case({"decoder_raw_residual": True}, has_gaps=True),
    "positions sincos": Case({"use_positional_encoding": True, "resolution_prefix_tuning": True}),
    "positions random": Case({"use_positional_encoding": True, "positional_encoding_type": "random"}),
    "mix encoder": Case({"num_input_channels": 3, "mode": "mix_channel"}),
    "mix decoder": Case(MIXED),
    "mix both, levels in both": Case(MIXED | {"mode": "mix_channel", "decoder_adaptive_patching_levels": 2}),
    "static": Case(MIXED | {"categorical_vocab_size_list": [3, 5]}),
    "static, raw residual, prefix": Case(
        MIXED | {"categorical_vocab_size_list": [4], "decoder_raw_residual": True, "resolution_prefix_tuning": True}
    ),
    "attention": Case({"self_attn": True, "self_attn_heads": 2}),
    "attention, mixed, batch norm": Case(MIXED | {"self_attn": True, "self_attn_heads": 4, "norm_mlp": "BatchNorm"}),
    "batch norm": Case({"norm_mlp": "BatchNorm"}),
    "batch norm in training": Case(MIXED | {"norm_mlp": "BatchNorm"}, is_training=True),
    "gate none": Case({"gated_attn": False}),
    "gate sigmoid": Case({"gate_mode": "sigmoid"}),
    "gate glu": Case(MIXED | {"gate_mode": "glu"}),
    "gate group_sigmoid": Case(MIXED | {"gate_mode": "group_sigmoid"}),
    "gate group_sigmoid, 3 groups": Case({"gate_mode": "group_sigmoid", "gate_groups": 3, "d_model": 20}),
    "scaling mean": Case({"scaling": "mean"}, has_gaps=True),
    "scaling none": Case({"scaling": None}),
    "scaling true, minimum": Case({"scaling": True, "minimum_scale": 0.5}, has_gaps=True),
    "filter": Case({"prediction_filter_length": 4}),
    "targets": Case(MIXED | {"prediction_channel_indices": [2, 0]}),
    "targets by exogenous alone": Case(MIXED | {"exogenous_channel_indices": [1]}),
    "fcm, no exogenous": Case(FCM),
    "fcm, exogenous": Case(EXOGENOUS),
    "fcm, exogenous, mixer": Case(EXOGENOUS | {"fcm_use_mixer": True, "fcm_mix_layers": 2}, has_gaps=True),
    "fcm, no past": Case(EXOGENOUS | {"fcm_prepend_past": False, "fcm_use_mixer": True}),
    "fcm, past with offset": Case(EXOGENOUS | {"fcm_prepend_past_offset": 3}),
    "fcm, filter": Case(EXOGENOUS | {"prediction_filter_length": 4}),
    "fcm, no gate": Case(EXOGENOUS | {"fcm_gated_attn": False, "fcm_use_mixer": True}),
    "fcm, gates glu": Case(EXOGENOUS | {"gate_mode": "glu", "fcm_use_mixer": True}),
    "fcm, one step": Case(EXOGENOUS | {"fcm_context_length": 0}),
    "fcm, one target": Case({"num_input_channels": 1, "enable_forecast_channel_mixing": True, "fcm_use_mixer": True}),
    "fcm, a past-only channel, attention": Case(
        EXOGENOUS | {"exogenous_channel_indices": [3], "fcm_use_mixer": True, "self_attn": True, "self_attn_heads": 2}
    ),
    "fcm, static, prefix, mixed": Case(
        EXOGENOUS
        | {
            "fcm_use_mixer": True,
            "decoder_mode": "mix_channel",
            "categorical_vocab_size_list": [3],
            "resolution_prefix_tuning": True,
        }
    ),
    "loss mae": Case({"loss": "mae"}),
    "loss huber": Case({"loss": "huber", "huber_delta": 0.7}),
    "loss pinball": Case({"loss": "pinball", "quantile": 0.8}),
    "short": Case(extra_length=-11),
    "short, mean": Case({"scaling": "mean", "decoder_raw_residual": True}, extra_length=-20),
    "short, gaps": Case(has_gaps=True, extra_length=-11),
    "short, fcm": Case(EXOGENOUS, extra_length=-9),
    "long": Case(extra_length=13),
    "long, gaps": Case(MIXED, has_gaps=True, extra_length=13),
    "gaps": Case(has_gaps=True),
}


@dataclass(frozen=True)
class Inputs:
    """Granite's arguments: ``(batch, time, channel)``; flags are None for what is fully observed."""

    past: Tensor
    past_observed: Tensor | None
    future: Tensor
    future_observed: Tensor | None
    token: Tensor | None
    static: Tensor | None


def draw_weights(values: dict[str, Any], *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Random tensors by Granite's names: norms are not neutral, and each depends on its name alone."""
    module = TTM(ttm_config(values))
    state = module.state_dict()
    names = granite_names(state, module.config)
    return {names[name]: draw_tensor(names[name], value).to(dtype) for name, value in state.items()}


def draw_tensor(name: str, like: Tensor) -> Tensor:
    if not like.dtype.is_floating_point:
        return torch.full_like(like, 3)
    if name.endswith("position_enc") and like.std() < 0.2:
        return like  # waves, which are not drawn
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    drawn = torch.from_numpy(rng.standard_normal(tuple(like.shape)))
    if name.endswith("running_var"):
        return 0.5 + drawn.abs()
    if "norm" in name:
        return (1.0 if name.endswith("weight") else 0.0) + 0.3 * drawn
    return drawn / max(like.shape[-1], 4) ** 0.5


def draw_inputs(case: Case, *, batch: int = 3, dtype: torch.dtype = torch.float32) -> Inputs:
    """Series of different levels and sizes, with gaps that hold zeros and other values."""
    values = case.values
    config = ttm_config(values)
    rng = np.random.RandomState(7)
    n_past, n_channels = config.context_length + case.extra_length, config.n_channels
    n_channels = n_channels if config.is_fixed else 2
    shape = (batch, n_past + config.prediction_length, n_channels)
    series = torch.from_numpy(
        rng.standard_normal(shape) * [[[0.5]], [[1.0]], [[4.0]]][:batch] + [[[0.0]], [[3.0]], [[-9.0]]]
    )
    seen = torch.from_numpy(rng.random_sample(shape) < 0.7)
    kept = torch.from_numpy(
        rng.random_sample(shape) < 0.5
    )  # gaps of both kinds: 0, and a value that somebody filled in
    past, future = series[:, :n_past], series[:, n_past:]
    token = torch.from_numpy(rng.randint(0, config.n_resolutions, batch)) if config.n_resolutions else None
    static = [rng.randint(0, size, batch) for size in config.static_sizes]
    if not case.has_gaps:
        return Inputs(past.to(dtype), None, future.to(dtype), None, token, _stack(static))
    past = torch.where(seen[:, :n_past] | kept[:, :n_past], past, 0.0)
    return Inputs(past.to(dtype), seen[:, :n_past], future.to(dtype), seen[:, n_past:], token, _stack(static))


def _stack(columns: list[np.ndarray]) -> Tensor | None:
    return torch.from_numpy(np.stack(columns, axis=1)) if columns else None


def as_batch(case: Case, inputs: Inputs) -> Batch:
    """The same in this package's arguments.

    Where Granite's code is given flags, it counts its own left pad as unobserved; so the pad is written out here.
    """
    config = ttm_config(case.values)
    past, future = inputs.past.transpose(1, 2), inputs.future.transpose(1, 2)
    observed = torch.ones_like(past, dtype=torch.bool)
    if inputs.past_observed is not None:
        observed = inputs.past_observed.transpose(1, 2)
        missing = max(0, config.context_length - past.shape[-1])
        past, observed = (torch.nn.functional.pad(part, (missing, 0)) for part in (past, observed))
    others = [i for i in range(past.shape[1]) if i not in config.covariate_channels]
    known = list(config.covariate_channels)
    steps = torch.cat([past, future[..., : config.horizon]], dim=-1)
    flags = torch.cat([observed, torch.ones_like(future[..., : config.horizon], dtype=torch.bool)], dim=-1)
    targets = list(config.target_channels) or list(range(past.shape[1]))
    counts = torch.ones_like(future) if inputs.future_observed is None else inputs.future_observed.transpose(1, 2)
    return Batch(
        context=past[:, others],
        observed=observed[:, others],
        target=future[:, targets, : config.horizon],
        target_observed=counts[:, targets, : config.horizon].bool(),
        resolution=inputs.token,
        covariates=steps[:, known] if known else None,
        static=inputs.static,
        covariates_observed=flags[:, known] if known else None,
    )
