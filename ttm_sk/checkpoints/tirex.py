"""A user's own TiRex checkpoint, ``model.ckpt``, as a PatchSLSTM that forecasts what the original forecasts.

None is part of this package, and none is downloaded: the weights are under the NXAI Community License, whose duties
:data:`DUTIES` says, aloud, whenever one is opened. The key table was made from the names and shapes in such a file.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttm_sk.checkpoints.foreign import holds_name, read_archive
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import CheckpointError, ConfigError, LicenceWarning
from ttm_sk.models.patch_slstm_config import PatchSLSTMConfig

__all__ = ["DUTIES", "from_tirex", "is_tirex", "tirex_config", "tirex_weights"]

DUTIES = (
    "These weights are under the NXAI Community License, not under the licence of ttm_sk. If you pass them, or anything"
    " made of them, on: give a copy of the license with them, show 'Built with technology from NXAI', and keep the"
    " notice 'This product includes materials developed at NXAI that are licensed under the NXAI Community License,"
    " Copyright © NXAI GmbH, All Rights Reserved.' Whoever has more than 100 million euros of revenue a year needs a"
    " commercial license from NXAI for commercial use."
)
MARK = "slstm_cell._recurrent_kernel_"
PREFIX = "block_stack."  # of files of the first release
SUPPORTED = (
    "input_patch_size",
    "output_patch_size",
    "quantiles",
    "block_kwargs",
    "input_ff_dim",
    "train_ctx_len",
    "nan_mask_value",
)
# The gate tensors are concatenated in this order, while the cell takes them as input, forget, cell and output: so the
# tensor called "fgate" feeds the input gate. What counts is the place.
GATES = ("fgate", "igate", "zgate", "ogate")
HIDDEN = {"hidden": "hidden_layer", "output": "output_layer", "shortcut": "residual_layer"}


def is_tirex(path: Path) -> bool:
    """Whether a file is a TiRex checkpoint; nothing of it is executed."""
    return holds_name(path, MARK)


def from_tirex(path: str | Path) -> Checkpoint:
    """The checkpoint in a TiRex ``model.ckpt``, with the duties of its licence as a :class:`LicenceWarning`.

    It forecasts what the original does, but for its reduced precision: short histories are read behind the padding that
    the weights were trained with. ``provenance["licence"]`` keeps the duties.

    Raises
    ------
    CheckpointError
        If the file cannot be read, holds anything but tensors and plain values, or is not such a model.
    """
    path = Path(path)
    content = read_archive(path)
    if not isinstance(content, Mapping) or not {"hyper_parameters", "state_dict"} <= set(content):
        raise CheckpointError(f"{path} holds no hyper_parameters and state_dict; expected a TiRex model.ckpt")
    warnings.warn(DUTIES, LicenceWarning, stacklevel=2)
    try:
        weights = {name.replace(PREFIX, ""): value.float() for name, value in content["state_dict"].items()}
        config = tirex_config(content["hyper_parameters"], weights)
        return Checkpoint(config, tirex_weights(weights, config), {"licence": {"duties": DUTIES}, "source": path.name})
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def tirex_config(hyper_parameters: Mapping[str, Any], weights: Mapping[str, Tensor]) -> PatchSLSTMConfig:
    """The configuration that a TiRex checkpoint describes; the feed-forward width is read off its tensors.

    Raises
    ------
    CheckpointError
        If it says nothing of the model, or has an option that is not supported.
    """
    values = hyper_parameters.get("model_config")
    if not isinstance(values, Mapping):
        raise CheckpointError("the hyper_parameters hold no model_config; expected those of a TiRex model")
    values = {**values, "train_ctx_len": hyper_parameters.get("train_ctx_len") or values.get("train_ctx_len")}
    if unknown := sorted(set(values) - set(SUPPORTED)):
        raise CheckpointError(f"the option {unknown[0]!r} is not supported; known are {', '.join(SUPPORTED)}")
    block = values.get("block_kwargs") or {}
    patch_length = values.get("input_patch_size")
    for name, expected in {"output_patch_size": patch_length, "nan_mask_value": 0}.items():
        if values.get(name, expected) != expected:
            raise CheckpointError(f"{name}={values[name]!r} is not supported; expected {expected!r}")
    try:
        return PatchSLSTMConfig(
            context_length=values["train_ctx_len"],
            prediction_length=values["input_patch_size"],
            patch_length=values["input_patch_size"],
            width=block["embedding_dim"],
            n_blocks=block["num_blocks"],
            n_heads=block["num_heads"],
            hidden_width=values["input_ff_dim"],
            expanded_width=len(weights["blocks.0.ffn.proj_up.weight"]),
            levels=tuple(float(level) for level in values["quantiles"]),
            pads_context=True,
            scales_constants=True,
        )
    except KeyError as error:
        raise CheckpointError(f"the file does not say {error}; it is damaged, or of another model") from error


def tirex_weights(weights: Mapping[str, Tensor], config: PatchSLSTMConfig) -> dict[str, Tensor]:
    """The tensors of a TiRex checkpoint by our names; all of them, and no others.

    Raises
    ------
    CheckpointError
        If one is missing, or one is not part of the model.
    """
    left = dict(weights)

    def take(name: str) -> Tensor:
        if name not in left:
            raise CheckpointError(f"the tensor {name!r} is missing; the file is not that of its description")
        return left.pop(name)

    ours = {"norm.weight": take("out_norm.weight")}
    for part, theirs in {"embeddings": "input_patch_embedding", "head": "output_patch_embedding"}.items():
        for layer, name in HIDDEN.items():
            ours |= {f"{part}.{layer}.{kind}": take(f"{theirs}.{name}.{kind}") for kind in ("weight", "bias")}
    for i in range(config.n_blocks):
        block = _block_weights(lambda name, i=i: take(f"blocks.{i}.{name}"), config)
        ours |= {f"backbone.{i}.{name}": value for name, value in block.items()}
    if left:
        raise CheckpointError(f"the tensor {sorted(left)[0]!r} is not part of the model that the file describes")
    return {name: value.contiguous() for name, value in ours.items()}


def _block_weights(take: Any, config: PatchSLSTMConfig) -> dict[str, Tensor]:
    n_heads, size = config.n_heads, config.width // config.n_heads
    kernel = take(f"slstm_layer.{MARK}").reshape(n_heads, size, len(GATES), size)
    bias = take("slstm_layer.slstm_cell._bias_").reshape(n_heads, len(GATES), size)
    return {
        "norm.weight": take("norm_slstm.weight"),
        "slstm.input_weight": torch.stack([take(f"slstm_layer.{gate}.weight").mT for gate in GATES]),
        "slstm.recurrent_weight": kernel.permute(2, 0, 1, 3),
        "slstm.bias": bias.transpose(0, 1).flatten(),
        "head_norm.weight": take("slstm_layer.group_norm.weight"),
        "feed_norm.weight": take("norm_ffn.weight"),
        "feed_forward.up.weight": torch.cat([take("ffn.proj_up_gate.weight"), take("ffn.proj_up.weight")]),
        "feed_forward.down.weight": take("ffn.proj_down.weight"),
    }
