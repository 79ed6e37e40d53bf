"""Histories in, quantiles out, for all that can be measured."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from sktime.forecasting.naive import NaiveForecaster

from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.errors import CheckpointError, ConfigError, DataError
from ttm_sk.evaluation.contenders import (
    LEVELS,
    CheckpointContender,
    ForecasterContender,
    SeasonalNaiveContender,
    strongest_effort,
)
from ttm_sk.inference.forecasting import EFFORTS, forecast_series, select_readings


class History(NamedTuple):
    start: pd.Period
    values: np.ndarray


def monthly(values) -> History:
    return History(pd.Period("2020-01", freq="M"), np.asarray(values, dtype=np.float32))


SEASONS = monthly(np.tile([1.0, 5.0, 3.0], 8) + np.arange(24) / 50)
NAIVE = "sktime.forecasting.naive:NaiveForecaster"


def test_when_no_effort_is_asked_for_then_it_is_the_strongest(small):
    assert CheckpointContender(small).effort == strongest_effort() == EFFORTS[-1]


def test_when_a_checkpoint_forecasts_then_it_is_forecast_series(small):
    contender = CheckpointContender(small, effort="plain")
    assert contender.levels == (0.025, *LEVELS, 0.975)
    quantiles = contender.prepare([], horizon=12, seasonality=3)([SEASONS, monthly([1.0, 2.0])])
    direct = forecast_series(
        load_checkpoint(small).build(),
        [SEASONS.values, np.array([1.0, 2.0])],
        12,
        levels=contender.levels,
        effort="plain",
    )
    np.testing.assert_allclose(quantiles, direct, rtol=1e-6)


def test_when_the_effort_is_best_then_readings_are_selected_on_what_is_known(small, monkeypatch):
    days = np.random.default_rng(0).normal(size=200) + 5 * np.sin(np.arange(200) / 5)
    known = [monthly(days[:150]), monthly(np.full(150, np.nan))]
    contender = CheckpointContender(small, effort="best")
    module = contender.module
    seen = []

    def watched(module, histories, horizon, **settings):
        seen.extend(histories)
        return select_readings(module, histories, horizon, **settings)

    monkeypatch.setattr("ttm_sk.evaluation.contenders.select_readings", watched)
    quantiles = contender.prepare(known, horizon=8, seasonality=12)([monthly(days)])
    assert [len(past) for past in seen] == [150]
    readings = select_readings(module, [known[0].values], 8)
    direct = forecast_series(
        module, [monthly(days).values], 8, levels=contender.levels, effort="best", readings=readings
    )
    np.testing.assert_allclose(quantiles, direct)


def test_when_a_history_has_no_visible_value_then_it_is_forecast_flat_and_told(small, caplog):
    unseen = np.concatenate([[7.0], np.full(64, np.nan)])
    with caplog.at_level(logging.WARNING):
        forecast = CheckpointContender(small, effort="plain").prepare([], horizon=4, seasonality=1)
        quantiles = forecast([monthly(unseen), monthly(np.full(5, np.nan)), SEASONS])
    np.testing.assert_allclose(quantiles[0], 7.0)
    np.testing.assert_allclose(quantiles[1], 0.0)
    assert "2 histories hold no value" in caplog.text


def test_when_a_checkpoint_is_described_then_its_hash_and_data_are_there(small):
    contender = CheckpointContender(small, effort="fast")
    assert contender.weights == load_checkpoint(small).hash
    assert contender.trained_on == ["a", "b"]
    assert (contender.name, contender.settings) == ("small-fast", {"model": small, "effort": "fast"})


def test_when_effort_or_file_do_not_exist_then_it_raises(small):
    with pytest.raises(ConfigError, match="unknown effort"):
        CheckpointContender(small, effort="more")
    with pytest.raises(CheckpointError, match="no-such"):
        _ = CheckpointContender("no-such.safetensors").module


def test_when_sktime_forecasts_then_it_is_fitted_to_each_history_with_the_season():
    contender = ForecasterContender(NAIVE, {"strategy": "last"})
    quantiles = contender.prepare([], horizon=6, seasonality=3)([SEASONS, monthly([1.0, 2.0, 3.0, 4.0])])
    y = pd.Series(SEASONS.values, index=pd.period_range("2020-01", periods=24, freq="M")).astype(float)
    alone = NaiveForecaster(sp=3).fit(y, fh=range(1, 7)).predict_quantiles(alpha=list(contender.levels))
    np.testing.assert_allclose(quantiles[0], alone)
    assert quantiles[1, :, 5].tolist() == [2.0, 3.0, 4.0, 2.0, 3.0, 4.0]


def test_when_sp_is_given_then_it_is_kept():
    contender = ForecasterContender(NAIVE, {"sp": 1})
    np.testing.assert_allclose(contender.prepare([], horizon=3, seasonality=3)([monthly([1, 2, 9])])[0, :, 5], 9)


def test_when_a_forecaster_takes_no_gaps_and_gives_points_then_both_are_met():
    contender = ForecasterContender(
        "sktime.forecasting.trend:PolynomialTrendForecaster", {"prediction_intervals": False}
    )
    assert not contender._make(seasonality=1).get_tag("capability:missing_values")
    quantiles = contender.prepare([], horizon=2, seasonality=1)([monthly([np.nan, 1.0, np.nan, 1.0])])
    np.testing.assert_allclose(quantiles, np.ones((1, 2, len(contender.levels))))


@pytest.mark.parametrize(
    "path, parameters, told",
    [
        ("sktime.forecasting.naive:Naif", {}, "expected module:Class"),
        ("no.such.module:Class", {}, "expected module:Class"),
        ("sktime.forecasting.naive", {}, "expected module:Class"),
        (NAIVE, {"strategie": "last"}, "does not take"),
        ("collections:Counter", {}, "expected an sktime forecaster"),
    ],
)
def test_when_a_forecaster_cannot_be_made_then_it_raises(path, parameters, told):
    with pytest.raises(ConfigError, match=told):
        ForecasterContender(path, parameters)


def test_when_seasonal_naive_forecasts_then_the_last_season_returns_in_wider_and_wider_intervals():
    contender = SeasonalNaiveContender()
    assert contender.levels == LEVELS
    quantiles = contender.prepare([], horizon=5, seasonality=2)([monthly([0.0, 10.0, 2.0, np.nan])])
    # the gap takes the value before it; errors 2 and -8 one season ahead
    spread = np.sqrt((2**2 + 8**2) / 2)
    np.testing.assert_allclose(quantiles[0, :, 4], [2, 2, 2, 2, 2])
    tenth = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(0.9, dtype=torch.float64)).item()
    np.testing.assert_allclose(quantiles[0, :, 8] - 2, spread * tenth * np.sqrt([1, 1, 2, 2, 3]), rtol=1e-6)


def test_when_the_past_is_shorter_than_a_season_then_it_raises():
    with pytest.raises(DataError, match="expected a season, 4"):
        SeasonalNaiveContender().prepare([], horizon=2, seasonality=4)([monthly([1, 2, 3])])
