"""What the Samay model keeps of its promises: configuration, training, files, devices, quantisation."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import ttm_sk
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import CheckpointError, ConfigError, DataError, UntrainedWarning
from ttm_sk.models.ttm import TTMConfig
from ttm_sk.samay import TinyTimeMixerDataset, TinyTimeMixerModel, mape, mse

HOURLY = Path(__file__).parents[1] / "data" / "fixtures" / "hourly.csv"
LENGTHS = {"context_len": 96, "horizon_len": 24}


def windows(mode: str = "test", **options) -> TinyTimeMixerDataset:
    plain = {"path": HOURLY, "datetime_col": "date", "stride": 60, "batch_size": 16}
    return TinyTimeMixerDataset(mode=mode, **{**plain, **LENGTHS, **options})


def quantised(model: TinyTimeMixerModel) -> TinyTimeMixerModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that this will move to torchao
        return torch.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


# Configuration


@pytest.mark.parametrize(
    ("config", "low", "high"),
    [({}, 0.6e6, 1.1e6), ({"model_size": "small"}, 4e6, 6e6), ({"model_size": "base"}, 13e6, 17e6)],
)
def test_when_a_size_is_asked_for_then_its_parameters_are_as_documented(config, low, high, recwarn):
    n_parameters = sum(parameter.numel() for parameter in TinyTimeMixerModel(config).parameters())
    assert low < n_parameters < high
    assert [w.category for w in recwarn] == ([UntrainedWarning] if config else [])


def test_when_nothing_is_overridden_then_the_weights_are_the_bundled_ones():
    assert TinyTimeMixerModel().checkpoint.hash == ttm_sk.load_checkpoint("ttm-tiny").hash
    assert (
        TinyTimeMixerModel({"d_model": TTMConfig.tiny().width}).checkpoint.hash == TinyTimeMixerModel().checkpoint.hash
    )


def test_when_an_architecture_is_overridden_then_random_weights_come_from_the_seed_with_a_warning():
    config = {"d_model": 32, "n_heads": 2, "n_layers": 1, "dropout": 0.25, "horizon_len": 24}
    with pytest.warns(UntrainedWarning, match=r"d_model=32, n_heads=2, n_layers=1, dropout=0.25.*from seed 0"):
        model = TinyTimeMixerModel(config)
    made = model.architecture
    assert (made.width, made.attention_heads, made.n_layers, made.dropout, made.head_dropout) == (32, 2, 1, 0.25, 0.25)
    assert made.prediction_length == 24
    with pytest.warns(UntrainedWarning):
        again, other = TinyTimeMixerModel(config), TinyTimeMixerModel({**config, "seed": 1})
    assert model.checkpoint.hash == again.checkpoint.hash != other.checkpoint.hash


def test_when_only_dropout_is_given_then_the_weights_stay_pretrained():
    model = TinyTimeMixerModel({"dropout": 0.1})
    assert model.architecture.dropout == 0.1
    assert model.checkpoint.hash == TinyTimeMixerModel().checkpoint.hash


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"contextlen": 5}, "did you mean 'context_len'"),
        ({"model_size": "huge"}, "choose one of 'tiny', 'small', 'base'"),
        ("ttm-tiny", "found 'ttm-tiny' for a configuration; give a dictionary"),
        ({"model_size": ["tiny"]}, r"found model_size=\['tiny'\]"),
        ({"context_len": 0}, "found context_len=0; expected a whole number of at least 1"),
        ({"horizon_len": 9.5}, "found horizon_len=9.5"),
        ({"context_len": 5000}, "sees at most 4096 steps"),
        ({"d_model": 30}, "width=30"),
        ({"n_heads": 5}, "attention_heads=5"),
        ({"dropout": 1.0}, "dropout=1.0 must lie in"),
    ],
)
def test_when_the_configuration_is_impossible_then_it_says_why(config, message):
    with pytest.raises(ConfigError, match=message):
        TinyTimeMixerModel(config)


def test_when_other_weights_are_given_then_only_lengths_may_be_set():
    model = TinyTimeMixerModel(LENGTHS, repo="ttm-tiny")
    assert (model.context_len, model.horizon_len) == (96, 24)
    with pytest.raises(ConfigError, match="found d_model beside repo"):
        TinyTimeMixerModel({"d_model": 64}, repo="ttm-tiny")


# Evaluation


def test_when_windows_are_evaluated_then_shapes_losses_and_metrics_agree():
    data = windows()
    model = TinyTimeMixerModel(LENGTHS)
    avg_loss, trues, preds, histories = model.evaluate(data)
    assert trues.shape == preds.shape == (len(data), 2, 24)
    assert histories.shape == (len(data), 2, 96)
    assert avg_loss == mse(trues, preds) == pytest.approx(((trues - preds) ** 2).mean())
    found = model.evaluate(data, metric_only=True)
    assert set(found) == {"mse", "mae", "mase", "mape", "rmse", "nrmse", "smape", "msis", "nd"}
    assert (found["mse"], found["mape"]) == (pytest.approx(avg_loss), pytest.approx(mape(trues, preds)))
    assert found["mape"] == pytest.approx(100 * np.mean(np.abs(trues - preds) / np.abs(trues)))
    assert avg_loss < mse(trues, np.repeat(histories[..., -1:], 24, axis=-1))  # it forecasts better than a constant


def test_when_the_context_is_shorter_then_older_steps_change_nothing(tmp_path):
    frame = pd.read_csv(HOURLY)
    data = windows(boundaries=[0, 1000, 1500])
    frame.loc[: 1500 - 50, "OT"] += 1e3
    frame.to_csv(tmp_path / "changed.csv", index=False)
    changed = windows(boundaries=[0, 1000, 1500], path=tmp_path / "changed.csv")
    short = TinyTimeMixerModel({"context_len": 48})
    one, other = (short.evaluate(each)[2][0] for each in (data, changed))
    np.testing.assert_array_equal(one, other)
    assert np.abs(TinyTimeMixerModel({"context_len": 96}).evaluate(changed)[2][0] - one).max() > 1


def test_when_weights_have_no_quantiles_then_msis_is_left_out():
    config = TTMConfig(context_length=96, prediction_length=24, patch_length=24, width=24, n_levels=1, decoder_width=8)
    checkpoint = Checkpoint(config, ttm_sk.TTM(config).state_dict())
    found = TinyTimeMixerModel(LENGTHS, repo=checkpoint).evaluate(windows(), metric_only=True)
    assert "msis" not in found
    assert np.isfinite(list(found.values())).all()


# Training


def test_when_it_is_fine_tuned_then_epochs_rate_and_validation_count():
    train, val = windows("train", stride=40), windows("val", stride=10)
    model = TinyTimeMixerModel(LENGTHS)
    before = model.checkpoint
    tuned = model.finetune(train, val_dataset=val, epochs=3, learning_rate=2e-4, batch_size=8, is_quiet=True)
    assert tuned is model
    run = model.checkpoint.provenance["finetuning"][-1]
    steps_per_epoch = -(-len(train) // 8)
    assert (run["steps"], run["peak"], run["training_windows"]) == (3 * steps_per_epoch, 2e-4, len(train))
    assert model.history[-1]["epoch"] == 3.0
    assert run["validation_loss"] <= run["zero_shot_loss"]
    assert model.checkpoint.hash != before.hash
    assert before.hash == TinyTimeMixerModel(LENGTHS).checkpoint.hash  # a value: training did not change it


def test_when_random_weights_are_fine_tuned_then_they_learn():
    with pytest.warns(UntrainedWarning):
        model = TinyTimeMixerModel({**LENGTHS, "d_model": 32, "n_layers": 1})
    train, test = windows("train", stride=10), windows("test")
    before = model.evaluate(test)[0]
    model.finetune(train, windows("val"), epochs=6, learning_rate=3e-3, is_quiet=True)
    assert model.evaluate(test)[0] < 0.7 * before


def test_when_the_horizon_is_beyond_one_pass_then_it_is_trained_and_evaluated_all_the_same():
    model = TinyTimeMixerModel({"context_len": 96, "horizon_len": 120})
    train = windows("train", horizon_len=120, stride=80)
    val = windows("val", horizon_len=120)
    model.finetune(train, val, epochs=1, learning_rate=1e-4, is_quiet=True)
    assert model.evaluate(windows(horizon_len=120))[2].shape[-1] == 120


def test_when_epochs_or_batch_size_are_zero_then_they_are_refused():
    model = TinyTimeMixerModel(LENGTHS)
    refused = ({"epochs": 0}, {"epochs": "many"}, {"batch_size": 0}, {"batch_size": 2.5}, {"weight_decay": -1.0})
    for options in (*refused, {"learning_rate": -1.0}, {"trainable": "some"}):
        with pytest.raises(ConfigError):
            model.finetune(windows("train"), is_quiet=True, **options)


@pytest.mark.parametrize("data", ["data.csv", pd.DataFrame({"OT": [1.0]}), None])
def test_when_something_else_is_given_for_windows_then_it_is_named(data):
    model, expected = TinyTimeMixerModel(LENGTHS), f"found a {type(data).__name__} for windows; give a TinyTimeMixerD"
    for act in (model.evaluate, model.finetune):
        with pytest.raises(DataError, match=expected):
            act(data)
    if data is not None:
        with pytest.raises(DataError, match="for windows"):
            model.finetune(windows("train"), data, is_quiet=True)


def test_when_something_else_is_given_to_plot_then_it_is_named():
    pytest.importorskip("matplotlib")
    with pytest.raises(DataError, match="found a NoneType for windows; give a TinyTimeMixerDataset"):
        TinyTimeMixerModel(LENGTHS).plot(None)


# Files, devices, copies


def test_when_a_model_is_saved_then_it_loads_bit_for_bit_with_its_history(tmp_path):
    model = TinyTimeMixerModel(LENGTHS).finetune(
        windows("train"), windows("val"), epochs=1, learning_rate=1e-4, is_quiet=True
    )
    path = model.save(tmp_path / "model.pt")
    loaded = TinyTimeMixerModel.load(path)
    assert (loaded.context_len, loaded.horizon_len, loaded.history) == (96, 24, model.history)
    np.testing.assert_array_equal(loaded.evaluate(windows())[2], model.evaluate(windows())[2])
    assert ttm_sk.load_checkpoint(path) == model.checkpoint
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt"]


def test_when_untrained_weights_are_loaded_then_the_warning_comes_again(tmp_path):
    with pytest.warns(UntrainedWarning):
        path = TinyTimeMixerModel({"d_model": 32, "n_layers": 1}).save(tmp_path / "model.pt")
    with pytest.warns(UntrainedWarning, match="from seed 0"):
        TinyTimeMixerModel.load(path)


def test_when_the_file_is_none_of_ours_then_loading_says_so(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"no safetensors")
    with pytest.raises(CheckpointError, match="model.pt"):
        TinyTimeMixerModel.load(tmp_path / "model.pt")


def test_when_a_device_is_missing_then_it_is_refused():
    model = TinyTimeMixerModel(LENGTHS)
    assert model.to("cpu") is model
    assert model.to(torch.device("cpu")).device.type == "cpu"
    with pytest.raises(ConfigError, match="names no device"):
        model.to("abacus")


def test_when_a_model_is_quantised_then_it_forecasts_and_refuses_to_train_or_save(tmp_path):
    model = TinyTimeMixerModel(LENGTHS)
    small = quantised(model)
    kinds = {type(part).__module__ for part in small.modules()}
    assert any("quantized.dynamic" in kind for kind in kinds)
    expected, found = model.evaluate(windows())[2], small.evaluate(windows())[2]
    assert 0 < np.abs(found - expected).mean() < 0.05 * expected.std()
    for attempt in (lambda: small.save(tmp_path / "x"), lambda: small.finetune(windows("train"), is_quiet=True)):
        with pytest.raises(ConfigError, match="quantised layers"):
            attempt()
    assert not list(tmp_path.iterdir())


def test_when_a_model_is_copied_then_training_the_copy_leaves_it_alone():
    model = TinyTimeMixerModel(LENGTHS)
    copied = copy.deepcopy(model).finetune(
        windows("train"), windows("val"), epochs=1, learning_rate=1e-3, is_quiet=True
    )
    assert model.checkpoint.hash == TinyTimeMixerModel(LENGTHS).checkpoint.hash
    assert model.history == []
    assert copied.history


def test_when_called_as_a_module_then_it_gives_one_pass():
    context = torch.randn(2, 3, 96)
    context[0, 0, :5] = torch.nan
    result = TinyTimeMixerModel(LENGTHS).eval()(context)
    assert result.mean.shape == (2, 3, 96)
    assert torch.isfinite(result.mean).all()


# Pictures


def test_when_a_window_is_drawn_then_history_forecast_band_and_truth_are_there():
    pytest.importorskip("matplotlib")
    model = TinyTimeMixerModel(LENGTHS)
    axes = model.plot(windows(), window=1, channel="OT")
    assert axes.get_title(loc="left") == "OT"
    labels = axes.get_legend_handles_labels()[1]
    assert {"history", "forecast", "80 % band"} <= set(labels)
    with pytest.raises(DataError, match="found no channel 'oil'; expected one of HUFL, OT"):
        model.plot(windows(), channel="oil")


def gapped(tmp_path, *, n_columns: int = 1) -> str:
    """A wave of which 41 of the last steps before the newest window are missing."""
    table = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=300, freq="h")})
    for i in range(n_columns):
        table[f"c{i}"] = np.sin(np.arange(300) / 4 + i)
        table.loc[230:270, f"c{i}"] = np.nan
    table.to_csv(tmp_path / f"{n_columns}.csv", index=False)
    return str(tmp_path / f"{n_columns}.csv")


def test_when_the_model_looks_less_far_back_than_windows_do_then_blank_ones_are_left_out(tmp_path):
    model = TinyTimeMixerModel({"context_len": 20, "horizon_len": 24})
    looked = windows(path=gapped(tmp_path), context_len=48, stride=1)
    _, trues, preds, histories = model.evaluate(looked)
    assert 0 < len(histories) == len(trues) == len(preds) < len(looked)
    assert np.isfinite(preds).all()


def test_when_other_channels_are_to_validate_on_then_it_is_refused(tmp_path):
    model = TinyTimeMixerModel(LENGTHS)
    one, two = (windows("train", path=gapped(tmp_path, n_columns=n), context_len=48, stride=1) for n in (1, 2))
    with pytest.raises(DataError, match="found 2 channels to validate on, 1 to learn from"):
        model.finetune(one, two, is_quiet=True)
