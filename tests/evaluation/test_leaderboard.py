"""Tables beside published models: every mean recomputed by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ttm_sk.errors import ConfigError, DataError
from ttm_sk.evaluation.gift_eval_tasks import CONFIGURATIONS
from ttm_sk.evaluation.leaderboard import (
    BASELINE,
    PEERS,
    compare_groups,
    compare_models,
    markdown_report,
    published_results,
    read_costs,
    read_results,
)
from ttm_sk.evaluation.results_folder import RESULT_COLUMNS, ResultsFolder

TASKS = ["hospital/M/short", "ett1/H/short", "ett1/H/long", "saugeen/D/short"]


def results(factor=0.5, tasks=TASKS, name="mine"):
    """A model that is so many times as good as seasonal naive."""
    baseline = published_results().loc[BASELINE].loc[tasks]
    return pd.concat({name: baseline * factor}, names=["model"])


def write(folder, tasks=TASKS):
    kept = ResultsFolder(folder, order=[task.name for task in CONFIGURATIONS])
    for i, name in enumerate(tasks):
        result = dict.fromkeys(RESULT_COLUMNS, 0.25) | {"dataset": name, "model": "mine"}
        run = {"dataset": name, "settings": {}, "trained_on": None, "seconds": i + 0.25, "n_forecasts": 1000 * i}
        kept.add(result, dict.fromkeys(("coverage_80", "peak_memory_mb", "version", "commit", "weights"), 1) | run)
    return folder


def test_when_published_results_are_read_then_31_models_have_97_tasks():
    counts = published_results().groupby("model").size()
    assert len(counts) == 31
    assert set(counts) == {97}
    assert {*PEERS, BASELINE} <= set(counts.index)


def test_when_all_tasks_are_compared_then_the_means_are_those_of_the_leaderboard():
    everything = [task.name for task in CONFIGURATIONS]
    table = compare_models(results(tasks=everything), models=["TiRex", "tabpfn_ts", "TTM-R2-Pretrained"])
    # computed elsewhere from the leaderboard's files
    np.testing.assert_allclose(table.loc[["TiRex", "tabpfn_ts"], "MASE"], [0.716, 0.771], atol=6e-4)
    np.testing.assert_allclose(table.loc[["TiRex", "TTM-R2-Pretrained"], "CRPS"], [0.488, 0.873], atol=6e-4)


def test_when_models_are_compared_then_means_wins_and_order_are_right():
    own = results()
    table = compare_models(own, models=["TiRex", "naive"])
    assert table["CRPS"].is_monotonic_increasing
    assert table.loc["mine", ["MASE", "CRPS"]].tolist() == pytest.approx([0.5, 0.5])
    ratio = published_results().loc["naive", "MASE"][TASKS] / published_results().loc[BASELINE, "MASE"][TASKS]
    assert table.loc["naive", "MASE"] == pytest.approx(np.exp(np.log(ratio).mean()))
    assert table.loc["naive", "wins_MASE"] == (ratio > 0.5).sum()
    assert table.loc["naive", "lead_MASE"] == pytest.approx(0.5 / table.loc["naive", "MASE"])
    assert table.loc["naive", "lead_MASE_low"] < table.loc["naive", "lead_MASE"] < table.loc["naive", "lead_MASE_high"]
    assert table["is_own"].to_dict() == {"mine": True, "TiRex": False, "naive": False}


def test_when_models_are_alike_on_all_data_sets_then_the_interval_is_a_point_and_else_it_holds_the_mean():
    table = compare_models(results(), models=["TiRex"])
    assert table.loc["mine", ["MASE_low", "MASE_high"]].tolist() == pytest.approx([0.5, 0.5])
    assert table.loc["TiRex", "MASE_low"] < table.loc["TiRex", "MASE"] < table.loc["TiRex", "MASE_high"]


def test_when_tasks_are_of_one_data_set_then_there_is_no_interval():
    table = compare_models(results(tasks=["ett1/H/short", "ett1/H/long"]), models=["TiRex"])
    assert table[["MASE_low", "CRPS_high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    "by, counts",
    [
        ("term", {"short": 3, "long": 1}),
        ("domain", {"Healthcare": 1, "Nature": 1, "Energy": 2}),
        ("frequency", {"months": 1, "days": 1, "hours": 2}),
    ],
)
def test_when_grouped_then_each_group_has_its_own_mean(by, counts):
    own = results()
    own.loc[("mine", "hospital/M/short"), "MASE"] *= 0.5
    table = compare_groups(own, by=by, models=["TiRex"])
    assert table.attrs["n_tasks"] == counts
    expected = {"term": 0.5 * 0.5 ** (1 / 3), "domain": 0.25, "frequency": 0.25}[by]
    assert table.loc[("MASE", "mine"), next(iter(counts))] == pytest.approx(expected)


def test_when_two_results_share_some_tasks_then_those_are_compared():
    own = pd.concat([results(), results(0.8, tasks=TASKS[:2], name="other")])
    table = compare_models(own, models=["TiRex"])
    assert table.loc[["mine", "other"], "MASE"].tolist() == pytest.approx([0.5, 0.8])
    assert table.loc["other", "wins_MASE"] == 2
    with pytest.raises(DataError, match="no task"):
        compare_models(pd.concat([results(tasks=TASKS[:1]), results(tasks=TASKS[1:], name="other")]))


def test_when_a_folder_is_read_then_its_rows_are_there(tmp_path):
    own = read_results(write(tmp_path))
    assert own.loc[("mine", "ett1/H/long"), "CRPS"] == 0.25
    assert list(own.columns) == ["MASE", "CRPS", "MAE", "MSE"]


@pytest.mark.parametrize(
    "content, told",
    [
        ("", "not readable"),
        ("a,b\n1,2\n", "found no column"),
        (",".join(RESULT_COLUMNS) + "\n", "no finished task"),
        (
            ",".join(RESULT_COLUMNS) + "\n" + ",".join(["nothing/D/short", "mine", *["1"] * 13]) + "\n",
            "nothing/D/short",
        ),
    ],
)
def test_when_a_file_is_not_a_runs_then_it_is_told(tmp_path, content, told):
    (tmp_path / "all_results.csv").write_text(content)
    with pytest.raises(DataError, match=told):
        read_results(tmp_path)


def test_when_a_folder_has_no_results_then_it_is_told(tmp_path):
    with pytest.raises(DataError, match=r"all_results\.csv"):
        read_results(tmp_path)


def test_when_a_score_is_not_positive_then_no_geometric_mean_is_made_up():
    own = results()
    own.iloc[0, 0] = 0.0
    with pytest.raises(DataError, match="MASE that is not a positive"):
        compare_models(own)


def test_when_a_model_or_grouping_is_unknown_then_the_known_are_told():
    with pytest.raises(ConfigError, match="TiRex"):
        compare_models(results(), models=["tirex"])
    with pytest.raises(ConfigError, match="domain"):
        compare_groups(results(), by="colour")


def test_when_a_report_is_written_then_every_model_is_in_every_table():
    report = markdown_report(results())
    assert report.count("| **mine** |") == 7  # the models, and two scores by three groupings
    assert report.count("| TiRex |") == 7
    assert "| **mine** | 0.500 (0.500 to 0.500) | 0.500 (0.500 to 0.500) |" in report
    assert "short (3) | long (1)" in report


def test_when_folders_say_what_tasks_cost_then_the_report_does(tmp_path):
    write(tmp_path)
    own, costs = read_results(tmp_path), read_costs(tmp_path)
    assert costs.loc[("mine", "ett1/H/long")].tolist() == [2.25, 2000.0]
    report = markdown_report(own, costs=costs)
    assert "| task | forecasts | **mine** |" in report
    assert "| ett1/H/long | 2,000 | 2.25 |" in report
    assert "| all | 6,000 | 7.00 |" in report


def test_when_a_folder_has_no_runs_then_nothing_is_said_of_costs(tmp_path):
    write(tmp_path)
    (tmp_path / "runs.csv").unlink()
    costs = read_costs(tmp_path)
    assert costs.empty
    assert "Seconds" not in markdown_report(read_results(tmp_path), costs=costs)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "dataset,seconds,n_forecasts\nett1/H/long,1,2\n"])
def test_when_runs_are_of_other_results_then_it_is_told(tmp_path, text):
    write(tmp_path)
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(DataError, match="not the runs of these results"):
        read_costs(tmp_path)


def test_when_a_model_is_named_twice_then_it_stands_once():
    own = published_results().loc[["TiRex"]].rename(index={"TiRex": "mine"}, level=0)
    assert compare_models(own, models=("TiRex", "TiRex")).index.tolist().count("TiRex") == 1


def test_when_results_are_there_twice_or_not_at_all_then_it_is_said():
    own = published_results().loc[["TiRex"]].rename(index={"TiRex": "mine"}, level=0)
    with pytest.raises(DataError, match="found two results of"):
        compare_models(pd.concat([own, own]))
    with pytest.raises(DataError, match="found no task that all of the results have"):
        compare_models(own.iloc[:0])
