"""The benchmark's protocol: windows on a made-up data set; the published baseline where the real data are at hand."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ttm_sk.errors import DataError

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "gift_eval").is_dir(), reason="the GIFT-Eval development data are absent")


@pytest.fixture(scope="module")
def development():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("development", ROOT / "benchmarks/gift_eval/development.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def storage(tmp_path):
    """Two variates of 24-hour sines in one item, hourly, and a manifest with a short and a medium task."""
    hours = np.arange(1000)
    target = [[np.sin(2 * np.pi * hours / 24).tolist(), (hours % 24).astype(float).tolist()]]
    table = pa.table({"item_id": ["a"], "freq": ["H"], "target": pa.array(target, pa.list_(pa.list_(pa.float32())))})
    (tmp_path / "toy" / "H").mkdir(parents=True)
    with pa.ipc.new_stream(tmp_path / "toy" / "H" / "data-00000-of-00001.arrow", table.schema) as stream:
        stream.write_table(table)
    manifest = pd.DataFrame({"config": ["toy/H/short", "toy/H/medium"]})
    manifest.assign(leaderboard_name=["pretty/H/short", "pretty/H/medium"]).to_csv(tmp_path / "MANIFEST.csv")
    return tmp_path


@pytest.fixture
def published():
    """A leaderboard with the baseline and one peer, twice as good, on both made-up tasks."""
    rows = [("seasonal_naive", 1.0), ("peer", 0.5)]
    return pd.DataFrame(
        [
            {"model": model, "config": f"pretty/H/{term}", "mase": score, "crps": score}
            for model, score in rows
            for term in ("short", "medium")
        ]
    )


def constant_forecast(contexts, horizon):
    """The last value as median and as every quantile."""
    median = np.repeat([[context[-1]] for context in contexts], horizon, axis=1)
    return median, np.repeat(median[..., None], 9, axis=-1)


def test_when_series_are_multivariate_then_every_variate_has_its_windows(development, storage):
    short, medium = development.tasks(storage)
    assert (short.prediction_length, short.n_windows, short.seasonality, len(short.series)) == (48, 3, 24, 2)
    assert (medium.prediction_length, medium.n_windows) == (480, 1)
    contexts, targets = short.windows()
    assert [len(context) for context in contexts] == [856, 904, 952] * 2
    assert targets.shape == (6, 48)
    np.testing.assert_array_equal(np.concatenate([contexts[4], targets[4]]), short.series[1][:952])


def test_when_scored_then_rows_are_relative_to_the_published_baseline(development, storage, published):
    seen = []
    results = development.evaluate(constant_forecast, storage, published=published, on_result=seen.append)
    assert results["config"].tolist() == ["pretty/H/short", "pretty/H/medium"] == [row["config"] for row in seen]
    np.testing.assert_allclose(results["relative_MASE"], results["MASE"])
    table = development.compare(results, published, models=["peer"], name="constant")
    assert table.loc["peer", "CRPS"] == pytest.approx(0.5)
    assert table.loc["constant", "MASE"] == pytest.approx(np.sqrt(results["MASE"].prod()))


def test_when_context_length_is_given_then_forecasters_see_no_more(development, storage, published):
    lengths = []

    def watching(contexts, horizon):
        lengths.extend(map(len, contexts))
        return constant_forecast(contexts, horizon)

    development.evaluate(watching, storage, published=published, context_length=100)
    assert set(lengths) == {100}


def test_when_a_wanted_task_is_not_listed_then_it_raises(development, storage):
    with pytest.raises(DataError, match="no-such-task"):
        development.tasks(storage, configs=["no-such-task"])


@pytest.mark.parametrize(
    "frequency, season", [("5T", 288), ("15min", 96), ("H", 24), ("W-THU", 1), ("ME", 12), ("QS-OCT", 4), ("7h", 1)]
)
def test_when_frequency_is_known_then_its_season_is_gluonts(development, frequency, season):
    assert development.season_of(frequency) == season


def test_when_frequency_is_unknown_then_it_raises(development):
    with pytest.raises(DataError, match="fortnight"):
        development.season_of("fortnight")


@needs_data
@pytest.mark.parametrize("config", ["us_births/M/short", "ett1/H/short"])
def test_when_seasonal_naive_is_scored_then_it_equals_the_published_numbers(development, config):
    listed = pd.read_csv(DATA / "gift_eval" / "MANIFEST.csv").set_index("config")
    results = development.evaluate_seasonal_naive(
        DATA / "gift_eval", published=DATA / "gift_eval_published.csv", configs=[config]
    )
    assert results["MASE"].item() == pytest.approx(listed.loc[config, "published_MASE"], rel=1e-6)
    # published with six digits
    assert results["relative_CRPS"].item() == pytest.approx(1, rel=1e-5)
