"""Foreign Timer-XL files: OpenLTM's, against its own attention written out here, and the released layout."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from ttm_sk import load_checkpoint
from ttm_sk.checkpoints.granite_keys import rename
from ttm_sk.checkpoints.timer_xl import RELEASE, from_openltm
from ttm_sk.errors import CheckpointError
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.patch_learning import random_checkpoint

WIDTH, HEADS, INNER, PATCH, LAYERS = 24, 2, 20, 8, 2


def openltm_tensors() -> dict[str, torch.Tensor]:
    shapes = {"embedding": (WIDTH, PATCH), "head": (PATCH, WIDTH)}
    for i in range(LAYERS):
        layer = f"blocks.attn_layers.{i}"
        for part in ("query", "key", "value", "out"):
            shapes[f"{layer}.attention.{part}_projection"] = (WIDTH, WIDTH)
        shapes[f"{layer}.conv1"], shapes[f"{layer}.conv2"] = (INNER, WIDTH, 1), (WIDTH, INNER, 1)
    tensors = {}
    for name, shape in shapes.items():
        tensors |= {f"{name}.weight": torch.randn(shape) / 4, f"{name}.bias": torch.randn(shape[0]) / 4}
    norms = [f"blocks.attn_layers.{i}.norm{j}" for i in range(LAYERS) for j in (1, 2)] + ["blocks.norm"]
    for name in norms:
        tensors |= {f"{name}.weight": 1 + torch.randn(WIDTH) / 4, f"{name}.bias": torch.randn(WIDTH) / 4}
    for i in range(LAYERS):
        tensors[f"blocks.attn_layers.{i}.attention.inner_attention.attn_bias.emb.weight"] = torch.randn(2, HEADS)
    return tensors


def openltm_forecast(w: dict[str, torch.Tensor], series: torch.Tensor) -> torch.Tensor:
    """What OpenLTM's model says after the last patch of one series ``(time,)``: pairs of neighbours are turned."""
    loc, scale = series.mean(), (series.var(unbiased=False) + 1e-5).sqrt()
    x = functional.linear(
        ((series - loc) / scale).unflatten(0, (-1, PATCH)), w["embedding.weight"], w["embedding.bias"]
    )
    n, size = len(x), WIDTH // HEADS
    turned = size // 2
    angle = torch.arange(n)[:, None] / 10_000 ** (torch.arange(0, turned, 2) / turned)
    cos, sin = (part.repeat_interleave(2, -1) for part in (angle.cos(), angle.sin()))

    def turn(part):
        first, rest = part[..., :turned], part[..., turned:]
        partner = torch.stack([-first[..., 1::2], first[..., ::2]], -1).flatten(-2)
        return torch.cat([first * cos + partner * sin, rest], -1)

    for i in range(LAYERS):

        def layer(name, value, i=i):
            prefix = f"blocks.attn_layers.{i}.{name}"
            return functional.linear(value, w[f"{prefix}.weight"].squeeze(-1), w[f"{prefix}.bias"])

        def norm(name, value, i=i):
            prefix = f"blocks.attn_layers.{i}.{name}"
            return functional.layer_norm(value, (WIDTH,), w[f"{prefix}.weight"], w[f"{prefix}.bias"])

        query, key, value = (
            layer(f"attention.{part}_projection", x).unflatten(1, (HEADS, size)).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        score = turn(query) @ turn(key).transpose(1, 2)
        score = score + w[f"blocks.attn_layers.{i}.attention.inner_attention.attn_bias.emb.weight"][1][:, None, None]
        score = score.masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf) / size**0.5
        mixed = (score.softmax(-1) @ value).transpose(0, 1).flatten(1)
        x = norm("norm1", x + layer("attention.out_projection", mixed))
        x = norm("norm2", x + layer("conv2", layer("conv1", x).relu()))
    x = functional.layer_norm(x, (WIDTH,), w["blocks.norm.weight"], w["blocks.norm.bias"])
    return functional.linear(x[-1], w["head.weight"], w["head.bias"]) * scale + loc


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_when_an_openltm_file_is_opened_then_it_forecasts_what_it_did_there(tmp_path, ending, prefix):
    tensors, path = openltm_tensors(), tmp_path / f"checkpoint.{ending}"
    named = {prefix + name: value for name, value in tensors.items()}
    save_file(named, path) if ending == "safetensors" else torch.save(named, path)
    checkpoint = load_checkpoint(path)
    assert checkpoint.config == TimerXLConfig(
        16 * PATCH, PATCH, WIDTH, HEADS, LAYERS, INNER, attends="all", minimum_variance=1e-5
    )
    series = torch.randn(5 * PATCH).cumsum(0)
    ours = checkpoint.build()(series[None, None], torch.ones(1, 1, 5 * PATCH, dtype=torch.bool)).mean[0, 0]
    torch.testing.assert_close(ours, openltm_forecast(tensors, series), rtol=1e-4, atol=1e-4)
    alone = from_openltm(path, attends="own", context_length=48)  # what a bias of one channel adds, softmax takes away
    ours = alone.build()(series[None, None], torch.ones(1, 1, 5 * PATCH, dtype=torch.bool)).mean[0, 0]
    torch.testing.assert_close(ours, openltm_forecast(tensors, series), rtol=1e-4, atol=1e-4)


def test_when_a_released_folder_is_opened_then_its_tensors_have_our_names(tmp_path):
    config = TimerXLConfig(240, 8, 16, 2, 2, 24, feedforward="gated", rotary_share=1.0)
    original = random_checkpoint(config)
    names = {name: rename(name, RELEASE) for name in original.weights}
    assert {"model.layers.1.self_attn.q_proj.bias", "lm_heads.0.weight"} <= set(names.values())
    save_file({names[name]: value for name, value in original.weights.items()}, tmp_path / "model.safetensors")
    values = {
        "model_type": "timer", "input_token_len": 8, "hidden_size": 16, "num_attention_heads": 2,
        "num_hidden_layers": 2, "intermediate_size": 24, "hidden_act": "silu", "output_token_lens": [8],
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(values))
    opened = load_checkpoint(tmp_path)
    assert (opened.config, opened.hash) == (original.config, original.hash)
    (tmp_path / "config.json").write_text(json.dumps(values | {"hidden_act": "relu"}))
    with pytest.raises(CheckpointError, match="hidden_act='relu'"):
        load_checkpoint(tmp_path)


def test_when_a_foreign_file_is_not_whole_then_it_says_what_is_missing(tmp_path):
    tensors, path = openltm_tensors(), tmp_path / "checkpoint.pth"
    torch.save({name: value for name, value in tensors.items() if name != "head.bias"}, path)
    with pytest.raises(CheckpointError, match=r"'head.bias' is missing"):
        load_checkpoint(path)
    torch.save(tensors | {"extra": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="'extra' is not part"):
        load_checkpoint(path)
    torch.save(tensors | {"head.bias": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="has shape"):
        load_checkpoint(path)
