"""IBM Granite's folders: what granite-tsfm gave stands in ``tests/golden/granite.npz``; see ``granite_cases.py``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from granite_cases import CASES, MIXED, SMALL, Case, draw_inputs, draw_weights
from granite_run import run
from safetensors.torch import load_file, save_file
from strategies import small_config

from ttm_sk import load_checkpoint, save_checkpoint
from ttm_sk.checkpoints.granite import from_granite, to_granite
from ttm_sk.checkpoints.granite_config import HABITS, granite_values, ttm_config
from ttm_sk.checkpoints.granite_keys import granite_names
from ttm_sk.checkpoints.granite_options import DEFAULTS, INERT, ONLY, R3_SWITCHES
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import CheckpointError
from ttm_sk.models.ttm import TTM, TTMConfig

GOLDEN = Path(__file__).parents[1] / "golden" / "granite.npz"
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "granite_r2_512_96"
POINT = {"levels": (), "head_width": 0, "scaling": "std", "minimum_variance": 1e-5}


def write_folder(folder: Path, options: dict | None = None, **changes: object) -> Path:
    """A folder as granite-tsfm writes it; ``changes`` of the configuration alone, None takes a key away."""
    values = SMALL | (options or {})
    folder.mkdir(exist_ok=True)
    save_file(draw_weights(values), folder / "model.safetensors", metadata={"format": "pt"})
    changed = {key: value for key, value in (values | changes).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(changed))
    return folder


@pytest.mark.parametrize("name", CASES)
def test_when_an_option_is_set_then_numbers_and_gradients_are_those_that_granite_gave(name):
    case = CASES[name]
    with np.load(GOLDEN) as golden:
        expected = {part: golden[f"{name}|{part}"] for part in ("forecast", "loss", "sizes")}
    weights = draw_weights(case.values, dtype=torch.float64)
    found = run(case, weights, draw_inputs(case, dtype=torch.float64))
    sizes = [float(value.norm()) for key, value in sorted(found.items()) if key.startswith(("grad", "buffer"))]
    np.testing.assert_allclose(found["forecast"], expected["forecast"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-9)
    np.testing.assert_allclose(sizes, expected["sizes"], rtol=1e-8, atol=1e-12 * max(sizes))


@pytest.mark.parametrize("name", CASES)
def test_when_names_are_translated_then_none_is_lost_and_none_is_shared(name):
    module = TTM(ttm_config(CASES[name].values))
    names = granite_names(module.state_dict(), module.config)
    assert list(names) == list(module.state_dict())
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("name", CASES)
def test_when_a_folder_is_read_and_written_then_it_is_the_same_bit_for_bit(name, tmp_path):
    folder = write_folder(tmp_path / "theirs", CASES[name].options)
    written = to_granite(from_granite(folder), tmp_path / "ours")
    before, after = load_file(folder / "model.safetensors"), load_file(written / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert json.loads((written / "config.json").read_text()) == json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_when_a_configuration_is_written_anew_then_it_is_read_as_the_same(name):
    config = ttm_config(CASES[name].values)
    assert ttm_config(granite_values(config)) == config


def test_when_a_checkpoint_of_granite_is_saved_as_ours_then_it_opens_the_same(tmp_path):
    checkpoint = from_granite(write_folder(tmp_path / "theirs", MIXED))
    assert load_checkpoint(save_checkpoint(checkpoint, tmp_path / "ours.safetensors")) == checkpoint


def test_when_a_point_model_of_ours_is_written_then_it_opens_with_the_habits_of_granite(tmp_path):
    config = small_config(**POINT, n_resolutions=3, gate="none")
    checkpoint = Checkpoint(config, TTM(config).state_dict())
    again = load_checkpoint(to_granite(checkpoint, tmp_path / "ours"))
    assert again.config == replace(config, **HABITS)
    context, tokens = torch.randn(2, 1, 32), torch.tensor([0, 2])
    observed = torch.ones_like(context, dtype=torch.bool)
    found, expected = (part.build()(context, observed, resolution=tokens).mean for part in (again, checkpoint))
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "levels=(0.1, 0.5, 0.9)"),
        (POINT | {"views": (1, 2), "context_length": 64}, "views=(1, 2)"),
        (POINT | {"with_flags": True}, "with_flags=True"),
        (POINT | {"scaling_length": 16}, "scaling_length=16"),
        (POINT | {"n_levels": 3}, "width=16"),
    ],
)
def test_when_the_format_has_no_word_for_a_field_then_writing_names_it(changes, field, tmp_path):
    config = small_config(**{"scaling": "std"} | changes)
    with pytest.raises(CheckpointError) as error:
        to_granite(Checkpoint(config, TTM(config).state_dict()), tmp_path / "ours")
    assert field in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_when_the_folder_holds_something_then_nothing_is_overwritten(tmp_path):
    checkpoint = from_granite(write_folder(tmp_path / "theirs"))
    before = (tmp_path / "theirs" / "config.json").read_bytes()
    with pytest.raises(CheckpointError, match="nothing is overwritten: choose a new folder"):
        to_granite(checkpoint, tmp_path / "theirs")
    assert (tmp_path / "theirs" / "config.json").read_bytes() == before


def test_when_writing_fails_then_no_half_folder_is_left(tmp_path, monkeypatch):
    checkpoint = from_granite(write_folder(tmp_path / "theirs"))

    def fail(path: Path, content: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("ttm_sk.checkpoints.granite.write_atomically", fail)
    with pytest.raises(OSError, match="no space left"):
        to_granite(checkpoint, tmp_path / "ours")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a_new_option": 1}, "holds the key 'a_new_option' .* does not know"),
        ({"masked_context_length": 40}, "masked_context_length=40, which is not supported; expected None"),
        ({"use_register_context_gating": True}, "use_register_context_gating=True, which is not supported"),
        ({"patch_stride": 4}, "patch_stride=4, which is not supported; expected 8"),
        ({"num_patches": 7}, "num_patches=7, which is not supported; expected 4"),
        ({"loss": "nll"}, "loss='nll', which is not supported; expected one of 'mse', 'mae'"),
        ({"scaling": "robust"}, "scaling='robust', which is not supported"),
        ({"gate_mode": "tanh"}, "gate_mode='tanh', which is not supported"),
        ({"mode": "other"}, "mode='other', which is not supported"),
        ({"architectures": ["TinyTimeMixerForMaskedPrediction"]}, "architectures=.*ForMaskedPrediction"),
        ({"prediction_filter_length": 7}, "prediction_filter_length=7"),
        ({"prediction_channel_indices": []}, r"prediction_channel_indices=\[\]"),
        ({"multi_quantile_head": True}, "the tensor 'multi_quantile_head_block.* is missing"),
        ({"multi_scale": True}, "the tensor 'backbone.encoder.patcher.bias' is not part of the model"),
        ({"model_type": "llama"}, "a model of type 'llama', expected 'tinytimemixer'"),
        ({"d_model": 32}, r"the tensor 'backbone\..*' has shape .*, expected"),
        ({"d_model": "wide"}, "width='wide' is no int"),
        ({"decoder_num_layers": 2}, r"the tensor 'decoder\.decoder_block\.mixers\.1\..*' is missing"),
        ({"gated_attn": False}, r"the tensor '.*gating_block.*' is not part of the model"),
    ],
    ids=lambda part: next(iter(part)) if isinstance(part, dict) else "",
)
def test_when_a_configuration_is_unsupported_or_wrong_then_the_error_names_the_key(changes, message, tmp_path):
    folder = write_folder(tmp_path / "theirs", **changes)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("fcm_prepend_past_offset", 0), ("fcm_mix_layers", 0), ("fcm_context_length", 0)],
)
def test_when_the_forecast_mixer_is_one_that_granite_cannot_build_then_it_raises(key, value):
    options = SMALL | {"num_input_channels": 2, "enable_forecast_channel_mixing": True, "fcm_use_mixer": True}
    with pytest.raises(CheckpointError, match=rf"{key}=0|reach=0"):
        ttm_config(options | {key: value})


def test_when_files_are_missing_damaged_or_pickled_then_the_error_says_which(tmp_path):
    folder = write_folder(tmp_path / "theirs")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    with pytest.raises(CheckpointError, match="no readable safetensors file"):
        load_checkpoint(folder)
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin, a pickle, .* it is not read"):
        load_checkpoint(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(CheckpointError, match=r"found no model\.safetensors"):
        load_checkpoint(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json is no JSON"):
        load_checkpoint(folder)
    weights.write_bytes(whole)
    with pytest.raises(CheckpointError, match="or the folder of an IBM Granite one"):
        load_checkpoint(weights)


def test_when_every_key_has_a_list_then_it_stands_in_only_one():
    lists = [set(DEFAULTS), set(ONLY), set(R3_SWITCHES), set(INERT)]
    assert sum(map(len, lists)) == len(set().union(*lists))


@pytest.mark.parametrize("key", sorted(INERT))
def test_when_an_inert_key_is_there_then_the_configuration_is_the_same(key):
    assert ttm_config(SMALL | {key: "whatever"}) == ttm_config(SMALL)


def test_when_a_history_is_short_then_its_pad_counts_as_in_granite_and_can_be_told_not_to():
    case = Case(extra_length=-11)
    config = ttm_config(case.values)
    module, other = TTM(config).eval(), TTM(replace(config, pads_count=False)).eval()
    other.load_state_dict(module.state_dict())
    short = draw_inputs(case).past.transpose(1, 2)
    padded = torch.nn.functional.pad(short, (11, 0))
    seen = torch.ones_like(padded, dtype=torch.bool)
    unseen = seen.clone()
    unseen[..., :11] = False
    flags = torch.ones_like(short, dtype=torch.bool)
    assert torch.equal(module(short, flags).mean, module(padded, seen).mean)
    assert torch.equal(other(short, flags).mean, other(padded, unseen).mean)
    assert not torch.allclose(module(short, flags).mean, other(short, flags).mean)


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder with real checkpoints is not here")
def test_when_the_checkpoint_is_a_real_one_then_it_opens_and_is_written_back(tmp_path):
    checkpoint = load_checkpoint(REAL)
    assert checkpoint.n_parameters == 805_280
    assert replace(checkpoint.config, **{key: getattr(TTMConfig(), key) for key in HABITS}) == replace(
        TTMConfig.granite(), dropout=0.4, head_dropout=0.4
    )
    written = to_granite(checkpoint, tmp_path / "again")
    before, after = load_file(REAL / "model.safetensors"), load_file(written / "model.safetensors")
    assert all(torch.equal(before[key], after[key]) for key in before | after)
