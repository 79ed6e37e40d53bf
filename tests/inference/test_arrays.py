"""ttm_sk.forecast: arrays in and out, over torch or without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from strategies import random_module, small_config

import ttm_sk
from ttm_sk import forecast, load_checkpoint, save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import CheckpointError, ConfigError, DataError
from ttm_sk.inference import arrays
from ttm_sk.inference.export import export_checkpoint
from ttm_sk.inference.forecasting import forecast_series

LEVELS = (0.1, 0.5, 0.9)
ALONE = """
import json, sys
missing = {"torch", "pandas", "sktime", "sklearn", "scipy", "skorch", "einops", "safetensors", "tqdm"}
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Wall())
import numpy as np
import ttm_sk
values = np.load(sys.argv[1])
found = ttm_sk.forecast(values, 100, levels=(0.1, 0.5, 0.9), effort=sys.argv[3])
try:
    ttm_sk.forecast(values, 3, model_path=sys.argv[4])
    refused = ""
except ValueError as error:
    refused = str(error)
np.save(sys.argv[2], found)
print(json.dumps({"refused": refused, "loaded": sorted({name.split(".")[0] for name in sys.modules})}))
"""


@pytest.fixture(scope="module")
def small_file(tmp_path_factory) -> str:
    module = random_module(small_config())
    return str(
        save_checkpoint(Checkpoint(module.config, module.state_dict()), tmp_path_factory.mktemp("m") / "m.safetensors")
    )


@pytest.mark.parametrize("effort", ["plain", "fast"])
def test_when_torch_and_pandas_are_missing_then_the_forecast_is_the_same(tmp_path, small_file, effort):
    pytest.importorskip("onnxruntime")
    values = np.random.default_rng(0).normal(size=(3, 300)).cumsum(axis=1)
    values[1, 40:60] = np.nan
    np.save(tmp_path / "values.npy", values)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, tmp_path / "values.npy", tmp_path / "found.npy", effort, small_file],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(ttm_sk.__file__).parents[1]), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "without torch" in report["refused"]
    assert not {"torch", "pandas", "sktime"} & set(report["loaded"])
    expected = forecast(values, 100, levels=LEVELS, effort=effort, backend="torch")
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-4 * np.nanstd(values))


def test_when_several_series_are_given_then_each_is_forecast(small_file):
    rows = [np.arange(20.0), np.sin(np.arange(45.0)), np.ones(3)]
    found = forecast(rows, 11, levels=LEVELS, model_path=small_file)
    expected = forecast_series(load_checkpoint(small_file).build(), rows, 11, levels=LEVELS)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(forecast(rows[1], 11, levels=LEVELS, model_path=small_file), found[1], atol=1e-5)
    np.testing.assert_allclose(forecast(rows[1].tolist(), 11, model_path=small_file), found[1], atol=1e-5)


def test_when_series_have_channels_then_so_has_the_forecast(small_file):
    values = np.random.default_rng(0).normal(size=(2, 3, 40))
    assert forecast(values, 5, model_path=small_file).shape == (2, 3, 5, 3)
    assert forecast(values[0], 5, model_path=small_file).shape == (3, 5, 3)


def test_when_one_column_is_a_frame_s_then_its_values_are_taken(small_file):
    pandas = pytest.importorskip("pandas")
    assert forecast(pandas.Series(np.arange(30.0)).to_numpy(), 4, model_path=small_file).shape == (4, 3)


@pytest.mark.parametrize("values", [[], np.array([]), np.full(9, np.nan), ["a", "b"], [np.ones(4), "text"]])
def test_when_there_is_nothing_to_forecast_then_data_error_is_raised(small_file, values):
    with pytest.raises(DataError):
        forecast(values, 4, model_path=small_file)


def test_when_backend_or_file_are_unknown_then_they_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="'auto', 'torch', 'onnx', 'openvino'"):
        forecast(np.ones(9), 4, backend="jax")
    with pytest.raises(CheckpointError, match="found no file"):
        forecast(np.ones(9), 4, model_path=tmp_path / "nothing.onnx")


def test_when_a_history_has_ten_million_points_then_it_costs_no_more_than_its_context(small_file):
    """Memory beyond the history itself, by numpy's own count."""
    import tracemalloc

    values = np.arange(10_000_000.0)
    forecast(values[-50:], 4, model_path=small_file)
    tracemalloc.start()
    found = forecast(values, 4, model_path=small_file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000  # bytes; the history has 80 million
    np.testing.assert_allclose(found, forecast(values[-32:], 4, model_path=small_file))


def test_when_a_series_has_labels_then_its_values_count_alone():
    values = np.sin(np.arange(60) / 3)
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    np.testing.assert_array_equal(forecast(pd.Series(values, index=days), 5), forecast(values, 5))


def test_when_a_table_is_given_then_the_remedy_is_named():
    with pytest.raises(DataError, match=r"found a table; give its columns as rows, table.to_numpy\(\).T"):
        forecast(pd.DataFrame({"a": np.arange(9.0)}), 3)


def test_when_one_level_is_given_then_the_axis_stays():
    assert forecast(np.arange(50.0), 4, levels=0.5).shape == (4, 1)


def test_when_weights_are_told_the_pace_then_so_they_are(tmp_path):
    config = small_config(n_resolutions=10)
    path = save_checkpoint(Checkpoint(config, random_module(config).state_dict()), tmp_path / "paced.safetensors")
    found = [forecast(np.arange(50.0) % 7, 3, model_path=path, resolution=token) for token in (7, 8)]
    assert not np.allclose(*found)


def changed(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(checkpoint.config, {name: value * 1.5 for name, value in checkpoint.weights.items()})


def test_when_a_file_was_written_again_then_it_is_read_again(tmp_path):
    config = small_config()
    first = Checkpoint(config, random_module(config).state_dict())
    path, y = tmp_path / "m.safetensors", np.sin(np.arange(50.0))
    found = []
    for checkpoint in (first, changed(first)):
        save_checkpoint(checkpoint, path)
        found.append(forecast(y, 3, model_path=path))
    assert not np.allclose(*found)


def test_when_the_export_beside_is_of_other_weights_then_it_is_not_used(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    monkeypatch.setenv("TTM_SK_CACHE", str(tmp_path / "cache"))
    config = small_config()
    first = Checkpoint(config, random_module(config).state_dict())
    path, y = tmp_path / "m.2.safetensors", np.sin(np.arange(50.0))
    export_checkpoint(first, tmp_path / "m.2.onnx")
    save_checkpoint(changed(first), path)
    torchs, onnx = (forecast(y, 3, model_path=path, backend=backend) for backend in ("torch", "onnx"))
    np.testing.assert_allclose(onnx, torchs, atol=1e-4)
    save_checkpoint(first, path)
    monkeypatch.setattr(arrays, "_has_torch", lambda: False)
    np.testing.assert_allclose(
        forecast(y, 3, model_path=path, backend="onnx"), forecast(y, 3, model_path=path, backend="torch"), atol=1e-4
    )
