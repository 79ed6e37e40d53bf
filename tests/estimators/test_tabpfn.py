"""TabPFN-TS as an sktime forecaster: its real pipeline on random weights, and what is said where they are not there."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from ttm_sk import TabPFNTSForecaster
from ttm_sk.errors import CheckpointError, ConfigError, DataError, MissingExtraError

HERE = find_spec("tabpfn_time_series") is not None
needs_tabpfn = pytest.mark.skipif(not HERE, reason="tabpfn-time-series is not installed: tox -e tabpfn")
FAST = {"n_estimators": 1}


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> str:
    """Random weights of the package's own format, small."""
    from ttm_sk.estimators.tabpfn_weights import write_random_weights

    path = tmp_path_factory.mktemp("tabpfn") / "random-v2-regressor.safetensors"
    assert write_random_weights(path, n_layers=1, n_buckets=50) > 100_000
    return str(path)


def hourly(length: int = 40, start: str = "2024-01-01") -> pd.Series:
    steps = np.arange(length)
    values = 100 + 5 * np.sin(2 * np.pi * steps / 24) + steps / 10
    return pd.Series(values, index=pd.date_range(start, periods=length, freq="h"), name="load")


@pytest.mark.skipif(HERE, reason="tabpfn-time-series is installed")
def test_when_the_package_is_missing_then_the_extra_is_named():
    with pytest.raises(MissingExtraError, match=r'pip install "ttm-sk\[tabpfn\]"'):
        TabPFNTSForecaster()


def test_when_the_weights_are_missing_then_the_error_says_where_to_get_them(tmp_path):
    from ttm_sk.estimators.tabpfn_weights import weights_file

    with pytest.raises(CheckpointError, match=r"none are downloaded: get tabpfn-v2-regressor\.ckpt.*non-commercial"):
        weights_file(tmp_path / "tabpfn-v2-regressor.ckpt")


@needs_tabpfn
def test_when_no_path_is_given_then_the_package_s_own_cache_is_looked_at(tmp_path, monkeypatch):
    from ttm_sk.estimators.tabpfn_weights import weights_file

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="found no weights of TabPFN at"):
        weights_file()
    forecaster = TabPFNTSForecaster()
    with pytest.raises(CheckpointError):
        forecaster.fit(hourly())
    assert not forecaster.is_fitted


@needs_tabpfn
def test_when_it_forecasts_then_values_are_those_of_the_package_s_pipeline(weights):
    from tabpfn_time_series import TabPFNTSPipeline

    from ttm_sk.estimators.tabpfn_weights import offline

    y = hourly()
    ours = TabPFNTSForecaster(weights, config=FAST).fit(y).predict_quantiles(fh=range(1, 13), alpha=[0.1, 0.5, 0.9])
    with offline():
        pipeline = TabPFNTSPipeline(tabpfn_model_config={"model_path": weights, "device": "cpu", **FAST})
        context = pd.DataFrame({"item_id": 0, "timestamp": y.index, "target": y.to_numpy()})
        theirs = pipeline.predict_df(context, prediction_length=12, quantiles=[0.1, 0.5, 0.9])
    np.testing.assert_allclose(ours.to_numpy(), theirs[[0.1, 0.5, 0.9]].to_numpy(), rtol=1e-6)
    assert ours.index.tolist() == theirs.index.get_level_values("timestamp").tolist()


@needs_tabpfn
def test_when_levels_come_in_any_order_then_quantiles_are_ordered_by_level(weights):
    forecaster = TabPFNTSForecaster(weights, config=FAST).fit(hourly())
    quantiles = forecaster.predict_quantiles(fh=[3, 1, 9], alpha=[0.9, 0.1, 0.5])
    assert quantiles.columns.tolist() == [("load", 0.9), ("load", 0.1), ("load", 0.5)]
    low, middle, high = (quantiles["load", level].to_numpy() for level in (0.1, 0.5, 0.9))
    assert (low < middle).all()
    assert (middle < high).all()
    assert quantiles.index.tolist() == [hourly(50).index[place] for place in (40, 42, 48)]
    np.testing.assert_array_equal(forecaster.predict(fh=[1, 3, 9]), middle)


@needs_tabpfn
def test_when_units_change_then_the_forecast_has_them(weights):
    forecasts = [
        TabPFNTSForecaster(weights, config=FAST).fit(y).predict(fh=[1, 2]).to_numpy()
        for y in (hourly(), 1000 * hourly() + 5e5)
    ]
    np.testing.assert_allclose(forecasts[1], 1000 * forecasts[0] + 5e5, rtol=1e-4)
    assert (forecasts[0] > 90).all()
    assert (forecasts[0] < 115).all()


@needs_tabpfn
def test_when_weights_have_the_real_regressor_s_size_then_the_whole_pipeline_runs(tmp_path):
    from ttm_sk.estimators.tabpfn_weights import write_random_weights

    path = tmp_path / "random-v2-regressor.safetensors"
    assert 11_000_000 < write_random_weights(path) < 11_500_000
    y = hourly()
    forecasts = [
        TabPFNTSForecaster(path, config=FAST).fit(unit * y).predict_quantiles(fh=[2, 1], alpha=[0.1, 0.9])
        for unit in (1, 1000)
    ]
    assert forecasts[0].shape == (2, 2)
    assert forecasts[0].index.tolist() == hourly(42).index[40:].tolist()
    assert (forecasts[0]["load", 0.1] < forecasts[0]["load", 0.9]).all()
    assert forecasts[0].to_numpy().min() > 80
    assert forecasts[0].to_numpy().max() < 125
    np.testing.assert_allclose(forecasts[1], 1000 * forecasts[0], rtol=1e-4)


@needs_tabpfn
def test_when_a_panel_has_several_columns_then_each_is_forecast_by_itself(weights):
    one, other = hourly(), hourly(30, "2024-03-01") * 7
    panel = pd.concat({"b": one.to_frame().assign(price=-one), "a": other.to_frame().assign(price=-other)})
    together = TabPFNTSForecaster(weights, config=FAST).fit(panel).predict(fh=[1, 2])
    alone = TabPFNTSForecaster(weights, config=FAST).fit(one).predict(fh=[1, 2])
    assert together.columns.tolist() == ["load", "price"]
    np.testing.assert_allclose(together.loc["b", "load"], alone)
    assert together.loc["a"].index.tolist() == [pd.Timestamp("2024-03-02 06:00"), pd.Timestamp("2024-03-02 07:00")]


@needs_tabpfn
@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(5, 45),
        pd.period_range("2021-01", periods=40, freq="M"),
        pd.date_range("2021-01-31", periods=40, freq="ME"),
        pd.date_range("2024-03-30", periods=40, freq="h", tz="Europe/Berlin"),
    ],
)
def test_when_time_stamps_are_of_any_kind_then_the_forecast_goes_on_from_them(weights, index):
    y = pd.Series(hourly().to_numpy(), index=index)
    forecast = TabPFNTSForecaster(weights, config=FAST).fit(y).predict(fh=[1, 2])
    assert np.isfinite(forecast).all()
    assert forecast.index[0] > index[-1]
    assert forecast.index.is_monotonic_increasing
    assert type(forecast.index[0]) is type(index[0]) or isinstance(index, pd.RangeIndex)


@needs_tabpfn
def test_when_values_are_missing_then_they_are_left_out(weights):
    y = hourly()
    y.iloc[[3, 17, 39]] = np.nan
    forecast = TabPFNTSForecaster(weights, config=FAST).fit(y).predict(fh=[1])
    assert forecast.index[0] == pd.Timestamp("2024-01-02 16:00")
    assert np.isfinite(forecast).all()


@needs_tabpfn
def test_when_a_series_has_one_value_then_it_is_refused_by_name(weights):
    panel = pd.concat({"long": hourly().to_frame(), "short": hourly(3).to_frame()})
    panel.iloc[-2:] = np.nan
    with pytest.raises(DataError, match=r"series 'short', column 'load': found 1 observed value"):
        TabPFNTSForecaster(weights).fit(panel)


@needs_tabpfn
def test_when_dates_are_beyond_nanoseconds_then_the_error_says_so(weights):
    y = pd.Series(np.arange(30.0), index=pd.period_range("2240", periods=30, freq="Y"))
    with pytest.raises(DataError, match="outside of 1677 to 2262"):
        TabPFNTSForecaster(weights, config=FAST).fit(y).predict(fh=[1])


@needs_tabpfn
@pytest.mark.parametrize(
    "wrong",
    [{"context_length": 1}, {"random_state": -1}, {"config": {"device": "cpu"}}, {"model_path": 3}, {"device": "tpu9"}],
)
def test_when_a_parameter_is_impossible_then_fit_refuses_it(weights, wrong):
    with pytest.raises(ConfigError):
        TabPFNTSForecaster(**{"model_path": weights} | wrong).fit(hourly())


@needs_tabpfn
def test_when_it_is_pickled_then_it_forecasts_the_same(weights):
    forecaster = TabPFNTSForecaster(weights, config=FAST, context_length=24).fit(hourly())
    content = pickle.dumps(forecaster)
    assert len(content) < 50_000  # the weights stay in their file
    pd.testing.assert_series_equal(pickle.loads(content).predict(fh=[1, 2]), forecaster.predict(fh=[1, 2]))  # noqa: S301


WATCHED = """
import os, sys
from pathlib import Path
report, weights = sys.argv[1:]
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")

def note(event, arguments):  # to the file at once: reports may be sent as the interpreter ends
    if event in NETWORK:
        with open(report, "a") as file:
            file.write(f"{event} {arguments[-1]}\\n")
        raise OSError("no network")

sys.addaudithook(note)
import numpy as np, pandas as pd
from ttm_sk import TabPFNTSForecaster
before = {name for name in os.environ if name.startswith("TABPFN")}
y = pd.Series(np.arange(40.0), index=pd.date_range("2024", periods=40, freq="h"))
TabPFNTSForecaster(weights, config={"n_estimators": 1}).fit(y).predict(fh=[1])
assert before == {name for name in os.environ if name.startswith("TABPFN")}
Path(report).touch()
"""


@needs_tabpfn
def test_when_it_works_then_nothing_is_asked_of_the_network_and_no_setting_stays(weights, tmp_path):
    kept = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("TABPFN")}
    report = tmp_path / "asked"
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(report), weights], env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert report.read_text() == ""
