"""forecast_frame: a long frame in, a long frame out, whole series in any partition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from strategies import random_module, small_config

from ttm_sk import forecast, save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.distributed import forecast_frame, forecast_frames
from ttm_sk.errors import ConfigError, DataError, HorizonError


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> dict:
    module = random_module(small_config())
    path = save_checkpoint(
        Checkpoint(module.config, module.state_dict()), tmp_path_factory.mktemp("m") / "m.safetensors"
    )
    return {"horizon": 11, "freq": "MS", "levels": (0.1, 0.9), "model_path": str(path)}


def months(n_series: int = 4) -> pd.DataFrame:
    """Series of several lengths that end at different months, with a gap."""
    parts = []
    for i in range(n_series):
        stamps = pd.date_range("2020-03-01", periods=20 + 7 * i, freq="MS")
        values = np.random.default_rng(i).normal(size=len(stamps)).cumsum()
        parts.append(pd.DataFrame({"unique_id": f"s{i}", "ds": stamps, "y": values}))
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[5, "y"] = np.nan
    return frame


def test_when_a_frame_is_forecast_then_each_series_is_forecast_by_itself(options):
    frame = months()
    before = frame.copy()
    found = forecast_frame(frame.sample(frac=1, random_state=0), **options)
    pd.testing.assert_frame_equal(frame, before)
    assert list(found.columns) == ["unique_id", "ds", "forecast", "0.1", "0.9"]
    for name, series in frame.groupby("unique_id"):
        part = found[found["unique_id"] == name]
        assert part["ds"].tolist() == list(pd.date_range(series["ds"].max(), periods=12, freq="MS")[1:])
        expected = forecast(series["y"].to_numpy(), 11, levels=(0.5, 0.1, 0.9), model_path=options["model_path"])
        np.testing.assert_allclose(part[["forecast", "0.1", "0.9"]], expected, atol=1e-5)


def test_when_a_frame_is_cut_into_partitions_then_the_rows_are_the_same(options):
    frame = months()
    whole = forecast_frame(frame, **options)
    parts = [forecast_frame(frame[frame["unique_id"].isin(names)], **options) for names in (["s0", "s3"], ["s1", "s2"])]
    joined = pd.concat(parts).sort_values(["unique_id", "ds"], ignore_index=True)
    pd.testing.assert_frame_equal(joined, whole, rtol=1e-5)
    (again,) = forecast_frames(iter([frame[:30], frame[30:]]), **options)
    pd.testing.assert_frame_equal(again, whole)


def test_when_a_partition_is_empty_then_so_is_its_forecast(options):
    found, full = forecast_frame(months()[:0], **options), forecast_frame(months(), **options)
    assert len(found) == 0
    assert list(found.dtypes) == list(full.dtypes)
    assert list(forecast_frames(iter([]), **options)) == []


def test_when_an_engine_has_types_of_its_own_then_the_rows_are_the_same(options):
    pyarrow = pytest.importorskip("pyarrow")
    frame, types = months(), {"unique_id": pyarrow.string(), "ds": pyarrow.timestamp("us"), "y": pyarrow.float64()}
    typed = frame.astype({name: pd.ArrowDtype(kind) for name, kind in types.items()})
    found = forecast_frame(typed, **options)
    expected = forecast_frame(frame, **options)
    pd.testing.assert_frame_equal(
        found.astype({"unique_id": str}), expected.astype({"unique_id": str}), check_dtype=False
    )


def test_when_stamps_are_numbers_then_they_go_on(options):
    frame = pd.DataFrame({"who": 7, "t": np.arange(0, 90, 3), "v": np.arange(30)})
    found = forecast_frame(frame, **options | {"freq": 3, "id": "who", "time": "t", "target": "v"})
    assert found["t"].tolist() == list(range(90, 90 + 33, 3))


def test_when_a_series_is_irregular_then_it_is_named(options):
    frame = months()
    with pytest.raises(DataError, match="'s1'.*2020-05-01"):
        forecast_frame(frame.drop(index=22), **options)
    with pytest.raises(DataError, match="'s0'"):
        forecast_frame(pd.concat([frame, frame[3:4]]), **options)


@pytest.mark.parametrize("freq", [1, "fortnightly"])
def test_when_the_frequency_is_none_then_it_is_refused(options, freq):
    with pytest.raises(ConfigError, match="freq"):
        forecast_frame(months(), **options | {"freq": freq})


def test_when_a_column_is_missing_then_it_is_named(options):
    with pytest.raises(DataError, match="'y'"):
        forecast_frame(months().drop(columns="y"), **options)


def test_when_clocks_change_then_a_day_is_a_day():
    days = pd.date_range("2024-03-25", "2024-03-30", freq="D", tz="Europe/Berlin")
    frame = pd.DataFrame({"unique_id": "a", "ds": days, "y": np.arange(6.0)})
    ahead = forecast_frame(frame, horizon=3, freq="D")["ds"]
    assert ahead.dt.hour.tolist() == [0, 0, 0]
    longer = pd.date_range("2024-03-25", "2024-04-02", freq="D", tz="Europe/Berlin")
    assert len(forecast_frame(pd.DataFrame({"unique_id": "a", "ds": longer, "y": 1.0}), horizon=1, freq="D")) == 1


@pytest.mark.parametrize(
    ("changes", "options", "error", "words"),
    [
        ({}, {"horizon": 2.0}, HorizonError, "found horizon=2.0"),
        ({}, {"horizon": -1}, HorizonError, "found horizon=-1"),
        ({}, {"freq": "W"}, DataError, "series 'a': 2024-01-01 00:00:00 is not on the grid of 'W-SUN'"),
        ({"y": np.nan}, {}, DataError, "series 'a': no value was observed"),
        ({}, {"id": "forecast"}, ConfigError, "found a column 'forecast', as columns of the forecast are called"),
    ],
    ids=["half", "negative", "off the grid", "blank", "name"],
)
def test_when_an_argument_or_a_series_is_odd_then_it_is_named(changes, options, error, words):
    frame = pd.DataFrame({"unique_id": ["a"], "ds": [pd.Timestamp("2024-01-01")], "y": [1.0]}).assign(**changes)
    frame = frame.rename(columns={"unique_id": options.get("id", "unique_id")})
    with pytest.raises(error, match=words):
        forecast_frame(frame, **{"horizon": 2, "freq": "D"} | options)


def test_when_stamps_are_numbers_then_the_step_may_be_one_of_numpys():
    frame = pd.DataFrame({"unique_id": 1, "ds": np.arange(40), "y": np.ones(40)})
    assert forecast_frame(frame, horizon=2, freq=np.int64(1))["ds"].tolist() == [40, 41]
    with pytest.raises(ConfigError, match="found freq=True"):
        forecast_frame(frame, horizon=2, freq=True)
