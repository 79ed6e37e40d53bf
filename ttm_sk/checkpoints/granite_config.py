"""IBM Granite's config.json as our configuration, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ttm_sk.checkpoints.granite_options import ARCHITECTURE, DEFAULTS, INERT, MODEL_TYPE, ONLY, R3_SWITCHES, RENAMED
from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.models.ttm_config import TTMConfig

__all__ = ["HABITS", "choice", "forecast_length", "granite_values", "key_of", "ttm_config", "unsupported"]

LEAST_SCALE = {"std": 1e-5, "mean": 1e-10, "none": 0.0}
SCALINGS = {"std": "std", True: "std", "mean": "mean", None: "none", False: "none"}
MODES = {"common_channel": False, "mix_channel": True}
POSITIONS = {"sincos": "sincos", "random": "learnt"}
GATE_MODES = {name: name for name in ("softmax", "sigmoid", "glu", "group_sigmoid")}
LOSSES = {name: name for name in ("mse", "mae", "huber", "pinball", None)}
# Where this package decides otherwise, and Granite's files leave no choice. A model that was written without these is
# read with them; it differs for histories that are short or have gaps.
HABITS: dict[str, Any] = {"pads_count": True, "keeps_unobserved": True, "drops_remainder": True, "narrowest_part": 5}


def ttm_config(values: Mapping[str, Any]) -> TTMConfig:
    """The configuration that Granite's ``values`` describe.

    Raises
    ------
    CheckpointError
        For a key that is unknown, or has a value that is not supported; the message names it.
    """
    v = DEFAULTS | dict(values)
    _refuse_unsupported(v)
    scaling = choice(v, "scaling", SCALINGS)
    choice(v, "loss", LOSSES)
    gate = choice(v, "gate_mode", GATE_MODES)
    least = v["minimum_scale"] if v["minimum_scale"] is not None else LEAST_SCALE[scaling]
    try:
        config = TTMConfig(
            **{ours: v[theirs] for theirs, ours in RENAMED.items()},
            **HABITS,
            gate=gate if v["gated_attn"] else "none",
            norm="batch" if "batch" in v["norm_mlp"].lower() else "layer",
            attention_heads=v["self_attn_heads"] if v["self_attn"] else 0,
            positions=choice(v, "positional_encoding_type", POSITIONS) if v["use_positional_encoding"] else "none",
            scaling=scaling,
            minimum_variance=least if scaling != "none" else 0.0,
            n_resolutions=v["frequency_token_vocab_size"] if v["resolution_prefix_tuning"] else 0,
            mixes_channels=choice(v, "mode", MODES),
            forecast_length=forecast_length(v),
            **_decoder(v),
            **_channels(v),
            **_forecast_mixing(v, gate),
        )
    except (ConfigError, TypeError) as error:
        raise CheckpointError(f"the configuration describes no model that this package can build: {error}") from error
    if v["num_patches"] not in (None, config.n_patches):
        raise unsupported("num_patches", v["num_patches"], config.n_patches)
    return config


def granite_values(config: TTMConfig, original: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of a config.json from which Granite's code builds this model.

    Parameters
    ----------
    original
        The content that the configuration was read from, if any: returned as it is where it still describes it.

    Raises
    ------
    CheckpointError
        If Granite's code has no key for something that the configuration asks for; the message names the field.
    """
    if original is not None and ttm_config(original) == config:
        return dict(original)
    if config.scaling == "asinh":
        raise _no_key("scaling", config.scaling)
    v = DEFAULTS | {theirs: getattr(config, ours) for theirs, ours in RENAMED.items()}
    gates = [gate for gate in (config.gate, config.reach_gate) if gate != "none"]
    v |= {
        "model_type": MODEL_TYPE,
        "architectures": [ARCHITECTURE],
        "patch_stride": config.patch_length,
        "mode": key_of(MODES, config.mixes_channels),
        "gated_attn": config.gate != "none",
        "gate_mode": gates[0] if gates else "softmax",
        "norm_mlp": "BatchNorm" if config.norm == "batch" else "LayerNorm",
        "self_attn": bool(config.attention_heads),
        "self_attn_heads": max(config.attention_heads, 1),
        "use_positional_encoding": config.positions != "none",
        "positional_encoding_type": "random" if config.positions == "learnt" else "sincos",
        "scaling": None if config.scaling == "none" else config.scaling,
        "minimum_scale": config.minimum_variance,
        "resolution_prefix_tuning": bool(config.n_resolutions),
        "frequency_token_vocab_size": config.n_resolutions or DEFAULTS["frequency_token_vocab_size"],
        "prediction_filter_length": config.forecast_length or None,
        "prediction_channel_indices": list(config.target_channels) or None,
        "exogenous_channel_indices": list(config.covariate_channels) or None,
        "num_patches": config.n_patches,
        **_decoder_values(config),
        **_forecast_mixing_values(config),
    }
    _refuse_lost(config, v)
    return v


def _refuse_unsupported(v: Mapping[str, Any]) -> None:
    for key, value in v.items():
        if key in DEFAULTS or key in INERT:
            continue
        if key not in ONLY and key not in R3_SWITCHES:
            raise CheckpointError(
                f"the configuration holds the key {key!r} (found {value!r}), which this package does not know:"
                " it may change the numbers, so nothing is loaded"
            )
        only = (ONLY | R3_SWITCHES)[key]
        if value not in (only, None):
            raise unsupported(key, value, only)
    if v["patch_stride"] != v["patch_length"]:
        raise unsupported("patch_stride", v["patch_stride"], v["patch_length"])


def unsupported(key: str, found: Any, expected: Any) -> CheckpointError:
    """The error for a key whose value has no place here."""
    return CheckpointError(
        f"the configuration has {key}={found!r}, which is not supported; expected {expected!r}: use granite-tsfm for it"
    )


def choice(v: Mapping[str, Any], key: str, choices: Mapping[Any, Any]) -> Any:
    """What the key's value stands for; a value without a meaning raises ``CheckpointError``."""
    if isinstance(v[key], (list, dict)) or v[key] not in choices:
        raise CheckpointError(
            f"the configuration has {key}={v[key]!r}, which is not supported; expected one of"
            f" {', '.join(map(repr, choices))}"
        )
    return choices[v[key]]


def key_of(choices: Mapping[Any, Any], value: Any) -> Any:
    """The inverse of :func:`choice`."""
    return next(key for key, chosen in choices.items() if chosen == value)


def forecast_length(v: Mapping[str, Any]) -> int:
    """Steps of the forecast that are kept; 0 for all."""
    length = v["prediction_filter_length"]
    if length is not None and not 0 < length <= v["prediction_length"]:
        raise unsupported("prediction_filter_length", length, f"1 to {v['prediction_length']}")
    return length or 0


def _decoder(v: Mapping[str, Any]) -> dict[str, Any]:
    if not v["use_decoder"]:
        return {"decoder_width": v["d_model"], "decoder_layers": 0}
    return {
        "decoder_width": v["decoder_d_model"],
        "decoder_layers": v["decoder_num_layers"],
        "decoder_levels": v["decoder_adaptive_patching_levels"],
        "raw_residual": v["decoder_raw_residual"],
        "decoder_mixes_channels": choice(v, "decoder_mode", MODES),
        "static_sizes": v["categorical_vocab_size_list"] or (),
    }


def _decoder_values(config: TTMConfig) -> dict[str, Any]:
    return {
        "use_decoder": True,
        "decoder_d_model": config.decoder_width,
        "decoder_num_layers": config.decoder_layers,
        "decoder_adaptive_patching_levels": config.decoder_levels,
        "decoder_raw_residual": config.raw_residual,
        "decoder_mode": key_of(MODES, config.decoder_mixes_channels),
        "categorical_vocab_size_list": list(config.static_sizes) or None,
    }


def _channels(v: Mapping[str, Any]) -> dict[str, Any]:
    targets, covariates = v["prediction_channel_indices"], v["exogenous_channel_indices"]
    if targets is None and covariates is not None:
        targets = set(range(v["num_input_channels"])) - set(covariates)
    if targets is not None and not targets:
        raise unsupported("prediction_channel_indices", v["prediction_channel_indices"], "at least one channel")
    is_used = v["enable_forecast_channel_mixing"] and covariates is not None
    return {"target_channels": sorted(targets or ()), "covariate_channels": sorted(covariates) if is_used else ()}


def _forecast_mixing(v: Mapping[str, Any], gate: str) -> dict[str, Any]:
    if not v["enable_forecast_channel_mixing"]:
        return {}
    for key, at_least in (("fcm_mix_layers", 1 if v["fcm_use_mixer"] else 0), ("fcm_prepend_past_offset", 1)):
        if v[key] is not None and v[key] < at_least:
            raise unsupported(key, v[key], f"at least {at_least}")
    return {
        "mixes_forecasts": True,
        "reach": v["fcm_context_length"],
        "reach_layers": v["fcm_mix_layers"] if v["fcm_use_mixer"] else 0,
        "reach_gate": gate if v["fcm_gated_attn"] else "none",
        "reach_past": v["fcm_prepend_past"],
        "reach_offset": v["fcm_prepend_past_offset"] or 0,
        "reach_raw": True,
    }


def _forecast_mixing_values(config: TTMConfig) -> dict[str, Any]:
    if not config.mixes_forecasts:
        return {}
    return {
        "enable_forecast_channel_mixing": True,
        "fcm_gated_attn": config.reach_gate != "none",
        "fcm_context_length": config.reach,
        "fcm_use_mixer": bool(config.reach_layers),
        "fcm_mix_layers": config.reach_layers or DEFAULTS["fcm_mix_layers"],
        "fcm_prepend_past": config.reach_past,
        "fcm_prepend_past_offset": config.reach_offset or None,
    }


def _refuse_lost(config: TTMConfig, values: Mapping[str, Any]) -> None:
    """Name the field that Granite's keys cannot say, by reading them again."""
    again = ttm_config(values)
    if (again.level_factors, again.decoder_factors) != (config.level_factors, config.decoder_factors):
        raise CheckpointError(
            f"Granite's code would not split width={config.width} into {config.level_factors}; it keeps parts of 5"
            " features and more: use fewer levels or a wider model"
        )
    wanted = replace(config, **HABITS)
    for field in fields(config):
        found, expected = getattr(again, field.name), getattr(wanted, field.name)
        if found != expected:
            raise _no_key(field.name, expected)


def _no_key(field: str, value: Any) -> CheckpointError:
    return CheckpointError(
        f"Granite's format has no key for {field}={value!r}, which changes the numbers; write it as"
        " ttm-sk, or choose a model without it"
    )
