"""What is measured of speculative decoding: on its own model the law holds, errors are those of the forecasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ttm_sk import load_checkpoint, save_checkpoint
from ttm_sk.cli import main
from ttm_sk.data.long_horizon_sets import read_any_set
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.evaluation.speculation import (
    Options,
    breakdown,
    compare,
    cut_windows,
    speculate_windows,
    sweep,
    trace_table,
)
from ttm_sk.inference.decoding import decode
from ttm_sk.inference.drafts import draft_of
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.patch_learning import random_checkpoint

TARGET = random_checkpoint(TimerXLConfig.tiny())
DRAFT = random_checkpoint(TimerXLConfig.tiny().draft(0.5, is_stochastic=True), seed=1)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "walks.csv"
    values = np.random.default_rng(0).normal(size=(800, 2)).cumsum(0)
    dates = pd.date_range("2024-01-01", periods=800, freq="h")
    pd.DataFrame(values, columns=["a", "b"]).assign(date=dates).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def windows(table):
    return cut_windows(read_any_set(table), context_length=96, horizon=40, n_windows=6)


def test_when_windows_are_cut_then_they_lie_in_the_test_part(table, windows):
    data = read_any_set(table)
    assert (data.test_start, data.test_stop) == (640, 800)
    assert windows.context.shape == (12, 1, 96)
    np.testing.assert_array_equal(windows.target[0, 0], data.values[0, 640:680])
    np.testing.assert_array_equal(windows.target[-1, 0], data.values[1, 760:800])
    np.testing.assert_allclose(windows.context[0, 0], data.values[0, 544:640], rtol=1e-6)


def test_when_drafts_are_compared_then_each_way_has_its_row(windows):
    result = compare(TARGET, {"itself": TARGET, "small": DRAFT}, windows, Options(tolerance=1e-6), batch_size=5)
    rows = result.set_index("method")
    assert list(rows.index) == ["uncached", "cached", "itself", "small"]
    assert rows.loc["itself", "acceptance"] == 1.0
    assert rows.loc["itself", "target_calls"] == 2
    assert rows.loc["small", "acceptance"] < 0.2
    own = decode(TARGET.build(), windows.context, torch.ones_like(windows.context).bool(), horizon=40).numpy()
    assert rows["mse"].to_numpy() == pytest.approx(((own - windows.target) ** 2).mean(), rel=1e-3)
    assert rows["seconds"].min() > 0
    assert rows.loc["cached", "speedup"] == 1.0
    itself = rows.loc["itself"]
    assert itself["law"] == pytest.approx(4 / (1 + 3 * itself["draft_cost"]))


def test_when_options_are_swept_then_a_larger_tolerance_keeps_more(windows):
    grid = [Options(tolerance=x, k=k) for k in (1, 3) for x in (0.0, 0.5, 1e6)]
    result = sweep(TARGET, DRAFT, windows, grid, batch_size=12)
    for _, rows in result.groupby("k"):
        assert rows["acceptance"].is_monotonic_increasing
        assert rows["acceptance"].iloc[[0, -1]].tolist() == [0.0, 1.0]
        assert rows["mse_change"].iloc[0] == pytest.approx(0, abs=1e-4)
    with pytest.raises(ConfigError, match="nothing to sweep"):
        sweep(TARGET, DRAFT, windows, [])


def test_when_a_run_is_traced_then_every_proposal_has_its_row(windows):
    target = TARGET.build()
    draft = draft_of(DRAFT.build(), patch_length=8)
    outcome = speculate_windows(target, draft, windows, Options(tolerance=0.5), batch_size=5, is_traced=True)
    trace, parts = trace_table(outcome.reports), breakdown(outcome.reports)
    assert len(trace) == sum(report.n_proposed for report in outcome.reports)
    assert trace["is_accepted"].sum() == sum(report.n_accepted for report in outcome.reports)
    assert (trace.loc[trace["is_accepted"], "statistic"] <= 0.5).all()
    assert (trace.loc[trace["is_tested"] & ~trace["is_accepted"], "statistic"] > 0.5).all()
    assert len(parts) == 3
    np.testing.assert_allclose(parts[["start", "draft", "target", "rest"]].sum(axis=1), parts["all"])


def test_when_the_commands_run_then_they_write_what_they_say(tmp_path, table, capsys):
    target, draft = tmp_path / "target.safetensors", tmp_path / "draft.safetensors"
    assert main(["pretrain", "--architecture", "timer-xl", "--windows", "16", "--output", str(target)]) == 0
    models = ["--target-model", str(target)]
    learn = ["--steps", "2", "--batch-size", "4", "--threads", "1"]
    assert main(["distill", str(table), *models, *learn, "--scale", ".5", "--output", str(draft)]) == 0
    assert load_checkpoint(draft).config.is_stochastic
    tuned = tmp_path / "tuned.safetensors"
    assert main(["finetune", str(table), "--model", str(target), "--steps", "2", "--output", str(tuned)]) == 0
    assert load_checkpoint(tuned).hash != load_checkpoint(target).hash
    capsys.readouterr()
    files = {name: tmp_path / f"{name}.csv" for name in ("trace", "breakdown", "output")}
    written = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    few = ["--horizon", "40", "--windows", "2"]
    assert main(["speculate", "run", str(table), *models, "--draft", str(draft), *few, *written]) == 0
    assert "speculative" in capsys.readouterr().out
    assert all(len(pd.read_csv(path)) for path in files.values())
    sweep_file = tmp_path / "sweep.csv"
    command = ["speculate", "sweep", str(table), *models, "--draft", str(draft), *few, "--mode", "relaxed"]
    assert main([*command, "--k", "1", "2", "--sigma", ".5", "5", "--output", str(sweep_file)]) == 0
    assert len(pd.read_csv(sweep_file)) == 4


def test_when_a_command_is_given_nonsense_then_it_says_what_is_wrong(tmp_path, table, capsys):
    target = str(save_checkpoint(TARGET, tmp_path / "target.safetensors"))
    command = ["speculate", "run", str(table), "--target-model", target, "--horizon", "40"]
    assert main([*command, "--draft", "ttm-tiny", "--tolerance", "-1"]) == 2
    assert "tolerance=-1" in capsys.readouterr().err
    assert main([*command[:4], "ttm-tiny", "--horizon", "40", "--draft", target]) == 2
    assert "found a checkpoint of 'ttm'" in capsys.readouterr().err
    assert main([*command, "--draft", target, "--mode", "sample", "--sigma", ".5"]) == 2
    assert "no variance" in capsys.readouterr().err
    with pytest.raises(DataError, match="before its test part"):
        cut_windows(read_any_set(table), context_length=10_000, horizon=40, n_windows=2)
