"""Contenders in GluonTS's shape, and the same scores as GluonTS's own evaluation and as our metrics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ttm_sk.errors import DataError
from ttm_sk.evaluation.contenders import LEVELS, CheckpointContender, ForecasterContender, SeasonalNaiveContender
from ttm_sk.evaluation.gift_eval_tasks import select_configurations
from ttm_sk.evaluation.results_folder import METRIC_COLUMNS
from ttm_sk.scoring import metrics

pytest.importorskip("gluonts")

from gluonts.model import evaluate_model  # noqa: E402

from ttm_sk.evaluation.gift_eval_predictor import METRICS, ContenderPredictor, score, test_data  # noqa: E402
from ttm_sk.evaluation.gift_eval_storage import history_before_tests, read_task  # noqa: E402

windows = test_data
del test_data  # pytest would take it for a test


class Watching(SeasonalNaiveContender):
    """Seasonal naive that keeps what it was given."""

    def prepare(self, known, *, horizon, seasonality):
        Watching.known = known
        forecast = super().prepare(known, horizon=horizon, seasonality=seasonality)

        def watched(histories):
            Watching.seen.extend(histories)
            return forecast(histories)

        Watching.seen = []
        return watched


class Broken(SeasonalNaiveContender):
    def prepare(self, known, *, horizon, seasonality):
        return lambda histories: np.full((len(histories), horizon, len(LEVELS)), np.nan)


def task_of(storage, name):
    return read_task(storage, select_configurations([name])[0])


NAIVE = ForecasterContender("sktime.forecasting.naive:NaiveForecaster")


@pytest.mark.parametrize("name", ["m4_quarterly", "bizitobs_application/10S/short", "temperature_rain"])
@pytest.mark.parametrize("kind", ["checkpoint", "sktime", "baseline"])
def test_when_a_task_is_scored_then_gluonts_own_evaluation_agrees(storage, small, kind, name):
    if kind == "sktime" and name.startswith("bizitobs"):
        pytest.skip("sktime's naive forecaster takes seconds for quantiles of a long season")
    contender = {
        "checkpoint": CheckpointContender(small, effort="plain"),
        "sktime": NAIVE,
        "baseline": SeasonalNaiveContender(),
    }[kind]
    task = task_of(storage, name)
    length, season = task.configuration.prediction_length, task.configuration.seasonality
    predictor = ContenderPredictor(contender, prediction_length=length, seasonality=season)
    theirs = evaluate_model(
        predictor,
        test_data=windows(task),
        metrics=METRICS,
        axis=None,
        mask_invalid_label=True,
        allow_nan_forecast=False,
        seasonality=season,
    )
    ours = score(contender, task)
    assert set(ours) == set(theirs.columns) == {*METRIC_COLUMNS, "coverage[0.1]", "coverage[0.9]"}
    for column in theirs:
        assert ours[column] == pytest.approx(theirs[column].item(), rel=1e-6)


def test_when_a_task_is_scored_then_our_metrics_agree(storage, small):
    task, contender = task_of(storage, "ett1/H/short"), CheckpointContender(small, effort="fast")
    forecast = contender.prepare([], horizon=48, seasonality=24)
    pasts = history_before_tests(task)
    quantiles = forecast(pasts)[:, :, 1:-1]
    targets = np.stack([one.values[-48:] for one in task.series])
    scales = np.array([metrics.seasonal_error(past.values, seasonality=24) for past in pasts])
    scores = score(contender, task)
    median = quantiles[..., 4]
    assert scores["MASE[0.5]"] == pytest.approx(metrics.mase(target=targets, forecast=median, seasonal_error=scales))
    assert scores["mean_weighted_sum_quantile_loss"] == pytest.approx(
        metrics.weighted_quantile_loss(target=targets, quantiles=quantiles, levels=LEVELS)
    )


def test_when_a_task_is_scored_then_a_contender_chooses_on_what_precedes_the_tests_alone(storage):
    task = task_of(storage, "us_births/D")
    score(Watching(), task)
    assert [len(one.values) for one in Watching.known] == [400 - 60]
    assert [len(one.values) for one in Watching.seen] == [340, 370]


@pytest.mark.parametrize("name", ["m4_hourly", "solar/10T/short", "hierarchical_sales/W", "m4_quarterly", "m4_yearly"])
def test_when_forecasts_are_made_then_they_begin_where_the_past_ends(storage, name):
    task = task_of(storage, name)
    predictor = ContenderPredictor(SeasonalNaiveContender(), prediction_length=task.configuration.prediction_length)
    data = windows(task)
    labels = list(data.label)
    forecasts = list(predictor.predict(data.input))
    assert [one.start_date for one in forecasts] == [label["start"] for label in labels]
    assert len(forecasts) == task.n_forecasts
    np.testing.assert_array_equal(forecasts[0].mean, forecasts[0].quantile(0.5))


def test_when_progress_is_watched_then_every_forecast_is_counted(storage):
    counts = []
    task = task_of(storage, "m4_quarterly")
    score(NAIVE, task, on_forecasts=counts.append)
    assert counts == [1] * task.n_forecasts


def test_when_forecasts_are_not_finite_then_it_raises(storage):
    with pytest.raises(DataError, match="not finite"):
        score(Broken(), task_of(storage, "hospital"))


def test_when_a_target_has_variates_then_it_raises():
    predictor = ContenderPredictor(SeasonalNaiveContender(), prediction_length=2)
    entry = {"item_id": "a", "start": pd.Period("2024-01", "M"), "target": np.ones((2, 9))}
    with pytest.raises(DataError, match="split it into series"):
        list(predictor.predict([entry]))
