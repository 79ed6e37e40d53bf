"""Exported files: the same forecasts as torch, to stated tolerances, through the same walk."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from strategies import random_module, small_config

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.inference.export import FORMATS, cached_export, export_checkpoint
from ttm_sk.inference.exported import HEADER_KEY, ROWS_AT_ONCE, open_exported
from ttm_sk.inference.forecasting import forecast_series, select_readings
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.models.ttm import TTMConfig
from ttm_sk.models.ttm_r3 import TTMR3, TTMR3Config
from ttm_sk.training.patch_learning import random_checkpoint

F32, INT8 = 2e-5, 0.15  # largest difference, in deviations of the forecast

OURS = small_config(
    context_length=64, views=(1, 4), gate="none", with_flags=True, n_templates=2, cycle_width=4, scaling_length=32
)
GRANITE = TTMConfig(
    context_length=32,
    prediction_length=8,
    patch_length=8,
    width=24,
    decoder_width=16,
    keeps_unobserved=True,
    pads_count=True,
)
CHANNELS = small_config(n_channels=2, decoder_mixes_channels=True)
MARKED = replace(OURS, fed_back_weight=0.5)
CONFIGS = {"ours": OURS, "marked": MARKED, "granite": GRANITE, "channels": CHANNELS}


def as_checkpoint(module: torch.nn.Module) -> Checkpoint:
    return Checkpoint(module.config, module.state_dict(), {"windows": 7})


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Checkpoints and their ONNX files."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    folder, found = tmp_path_factory.mktemp("exported"), {}
    for name, config in CONFIGS.items():
        checkpoint = as_checkpoint(random_module(config))
        found[name] = checkpoint, export_checkpoint(checkpoint, folder / f"{name}.onnx")
    return found


def histories_for(config: TTMConfig) -> list[np.ndarray]:
    """Longer and shorter than the context, with a gap, constant."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(config.n_channels, n)).cumsum(axis=1) for n in (90, 11, 64)]
    rows[0][:, 40:45] = np.nan
    return [*rows, np.full((config.n_channels, 20), 3.0)]


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / expected.std())


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("name", CONFIGS)
def test_when_a_model_is_exported_then_another_engine_forecasts_the_same(exported, name, engine):
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    checkpoint, path = exported[name]
    runner = open_exported(path, engine=engine, n_threads=1)
    assert runner.outline.hash == checkpoint.hash
    assert runner.header["config"] == checkpoint.config.to_dict()
    assert runner.header["provenance"] == {"windows": 7}
    asked = {"levels": (0.1, 0.5, 0.9), "batch_size": 3} if checkpoint.config.levels else {"effort": "plain"}
    histories = histories_for(checkpoint.config)
    expected = forecast_series(checkpoint.build(), histories, 20, **asked)
    assert difference(forecast_series(runner, histories, 20, **asked), expected) < F32


@pytest.mark.parametrize("name", [name for name, config in CONFIGS.items() if config.levels])
def test_when_flags_are_given_as_booleans_then_one_pass_takes_them(exported, name):
    checkpoint, path = exported[name]
    config = checkpoint.config
    context = torch.randn(2, config.n_channels if config.is_fixed else 1, config.context_length)
    observed = torch.rand_like(context) > 0.2
    expected = checkpoint.build()(context, observed).quantiles.detach().numpy()
    assert difference(open_exported(path).one_pass(context.numpy(), observed.numpy()), expected) < F32


def test_when_there_are_many_rows_then_the_engine_gets_some_at_a_time_and_all_come_back(exported):
    checkpoint, path = exported["ours"]
    runner, sizes = open_exported(path), []
    engine = runner._engine
    runner._engine = lambda context, observed: (sizes.append(len(context)), engine(context, observed))[1]
    context = torch.randn(2 * ROWS_AT_ONCE + 3, 1, checkpoint.config.context_length)
    observed = torch.ones_like(context, dtype=torch.bool)
    expected = checkpoint.build()(context, observed).quantiles.detach().numpy()
    assert difference(runner.one_pass(context.numpy(), observed.numpy()), expected) < F32
    assert sizes == [ROWS_AT_ONCE, ROWS_AT_ONCE, 3]


def test_when_readings_are_chosen_with_an_exported_model_then_they_are_those_of_torch(exported):
    checkpoint, path = exported["ours"]
    runner, histories = open_exported(path), [np.sin(np.arange(60.0)), np.arange(40.0)]
    found, expected = (select_readings(model, histories, 5) for model in (runner, checkpoint.build()))
    assert found.readings == expected.readings
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-4)


def test_when_a_model_is_exported_in_8_bits_then_it_is_smaller_and_nearly_the_same(exported, tmp_path, caplog):
    checkpoint, path = exported["ours"]
    small = export_checkpoint(checkpoint, tmp_path / "int8.onnx", format="onnx-int8")
    histories = histories_for(checkpoint.config)
    expected = forecast_series(checkpoint.build(), histories, 8)
    assert difference(forecast_series(open_exported(small), histories, 8), expected) < INT8
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    onnx = pytest.importorskip("onnx")
    matrices = [part.data_type for part in onnx.load(small).graph.initializer if len(part.dims) > 1]
    assert onnx.TensorProto.UINT8 in matrices
    assert onnx.TensorProto.INT8 not in matrices  # sums of products with signed ones overflow on CPUs without VNNI


def test_when_a_program_is_exported_then_torch_opens_it_and_gives_the_same(tmp_path):
    checkpoint = as_checkpoint(random_module(OURS))
    extra = {HEADER_KEY: ""}
    program = torch.export.load(export_checkpoint(checkpoint, tmp_path / "m.pt2", format="torch"), extra_files=extra)
    context = torch.randn(5, 1, OURS.context_length)
    observed = torch.rand_like(context) > 0.2
    expected = checkpoint.build()(context, observed).quantiles
    torch.testing.assert_close(program.module()(context, observed), expected)
    assert json.loads(extra[HEADER_KEY])["outline"]["hash"] == checkpoint.hash


@pytest.mark.parametrize("format", FORMATS)
def test_when_a_model_needs_more_than_values_and_flags_then_it_is_refused(tmp_path, format):
    prefixed = as_checkpoint(random_module(small_config(n_resolutions=3)))
    with pytest.raises(ConfigError, match="needs a resolution"):
        export_checkpoint(prefixed, tmp_path / "a", format=format)
    assert not list(tmp_path.iterdir())


def test_when_a_model_fills_gaps_then_it_is_refused(tmp_path):
    module = TTMR3(TTMR3Config(context_length=32, prediction_length=8, patch_length=8, width=8, decoder_width=8))
    with pytest.raises(ConfigError, match="gaps that are filled"):
        export_checkpoint(as_checkpoint(module), tmp_path / "a")


def test_when_a_format_is_unknown_then_the_known_ones_are_named(tmp_path):
    with pytest.raises(ConfigError, match="'onnx', 'onnx-int8', 'torch'"):
        export_checkpoint(as_checkpoint(random_module(OURS)), tmp_path / "a", format="tflite")


def test_when_the_number_of_channels_is_wrong_then_it_is_refused(exported):
    with pytest.raises(ConfigError, match="mixes exactly 2"):
        forecast_series(open_exported(exported["channels"][1]), [np.ones((3, 20))], 4)


def test_when_a_resolution_is_given_then_it_is_refused(exported):
    with pytest.raises(ConfigError, match="no use for a resolution"):
        forecast_series(open_exported(exported["ours"][1]), [np.ones(20)], 4, resolution=1)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_when_a_file_is_not_ours_then_it_is_refused(tmp_path, engine):
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    with pytest.raises(CheckpointError, match="found no file"):
        open_exported(tmp_path / "nothing.onnx", engine=engine)
    (tmp_path / "noise.onnx").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="no ONNX file"):
        open_exported(tmp_path / "noise.onnx", engine=engine)


@pytest.mark.parametrize(
    "asked", [{"engine": "tensorrt"}, {"precision": "bf16"}, {"engine": "openvino", "precision": "f8"}]
)
def test_when_engine_or_precision_are_unknown_then_they_are_refused(tmp_path, asked):
    (tmp_path / "a.onnx").touch()
    with pytest.raises(ConfigError):
        open_exported(tmp_path / "a.onnx", **asked)


def test_when_a_checkpoint_is_exported_twice_then_the_second_time_is_the_kept_file(exported, tmp_path, monkeypatch):
    monkeypatch.setenv("TTM_SK_CACHE", str(tmp_path))
    checkpoint, _ = exported["granite"]
    cached_export(checkpoint, engine="onnx")
    (kept,) = (tmp_path / "exported").iterdir()
    before = kept.stat().st_mtime_ns
    assert cached_export(checkpoint, engine="onnx").outline.hash == checkpoint.hash
    assert kept.stat().st_mtime_ns == before
    assert [file.name for file in (tmp_path / "exported").iterdir()] == [kept.name]


def test_when_the_model_is_a_timer_xl_then_it_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="a Timer-XL reads as many patches as there are"):
        export_checkpoint(random_checkpoint(TimerXLConfig.tiny()), tmp_path / "timer.onnx")
