"""The command line with PatchSLSTM: train one, look at it, open a TiRex file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tirex_cases import HYPER_PARAMETERS, draw_weights

from ttm_sk import load_checkpoint
from ttm_sk.cli import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "mine.safetensors"
    asked = ["pretrain", "--architecture", "patch-slstm", "--windows", "2", "--batch-size", "2", "--output", str(path)]
    assert main([*asked, "--synthetic-share", "1", "--device", "cpu"]) == 0
    return path


def test_when_one_is_pretrained_then_its_checkpoint_opens(trained):
    checkpoint = load_checkpoint(trained)
    assert (checkpoint.architecture, checkpoint.n_parameters) == ("patch-slstm", 926_912)
    assert checkpoint.provenance["windows"] == 2


def test_when_another_architecture_is_named_for_its_weights_then_it_is_bad_input(trained, tmp_path, capsys):
    asked = ["pretrain", "--architecture", "ttm", "--from", str(trained), "--output", str(tmp_path / "x.safetensors")]
    assert main(asked) == 2
    assert "holds a patch-slstm" in capsys.readouterr().err


def test_when_an_architecture_has_no_such_size_then_it_is_bad_input(tmp_path, capsys):
    asked = ["pretrain", "--architecture", "patch-slstm", "--preset", "base", "--output", str(tmp_path / "x")]
    assert main(asked) == 2
    assert "patch-slstm has no size 'base'; choose one of 'tiny', 'small', 'full'" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::ttm_sk.errors.LicenceWarning")
def test_when_a_tirex_file_is_converted_then_its_duties_are_printed(tmp_path, capsys):
    torch.save({"hyper_parameters": HYPER_PARAMETERS, "state_dict": draw_weights()}, tmp_path / "model.ckpt")
    output = tmp_path / "ours.safetensors"
    assert main(["convert", str(tmp_path / "model.ckpt"), "--to", "ttm-sk", "--output", str(output)]) == 0
    assert "Built with technology from NXAI" in capsys.readouterr().out
    assert main(["info", str(output)]) == 0
    assert "Built with technology from NXAI" in capsys.readouterr().out


def test_when_it_should_become_a_granite_folder_then_it_is_bad_input(trained, tmp_path, capsys):
    assert main(["convert", str(trained), "--to", "granite", "--output", str(tmp_path / "folder")]) == 2
    assert "describes TTMs, not a PatchSLSTMConfig" in capsys.readouterr().err
    assert not (tmp_path / "folder").exists()
