"""IBM's TTM-R3 in our words: its configuration keys and its tensor names, both ways.

Source of both: ``config.json`` and ``model.safetensors`` as granite-tsfm 0.3.11 writes them. A key that changes numbers
is translated or refused by name; what is neither stands in :data:`INERT`. Nothing else is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.models.ttm_r3 import TTMR3, DecomposedTTM, DecomposedTTMConfig, TTMR3Config

__all__ = ["is_r3", "keys_from_r3", "r3_from_keys", "r3_tensor_names"]

PLAIN, DECOMPOSED = "TinyTimeMixerForPrediction", "TinyTimeMixerForDecomposedPrediction"

# Granite's key -> our field, of the same meaning and type.
FIELDS = {
    "context_length": "context_length",
    "patch_length": "patch_length",
    "multi_scale": "is_multiscale",
    "d_model": "width",
    "adaptive_patching_levels": "n_levels",
    "num_layers": "n_layers",
    "expansion_factor": "expansion",
    "dropout": "dropout",
    "register_tokens": "n_registers",
    "fft_length": "n_frequencies",
    "use_fft_embedding": "embeds_frequencies",
    "use_decoder": "has_decoder",
    "decoder_d_model": "decoder_width",
    "decoder_adaptive_patching_levels": "decoder_levels",
    "decoder_num_layers": "decoder_layers",
    "head_dropout": "head_dropout",
    "mq_hidden": "spread_width",
    "mq_kernel_size": "spread_kernel",
    "mq_eps": "spread_minimum_step",
    "mq_decoder_d_model": "condition_width",
    "num_input_channels": "n_channels",
}

# What the reference takes where config.json lacks a key that is read here.
DEFAULTS: dict[str, Any] = {
    "context_length": 64,
    "patch_length": 8,
    "patch_stride": 8,
    "prediction_length": 16,
    "prediction_filter_length": None,
    "num_input_channels": 1,
    "multi_scale": False,
    "enable_base_norm_always": False,
    "d_model": 16,
    "adaptive_patching_levels": 0,
    "num_layers": 3,
    "expansion_factor": 2,
    "dropout": 0.2,
    "mode": "common_channel",
    "gated_attn": True,
    "gate_mode": "softmax",
    "resolution_prefix_tuning": False,
    "frequency_token_vocab_size": 5,
    "register_tokens": 0,
    "fft_length": 0,
    "use_fft_embedding": True,
    "get_one_freq_emb": False,
    "fft_ignore_dc": False,
    "fft_d_freq_min": 4,
    "fft_d_freq_max": 64,
    "use_decoder": True,
    "decoder_d_model": 8,
    "decoder_adaptive_patching_levels": 0,
    "decoder_num_layers": 8,
    "decoder_mode": "common_channel",
    "head_dropout": 0.2,
    "multi_quantile_head": False,
    "quantile_levels": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
    "mq_hidden": 8,
    "mq_kernel_size": 3,
    "mq_eps": 1e-6,
    "mq_use_decoder_pool": False,
    "mq_q50_type": "median",
    "mq_cond_path": "pool",
    "mq_cond_mode": "add",
    "mq_decoder_d_model": 8,
    "scaling": "std",
    "minimum_scale": None,
    "num_patches": None,
    "decompose": False,
    "residual_context_length": None,
    "combine_quantiles_via_variance": False,
}

# The trend's forecaster takes "trend_" + key where it is given; the rest it shares with the residual's.
TREND_KEYS = (
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

# Keys that change numbers in a way that is not rebuilt here, and the values with which they do not.
REFUSED: dict[str, tuple[Any, ...]] = {
    "categorical_vocab_size_list": (None,),
    "decoder_raw_residual": (False,),
    "default_scale": (None,),
    "enable_forecast_channel_mixing": (False,),
    "exogenous_channel_indices": (None,),
    "keepdim": (True,),
    "masked_context_length": (None,),
    "norm_eps": (1e-5,),
    "norm_mlp": ("LayerNorm",),
    "patch_last": (True,),
    "prediction_channel_indices": (None,),
    "scaling_dim": (1,),
    "self_attn": (False,),
    "use_positional_encoding": (False,),
    "use_register_context_gating": (False,),  # the reference itself cannot run with it
}

# Keys of the loss: they change what training minimises, no forecast.
LOSS_KEYS = (
    "huber_delta",
    "joint_loss_weight",
    "loss",
    "penalize_large_width_ratio",
    "point_extra_weight",
    "quantile",
    "residual_loss_weight",
    "trend_loss_weight",
    "width_penalty_mode",
)

# Keys that change no number of a forecast, gradient or loss, whatever they hold.
INERT = (
    "_name_or_path",
    "architectures",
    "chunk_size_feed_forward",
    "distribution_output",
    "dtype",
    "fcm_context_length",
    "fcm_gated_attn",
    "fcm_mix_layers",
    "fcm_prepend_past",
    "fcm_prepend_past_offset",
    "fcm_use_mixer",
    "forecast_loss_type",
    "gate_groups",
    "id2label",
    "init_embed",
    "init_linear",
    "init_processing",
    "init_std",
    "is_encoder_decoder",
    "label2id",
    "light_mode",
    "mask_value",
    "model_type",
    "mq_use_positional",
    "num_parallel_samples",
    "output_attentions",
    "output_hidden_states",
    "positional_encoding_type",
    "post_init",
    "problem_type",
    "return_dict",
    "self_attn_heads",
    "torch_dtype",
    "transformers_version",
    "trend_head_d_model",
)

SCALINGS = {"std": "std", "mean": "mean", True: "std", False: "none", None: "none"}
LEAST_SCALE = {"std": 1e-5, "mean": 1e-10, "none": 0.0}


def is_r3(keys: Mapping[str, Any]) -> bool:
    """Whether a configuration needs what only the third release has."""
    new = ("multi_scale", "register_tokens", "fft_length", "multi_quantile_head", "enable_base_norm_always")
    return _is_decomposed(keys) or any(keys.get(key) for key in new)


def r3_from_keys(keys: Mapping[str, Any]) -> TTMR3Config | DecomposedTTMConfig:
    """Our configuration of what Granite's keys describe.

    Raises
    ------
    ConfigError
        For a key or value that is not rebuilt here; the message names it.
    """
    _refuse_unknown(keys)
    k = {**DEFAULTS, **keys}
    if not _is_decomposed(keys):
        return _forecaster(k)
    outer = _scaling(k)
    k["scaling"] = k["minimum_scale"] = None
    trend = {**k, **{key: k[f"trend_{key}"] for key in TREND_KEYS if k.get(f"trend_{key}") is not None}}
    residual = {**k, "context_length": k["residual_context_length"] or k["context_length"]}
    return DecomposedTTMConfig(
        trend=_forecaster({**trend, "num_patches": None}),
        residual=_forecaster(residual),
        is_independent=k["combine_quantiles_via_variance"],
        **outer,
    )


def keys_from_r3(config: TTMR3Config | DecomposedTTMConfig) -> dict[str, Any]:
    """Granite's keys of our configuration, the inverse of :func:`r3_from_keys`.

    Raises
    ------
    CheckpointError
        If Granite's layout cannot say it; the message names the field.
    """
    if isinstance(config, TTMR3Config):
        keys = {"architectures": [PLAIN], **_forecaster_keys(config), "num_patches": config.n_patches}
    else:
        keys = _decomposed_keys(config)
    keys = {"model_type": "tinytimemixer", **keys}
    read_back = r3_from_keys(keys)
    if read_back != config:
        raise CheckpointError(
            f"Granite's layout has no words for this configuration: {config} would be read as {read_back};"
            " save it with save_checkpoint"
        )
    return keys


def r3_tensor_names(config: TTMR3Config | DecomposedTTMConfig) -> dict[str, str]:
    """Granite's name of each of our tensors: a bijection."""
    if isinstance(config, TTMR3Config):
        return _forecaster_names(config)
    parts = {"trend": config.trend, "residual": config.residual}
    return {
        f"{part}.{ours}": f"{part}_forecaster.{theirs}"
        for part, inner in parts.items()
        for ours, theirs in _forecaster_names(inner).items()
    }


def _is_decomposed(keys: Mapping[str, Any]) -> bool:
    architectures = keys.get("architectures") or [DECOMPOSED if keys.get("decompose") else PLAIN]
    if architectures[0] not in (PLAIN, DECOMPOSED):
        raise ConfigError(f"found architectures={architectures}; {PLAIN} and {DECOMPOSED} are rebuilt here")
    return architectures[0] == DECOMPOSED


def _refuse_unknown(keys: Mapping[str, Any]) -> None:
    known = {*DEFAULTS, *REFUSED, *LOSS_KEYS, *INERT, *(f"trend_{key}" for key in TREND_KEYS)}
    for key, value in keys.items():
        if key not in known:
            raise ConfigError(f"found the key {key}={value!r}, which is not part of TTM-R3 as it is rebuilt here")
        if key in REFUSED and value not in REFUSED[key]:
            raise ConfigError(f"{key}={value!r} is not rebuilt for TTM-R3; found it beside R3's keys, expected"
                              f" {' or '.join(map(repr, REFUSED[key]))}")


def _forecaster(k: Mapping[str, Any]) -> TTMR3Config:
    if k["patch_stride"] != k["patch_length"]:
        raise ConfigError(f"patch_stride={k['patch_stride']} must be patch_length={k['patch_length']}")
    config = TTMR3Config(
        **{field: k[key] for key, field in FIELDS.items()},
        prediction_length=k["prediction_filter_length"] or k["prediction_length"],
        computed_length=k["prediction_length"] if k["prediction_filter_length"] else 0,
        normalises_patches=k["multi_scale"] or k["enable_base_norm_always"],
        gate=k["gate_mode"] if k["gated_attn"] else "none",
        n_resolutions=k["frequency_token_vocab_size"] if k["resolution_prefix_tuning"] else 0,
        joined_frequency_width=_joined_width(k),
        with_mean_frequency=not k["fft_ignore_dc"],
        levels=tuple(sorted(k["quantile_levels"] or DEFAULTS["quantile_levels"])) if k["multi_quantile_head"] else (),
        moves_median=_choice(k, "mq_q50_type", "median", "mean"),
        condition=_condition(k),
        concatenates_condition=_choice(k, "mq_cond_mode", "concat", "add"),
        mixes_channels=_choice(k, "mode", "mix_channel", "common_channel"),
        decoder_mixes_channels=_choice(k, "decoder_mode", "mix_channel", "common_channel"),
        **_scaling(k),
    )
    if k["num_patches"] not in (None, config.n_patches):
        raise ConfigError(f"num_patches={k['num_patches']}, but the other keys make {config.n_patches}")
    return config


def _choice(k: Mapping[str, Any], key: str, true: str, false: str) -> bool:
    if k[key] not in (true, false):
        raise ConfigError(f"found {key}={k[key]!r}; expected {true!r} or {false!r}")
    return k[key] == true


def _condition(k: Mapping[str, Any]) -> str:
    path = "flatten" if _choice(k, "mq_cond_path", "flatten", "pool") else "pool"
    return path if k["mq_use_decoder_pool"] else "none"


def _joined_width(k: Mapping[str, Any]) -> int:
    if not k["get_one_freq_emb"] or not k["fft_length"]:
        return 0
    return max(k["fft_d_freq_min"], min(k["fft_d_freq_max"], max(1, k["d_model"] // k["fft_length"])))


def _scaling(k: Mapping[str, Any]) -> dict[str, Any]:
    if k["scaling"] not in SCALINGS:
        raise ConfigError(f"found scaling={k['scaling']!r}; expected 'std', 'mean' or null")
    scaling = SCALINGS[k["scaling"]]
    given = k["minimum_scale"] if scaling != "none" else None
    return {"scaling": scaling, "minimum_variance": LEAST_SCALE[scaling] if given is None else given}


def _forecaster_keys(c: TTMR3Config) -> dict[str, Any]:
    keys = {key: getattr(c, field) for key, field in FIELDS.items()}
    keys |= {
        "patch_stride": c.patch_length,
        "prediction_length": c.computed_length or c.prediction_length,
        "prediction_filter_length": c.prediction_length if c.computed_length else None,
        "enable_base_norm_always": c.normalises_patches and not c.is_multiscale,
        "gated_attn": c.gate != "none",
        "resolution_prefix_tuning": c.n_resolutions > 0,
        "fft_ignore_dc": not c.with_mean_frequency,
        "multi_quantile_head": bool(c.levels),
        "mq_q50_type": "median" if c.moves_median else "mean",
        "mq_use_decoder_pool": c.condition != "none",
        "mq_cond_path": "pool" if c.condition == "none" else c.condition,
        "mq_cond_mode": "concat" if c.concatenates_condition else "add",
        "mode": "mix_channel" if c.mixes_channels else "common_channel",
        "decoder_mode": "mix_channel" if c.decoder_mixes_channels else "common_channel",
        **_scaling_keys(c.scaling, c.minimum_variance),
    }
    if c.gate != "none":
        keys["gate_mode"] = c.gate
    if c.n_resolutions:
        keys["frequency_token_vocab_size"] = c.n_resolutions
    if c.levels:
        keys["quantile_levels"] = list(c.levels)
    if c.joined_frequency_width:
        keys |= {"get_one_freq_emb": True, "fft_d_freq_min": c.joined_frequency_width}
        keys["fft_d_freq_max"] = c.joined_frequency_width
    return keys


def _scaling_keys(scaling: str, minimum: float) -> dict[str, Any]:
    keys: dict[str, Any] = {"scaling": None if scaling == "none" else scaling}
    if scaling != "none" and minimum != LEAST_SCALE[scaling]:
        keys["minimum_scale"] = minimum
    return keys


def _decomposed_keys(config: DecomposedTTMConfig) -> dict[str, Any]:
    trend, residual = _forecaster_keys(config.trend), _forecaster_keys(config.residual)
    return {
        "architectures": [DECOMPOSED],
        "decompose": True,
        **residual,
        "context_length": trend["context_length"],
        "residual_context_length": residual["context_length"],
        **{f"trend_{key}": trend[key] for key in TREND_KEYS},
        "combine_quantiles_via_variance": config.is_independent,
        **_scaling_keys(config.scaling, config.minimum_variance),
    }


# Our module -> Granite's, inside one mixer layer, and outside of the mixers.
LAYER_NAMES = {
    "channels.norm": "channel_feature_mixer.norm.norm",
    "channels.mlp.expand": "channel_feature_mixer.mlp.fc1",
    "channels.mlp.contract": "channel_feature_mixer.mlp.fc2",
    "channels.gate.score": "channel_feature_mixer.gating_block.attn_layer",
    "patches.norm": "patch_mixer.norm.norm",
    "patches.mlp.expand": "patch_mixer.mlp.fc1",
    "patches.mlp.contract": "patch_mixer.mlp.fc2",
    "patches.gate.score": "patch_mixer.gating_block.attn_layer",
    "features.norm": "feature_mixer.norm.norm",
    "features.mlp.expand": "feature_mixer.mlp.fc1",
    "features.mlp.contract": "feature_mixer.mlp.fc2",
    "features.gate.score": "feature_mixer.gating_block.attn_layer",
}
MODULE_NAMES = {
    "prefix.embedding": "backbone.encoder.freq_mod.0",
    "prefix.projection.0": "backbone.encoder.freq_mod.1",
    "prefix.projection.2": "backbone.encoder.freq_mod.3",
    "registers.tokens": "backbone.encoder.add_tokens.patch_tokens",
    "frequencies.embedding": "backbone.encoder.add_fft_tokens.freq_embedding",
    "frequencies.reading.0": "backbone.encoder.add_fft_tokens.freq_index_mlp.0",
    "frequencies.reading.2": "backbone.encoder.add_fft_tokens.freq_index_mlp.2",
    "frequencies.joining": "backbone.encoder.add_fft_tokens.freq_concat_proj",
    "norm": "backbone.encoder.base_norm",
    "adapter": "decoder.adapter",
    "head.projection": "head.base_forecast_block",
    "spread.smoothing": "multi_quantile_head_block.dw",
    "spread.norm": "multi_quantile_head_block.inorm",
    "spread.hidden": "multi_quantile_head_block.pw1",
    "spread.pooled": "multi_quantile_head_block.dec_proj",
    "spread.narrow": "multi_quantile_head_block.dec_tok_proj",
    "spread.flattened": "multi_quantile_head_block.dec_flat_to_hidden",
    "spread.output": "multi_quantile_head_block.pw2",
}


def _forecaster_names(config: TTMR3Config) -> dict[str, str]:
    modules = dict(_module_names(config))
    with torch.device("meta"):
        tensors = list(TTMR3(config).state_dict())
    names = {}
    for ours in tensors:
        module, _, leaf = ours.rpartition(".")
        names[ours] = modules[ours] if ours in modules else f"{modules[module]}.{leaf}"
    return names


def _module_names(c: TTMR3Config) -> Iterator[tuple[str, str]]:
    yield from MODULE_NAMES.items()
    patcher = "backbone.encoder.patcher"
    for scale in range(len(c.patch_counts)):
        yield f"embedding.scales.{scale}", f"{patcher}.projectors.{scale}" if c.is_multiscale else patcher
    yield from _mixer_names("backbone", "backbone.encoder.mlp_mixer_encoder", c.n_levels, c.n_layers)
    yield from _mixer_names("decoder", "decoder.decoder_block", c.decoder_levels, c.decoder_layers)


def _mixer_names(ours: str, theirs: str, n_levels: int, n_layers: int) -> Iterator[tuple[str, str]]:
    """A stack without levels is one level of ours; Granite leaves the word for its layers out."""
    for level in range(max(1, n_levels)):
        for layer in range(n_layers):
            place = f"mixers.{level}.mixer_layers.{layer}" if n_levels else f"mixers.{layer}"
            for our_part, their_part in LAYER_NAMES.items():
                yield f"{ours}.{level}.layers.{layer}.{our_part}", f"{theirs}.{place}.{their_part}"
