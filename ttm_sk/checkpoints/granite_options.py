"""What every key of IBM Granite's config.json is.

Each stands in one of four lists: those that change numbers and have a field here, those that change numbers and are
supported at one value only, the switches of R3, and those that change no number. A key in none of them is refused.
"""

from __future__ import annotations

from typing import Any

__all__ = ["ARCHITECTURE", "DEFAULTS", "INERT", "MODEL_TYPE", "ONLY", "R3_SWITCHES", "RENAMED"]

MODEL_TYPE = "tinytimemixer"
ARCHITECTURE = "TinyTimeMixerForPrediction"

# Keys that are fields here by another name, or by the same.
RENAMED = {
    "context_length": "context_length",
    "prediction_length": "prediction_length",
    "patch_length": "patch_length",
    "num_input_channels": "n_channels",
    "d_model": "width",
    "expansion_factor": "expansion",
    "num_layers": "n_layers",
    "adaptive_patching_levels": "n_levels",
    "dropout": "dropout",
    "head_dropout": "head_dropout",
    "norm_eps": "norm_epsilon",
    "gate_groups": "gate_groups",
}
# All keys that change numbers, with what Granite's code takes where they are missing.
DEFAULTS: dict[str, Any] = {
    "context_length": 64,
    "prediction_length": 16,
    "patch_length": 8,
    "patch_stride": 8,
    "num_input_channels": 1,
    "prediction_channel_indices": None,
    "exogenous_channel_indices": None,
    "prediction_filter_length": None,
    "d_model": 16,
    "expansion_factor": 2,
    "num_layers": 3,
    "adaptive_patching_levels": 0,
    "dropout": 0.2,
    "mode": "common_channel",
    "gated_attn": True,
    "gate_mode": "softmax",
    "gate_groups": 8,
    "norm_mlp": "LayerNorm",
    "norm_eps": 1e-5,
    "self_attn": False,
    "self_attn_heads": 1,
    "use_positional_encoding": False,
    "positional_encoding_type": "sincos",
    "scaling": "std",
    "minimum_scale": None,
    "resolution_prefix_tuning": False,
    "frequency_token_vocab_size": 5,
    "head_dropout": 0.2,
    "use_decoder": True,
    "decoder_num_layers": 8,
    "decoder_d_model": 8,
    "decoder_adaptive_patching_levels": 0,
    "decoder_raw_residual": False,
    "decoder_mode": "common_channel",
    "categorical_vocab_size_list": None,
    "enable_forecast_channel_mixing": False,
    "fcm_gated_attn": True,
    "fcm_context_length": 1,
    "fcm_use_mixer": False,
    "fcm_mix_layers": 2,
    "fcm_prepend_past": True,
    "fcm_prepend_past_offset": None,
    "loss": "mse",
    "quantile": 0.5,
    "huber_delta": 1,
    "num_patches": None,
}
# Keys that change numbers and are supported at one value only.
ONLY: dict[str, Any] = {
    "model_type": MODEL_TYPE,
    "architectures": [ARCHITECTURE],
    "masked_context_length": None,
    "scaling_dim": 1,
    "keepdim": True,
    "default_scale": None,
    "use_register_context_gating": False,
    "patch_last": True,
}
# What makes a checkpoint one of the R3 family, with the value that switches it off.
R3_SWITCHES: dict[str, Any] = {
    "multi_scale": False,
    "register_tokens": 0,
    "fft_length": 0,
    "multi_quantile_head": False,
    "decompose": False,
    "enable_base_norm_always": False,
}
# Keys that change no number of a forecast or of its loss (tests/granite_parity has the proof): settings of a new
# model's first weights, of parts that the switches above leave out, and notes of the software that wrote the file.
INERT = frozenset(
    {
        "_name_or_path",
        "chunk_size_feed_forward",
        "combine_quantiles_via_variance",
        "d_model_scale",
        "decoder_d_model_scale",
        "distribution_output",
        "dtype",
        "fft_d_freq_max",
        "fft_d_freq_min",
        "fft_ignore_dc",
        "forecast_loss_type",
        "get_one_freq_emb",
        "id2label",
        "init_embed",
        "init_linear",
        "init_processing",
        "init_std",
        "is_encoder_decoder",
        "joint_loss_weight",
        "label2id",
        "light_mode",
        "mask_value",
        "mq_cond_mode",
        "mq_cond_path",
        "mq_decoder_d_model",
        "mq_eps",
        "mq_hidden",
        "mq_kernel_size",
        "mq_q50_type",
        "mq_use_decoder_pool",
        "mq_use_positional",
        "num_parallel_samples",
        "output_attentions",
        "output_hidden_states",
        "penalize_large_width_ratio",
        "point_extra_weight",
        "post_init",
        "problem_type",
        "quantile_levels",
        "residual_context_length",
        "residual_loss_weight",
        "return_dict",
        "stride_ratio",
        "torch_dtype",
        "transformers_version",
        "trend_adaptive_patching_levels",
        "trend_d_model",
        "trend_decoder_d_model",
        "trend_decoder_num_layers",
        "trend_fft_length",
        "trend_head_d_model",
        "trend_loss_weight",
        "trend_multi_scale",
        "trend_num_layers",
        "trend_patch_length",
        "trend_patch_stride",
        "trend_register_tokens",
        "use_fft_embedding",
        "width_penalty_mode",
    }
)
