"""IBM Granite's config.json of the third release, as our configuration and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttm_sk.checkpoints.granite_config import (
    GATE_MODES,
    LEAST_SCALE,
    LOSSES,
    MODES,
    POSITIONS,
    SCALINGS,
    choice,
    forecast_length,
    key_of,
    unsupported,
)
from ttm_sk.checkpoints.granite_options import ARCHITECTURE, DEFAULTS, INERT, MODEL_TYPE, ONLY, R3_SWITCHES, RENAMED
from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.models.ttm_r3_config import DecomposedTTMConfig, TTMR3Config

__all__ = ["granite_r3_values", "is_r3", "ttm_r3_config"]

DECOMPOSED = "TinyTimeMixerForDecomposedPrediction"

# What R3 has by another name, beside granite_options.RENAMED.
R3_RENAMED = {
    "multi_scale": "is_multiscale",
    "register_tokens": "n_registers",
    "fft_length": "n_frequencies",
    "use_fft_embedding": "embeds_frequencies",
    "mq_hidden": "spread_width",
    "mq_kernel_size": "spread_kernel",
    "mq_eps": "spread_minimum_step",
    "mq_decoder_d_model": "condition_width",
}
# Keys that change numbers in R3 alone, with what Granite's code takes where they are missing.
R3_DEFAULTS: dict[str, Any] = {
    **R3_SWITCHES,
    "use_fft_embedding": True,
    "get_one_freq_emb": False,
    "fft_ignore_dc": False,
    "fft_d_freq_min": 4,
    "fft_d_freq_max": 64,
    "quantile_levels": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
    "mq_hidden": 8,
    "mq_kernel_size": 3,
    "mq_eps": 1e-6,
    "mq_use_decoder_pool": False,
    "mq_q50_type": "median",
    "mq_cond_path": "pool",
    "mq_cond_mode": "add",
    "mq_decoder_d_model": 8,
    "residual_context_length": None,
    "combine_quantiles_via_variance": False,
}
# The trend's forecaster takes "trend_" + key where it is given; the rest it shares with the residual's.
TREND = (
    "patch_length",
    "patch_stride",
    "d_model",
    "decoder_d_model",
    "num_layers",
    "decoder_num_layers",
    "register_tokens",
    "fft_length",
    "multi_scale",
    "adaptive_patching_levels",
)
# Keys that change the loss and no forecast: training/r3_objective.py reads them.
R3_LOSS = {
    "forecast_loss_type",  # a name for the weights that follow; Granite's code does not read it
    "joint_loss_weight",
    "penalize_large_width_ratio",
    "point_extra_weight",
    "residual_loss_weight",
    "trend_loss_weight",
    "width_penalty_mode",
}
# Keys of R1 and R2 that are not rebuilt together with those of R3, and the one value that is.
R3_ONLY: dict[str, Any] = {
    **{key: value for key, value in ONLY.items() if key != "architectures"},
    "categorical_vocab_size_list": None,
    "decoder_raw_residual": False,
    "enable_forecast_channel_mixing": False,
    "exogenous_channel_indices": None,
    "prediction_channel_indices": None,
}
R3_INERT = (INERT - {*R3_DEFAULTS, *R3_LOSS, *(f"trend_{key}" for key in TREND)}) | {
    "fcm_context_length",
    "fcm_gated_attn",
    "fcm_mix_layers",
    "fcm_prepend_past",
    "fcm_prepend_past_offset",
    "fcm_use_mixer",
}
ALL_DEFAULTS = {key: value for key, value in DEFAULTS.items() if key not in {*R3_ONLY, *R3_INERT}} | R3_DEFAULTS
KNOWN = {*ALL_DEFAULTS, *R3_ONLY, *R3_LOSS, *R3_INERT, "architectures", *(f"trend_{key}" for key in TREND)}

MEDIANS = {"median": True, "mean": False}
PATHS = {"pool": "pool", "flatten": "flatten"}
JOINTS = {"concat": True, "add": False}


def is_r3(values: Mapping[str, Any]) -> bool:
    """Whether a configuration needs what only the third release has."""
    switched_on = any(values.get(key, off) not in (off, None) for key, off in R3_SWITCHES.items())
    return switched_on or values.get("architectures") == [DECOMPOSED]


def ttm_r3_config(values: Mapping[str, Any]) -> TTMR3Config | DecomposedTTMConfig:
    """The configuration that Granite's ``values`` describe.

    Raises
    ------
    CheckpointError
        For a key that is unknown, or has a value that is not supported; the message names it.
    """
    _refuse_unsupported(values)
    v = ALL_DEFAULTS | dict(values)
    choice(v, "loss", LOSSES)
    try:
        return _decomposed(v) if _is_decomposed(v) else _forecaster(v)
    except (ConfigError, TypeError) as error:
        raise CheckpointError(f"the configuration describes no model that this package can build: {error}") from error


def granite_r3_values(
    config: TTMR3Config | DecomposedTTMConfig, original: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The content of a config.json from which Granite's code builds this model.

    Parameters
    ----------
    original
        The content that the configuration was read from, if any: returned as it is where it still describes it.

    Raises
    ------
    CheckpointError
        If Granite's code has no key for something that the configuration asks for.
    """
    if original is not None and ttm_r3_config(original) == config:
        return dict(original)
    if isinstance(config, TTMR3Config):
        v = {"architectures": [ARCHITECTURE], **_forecaster_values(config), "num_patches": config.n_patches}
    else:
        v = _decomposed_values(config)
    v["model_type"] = MODEL_TYPE
    _refuse_lost(config.to_dict(), ttm_r3_config(v).to_dict())
    return v


def _refuse_lost(wanted: Mapping[str, Any], again: Mapping[str, Any], inside: str = "") -> None:
    """Name the field that Granite's keys cannot say, by what they are read as."""
    for name, expected in wanted.items():
        found = again[name]
        if isinstance(expected, dict):
            _refuse_lost(expected, found, f"{inside}{name}.")
        elif found != expected:
            raise CheckpointError(
                f"Granite's format has no key for {inside}{name}={expected!r} beside the other fields (it would be read"
                f" as {found!r}); only models without it can be written"
            )


def _refuse_unsupported(values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key not in KNOWN:
            raise CheckpointError(
                f"the configuration holds the key {key!r} (found {value!r}), which this package does not know:"
                " it may change the numbers, so nothing is loaded"
            )
        if key in R3_ONLY and value not in (R3_ONLY[key], None):
            raise unsupported(key, value, R3_ONLY[key])


def _is_decomposed(v: Mapping[str, Any]) -> bool:
    names = {ARCHITECTURE: False, DECOMPOSED: True}
    found = v.get("architectures") or [DECOMPOSED if v["decompose"] else ARCHITECTURE]
    if len(found) != 1 or found[0] not in names:
        raise unsupported("architectures", found, " or ".join(names))
    return names[found[0]]


def _decomposed(v: Mapping[str, Any]) -> DecomposedTTMConfig:
    inner = {**v, "scaling": None, "minimum_scale": None}
    trend = {key: v[f"trend_{key}"] for key in TREND if v.get(f"trend_{key}") is not None}
    return DecomposedTTMConfig(
        trend=_forecaster({**inner, **trend, "num_patches": None}),
        residual=_forecaster({**inner, "context_length": v["residual_context_length"] or v["context_length"]}),
        is_independent=v["combine_quantiles_via_variance"],
        **_scaling(v),
    )


def _forecaster(v: Mapping[str, Any]) -> TTMR3Config:
    if v["patch_stride"] != v["patch_length"]:
        raise unsupported("patch_stride", v["patch_stride"], v["patch_length"])
    config = TTMR3Config(
        **{ours: v[theirs] for theirs, ours in (RENAMED | R3_RENAMED).items()},
        forecast_length=forecast_length(v),
        normalises_patches=v["multi_scale"] or v["enable_base_norm_always"],
        gate=choice(v, "gate_mode", GATE_MODES) if v["gated_attn"] else "none",
        norm="batch" if "batch" in v["norm_mlp"].lower() else "layer",
        attention_heads=v["self_attn_heads"] if v["self_attn"] else 0,
        positions=choice(v, "positional_encoding_type", POSITIONS) if v["use_positional_encoding"] else "none",
        n_resolutions=v["frequency_token_vocab_size"] if v["resolution_prefix_tuning"] else 0,
        joined_frequency_width=_joined_width(v),
        with_mean_frequency=not v["fft_ignore_dc"],
        levels=_levels(v),
        moves_median=choice(v, "mq_q50_type", MEDIANS),
        condition=choice(v, "mq_cond_path", PATHS) if v["mq_use_decoder_pool"] else "none",
        concatenates_condition=choice(v, "mq_cond_mode", JOINTS),
        mixes_channels=choice(v, "mode", MODES),
        **_decoder(v),
        **_scaling(v),
    )
    if v["num_patches"] not in (None, config.n_patches):
        raise unsupported("num_patches", v["num_patches"], config.n_patches)
    return config


def _decoder(v: Mapping[str, Any]) -> dict[str, Any]:
    if not v["use_decoder"]:
        return {"decoder_width": v["d_model"], "decoder_layers": 0}
    return {
        "decoder_width": v["decoder_d_model"],
        "decoder_layers": v["decoder_num_layers"],
        "decoder_levels": v["decoder_adaptive_patching_levels"],
        "decoder_mixes_channels": choice(v, "decoder_mode", MODES),
    }


def _levels(v: Mapping[str, Any]) -> tuple[float, ...]:
    if not v["multi_quantile_head"]:
        return ()
    return tuple(sorted(float(level) for level in v["quantile_levels"] or R3_DEFAULTS["quantile_levels"]))


def _joined_width(v: Mapping[str, Any]) -> int:
    if not v["get_one_freq_emb"] or not v["fft_length"]:
        return 0
    return max(v["fft_d_freq_min"], min(v["fft_d_freq_max"], max(1, v["d_model"] // v["fft_length"])))


def _scaling(v: Mapping[str, Any]) -> dict[str, Any]:
    scaling = choice(v, "scaling", SCALINGS)
    given = v["minimum_scale"] if scaling != "none" else None
    return {"scaling": scaling, "minimum_variance": LEAST_SCALE[scaling] if given is None else given}


def _forecaster_values(c: TTMR3Config) -> dict[str, Any]:
    v = {theirs: getattr(c, ours) for theirs, ours in (RENAMED | R3_RENAMED).items()}
    v |= {
        "patch_stride": c.patch_length,
        "prediction_filter_length": c.forecast_length or None,
        "enable_base_norm_always": c.normalises_patches and not c.is_multiscale,
        "gated_attn": c.gate != "none",
        "gate_mode": "softmax" if c.gate == "none" else c.gate,
        "norm_mlp": "BatchNorm" if c.norm == "batch" else "LayerNorm",
        "self_attn": bool(c.attention_heads),
        "self_attn_heads": max(c.attention_heads, 1),
        "use_positional_encoding": c.positions != "none",
        "positional_encoding_type": "random" if c.positions == "learnt" else "sincos",
        "resolution_prefix_tuning": bool(c.n_resolutions),
        "frequency_token_vocab_size": c.n_resolutions or DEFAULTS["frequency_token_vocab_size"],
        "fft_ignore_dc": not c.with_mean_frequency,
        "multi_quantile_head": bool(c.levels),
        "quantile_levels": list(c.levels) or R3_DEFAULTS["quantile_levels"],
        "mq_q50_type": key_of(MEDIANS, c.moves_median),
        "mq_use_decoder_pool": c.condition != "none",
        "mq_cond_path": "pool" if c.condition == "none" else c.condition,
        "mq_cond_mode": key_of(JOINTS, c.concatenates_condition),
        "mode": key_of(MODES, c.mixes_channels),
        "use_decoder": True,
        "decoder_d_model": c.decoder_width,
        "decoder_num_layers": c.decoder_layers,
        "decoder_adaptive_patching_levels": c.decoder_levels,
        "decoder_mode": key_of(MODES, c.decoder_mixes_channels),
        **_scaling_values(c),
    }
    if c.joined_frequency_width:
        v |= {"get_one_freq_emb": True, "fft_d_freq_min": c.joined_frequency_width}
        v["fft_d_freq_max"] = c.joined_frequency_width
    return v


def _scaling_values(c: TTMR3Config | DecomposedTTMConfig) -> dict[str, Any]:
    if c.scaling == "none":
        return {"scaling": None}
    return {"scaling": c.scaling, "minimum_scale": c.minimum_variance}


def _decomposed_values(config: DecomposedTTMConfig) -> dict[str, Any]:
    trend, residual = _forecaster_values(config.trend), _forecaster_values(config.residual)
    return {
        **residual,
        "architectures": [DECOMPOSED],
        "decompose": True,
        "context_length": trend["context_length"],
        "residual_context_length": residual["context_length"],
        "enable_base_norm_always": trend["enable_base_norm_always"] or residual["enable_base_norm_always"],
        **{f"trend_{key}": trend[key] for key in TREND},
        "combine_quantiles_via_variance": config.is_independent,
        **_scaling_values(config),
    }
