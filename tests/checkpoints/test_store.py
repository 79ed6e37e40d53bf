"""Checkpoints: what was saved is what is read, and whatever is wrong with a file is named."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from safetensors.torch import save_file
from strategies import configs, few, random_module, seeds, small_config

from ttm_sk.checkpoints.hub import locate
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import FORMAT_VERSION, KIND, Checkpoint, save_checkpoint
from ttm_sk.checkpoints.tensor_file import read_tensors, write_tensors
from ttm_sk.errors import CheckpointError


def make_checkpoint(**changes) -> Checkpoint:
    config = small_config(**changes)
    return Checkpoint(config, random_module(config).state_dict(), {"windows": 7, "datasets": ["a", "b"]}, {"bias": 0.5})


@pytest.fixture
def saved(tmp_path) -> Path:
    return save_checkpoint(make_checkpoint(), tmp_path / "weights.safetensors")


def rewrite(path: Path, *, weights=None, **changes) -> Path:
    """The same file with another header or other weights, its hash computed anew."""
    tensors, header = read_tensors(path)
    write_tensors(path, tensors | (weights or {}), header | changes)
    return path


def test_when_saved_and_loaded_then_everything_is_identical(tmp_path):
    checkpoint = make_checkpoint()
    loaded = load_checkpoint(save_checkpoint(checkpoint, tmp_path / "weights.safetensors"))
    assert loaded.config == checkpoint.config
    assert set(loaded.weights) == set(checkpoint.weights)
    assert all(torch.equal(loaded.weights[name], value) for name, value in checkpoint.weights.items())
    assert loaded.provenance == checkpoint.provenance
    assert loaded.calibration == checkpoint.calibration
    assert loaded.hash == checkpoint.hash


@settings(few, max_examples=10)
@given(config=configs(), seed=seeds)
def test_when_any_architecture_is_saved_and_loaded_then_its_forecast_is_identical(tmp_path_factory, config, seed):
    module = random_module(config, seed=seed)
    path = save_checkpoint(Checkpoint(config, module.state_dict()), tmp_path_factory.mktemp("any") / "x.safetensors")
    context = torch.randn(2, config.n_channels, config.context_length)
    resolution = torch.zeros(2, dtype=torch.long) if config.n_resolutions else None
    observed = torch.ones_like(context, dtype=torch.bool)
    found, expected = (m(context, observed, resolution=resolution) for m in (load_checkpoint(path).build(), module))
    assert torch.equal(found.mean, expected.mean)


def test_when_the_ending_is_another_then_the_file_still_opens(tmp_path):
    path = save_checkpoint(make_checkpoint(), tmp_path / "new folder" / "weights.pt")
    assert load_checkpoint(path).hash == make_checkpoint().hash


def test_when_a_built_module_is_trained_then_the_checkpoint_stays(saved):
    checkpoint = load_checkpoint(saved)
    module = checkpoint.build()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert all(torch.equal(value, load_checkpoint(saved).weights[name]) for name, value in checkpoint.weights.items())


def test_when_built_then_the_module_is_in_evaluation_mode(saved):
    assert not load_checkpoint(saved).build().training


def test_when_loaded_twice_then_the_checkpoints_are_equal(saved):
    assert load_checkpoint(saved) == load_checkpoint(saved)
    assert hash(load_checkpoint(saved)) == hash(load_checkpoint(saved))


def test_when_one_weight_differs_then_the_checkpoints_differ(saved):
    checkpoint = load_checkpoint(saved)
    weights = {name: value.clone() for name, value in checkpoint.weights.items()}
    next(iter(weights.values())).flatten()[0] += 1
    assert checkpoint != Checkpoint(checkpoint.config, weights, checkpoint.provenance, checkpoint.calibration)


def test_when_the_disk_fails_then_the_old_file_stays_and_no_temporary_does(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(make_checkpoint(width=24), saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_when_the_file_is_missing_then_the_error_names_it(tmp_path):
    with pytest.raises(CheckpointError, match=r"found no checkpoint .*nowhere\.safetensors"):
        load_checkpoint(tmp_path / "nowhere.safetensors")


def test_when_the_path_is_a_folder_of_no_known_format_then_it_raises(tmp_path):
    with pytest.raises(CheckpointError, match=r"found no config\.json"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("n_bytes", [0, 5, 100, -1])
def test_when_the_file_is_truncated_then_it_raises(saved, n_bytes):
    saved.write_bytes(saved.read_bytes()[:n_bytes])
    with pytest.raises(CheckpointError, match="no readable safetensors file"):
        load_checkpoint(saved)


def test_when_the_file_is_a_pickle_then_it_is_refused_unread(tmp_path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="no readable safetensors file"):
        load_checkpoint(tmp_path / "model.pt")


def test_when_the_file_is_somebody_elses_safetensors_then_it_raises(tmp_path):
    save_file({"weights": torch.zeros(3)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="not one of ttm_sk"):
        load_checkpoint(tmp_path / "model.safetensors")


def test_when_a_tensor_byte_is_changed_then_it_raises(saved):
    content = bytearray(saved.read_bytes())
    content[-2] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match="were changed after they were written"):
        load_checkpoint(saved)


def test_when_the_header_is_not_json_then_it_raises(tmp_path):
    save_file({"weights": torch.zeros(3)}, tmp_path / "model.safetensors", metadata={"ttm_sk": "{"})
    with pytest.raises(CheckpointError, match="header of .* is damaged"):
        load_checkpoint(tmp_path / "model.safetensors")


def test_when_the_header_is_no_object_then_it_raises(tmp_path):
    save_file({"weights": torch.zeros(3)}, tmp_path / "model.safetensors", metadata={"ttm_sk": "[1]"})
    with pytest.raises(CheckpointError, match="expected a JSON object, found list"):
        load_checkpoint(tmp_path / "model.safetensors")


@pytest.mark.parametrize("config", [None, 5, "tiny", [], {"width": "wide"}, {"levels": ["a"]}, {"views": 3}], ids=str)
def test_when_the_stored_config_is_no_config_then_it_raises(saved, config):
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        load_checkpoint(rewrite(saved, config=config))


@pytest.mark.parametrize("key", ["provenance", "calibration"])
@pytest.mark.parametrize("value", [None, 5, "text", [1]], ids=str)
def test_when_stored_notes_are_no_object_then_it_raises(saved, key, value):
    with pytest.raises(CheckpointError, match=key):
        load_checkpoint(rewrite(saved, **{key: value}))


def test_when_the_stored_config_has_an_unknown_key_then_the_nearest_is_offered(saved):
    config = {**small_config().to_dict(), "gating": "softmax"}
    with pytest.raises(CheckpointError, match=r"unknown configuration key 'gating'.*"):
        load_checkpoint(rewrite(saved, config=config))


def test_when_the_stored_config_is_impossible_then_the_rule_is_named(saved):
    with pytest.raises(CheckpointError, match="patch_length=7 does not divide"):
        load_checkpoint(rewrite(saved, config={**small_config().to_dict(), "patch_length": 7}))


@pytest.mark.parametrize("key", ["config", "provenance", "calibration"])
def test_when_a_part_of_the_header_is_missing_then_it_is_named(saved, key):
    tensors, header = read_tensors(saved)
    del header[key]
    write_tensors(saved, tensors, header)
    with pytest.raises(CheckpointError, match=key):
        load_checkpoint(saved)


def test_when_the_format_is_newer_then_the_error_says_to_update(saved):
    with pytest.raises(CheckpointError, match=f"format version {FORMAT_VERSION + 1}.*update"):
        load_checkpoint(rewrite(saved, format_version=FORMAT_VERSION + 1))


@pytest.mark.parametrize(("key", "value"), [("architecture", "tirex"), ("kind", "training run")])
def test_when_the_file_holds_another_thing_then_it_raises(saved, key, value):
    with pytest.raises(CheckpointError, match=f"holds '{value}', expected a checkpoint of 'ttm'"):
        load_checkpoint(rewrite(saved, **{key: value}))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_when_a_weight_is_not_finite_then_it_is_named(saved, value):
    name = "adapter.bias"
    weights = {name: torch.full_like(read_tensors(saved)[0][name], value)}
    with pytest.raises(CheckpointError, match=f"not finite, in '{name}'"):
        load_checkpoint(rewrite(saved, weights=weights))


def test_when_a_weight_has_the_wrong_shape_then_both_shapes_are_named(saved):
    with pytest.raises(CheckpointError, match=r"'adapter.bias' is \(3,\), expected \(8,\)"):
        load_checkpoint(rewrite(saved, weights={"adapter.bias": torch.zeros(3)}))


def test_when_a_weight_is_missing_then_it_is_named(saved):
    tensors, header = read_tensors(saved)
    del tensors["adapter.bias"]
    write_tensors(saved, tensors, header)
    with pytest.raises(CheckpointError, match=r"'adapter.bias' is missing"):
        load_checkpoint(saved)


def test_when_there_is_a_weight_too_many_then_it_is_named(saved):
    with pytest.raises(CheckpointError, match="'surplus' is not part of it"):
        load_checkpoint(rewrite(saved, weights={"surplus": torch.zeros(1)}))


def test_when_read_by_other_software_then_the_header_is_plain_json(saved):
    from safetensors import safe_open

    with safe_open(saved, framework="np") as file:
        header = json.loads(file.metadata()["ttm_sk"])
    assert header["kind"] == KIND
    assert header["config"]["width"] == small_config().width


def test_when_bundled_weights_are_opened_then_they_are_a_small_file_that_fits_its_config(tmp_path):
    path = locate("ttm-tiny")
    copy = shutil.copy(path, tmp_path / "copy.safetensors")
    assert path.stat().st_size < 5_000_000
    assert load_checkpoint("ttm-tiny").n_parameters < 1_000_000
    assert load_checkpoint(copy).hash == load_checkpoint("ttm-tiny").hash


def test_when_a_checkpoint_is_copied_then_it_is_the_same_value():
    checkpoint = make_checkpoint()
    assert copy.deepcopy({"weights": checkpoint})["weights"] is checkpoint
