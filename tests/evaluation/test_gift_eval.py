"""A run from beginning to end: rows, resuming after a kill, refusing to mix, failing tasks."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import ttm_sk
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.evaluation.contenders import CheckpointContender, SeasonalNaiveContender
from ttm_sk.evaluation.gift_eval_tasks import CONFIGURATIONS, select_configurations
from ttm_sk.evaluation.results_folder import RESULT_COLUMNS, RUN_COLUMNS, ResultsFolder, hold_folder

pytest.importorskip("gluonts")

from ttm_sk.evaluation.gift_eval import plan_run, run_tasks  # noqa: E402

FOUR = ["hospital", "us_births/D", "m4_yearly", "m4_quarterly"]
SHARED = Path(__file__).parents[3] / "shared/data/gift_eval"


@dataclass(frozen=True)
class Counting(SeasonalNaiveContender):
    n_prepared = 0

    def prepare(self, known, *, horizon, seasonality):
        Counting.n_prepared += 1
        return super().prepare(known, horizon=horizon, seasonality=seasonality)


@dataclass(frozen=True)
class Failing(SeasonalNaiveContender):
    """Seasonal naive that cannot do tasks of 30 steps."""

    def prepare(self, known, *, horizon, seasonality):
        if horizon == 30:
            raise RuntimeError("no 30 steps")
        return super().prepare(known, horizon=horizon, seasonality=seasonality)


def run(contender, storage, output, names=FOUR, **settings):
    plan = plan_run(storage, output, select_configurations(names))
    return list(run_tasks(contender, plan.todo, storage=storage, output=output, **settings))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_when_all_97_are_asked_for_then_what_the_storage_lacks_is_told(storage, tmp_path):
    plan = plan_run(storage, tmp_path, CONFIGURATIONS)
    assert len(plan.todo) + len(plan.missing) == 97
    assert not plan.done
    assert "covid_deaths/D/short" in {task.name for task in plan.missing}


def test_when_tasks_are_done_then_rows_have_the_leaderboards_columns(storage, tmp_path, small):
    outcomes = run(CheckpointContender(small, effort="plain"), storage, tmp_path, ["ett1/H/short", "hospital"])
    assert [outcome.error for outcome in outcomes] == [None, None]
    hospital, ett1 = rows(tmp_path / "all_results.csv")
    assert tuple(hospital) == RESULT_COLUMNS
    assert len(RESULT_COLUMNS) == 15
    assert (hospital["dataset"], hospital["domain"], hospital["num_variates"]) == (
        "hospital/M/short",
        "Healthcare",
        "1",
    )
    assert (ett1["dataset"], ett1["domain"], ett1["num_variates"]) == ("ett1/H/short", "Energy", "7")
    assert hospital["model"] == "small-plain"
    assert float(hospital["eval_metrics/MASE[0.5]"]) == outcomes[0].metrics["MASE[0.5]"]


def test_when_tasks_are_done_then_how_is_kept_beside_them(storage, tmp_path, small):
    contender = CheckpointContender(small, effort="plain")
    run(contender, storage, tmp_path, ["hospital"])
    (row,) = rows(tmp_path / "runs.csv")
    assert tuple(row) == RUN_COLUMNS
    assert (row["version"], row["weights"], row["trained_on"]) == (ttm_sk.__version__, contender.weights, "a b")
    assert json.loads(row["settings"]) == {"model": small, "effort": "plain"}
    assert float(row["seconds"]) > 0
    assert float(row["peak_memory_mb"]) > 50
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["model"], config["model_type"], config["testdata_leakage"]) == ("small-plain", "zero-shot", "No")


@dataclass(frozen=True)
class Widened(SeasonalNaiveContender):
    """Intervals of seasonal naive times a factor."""

    factor: float = 1.0

    def prepare(self, known, *, horizon, seasonality):
        forecast = super().prepare(known, horizon=horizon, seasonality=seasonality)

        def widened(histories):
            fans = forecast(histories)
            return fans[..., 4:5] + self.factor * (fans - fans[..., 4:5])

        return widened


def test_when_intervals_are_wide_or_narrow_then_their_coverage_is_kept(storage, tmp_path):
    found = []
    for factor in (1e6, 1.0, 1e-9):
        run(Widened(factor=factor), storage, tmp_path / str(factor), ["ett1/H/short"])
        found.append(float(rows(tmp_path / str(factor) / "runs.csv")[0]["coverage_80"]))
    assert found[0] == 1
    assert 0.5 < found[1] < 1
    assert found[2] < 0.02


def test_when_run_again_then_nothing_is_repeated(storage, tmp_path):
    Counting.n_prepared = 0
    run(Counting(), storage, tmp_path)
    before = (tmp_path / "all_results.csv").read_bytes()
    assert Counting.n_prepared == 4
    assert run(Counting(), storage, tmp_path) == []
    assert Counting.n_prepared == 4
    assert (tmp_path / "all_results.csv").read_bytes() == before


KILLED = """
import os, signal, sys
from ttm_sk.evaluation.contenders import SeasonalNaiveContender
from ttm_sk.evaluation.gift_eval import plan_run, run_tasks
from ttm_sk.evaluation.gift_eval_tasks import select_configurations
storage, output, *names = sys.argv[1:]
todo = plan_run(storage, output, select_configurations(names)).todo
def die_in_the_third(task, made, all):
    if task == todo[2]:
        os.kill(os.getpid(), signal.SIGKILL)
for _ in run_tasks(SeasonalNaiveContender(), todo, storage=storage, output=output, on_progress=die_in_the_third):
    pass
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a system without SIGKILL")
def test_when_killed_in_the_middle_and_resumed_then_the_rows_are_those_of_one_run(storage, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(SeasonalNaiveContender(), storage, whole)
    environment = {**os.environ, "PYTHONPATH": str(Path(ttm_sk.__file__).parents[1])}
    command = [sys.executable, "-c", KILLED, str(storage), str(killed), *FOUR]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert len(rows(killed / "all_results.csv")) == 2
    run(SeasonalNaiveContender(), storage, killed)
    assert (killed / "all_results.csv").read_bytes() == (whole / "all_results.csv").read_bytes()


def test_when_a_task_fails_then_the_others_go_on_and_it_is_tried_again(storage, tmp_path):
    outcomes = run(Failing(), storage, tmp_path)
    assert {outcome.configuration.name: str(outcome.error) for outcome in outcomes if outcome.error} == {
        "us_births/D/short": "no 30 steps"
    }
    assert len(rows(tmp_path / "all_results.csv")) == 3
    run(SeasonalNaiveContender(), storage, tmp_path)
    order = [row["dataset"] for row in rows(tmp_path / "all_results.csv")]
    assert order == [task.name for task in select_configurations(FOUR)]


@pytest.mark.parametrize("other", [{"effort": "fast"}, {"name": "another"}])
def test_when_settings_differ_then_rows_are_not_mixed(storage, tmp_path, small, other):
    run(CheckpointContender(small, effort="plain"), storage, tmp_path, ["hospital"], name="one")
    contender = CheckpointContender(small, effort=other.get("effort", "plain"))
    with pytest.raises(ConfigError, match="choose another --output"):
        run(contender, storage, tmp_path, ["us_births/D"], name=other.get("name", "one"))
    assert len(rows(tmp_path / "all_results.csv")) == 1


def test_when_two_runs_share_a_folder_then_the_second_is_refused(storage, tmp_path):
    pytest.importorskip("fcntl")
    with hold_folder(tmp_path), pytest.raises(ConfigError, match="another run writes there"):
        run(SeasonalNaiveContender(), storage, tmp_path)


def test_when_the_folder_holds_something_else_then_it_stays(storage, tmp_path):
    (tmp_path / "all_results.csv").write_text("my,own\n1,2\n")
    with pytest.raises(DataError, match="other columns"):
        plan_run(storage, tmp_path, select_configurations(FOUR))
    assert (tmp_path / "all_results.csv").read_text() == "my,own\n1,2\n"


def test_when_a_run_ended_before_its_first_row_then_the_next_model_describes_itself(tmp_path):
    folder = ResultsFolder(tmp_path, order=[])
    folder.describe({"model": "killed"})
    folder.describe({"model": "next"})
    assert json.loads((tmp_path / "config.json").read_text()) == {"model": "next"}


def test_when_config_json_was_completed_then_it_stays(storage, tmp_path):
    (tmp_path / "config.json").write_text('{"org": "mine"}')
    run(SeasonalNaiveContender(), storage, tmp_path, ["hospital"])
    assert json.loads((tmp_path / "config.json").read_text()) == {"org": "mine"}


@pytest.mark.parametrize("make", [False, True])
def test_when_the_storage_is_wrong_then_what_is_expected_is_told(tmp_path, make):
    storage = tmp_path / "nothing"
    if make:
        storage.mkdir()
    with pytest.raises(DataError, match="--storage"):
        plan_run(storage, tmp_path / "out", select_configurations(FOUR))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the GIFT-Eval development data are absent")
def test_when_the_baseline_runs_on_the_benchmarks_data_then_it_gives_the_published_numbers(tmp_path):
    from ttm_sk.evaluation.leaderboard import BASELINE, published_results, read_results

    names = ["us_births/M", "ett1/H/short", "bizitobs_l2c/H/medium", "saugeen/W"]
    run(SeasonalNaiveContender(), SHARED, tmp_path, names)
    own, published = read_results(tmp_path).loc[BASELINE], published_results().loc[BASELINE]
    assert len(own) == 4
    # published with six digits
    assert (own / published.loc[own.index, own.columns] - 1).abs().max().max() < 5e-6
