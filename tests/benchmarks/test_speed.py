"""The arithmetic of benchmarks/speed/compare.py; what it measures is no matter of tests."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from scripts import script


@pytest.fixture(scope="module")
def compare():
    return script("speed/compare")


def test_when_calls_are_interleaved_then_each_runs_in_every_round_after_one_that_does_not_count(compare):
    order: list[str] = []
    seconds = compare.interleaved({name: lambda n=name: order.append(n) for name in "ab"}, rounds=2)
    assert order == list("ababab")
    assert {name: len(found) for name, found in seconds.items()} == {"a": 2, "b": 2}


def test_when_one_round_is_disturbed_then_the_ratio_is_that_of_the_others(compare):
    seconds = {"theirs": [2.0, 20.0, 2.0], "ours": [1.0, 10.0, 4.0]}
    assert compare.ratios(seconds, to="theirs") == {"theirs": 1.0, "ours": 2.0}


@pytest.mark.slow
def test_when_parts_are_measured_then_table_and_file_hold_them(compare, tmp_path, capsys):
    compare.main(["--only", "start", "--rounds", "1", "--output", str(tmp_path / "speed.json")])
    found = json.loads((tmp_path / "speed.json").read_text())
    assert [row["import"] for row in found["results"]["start"]] == list(compare.IMPORTS)
    assert found["versions"]["torch"]
    assert "TTMForecaster" in capsys.readouterr().out


def test_when_goals_are_compared_then_each_says_whether_it_holds(compare):
    engines = {"ttm_sk, torch": (1.2, 1.3, 1.3), "ONNX Runtime, f32": (4, 2, 2), "OpenVINO, f32": (1, 3, 1)}
    engines |= {"ONNX Runtime, int8": (7, 4, 4), "OpenVINO, bf16": (1, 1, 5)}
    forward = [
        {"engine": name, "batch": size, "times": ratio, "share of sgemm": 0.39}
        for name, times in engines.items()
        for size, ratio in zip(compare.BATCHES, times, strict=True)
    ]
    panel = [
        {"forecaster": "ttm_sk, plain", "seconds": 1.0, "MASE": 0.7},
        {"forecaster": "AutoETS", "seconds": 60.0, "MASE": 0.8},
    ]
    rows = compare.goals({"forward, Granite's weights": forward, "panel": panel, "warm": [{"what": "one", "ms": 11}]})
    assert [row["holds"] for row in rows] == ["no / yes / yes", "yes / yes / no", "yes / yes / yes", "no", "yes", "no"]
    assert rows[1]["reached"] == "4.00 / 3.00 / 2.00"
    assert "MASE 0.700, theirs 0.800" in rows[4]["work"]


def test_when_nothing_was_measured_then_there_are_no_goals(compare):
    assert compare.goals({"training": []}) == []


@pytest.mark.parametrize(("value", "words"), [(0.04567, "0.0457"), (12.34, "12.3"), (3421.7, "3,420")])
def test_when_a_figure_is_large_then_it_is_no_power_of_ten(compare, value, words):
    assert compare.in_words(value) == words


@pytest.mark.parametrize("n_tables", [1, 3])
def test_when_rows_are_drawn_then_there_is_a_picture(compare, tmp_path, n_tables):
    pytest.importorskip("matplotlib")
    rows = [{"batch": size, "engine": "ttm_sk, torch", "times": 1.0, "relative to": "x"} for size in compare.BATCHES]
    compare.draw({f"forward, {i}": rows for i in range(n_tables)}, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_when_curves_are_measured_then_page_table_and_picture_have_them(tmp_path):
    pytest.importorskip("matplotlib")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- curves:start -->\nold\n<!-- curves:end -->\nafter\n")
    written = ["--output", str(tmp_path / "c.csv"), "--page", str(page), "--picture", str(tmp_path / "c.png")]
    threads = torch.get_num_threads()
    try:
        script("speed/curves").main(["--efforts", "plain", "--most", "256", "--rounds", "1", *written])
    finally:
        torch.set_num_threads(threads)
    rows = pd.read_csv(tmp_path / "c.csv")
    assert set(rows["axis"]) == {"length of the past", "horizon", "series"}
    assert (rows["seconds"] > 0).all()
    assert "| series | plain | 1 |" in page.read_text()
    assert "old" not in page.read_text()
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_when_cost_doubles_with_size_then_growth_is_one():
    rows = pd.DataFrame({"size": [1, 4, 16], "seconds": [9.0, 1.0, 4.0]})
    assert script("speed/curves").growth(rows) == pytest.approx(1)
