from __future__ import annotations

import pandas as pd
import pytest

from ttm_sk.app.analysis import Analysis, analyse
from ttm_sk.app.choices import EFFORT_LABELS, STRATEGY_LABELS, Choices
from ttm_sk.app.problem import Problem
from ttm_sk.app.shelf import MOST_ANALYSES, Shelf
from ttm_sk.app.upload import shown_name
from ttm_sk.errors import ConfigError
from ttm_sk.estimators.adaptation import STRATEGIES
from ttm_sk.inference.forecasting import EFFORTS

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")
TABLE = pd.DataFrame({"day": DAYS, "sales": [10.0 + i % 7 for i in range(60)]})


def test_when_ways_to_forecast_are_offered_then_they_are_all_that_there_are():
    assert set(EFFORT_LABELS) == set(EFFORTS)
    assert set(STRATEGY_LABELS) == set(STRATEGIES)


def test_when_a_form_is_empty_but_for_the_horizon_then_the_rest_is_usual():
    empty = {name: [""] for name in ("time", "id", "freq", "season", "windows", "effort", "strategy")}
    assert Choices.of({"horizon": [" 7 "]} | empty) == Choices(horizon=7)


@pytest.mark.parametrize("text", ["", "0", "2001", "1.5", "-3", "²", "1e3", pytest.param("9" * 5000, id="huge")])
def test_when_the_horizon_is_no_whole_number_in_range_then_the_field_is_named(text):
    with pytest.raises(ConfigError, match="“Steps ahead”, expected a whole number from 1 to 2,000"):
        Choices.of({"horizon": [text]})


def test_when_a_message_has_no_remedy_then_the_problem_has_none():
    assert Problem.of("this is wrong") == Problem("This is wrong.", "")
    assert Problem.of("") == Problem("", "")


def test_when_a_message_names_an_option_that_is_no_field_then_it_stays():
    assert (
        Problem.of("a; start with --upload-limit or --freq D").remedy
        == "Start with --upload-limit or Grid of time stamps D."
    )


def test_when_training_is_asked_for_then_the_page_says_what_was_done_and_why():
    analysis = analyse(TABLE, Choices(horizon=7, strategy="bias", windows=0))
    assert analysis.trained.startswith(("bias: ", "zero-shot: "))
    assert analysis.no_backtest == "none was asked for"


def test_when_the_best_effort_is_asked_for_then_a_season_of_ones_own_counts():
    analysis = analyse(TABLE, Choices(horizon=7, effort="best", windows=2, season=7))
    assert analysis.season == 7
    assert analysis.backtest.summary().set_index("method").loc["seasonal naive", "mae"] == 0


def test_when_a_table_has_many_forecasts_then_the_oldest_makes_room():
    shelf = Shelf()
    table = shelf.find(shelf.put("a.csv", TABLE))
    analysis = Analysis(Choices(horizon=1), TABLE, TABLE, None, "", 1, "", 0.0)
    numbers = [shelf.add(table, analysis) for _ in range(MOST_ANALYSES + 2)]
    assert numbers == list(range(1, MOST_ANALYSES + 3))
    assert list(table.analyses) == numbers[2:]


def test_when_tables_and_forecasts_fill_the_memory_then_the_oldest_go_and_the_newest_stays(monkeypatch):
    monkeypatch.setattr("ttm_sk.app.shelf.MOST_BYTES", int(3.5 * TABLE.memory_usage(deep=True).sum()))
    shelf = Shelf()
    keys = [shelf.put(f"{i}.csv", TABLE) for i in range(4)]
    assert [shelf.find(key) is not None for key in keys] == [False, True, True, True]
    newest = shelf.find(keys[-1])
    analysis = Analysis(Choices(horizon=1), TABLE, TABLE, None, "", 1, "", 0.0)
    for _ in range(3):
        shelf.add(newest, analysis)
    assert list(newest.analyses) == [3]
    assert [shelf.find(key) is not None for key in keys] == [False, False, False, True]
    assert newest.n_bytes == 3 * newest.frame.memory_usage(deep=True).sum()


@pytest.mark.parametrize(
    "name, shown",
    [("a\x00\nb.csv", "ab.csv"), (None, "your file"), ("..", ".."), ("x" * 300, "x" * 80), ("/tmp/ä b.csv", "ä b.csv")],
)
def test_when_a_file_has_any_name_then_it_is_shown_without_folders_and_controls(name, shown):
    assert shown_name(name) == shown
