"""The long-horizon table against a plain walk over its windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from strategies import random_module, small_config

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.long_horizon_sets import LongHorizonSet
from ttm_sk.errors import ConfigError, HorizonError
from ttm_sk.evaluation.long_horizon import beside_published, long_horizon, published_rows
from ttm_sk.inference.forecasting import as_runner, forecast_series, select_readings

SHARED = Path(__file__).parents[3] / "shared" / "data"


def small_checkpoint(**changes) -> Checkpoint:
    config = small_config(**changes)
    return Checkpoint(config, random_module(config).state_dict())


@pytest.fixture
def data() -> LongHorizonSet:
    values = np.random.default_rng(1).normal(size=(2, 90)).cumsum(axis=1)
    return LongHorizonSet("ETTh1", values, np.zeros((2, 1)), np.ones((2, 1)), 50, 80)


def walked(checkpoint: Checkpoint, data: LongHorizonSet, horizon: int, effort: str) -> tuple[float, float]:
    """MSE and MAE, one window after the other."""
    errors, module = [], checkpoint.build()
    for start in range(data.test_start, data.test_stop - horizon + 1):
        history = data.values[:, :start]
        forecast = forecast_series(module, [history], horizon, effort=effort)[0, ..., 0]
        errors.append(data.values[:, start : start + horizon] - forecast)
    return float(np.square(errors).mean()), float(np.abs(errors).mean())


@pytest.mark.parametrize("effort", ["plain", "fast"])
@pytest.mark.parametrize("levels", [(), (0.1, 0.5, 0.9)])
def test_when_windows_are_batched_then_errors_are_those_of_one_at_a_time(data, effort, levels):
    checkpoint = small_checkpoint(levels=levels)
    table = long_horizon(checkpoint, data, horizons=(20, 5, 12), effort=effort, batch_size=6).set_index("horizon")
    assert table["n_windows"].to_dict() == {5: 26, 12: 19, 20: 11}
    for horizon in (5, 12, 20):
        expected = walked(checkpoint, data, horizon, effort)
        assert table.loc[horizon, ["mse", "mae"]].tolist() == pytest.approx(expected, rel=1e-4)
    assert set(table["weights"]) == {checkpoint.hash}
    assert set(table["context_length"]) == {32}


def test_when_the_effort_is_best_then_readings_are_chosen_before_the_test_part(data):
    checkpoint = small_checkpoint()
    module = checkpoint.build()
    table = long_horizon(checkpoint, data, horizons=(5, 12), effort="best", batch_size=6).set_index("horizon")
    changed = LongHorizonSet("ETTh1", data.values.copy(), data.loc, data.scale, 50, 80)
    changed.values[:, 50:80] *= -3
    for horizon in (5, 12):
        readings = select_readings(module, [changed.values[:, :50]], horizon)
        errors = [
            data.values[:, start : start + horizon]
            - forecast_series(module, [data.values[:, :start]], horizon, effort="best", readings=readings)[0, ..., 0]
            for start in data.starts(horizon)
        ]
        assert table.loc[horizon, "mse"] == pytest.approx(np.square(errors).mean(), rel=1e-4)


def test_when_another_engine_forecasts_then_its_errors_are_measured(data):
    checkpoint, config = small_checkpoint(), small_config()
    other = Checkpoint(config, random_module(config, seed=5).state_dict())
    expected = long_horizon(other, data, horizons=(5,))
    found = long_horizon(checkpoint, data, horizons=(5,), runner=as_runner(other.build()))
    assert found["mse"].tolist() == expected["mse"].tolist()
    assert found["mse"].tolist() != long_horizon(checkpoint, data, horizons=(5,))["mse"].tolist()


def test_when_windows_are_skipped_then_the_table_says_so(data):
    table = long_horizon(small_checkpoint(), data, horizons=(5,), stride=4, context_length=16)
    assert table.loc[0, ["n_windows", "stride", "context_length"]].tolist() == [7, 4, 16]


def test_when_values_after_the_test_part_change_then_nothing_does(data):
    changed = LongHorizonSet("ETTh1", data.values.copy(), data.loc, data.scale, 50, 80)
    changed.values[:, 80:] = 1e9
    tables = [long_horizon(small_checkpoint(), each, horizons=(5,)).loc[0, "mse"] for each in (data, changed)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"horizons": ()}, HorizonError),
        ({"horizons": (0,)}, HorizonError),
        ({"horizons": (9.5,)}, HorizonError),
        ({"horizons": (5, 31)}, HorizonError),
        ({"horizons": (31,)}, HorizonError),
        ({"stride": 0}, ConfigError),
        ({"batch_size": 0}, ConfigError),
        ({"effort": "most"}, ConfigError),
        ({"context_length": 0}, ConfigError),
    ],
)
def test_when_an_argument_is_impossible_then_it_is_refused(data, wrong, error):
    with pytest.raises(error):
        long_horizon(small_checkpoint(), data, **{"horizons": (5,)} | wrong)


def test_when_results_stand_beside_published_rows_then_both_are_marked():
    measured = long_horizon_rows()
    table = beside_published(measured)
    assert table.index.tolist() == [("ETTh1", 96), ("ETTh1", 720)]
    assert table["mse"].tolist() == [0.5, 0.6]
    assert table["TTM-R2 1536, published"].tolist() == [0.357, 0.435]
    assert table["TTM-R1 512, published"].isna().tolist() == [False, True]
    assert beside_published(measured, kind="few-shot 5 %")["TTM-R2 512, published"].isna().tolist() == [False, True]


def long_horizon_rows():
    from pandas import DataFrame

    return DataFrame({"dataset": "ETTh1", "horizon": [96, 720], "mse": [0.5, 0.6], "mae": [0.4, 0.5]})


def test_when_published_rows_are_read_then_every_set_and_horizon_is_there():
    rows = published_rows()
    r2 = rows[(rows["model"] == "TTM-R2") & (rows["context_length"] == 512)]
    assert len(r2) == 28
    assert r2.groupby("horizon")["dataset"].nunique().tolist() == [7] * 4
    # the average that IBM's own table of averages gives
    assert r2[r2["dataset"] == "ETTh1"]["mse"].mean() == pytest.approx(0.407, abs=5e-4)
    with pytest.raises(ConfigError, match="found kind='ten-shot'"):
        published_rows(kind="ten-shot")


@pytest.mark.skipif(not (SHARED / "ett").exists(), reason="no ETT beside the repository")
def test_when_the_bundled_weights_forecast_etth1_then_they_beat_the_mean():
    from ttm_sk import load_checkpoint

    table = long_horizon(load_checkpoint(), SHARED / "ett" / "ETTh1.csv.gz", horizons=(96,), stride=499, effort="plain")
    assert table.loc[0, "n_windows"] == 6
    assert table.loc[0, "mse"] < 0.6  # 1 is about what the training part's mean gives


def test_when_the_model_has_a_resolution_prefix_then_it_is_told_the_pace_of_the_set(data):
    checkpoint = small_checkpoint(n_resolutions=10)
    quarter_hourly = LongHorizonSet("ETTm1", data.values, data.loc, data.scale, 50, 80)
    tables = [long_horizon(checkpoint, each, horizons=(5,), effort="plain") for each in (data, quarter_hourly)]
    history = [data.values[:, :start] for start in data.starts(5)]
    target = np.stack([data.values[:, start : start + 5] for start in data.starts(5)])
    for table, token in zip(tables, (7, 5), strict=True):
        forecast = forecast_series(checkpoint.build(), history, 5, effort="plain", resolution=token)[..., 0]
        assert table.loc[0, "mse"] == pytest.approx(np.square(target - forecast).mean(), rel=1e-4)
    assert tables[0].loc[0, "mse"] != tables[1].loc[0, "mse"]
