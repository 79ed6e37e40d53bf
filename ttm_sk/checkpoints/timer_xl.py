"""A user's own Timer-XL: a ``checkpoint.pth`` of OpenLTM, or the folder of a released ``timer-base-84m``.

Sources of the names: OpenLTM (MIT) and the code beside the released weights. Queries and keys are reordered, because
OpenLTM turns neighbouring features by their position and this package turns the first half with the second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.foreign import holds_name, read_archive
from ttm_sk.checkpoints.granite_keys import Table, rename
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.models.timer_xl import TimerXLConfig

__all__ = ["from_openltm", "from_timer_folder", "is_openltm", "is_timer_folder"]

MARK = "attn_layers.0.attention.query_projection"
MODEL_TYPE = "timer"
OPENLTM: Table = (
    ("embedding", "embedding"),
    ("layers.{layer}.attention.query", "blocks.attn_layers.{layer}.attention.query_projection"),
    ("layers.{layer}.attention.key", "blocks.attn_layers.{layer}.attention.key_projection"),
    ("layers.{layer}.attention.value", "blocks.attn_layers.{layer}.attention.value_projection"),
    ("layers.{layer}.attention.output", "blocks.attn_layers.{layer}.attention.out_projection"),
    (
        "layers.{layer}.attention.channel_bias",
        "blocks.attn_layers.{layer}.attention.inner_attention.attn_bias.emb.weight",
    ),
    ("layers.{layer}.feedforward.expand", "blocks.attn_layers.{layer}.conv1"),
    ("layers.{layer}.feedforward.contract", "blocks.attn_layers.{layer}.conv2"),
    ("layers.{layer}.attention_norm", "blocks.attn_layers.{layer}.norm1"),
    ("layers.{layer}.feedforward_norm", "blocks.attn_layers.{layer}.norm2"),
    ("norm", "blocks.norm"),
    ("head", "head"),
)
RELEASE: Table = (
    ("embedding", "model.embed_layer.emb"),
    ("layers.{layer}.attention.query", "model.layers.{layer}.self_attn.q_proj"),
    ("layers.{layer}.attention.key", "model.layers.{layer}.self_attn.k_proj"),
    ("layers.{layer}.attention.value", "model.layers.{layer}.self_attn.v_proj"),
    ("layers.{layer}.attention.output", "model.layers.{layer}.self_attn.o_proj"),
    ("layers.{layer}.feedforward.gate", "model.layers.{layer}.ffn_layer.gate_proj"),
    ("layers.{layer}.feedforward.expand", "model.layers.{layer}.ffn_layer.up_proj"),
    ("layers.{layer}.feedforward.contract", "model.layers.{layer}.ffn_layer.down_proj"),
    ("layers.{layer}.attention_norm", "model.layers.{layer}.norm1"),
    ("layers.{layer}.feedforward_norm", "model.layers.{layer}.norm2"),
    ("norm", "model.norm"),
    ("head", "lm_heads.0"),
)


def is_openltm(path: Path) -> bool:
    """Whether a file is a Timer-XL of OpenLTM, ``.pth`` or safetensors; nothing of it is executed."""
    if holds_name(path, MARK):
        return True
    try:
        with safe_open(path, framework="pt") as file:
            return any(MARK in name for name in file.keys())  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError):
        return False


def from_openltm(path: str | Path, *, context_length: int | None = None, attends: str = "all") -> Checkpoint:
    """The Timer-XL in a checkpoint of OpenLTM, by the sizes of its tensors.

    For one channel it forecasts what it forecasts there. With several channels it differs a little: OpenLTM counts the
    position of a patch through all channels' patches, this package within its own channel, as the paper has it.

    Parameters
    ----------
    path
        ``checkpoint.pth``, or the same tensors as safetensors.
    context_length
        Steps that it was trained with, which no file says; None takes sixteen patches.
    attends
        As in :class:`~ttm_sk.models.timer_xl_config.TimerXLConfig`; with ``"target"``, for models trained with
        ``--covariate``, the target sees the past of the others, never their future.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or its tensors are not those of a Timer-XL.
    """
    path = Path(path)
    tensors = {name.removeprefix("module."): value for name, value in _read(path).items()}
    try:
        config = _sizes(tensors, context_length=context_length, attends=attends)
        weights = _ours(tensors, config, OPENLTM)
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    for name in weights:
        if ".query." in name or ".key." in name:
            weights[name] = _halves(weights[name], config)
    return Checkpoint(config, weights, {"source": path.name, "layout": "OpenLTM"})


def is_timer_folder(path: Path) -> bool:
    """Whether a folder's config.json describes a released Timer."""
    try:
        return json.loads((path / "config.json").read_text(encoding="utf-8")).get("model_type") == MODEL_TYPE
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def from_timer_folder(folder: str | Path) -> Checkpoint:
    """The released Timer in a folder with ``config.json`` and ``model.safetensors``.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or the tensors are not those of the configuration.
    """
    folder = Path(folder)
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is no readable Timer ({error}); download both files again") from error
    try:
        config = _release_config(values)
        return Checkpoint(config, _ours(tensors, config, RELEASE), {"source": folder.name, "layout": "release"})
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"{folder}: {error}") from error


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is no readable safetensors file ({error}); fetch it again") from error
    content = read_archive(path)
    found = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    tensors = {name: value.float() for name, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors by name; expected the state of a Timer-XL")
    return tensors


def _sizes(tensors: Mapping[str, Tensor], *, context_length: int | None, attends: str) -> TimerXLConfig:
    try:
        width, patch_length = tensors["embedding.weight"].shape
        heads = tensors[f"blocks.{MARK.rsplit('.', 1)[0]}.inner_attention.attn_bias.emb.weight"].shape[1]
        feedforward_width = tensors["blocks.attn_layers.0.conv1.weight"].shape[0]
    except KeyError as error:
        raise CheckpointError(f"the tensor {error} is missing; expected a Timer-XL of OpenLTM") from error
    return TimerXLConfig(
        context_length=context_length or 16 * patch_length,
        patch_length=patch_length,
        width=width,
        heads=heads,
        n_layers=len({name.split(".")[2] for name in tensors if name.startswith("blocks.attn_layers.")}),
        feedforward_width=feedforward_width,
        attends=attends,
        minimum_variance=1e-5,
    )


def _release_config(values: Mapping[str, Any]) -> TimerXLConfig:
    patch_length = values.get("input_token_len", 96)
    if values.get("hidden_act", "silu") != "silu" or values.get("output_token_lens", [patch_length]) != [patch_length]:
        raise CheckpointError(
            f"found hidden_act={values.get('hidden_act')!r} and output_token_lens={values.get('output_token_lens')};"
            f" supported are 'silu' and [{patch_length}]"
        )
    try:
        return TimerXLConfig(
            context_length=30 * patch_length,
            patch_length=patch_length,
            width=values["hidden_size"],
            heads=values["num_attention_heads"],
            n_layers=values["num_hidden_layers"],
            feedforward_width=values["intermediate_size"],
            feedforward="gated",
            rotary_share=1.0,
        )
    except KeyError as error:
        raise CheckpointError(f"config.json has no {error}; expected that of a released Timer") from error


def _ours(tensors: Mapping[str, Tensor], config: TimerXLConfig, table: Table) -> dict[str, Tensor]:
    """The tensors by our names and shapes; all of the model's, and no others but a bias of channels without use."""
    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in new_module(config).state_dict().items()}
    names = {name: rename(name, table) for name in expected}
    spare = {name for name in tensors if "attn_bias" in name and not config.mixes_channels}
    if further := sorted(set(tensors) - set(names.values()) - spare):
        raise CheckpointError(f"the tensor {further[0]!r} is not part of a Timer-XL of these sizes")
    weights = {}
    for name, shape in expected.items():
        if (theirs := names[name]) not in tensors:
            raise CheckpointError(f"the tensor {theirs!r} is missing; the file is not whole")
        value = tensors[theirs].squeeze(-1) if tensors[theirs].dim() == 3 else tensors[theirs]  # a 1x1 convolution
        if tuple(value.shape) != shape:
            raise CheckpointError(f"the tensor {theirs!r} has shape {tuple(value.shape)}, expected {shape}")
        weights[name] = value.contiguous()
    return weights


def _halves(value: Tensor, config: TimerXLConfig) -> Tensor:
    """Rows of a query or key: of each head the rotated features 0 2 4 ... 1 3 5 ..., and then the others."""
    size = config.width // config.heads
    n_rotated = 2 * round(size * config.rotary_share / 2)
    order = [*range(0, n_rotated, 2), *range(1, n_rotated, 2), *range(n_rotated, size)]
    return value.unflatten(0, (config.heads, size))[:, order].flatten(0, 1)
