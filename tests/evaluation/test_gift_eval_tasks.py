"""The 97 configurations, against the leaderboard's names."""

from __future__ import annotations

import pytest

from ttm_sk.errors import ConfigError, DataError
from ttm_sk.evaluation.gift_eval_tasks import CONFIGURATIONS, parse_frequency, season_of, select_configurations
from ttm_sk.evaluation.leaderboard import published_results


def test_when_all_are_listed_then_they_are_those_of_the_leaderboard():
    names = [task.name for task in CONFIGURATIONS]
    assert len(names) == 97
    assert set(names) == set(published_results().loc["TiRex"].index)


@pytest.mark.parametrize(
    "name, folder, length, season, domain, n_variates",
    [
        ("saugeen/D/short", "saugeenday/D", 30, 1, "Nature", 1),
        ("bizitobs_service/10S/long", "bizitobs_service", 900, 360, "Web/CloudOps", 2),
        ("kdd_cup_2018/H/medium", "kdd_cup_2018_with_missing/H", 480, 24, "Nature", 1),
        ("jena_weather/10T/short", "jena_weather/10T", 48, 144, "Nature", 21),
        ("m4_weekly/W/short", "m4_weekly", 13, 1, "Econ/Fin", 1),
        ("m4_yearly/A/short", "m4_yearly", 6, 1, "Econ/Fin", 1),
        ("loop_seattle/5T/long", "LOOP_SEATTLE/5T", 720, 288, "Transport", 1),
        ("hierarchical_sales/W/short", "hierarchical_sales/W", 8, 1, "Sales", 1),
    ],
)
def test_when_a_task_is_looked_up_then_its_facts_are_the_benchmarks(name, folder, length, season, domain, n_variates):
    (task,) = select_configurations([name])
    assert (task.folder, task.prediction_length, task.seasonality) == (folder, length, season)
    assert (task.domain, task.n_variates) == (domain, n_variates)


@pytest.mark.parametrize(
    "name, shortest, n_windows",
    [("ett1/H/short", 17420, 20), ("ett1/H/long", 17420, 3), ("us_births/M", 240, 2), ("m4_daily", 9000, 1)],
)
def test_when_series_are_long_then_a_tenth_is_tested_in_twenty_windows_at_most(name, shortest, n_windows):
    assert select_configurations([name])[0].n_windows(shortest) == n_windows


def test_when_a_beginning_is_given_then_all_that_begin_so_are_chosen():
    assert [task.name for task in select_configurations(["ett2/H"])] == [
        f"ett2/H/{t}" for t in ("short", "medium", "long")
    ]
    assert select_configurations(["saugeenday/D"]) == select_configurations(["saugeen/D/short"])
    assert {task.term for task in select_configurations(terms=["long", "short"])} == {"short", "long"}


@pytest.mark.parametrize(
    "names, terms, told",
    [
        (["ett1/H/shrt"], None, "did you mean ett1/H/short"),
        (["nothing"], None, "bizitobs_l2c"),
        (["hospital"], ["long"], "hospital has the term long"),
        (None, ["longer"], "short, medium, long"),
    ],
)
def test_when_nothing_is_called_so_then_what_there_is_is_told(names, terms, told):
    with pytest.raises(ConfigError, match=told):
        select_configurations(names, terms=terms)


@pytest.mark.parametrize(
    "frequency, parsed, season",
    [
        ("10S", ("S", 10), 360),
        ("T", ("T", 1), 1440),
        ("15min", ("T", 15), 96),
        ("h", ("H", 1), 24),
        ("W-THU", ("W", 1), 1),
        ("ME", ("M", 1), 12),
        ("QS-OCT", ("Q", 1), 4),
        ("YE-DEC", ("A", 1), 1),
        ("7h", ("H", 7), 1),
    ],
)
def test_when_frequency_is_spelled_old_or_new_then_it_is_read(frequency, parsed, season):
    assert (parse_frequency(frequency), season_of(frequency)) == (parsed, season)


def test_when_frequency_is_unknown_then_it_raises():
    with pytest.raises(DataError, match="fortnight"):
        season_of("fortnight")
