"""Two contenders on the same windows, each in a process of its own."""

from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ttm_sk.cli import main
from ttm_sk.errors import ConfigError, DataError, MissingExtraError

pytest.importorskip("gluonts")

from ttm_sk.evaluation.contenders import CheckpointContender, SeasonalNaiveContender
from ttm_sk.evaluation.gift_eval_predictor import score
from ttm_sk.evaluation.gift_eval_storage import read_task
from ttm_sk.evaluation.gift_eval_tasks import select_configurations
from ttm_sk.evaluation.head_to_head import Measured, TabPFNContender, head_to_head, shorten
from ttm_sk.evaluation.leaderboard import published_results

needs_tabpfn = pytest.mark.skipif(find_spec("tabpfn_time_series") is None, reason="tox -e tabpfn")
TASKS = select_configurations(["ett1/H/short"])


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    from ttm_sk.estimators.tabpfn_weights import write_random_weights

    path = tmp_path_factory.mktemp("tabpfn") / "random-v2-regressor.safetensors"
    write_random_weights(path, n_layers=1, n_buckets=50)
    return str(path)


def test_when_a_task_is_shortened_then_the_last_windows_of_some_series_remain(storage):
    task = read_task(storage, TASKS[0])
    few, many = shorten(task, 2), shorten(task, 10_000)
    assert (len(few.series), few.n_windows, few.n_forecasts) == (2, 1, 2)
    assert (few.series[0], few.series[-1]) == (task.series[0], task.series[-1])
    assert many.n_forecasts == task.n_forecasts


def test_when_two_contenders_meet_then_both_forecast_the_same_windows(storage):
    seen = []
    contenders = [CheckpointContender("ttm-tiny", "plain"), SeasonalNaiveContender()]
    table = head_to_head(contenders, TASKS, storage=storage, n_forecasts=3, threads=1, on_result=seen.append)
    assert table["model"].tolist() == ["ttm-tiny-plain", "seasonal_naive"] == [row.model for row in seen]
    assert table["n_forecasts"].tolist() == [3, 3]
    task = read_task(storage, TASKS[0])
    assert table["n_all"].tolist() == [task.n_forecasts] * 2
    for contender, row in zip(contenders, table.itertuples(), strict=True):
        expected = score(contender, shorten(task, 3))
        assert row.mase == pytest.approx(expected["MASE[0.5]"])
        assert row.crps == pytest.approx(expected["mean_weighted_sum_quantile_loss"])
    assert (table[["seconds", "cpu_seconds", "load_seconds", "peak_memory_mb"]] > 0).all(axis=None)
    assert table[["published_mase", "published_crps"]].isna().all(axis=None)
    assert table["weights"].tolist() == [contenders[0].weights, ""]
    assert set(table["threads"]) == {1}


@pytest.mark.parametrize("wrong", [{"n_forecasts": 0}, {"threads": 0}])
def test_when_a_count_is_impossible_then_it_is_refused(storage, wrong):
    with pytest.raises(ConfigError, match="must be at least 1"):
        head_to_head([SeasonalNaiveContender()], TASKS, storage=storage, **wrong)


def test_when_the_storage_lacks_a_task_then_it_is_named_before_any_is_measured(tmp_path, storage):
    (tmp_path / "hospital").symlink_to(storage / "hospital")
    tasks, seen = [*select_configurations(["hospital"]), *TASKS], []
    with pytest.raises(DataError, match="found no ett1/H in"):
        head_to_head([SeasonalNaiveContender()], tasks, storage=tmp_path, on_result=seen.append)
    assert not seen


@pytest.mark.skipif(find_spec("tabpfn_time_series") is not None, reason="tabpfn-time-series is installed")
def test_when_the_package_is_missing_then_the_command_names_the_extra(storage, capsys):
    with pytest.raises(MissingExtraError):
        TabPFNContender()
    command = ["gift-eval", "head-to-head", "--storage", str(storage), "--config", "ett1/H/short"]
    assert main(command) == 2
    assert 'pip install "ttm-sk[tabpfn]"' in capsys.readouterr().err


@needs_tabpfn
def test_when_tabpfn_has_weights_then_it_is_scored_beside_its_published_figures(storage, weights):
    contender = TabPFNContender(parameters={"model_path": weights, "config": {"n_estimators": 1}})
    row = head_to_head([contender], TASKS, storage=storage, n_forecasts=1).iloc[0]
    published = published_results().loc[("tabpfn_ts", "ett1/H/short")]
    assert (row["published_mase"], row["published_crps"]) == (published["MASE"], published["CRPS"])
    assert np.isfinite([row["mase"], row["crps"]]).all()
    assert row["model"] == "tabpfn_ts"
    assert len(row["weights"]) == 64


@needs_tabpfn
def test_when_weights_are_random_then_the_command_measures_cost_alone(storage, weights, tmp_path, capsys, monkeypatch):
    from pathlib import Path

    def copy(path: str) -> None:
        Path(path).write_bytes(Path(weights).read_bytes())

    monkeypatch.setattr("ttm_sk.cli.gift_eval_head_to_head.write_random_weights", copy)  # small ones, for time
    output = tmp_path / "rows.csv"
    command = ["gift-eval", "head-to-head", "--storage", str(storage), "--config", "hospital", "--forecasts", "1"]
    assert main([*command, "--random-weights", "--context-length", "32", "--output", str(output)]) == 0
    table = pd.read_csv(output)
    assert table["model"].tolist() == ["ttm-tiny-fast", "tabpfn_ts, random weights"]
    assert table["mase"].isna().tolist() == [False, True]
    assert (table["seconds"] > 0).all()
    assert "its\naccuracy is not" in capsys.readouterr().out


def test_when_a_later_task_fails_then_the_rows_before_it_are_kept(storage, tmp_path, monkeypatch):
    from ttm_sk.cli import gift_eval_head_to_head as command

    def fail(contenders, tasks, *, on_result, **_):
        on_result(Measured("one", "mine", 1, 1, *[0.5] * 8, "", "", 1))
        raise DataError("the second is damaged")

    monkeypatch.setattr(command, "_tabpfn", lambda *_: SimpleNamespace(is_trained=True))
    monkeypatch.setattr(command, "head_to_head", fail)
    output = tmp_path / "rows.csv"
    chosen = ["--storage", str(storage), "--config", "hospital", "--output", str(output)]
    assert main(["gift-eval", "head-to-head", *chosen]) == 2
    assert pd.read_csv(output)["task"].tolist() == ["one"]


@needs_tabpfn
def test_when_no_weights_are_there_then_the_command_says_what_to_do(storage, tmp_path, capsys):
    command = ["gift-eval", "head-to-head", "--storage", str(storage), "--config", "hospital"]
    assert main([*command, "--tabpfn-weights", str(tmp_path / "no.ckpt")]) == 2
    said = capsys.readouterr().err
    assert "Prior-Labs/TabPFN-v2-reg" in said
    assert "--random-weights" in said
