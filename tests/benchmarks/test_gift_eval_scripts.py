"""The scripts of ``benchmarks/gift_eval``: all that they do is call the package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.evaluation.leaderboard import read_results
from ttm_sk.models.ttm import TTM, TTMConfig

pytest.importorskip("gluonts")

ROOT = Path(__file__).parents[2]
STORAGE = ROOT / "tests/evaluation/gift_eval"


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/gift_eval/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def hospital(tmp_path) -> Path:
    (tmp_path / "hospital").symlink_to(STORAGE / "hospital")
    return tmp_path


def test_when_weights_are_measured_then_every_effort_has_its_folder_and_they_are_compared(hospital, tmp_path):
    pytest.importorskip("matplotlib")
    torch.manual_seed(0)
    config = TTMConfig(context_length=64, prediction_length=12, patch_length=16, width=8, n_layers=1, decoder_width=8)
    weights = save_checkpoint(Checkpoint(config, TTM(config).state_dict()), tmp_path / "mine.safetensors")
    results = tmp_path / "results"
    chosen = ["--storage", str(hospital), "--model", str(weights), "--effort", "plain", "fast"]
    assert script("measure").main([*chosen, "--results", str(results)]) == 0
    assert read_results(results / "mine-plain").index.tolist() == [("mine-plain", "hospital/M/short")]
    assert "| **mine-fast** |" in (results / "comparison.md").read_text()


def test_when_the_baseline_is_not_the_published_one_then_its_script_tells(hospital, tmp_path, capsys):
    from ttm_sk.cli import main

    chosen = ["--storage", str(hospital), "--baseline", "seasonal-naive", "--output", str(tmp_path / "out")]
    assert main(["gift-eval", "run", *chosen]) == 0
    # made-up data: the published numbers are another data set's
    assert script("check_baseline").main([str(tmp_path / "out")]) == 1
    assert "hospital/M/short" in capsys.readouterr().out


def test_when_the_kept_baseline_is_checked_then_it_is_the_published_one(capsys):
    assert script("check_baseline").main([str(ROOT / "benchmarks/gift_eval/results/seasonal_naive")]) == 0
    assert "28 tasks" in capsys.readouterr().out
