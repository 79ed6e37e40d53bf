"""``ttm-sk finetune`` and ``ttm-sk evaluate``: what they print, write and refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from strategies import random_module, small_config

from ttm_sk import load_checkpoint, save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.cli import main
from ttm_sk.models.ttm import DEFAULT_LEVELS


@pytest.fixture
def small(tmp_path) -> str:
    config = small_config(levels=DEFAULT_LEVELS)
    return str(save_checkpoint(Checkpoint(config, random_module(config).state_dict()), tmp_path / "small.safetensors"))


@pytest.fixture
def sales(tmp_path) -> str:
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=120, freq="D")
    promotion = (rng.random(120) < 0.3).astype(int)
    frame = pd.DataFrame({"day": days, "sales": 10 + np.arange(120) % 7 + 9 * promotion, "promotion": promotion})
    frame.to_csv(tmp_path / "sales.csv", index=False)
    return str(tmp_path / "sales.csv")


def test_when_weights_are_fine_tuned_then_they_are_written_and_said_what_of(small, sales, tmp_path, capsys):
    output = str(tmp_path / "mine.safetensors")
    arguments = ["finetune", sales, "--target", "sales", "--model", small, "--steps", "20", "--peak", "0.003"]
    assert main([*arguments, "--trainable", "full", "--output", output]) == 0
    printed = capsys.readouterr().out
    assert "validation loss" in printed
    assert f"wrote {output}" in printed
    tuned = load_checkpoint(output)
    assert tuned.hash != load_checkpoint(small).hash
    assert tuned.provenance["finetuning"][-1]["steps"] == 20
    assert main([*arguments, "--output", output]) == 2
    assert "already; choose another --output" in capsys.readouterr().err


def test_when_fine_tuning_cannot_be_done_then_nothing_is_written(small, sales, tmp_path, capsys):
    output = tmp_path / "mine.safetensors"
    assert (
        main(["finetune", sales, "--target", "sales", "--model", small, "--trainable", "all", "--output", str(output)])
        == 2
    )
    assert "unknown trainable='all'" in capsys.readouterr().err
    assert not output.exists()


def test_when_a_file_is_evaluated_then_table_scores_and_picture_are_there(small, sales, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    scores, picture = tmp_path / "scores.csv", tmp_path / "last.png"
    arguments = ["evaluate", sales, "--target", "sales", "--model", small, "--horizon", "7", "--windows", "2"]
    files = ["--output", str(scores), "--plot", str(picture)]
    assert main([*arguments, "--drivers", "promotion", "--without-classics", *files]) == 0
    printed = capsys.readouterr().out
    assert "2 windows of 7 steps, season 7, with promotion known ahead" in printed
    assert "seasonal naive" in printed
    assert len(pd.read_csv(scores)) == 4
    assert picture.read_bytes()[1:4] == b"PNG"


def test_when_drivers_have_gaps_then_they_are_named_until_filled(small, sales, tmp_path, capsys):
    frame = pd.read_csv(sales).astype({"promotion": float})
    frame.loc[5, "promotion"] = np.nan
    frame.to_csv(sales, index=False)
    arguments = ["evaluate", sales, "--target", "sales", "--drivers", "promotion", "--model", small, "--horizon", "7"]
    assert main([*arguments, "--windows", "2", "--without-classics"]) == 2
    assert "column 'promotion' of X has no finite value at 2024-01-06" in capsys.readouterr().err
    assert main([*arguments, "--windows", "2", "--without-classics", "--fill-drivers"]) == 0
    assert main(["evaluate", sales, "--drivers", "promotion", "--horizon", "7"]) == 2
    assert "--drivers needs --target" in capsys.readouterr().err
