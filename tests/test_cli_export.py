"""``ttm-sk export``: exit codes, and a file that is never replaced unasked."""

from __future__ import annotations

import torch
from strategies import random_module, small_config

from ttm_sk import save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.cli import main


def test_when_a_checkpoint_is_exported_then_the_file_runs_and_stays(tmp_path, capsys):
    module = random_module(small_config())
    source = save_checkpoint(Checkpoint(module.config, module.state_dict()), tmp_path / "m.safetensors")
    asked = ["export", str(source), "--format", "torch", "--output", str(tmp_path / "m.pt2")]
    assert main(asked) == 0
    assert "format torch" in capsys.readouterr().out
    before = (tmp_path / "m.pt2").read_bytes()
    assert main(asked) == 2
    assert "exists, which stays" in capsys.readouterr().err
    assert (tmp_path / "m.pt2").read_bytes() == before
    assert torch.export.load(tmp_path / "m.pt2") is not None
