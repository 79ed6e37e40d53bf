"""The rolling backtest: every method sees what came before a window, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sktime.forecasting.base import BaseForecaster
from strategies import random_module, small_config

from ttm_sk import TTMForecaster
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.evaluation.backtest import NAIVE, backtest, classics
from ttm_sk.evaluation.seasons import season_length
from ttm_sk.models.ttm import DEFAULT_LEVELS

WEEK = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0]


def weeks(n: int = 8, *, factor: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame({"y": WEEK * n}, index=pd.date_range("2024-01-01", periods=7 * n, freq="D")) * factor


def small() -> TTMForecaster:
    config = small_config(levels=DEFAULT_LEVELS)
    return TTMForecaster(Checkpoint(config, random_module(config).state_dict()), effort="plain")


class Failing(BaseForecaster):
    """A forecaster of another package that gives up."""

    _tags = {"y_inner_mtype": "pd.DataFrame", "requires-fh-in-fit": False}

    def _fit(self, y, X, fh):
        raise RuntimeError("not on these series")


def test_when_weeks_repeat_then_seasonal_naive_makes_no_error_at_its_season_alone():
    right = backtest({}, weeks(), horizon=5, n_windows=3, season=7)
    assert right.scores["mae"].max() == 0
    assert right.scores["window"].tolist() == [1, 2, 3]
    assert backtest({}, weeks(), horizon=5, n_windows=3, season=6).scores["mae"].min() > 0


def test_when_the_newest_season_has_gaps_then_seasonal_naive_looks_further_back():
    gap = weeks()
    gap.iloc[-14:-7] = np.nan
    assert backtest({}, gap, horizon=7, n_windows=1, season=7).scores["mae"].max() == 0


def test_when_a_method_is_added_then_it_forecasts_each_window_from_what_came_before():
    y = weeks() + np.random.default_rng(0).normal(size=(56, 1))
    result = backtest({"ours": small()}, y, horizon=7, n_windows=2, season=7)
    alone = small().fit(y.iloc[:-7]).predict(fh=list(range(1, 8)))
    np.testing.assert_allclose(result.last["ours"]["y"][0.5], alone["y"])
    row = result.scores[(result.scores["method"] == "ours") & (result.scores["window"] == 2)].iloc[0]
    assert row["mae"] == pytest.approx(np.abs(alone["y"] - y["y"].iloc[-7:]).mean())
    summary = result.summary().set_index("method")
    assert summary.loc["ours", "mase / naive"] == summary.loc["ours", "mase"] / summary.loc[NAIVE, "mase"]


def test_when_a_panel_is_evaluated_then_every_series_has_its_rows():
    panel = pd.concat({"a": weeks(), "b": weeks(6, factor=2.0)}, names=["id", "time"])
    result = backtest({"ours": small()}, panel, horizon=7, n_windows=2, season=7)
    assert result.scores.groupby("method").size().tolist() == [4, 4]
    assert set(result.scores["series"]) == {"a", "b"}


def test_when_drivers_are_given_then_methods_that_can_use_them_do():
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=300, freq="D")
    drivers = pd.DataFrame({"x": rng.normal(size=300)}, index=index)
    y = (5 * drivers["x"] + 0.1 * rng.normal(size=300)).to_frame("y")
    scores = {}
    for name, table in (("with", drivers), ("without", None)):
        result = backtest({"ours": small()}, y, drivers=table, horizon=7, n_windows=2, season=7)
        scores[name] = result.summary().set_index("method").loc["ours", "mae"]
    assert scores["with"] < 0.6 * scores["without"]


def test_when_statsmodels_is_there_then_auto_ets_is_a_peer():
    pytest.importorskip("statsmodels")
    y = weeks() + np.random.default_rng(0).normal(size=(56, 1))
    result = backtest({"AutoETS": classics(7)["AutoETS"]}, y, horizon=7, n_windows=3, season=7)
    assert result.summary().set_index("method").loc["AutoETS", "mase / naive"] < 1


def test_when_a_classical_method_fails_then_the_rest_goes_on_and_it_is_said():
    result = backtest({"Theta": Failing(), "ours": small()}, weeks(), horizon=7, n_windows=2, season=7)
    assert result.failures == {"Theta": "RuntimeError: not on these series"}
    assert set(result.scores["method"]) == {NAIVE, "ours"}
    with pytest.raises(ConfigError, match="unknown effort"):
        backtest({"ours": TTMForecaster(effort="some")}, weeks(), horizon=7, n_windows=2, season=7)


def test_when_windows_do_not_fit_then_the_error_says_so():
    with pytest.raises(DataError, match="56 steps, too short for 9 windows of 7 steps"):
        backtest({}, weeks(), horizon=7, n_windows=9)
    with pytest.raises(ConfigError, match="must be at least 1"):
        backtest({}, weeks(), horizon=0, n_windows=1)


def test_when_the_pace_is_unusual_then_a_season_has_at_least_one_step():
    assert [season_length(name) for name in ("2D", "10YS", "30s", "2h", "nonsense")] == [3, 1, 2880, 12, 1]


def test_when_a_series_is_given_then_it_is_a_frame_of_one_column():
    result = backtest({}, weeks()["y"], horizon=7, n_windows=2, season=7)
    pd.testing.assert_frame_equal(
        result.scores.drop(columns="seconds"),
        backtest({}, weeks(), horizon=7, n_windows=2, season=7).scores.drop(columns="seconds"),
    )


def test_when_drivers_lack_rows_or_a_name_is_taken_then_it_is_said():
    drivers = pd.DataFrame({"x": 1.0}, index=weeks().index[:-2])
    with pytest.raises(DataError, match=r"the drivers have no row for 2024-02-24 .*\(2 of 56 are missing\)"):
        backtest({"ours": small()}, weeks(), horizon=7, n_windows=2, drivers=drivers)
    with pytest.raises(ConfigError, match="'seasonal naive' is the name of what all are compared with"):
        backtest({NAIVE: small()}, weeks(), horizon=7, n_windows=2)


def test_when_series_are_in_no_sorted_order_then_scores_are_the_same():
    panel = pd.concat({"b": weeks(), "a": weeks(factor=3.0)}, names=["id", "time"])
    scores = [
        backtest({"ours": small()}, y, horizon=7, n_windows=2, season=7)
        .scores.groupby(["method", "series"])["mae"]
        .mean()
        for y in (panel, panel.sort_index())
    ]
    pd.testing.assert_series_equal(scores[0].sort_index(), scores[1].sort_index(), rtol=1e-4)


@pytest.mark.parametrize(
    ("frequency", "steps"),
    [
        ("ME", 12),
        ("BME", 12),
        ("CBMS", 12),
        ("BQE-DEC", 4),
        ("BYE", 1),
        ("WOM-1MON", 12),
        ("SME", 24),
        ("ms", 86_400_000),
    ],
)
def test_when_the_calendar_is_a_rare_one_then_a_season_is_still_a_day_or_a_year(frequency, steps):
    assert season_length(frequency) == steps
