"""TTM-R3 folders of IBM Granite: the numbers that granite-tsfm gave, both ways, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from granite_r3_cases import (
    ARCHITECTURES,
    MULTI,
    PAIR_QUANTILES,
    POOLED,
    TREND,
    draw_inputs,
    draw_weights,
)
from granite_r3_run import run
from safetensors.torch import save_file

from ttm_sk import load_checkpoint, save_checkpoint
from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.granite import from_granite, to_granite
from ttm_sk.checkpoints.granite_r3 import ALL_DEFAULTS, R3_INERT, R3_LOSS, R3_ONLY, granite_r3_values, ttm_r3_config
from ttm_sk.checkpoints.granite_r3_keys import granite_r3_names
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import CheckpointError

GOLDEN = Path(__file__).parents[1] / "golden" / "granite_r3.npz"
every = pytest.mark.parametrize("name", ARCHITECTURES)
SINGLE, PAIR = POOLED | {"register_tokens": 1}, PAIR_QUANTILES | TREND
kinds = pytest.mark.parametrize("values", [SINGLE, PAIR], ids=["single", "pair"])


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as kept:
        return dict(kept)


def write_folder(folder: Path, values: dict[str, Any], weights: dict[str, torch.Tensor] | None = None) -> Path:
    """A folder as granite-tsfm writes it."""
    folder.mkdir()
    content = {name: value.contiguous() for name, value in (weights or draw_weights(values)).items()}
    save_file(content, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    return folder


@every
def test_when_granite_has_computed_a_case_then_point_quantiles_loss_and_gradients_are_the_same(name, golden):
    case = ARCHITECTURES[name]
    found = run(case, draw_weights(case.values, dtype=torch.float64), draw_inputs(case, dtype=torch.float64))
    np.testing.assert_allclose(found["point"], golden[f"{name}|point"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found["loss"], golden[f"{name}|loss"], rtol=1e-9)
    if "quantiles" in found:
        np.testing.assert_allclose(found["quantiles"][-1], golden[f"{name}|quantiles"], rtol=1e-6, atol=1e-6)
    sizes = [float(value.norm()) for key, value in sorted(found.items()) if key.startswith("grad")]
    np.testing.assert_allclose(sizes, golden[f"{name}|sizes"], rtol=1e-8, atol=1e-12)


@every
def test_when_tensors_are_named_then_no_name_is_used_twice(name):
    config = ttm_r3_config(ARCHITECTURES[name].values)
    names = granite_r3_names(new_module(config).state_dict(), config)
    assert len(set(names.values())) == len(names)


@every
def test_when_a_configuration_is_written_in_granites_words_then_it_is_read_back(name):
    config = ttm_r3_config(ARCHITECTURES[name].values)
    assert ttm_r3_config(granite_r3_values(config)) == config


@kinds
def test_when_a_folder_is_opened_and_written_then_its_files_are_the_same_bytes(values, tmp_path):
    theirs = write_folder(tmp_path / "theirs", values)
    ours = to_granite(load_checkpoint(theirs), tmp_path / "ours")
    for file in ("config.json", "model.safetensors"):
        assert (ours / file).read_bytes() == (theirs / file).read_bytes()


@kinds
def test_when_a_granite_model_is_saved_in_our_format_then_it_forecasts_alike(values, tmp_path):
    checkpoint = from_granite(write_folder(tmp_path / "theirs", values))
    again = load_checkpoint(save_checkpoint(checkpoint, tmp_path / "x.safetensors"))
    assert again == checkpoint
    context = torch.randn(2, 1, 96)
    observed = torch.ones_like(context, dtype=torch.bool)
    found, expected = (part.build()(context, observed).quantiles for part in (again, checkpoint))
    assert torch.equal(found, expected)
    assert to_granite(again, tmp_path / "back").joinpath("config.json").exists()


def test_when_lists_of_keys_are_compared_then_no_key_is_in_two_of_them():
    lists = [set(ALL_DEFAULTS), set(R3_ONLY), set(R3_LOSS), set(R3_INERT)]
    assert sum(map(len, lists)) == len(set.union(*lists))


@pytest.mark.parametrize("key", sorted(R3_INERT))
def test_when_an_inert_key_has_another_value_then_the_model_is_the_same(key):
    assert ttm_r3_config(SINGLE | {key: "anything"}) == ttm_r3_config(SINGLE)


REFUSED = {
    "categorical_vocab_size_list": [3],
    "decoder_raw_residual": True,
    "enable_forecast_channel_mixing": True,
    "exogenous_channel_indices": [1],
    "prediction_channel_indices": [0],
    "masked_context_length": 112,
    "scaling_dim": 2,
    "keepdim": False,
    "default_scale": 1.0,
    "use_register_context_gating": True,
    "patch_last": False,
    "model_type": "patchtst",
}


def test_when_keys_are_supported_at_one_value_then_each_has_a_test():
    assert set(REFUSED) == set(R3_ONLY)


@pytest.mark.parametrize("key", REFUSED)
def test_when_an_option_is_not_rebuilt_for_r3_then_its_key_is_named(key):
    with pytest.raises(CheckpointError, match=key):
        ttm_r3_config(SINGLE | {key: REFUSED[key]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"moe_experts": 4}, "holds the key 'moe_experts'"),
        ({"architectures": ["TinyTimeMixerForMaskedPrediction"]}, "architectures=.*MaskedPrediction"),
        ({"patch_stride": 4}, "patch_stride=4"),
        ({"num_patches": 99}, "num_patches=99"),
        ({"gate_mode": "relu"}, "gate_mode='relu'"),
        ({"loss": "nll"}, "loss='nll'"),
        ({"scaling": "robust"}, "scaling='robust'"),
        ({"mq_q50_type": "mode"}, "mq_q50_type='mode'"),
        ({"mq_cond_path": "attend"}, "mq_cond_path='attend'"),
        ({"mq_cond_mode": "multiply"}, "mq_cond_mode='multiply'"),
        ({"mq_kernel_size": 4}, "spread_kernel=4 must be odd"),
        ({"quantile_levels": [0.1, 0.9]}, "levels=.*0.5 in the middle"),
        ({"fft_length": 80}, "n_frequencies=80"),
        ({"prediction_filter_length": 17}, "prediction_filter_length=17"),
        ({"d_model": "wide"}, "width='wide'"),
    ],
)
def test_when_a_configuration_cannot_be_built_then_the_reason_is_named(changes, message):
    with pytest.raises(CheckpointError, match=message):
        ttm_r3_config(SINGLE | changes)


def test_when_the_residual_sees_more_than_the_trend_then_it_raises():
    with pytest.raises(CheckpointError, match="longer than the trend's"):
        ttm_r3_config(PAIR | {"residual_context_length": 128})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda weights: weights.pop("multi_quantile_head_block.pw2.bias"), "pw2.bias' is missing"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "'extra' is not part of the model"),
        (lambda weights: weights.update({"head.base_forecast_block.bias": torch.zeros(3)}), r"has shape \(3,\)"),
        (lambda weights: weights["backbone.encoder.base_norm.bias"].fill_(torch.nan), "not finite"),
    ],
)
def test_when_the_tensors_are_not_those_of_the_configuration_then_the_difference_is_named(damage, message, tmp_path):
    weights = draw_weights(SINGLE)
    damage(weights)
    with pytest.raises(CheckpointError, match=message):
        from_granite(write_folder(tmp_path / "theirs", SINGLE, weights))


def test_when_a_pair_folder_names_the_single_architecture_then_its_tensors_do_not_fit(tmp_path):
    values = PAIR | {"architectures": ["TinyTimeMixerForPrediction"]}
    with pytest.raises(CheckpointError, match="trend_forecaster|residual_forecaster"):
        from_granite(write_folder(tmp_path / "theirs", values, draw_weights(PAIR)))


def test_when_granite_has_no_key_for_a_field_then_it_is_named(tmp_path):
    config = replace(ttm_r3_config(MULTI), normalises_patches=False)
    checkpoint = Checkpoint(config, new_module(config).state_dict())
    with pytest.raises(CheckpointError, match="no key for normalises_patches=False"):
        to_granite(checkpoint, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()
