"""PatchSLSTMForecaster: weights or a config, states that go on, fine-tuning, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from ttm_sk import PatchSLSTMForecaster, TTMForecaster
from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.errors import CheckpointError, ConfigError, UntrainedWarning
from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig
from ttm_sk.training.finetune import FineTuneSettings, finetune

CONFIG = PatchSLSTMConfig(
    context_length=64,
    prediction_length=16,
    longest_pass=48,
    patch_length=8,
    width=16,
    n_blocks=2,
    n_heads=2,
    hidden_width=32,
    expanded_width=24,
    levels=(0.05, 0.1, 0.5, 0.9, 0.95),
)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(CONFIG, PatchSLSTM(CONFIG).state_dict())


def wave(n: int = 150, *, shift: float = 0.0) -> pd.Series:
    steps = np.arange(n)
    index = pd.date_range("2024-01-01", periods=n, freq="h")
    return pd.Series(20 + 3 * np.sin(steps * 2 * np.pi / 12 + shift) + 0.02 * steps, index=index, name="y")


def test_when_neither_weights_nor_config_are_given_then_it_raises():
    with pytest.raises(ConfigError, match="found neither of model_path and config"):
        PatchSLSTMForecaster().fit(wave())


def test_when_both_are_given_then_it_raises(checkpoint):
    with pytest.raises(ConfigError, match="found both of model_path and config"):
        PatchSLSTMForecaster(checkpoint, config="tiny").fit(wave())


def test_when_a_config_is_given_then_random_weights_are_seeded_and_warned_of():
    with pytest.warns(UntrainedWarning, match="the forecasts mean nothing"):
        first = PatchSLSTMForecaster(config=CONFIG, random_state=1).fit(wave())
    with pytest.warns(UntrainedWarning):
        second = PatchSLSTMForecaster(config=CONFIG, random_state=1).fit(wave())
    with pytest.warns(UntrainedWarning):
        third = PatchSLSTMForecaster(config=CONFIG, random_state=2).fit(wave())
    assert first.checkpoint_.hash == second.checkpoint_.hash != third.checkpoint_.hash


def test_when_another_architecture_is_given_then_it_raises_by_name():
    with pytest.raises(CheckpointError, match="found a ttm in ttm-tiny, expected a patch-slstm"):
        PatchSLSTMForecaster("ttm-tiny").fit(wave())


def test_when_weights_are_in_a_file_then_ttm_forecaster_opens_it_too(checkpoint, tmp_path):
    path = save_checkpoint(checkpoint, tmp_path / "mine.safetensors")
    found = PatchSLSTMForecaster(path).fit(wave()).predict(fh=range(1, 21))
    expected = TTMForecaster(path).fit(wave()).predict(fh=range(1, 21))
    pd.testing.assert_series_equal(found, expected, rtol=1e-5)


@pytest.mark.parametrize("effort", ["plain", "fast", "best"])
def test_when_any_horizon_is_asked_for_then_quantiles_ascend(checkpoint, effort):
    forecaster = PatchSLSTMForecaster(checkpoint, effort=effort).fit(wave(), fh=[1, 30])
    found = forecaster.predict_quantiles(fh=[1, 30, 100], alpha=[0.05, 0.3, 0.5, 0.95])
    assert np.isfinite(found).all(axis=None)
    assert (np.diff(found.to_numpy(), axis=1) >= 0).all()


@pytest.mark.parametrize("effort", ["plain", "fast"])
def test_when_whole_patches_arrive_then_only_they_are_read(checkpoint, effort, monkeypatch):
    y = wave(64 + 8 * 6)
    forecaster = PatchSLSTMForecaster(checkpoint, effort=effort).fit(y[:64])
    n_read = []
    step = PatchSLSTM.step
    monkeypatch.setattr(PatchSLSTM, "step", lambda self, s, v, o: n_read.append(v.shape[-1]) or step(self, s, v, o))
    monkeypatch.setattr(PatchSLSTM, "start", None)  # nothing begins anew
    for first in range(64, len(y), 8):
        forecaster.update(y[first : first + 8])
    assert n_read == [8] * 6
    assert forecaster.predict(fh=range(1, 9)).index[0] == y.index[-1] + pd.Timedelta("1h")
    assert np.isfinite(forecaster.predict(fh=range(1, 49))).all()


def test_when_few_values_arrive_then_they_count_and_are_read_with_the_next_patch(checkpoint):
    y = wave(64 + 8)
    forecaster = PatchSLSTMForecaster(checkpoint, effort="plain").fit(y[:64])
    before = forecaster.predict(fh=[1])
    forecaster.update(y[64:67])
    between = forecaster.predict(fh=[1])
    again = PatchSLSTMForecaster(checkpoint, effort="plain").fit(y[:67]).predict(fh=[1])
    np.testing.assert_allclose(between, again, rtol=1e-5)
    assert before.index[0] != between.index[0]
    forecaster.update(y[67:])
    whole = PatchSLSTMForecaster(checkpoint, effort="plain").fit(y[:64]).update(y[64:])
    pd.testing.assert_series_equal(forecaster.predict(fh=[1, 5]), whole.predict(fh=[1, 5]))


def test_when_old_values_change_then_the_past_is_read_again(checkpoint):
    y = wave(64)
    forecaster = PatchSLSTMForecaster(checkpoint, effort="plain").fit(y)
    changed = y.copy()
    changed.iloc[-3] += 5
    found = forecaster.update(changed[-3:]).predict(fh=[1, 2])
    pd.testing.assert_series_equal(found, PatchSLSTMForecaster(checkpoint, effort="plain").fit(changed).predict([1, 2]))


def test_when_series_of_a_panel_differ_in_length_then_each_is_forecast_as_alone(checkpoint):
    series = {"a": wave(150), "b": wave(30, shift=1.0), "c": wave(4, shift=2.0)}
    panel = pd.concat({key: value.to_frame() for key, value in series.items()}, names=["id", "time"])
    together = PatchSLSTMForecaster(checkpoint).fit(panel).predict(fh=range(1, 25))
    for key, value in series.items():
        alone = PatchSLSTMForecaster(checkpoint).fit(value.to_frame()).predict(fh=range(1, 25))
        np.testing.assert_allclose(together.loc[key].to_numpy(), alone.to_numpy(), rtol=1e-4)


@pytest.mark.parametrize("strategy", ["head", "adapter", "full"])
def test_when_it_is_fine_tuned_then_the_validation_part_is_no_worse_and_only_that_part_changed(checkpoint, strategy):
    forecaster = PatchSLSTMForecaster(checkpoint, fit_strategy=strategy, fit_steps=12, random_state=0).fit(wave(200))
    note = forecaster.checkpoint_.provenance["finetuning"][-1]
    assert note["validation_loss"] <= note["zero_shot_loss"]
    changed = {
        name.split(".")[0]
        for name, value in forecaster.checkpoint_.weights.items()
        if not torch.equal(value, checkpoint.weights[name])
    }
    assert changed == ({"head"} if strategy == "head" else {"embeddings", "backbone", "head"} | changed)
    assert np.isfinite(forecaster.predict(fh=range(1, 17))).all()


def test_when_a_random_model_is_trained_on_a_wave_then_it_learns_it():
    settings = FineTuneSettings(most_steps=60, batch_size=32, peak=5e-3, validation_windows=32, n_epochs=100)
    torch.manual_seed(0)
    start = Checkpoint(CONFIG, PatchSLSTM(CONFIG).state_dict())
    tuned = finetune(start, [wave(400).to_numpy()], trainable="full", settings=settings, is_quiet=True)
    note = tuned.provenance["finetuning"][-1]
    assert note["validation_loss"] < 0.5 * note["zero_shot_loss"]


def test_when_channels_should_inform_each_other_then_it_raises(checkpoint):
    with pytest.raises(ConfigError, match="forecasts channels one by one"):
        finetune(checkpoint, [np.ones((2, 99)).cumsum(axis=1)], settings=FineTuneSettings(mixes_channels=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_path": 3}, "model_path=3 must be"),
        ({"model_path": None, "config": 3}, "config=3 must be"),
        ({"model_path": None, "config": "huge"}, "no size 'huge'"),
        ({"fit_strategy": "some"}, "unknown fit_strategy 'some'"),
        ({"effort": "much"}, "unknown effort 'much'"),
        ({"batch_size": 0}, "batch_size=0 must be a whole number"),
        ({"context_length": 0.5}, "context_length=0.5 must be a whole number"),
        ({"random_state": -1}, "random_state=-1 must be a whole number"),
        ({"validation_split": 0}, "validation_share=0"),
    ],
)
def test_when_a_parameter_is_impossible_then_it_raises(checkpoint, changes, message):
    with pytest.raises(ConfigError, match=message):
        PatchSLSTMForecaster(**{"model_path": checkpoint} | changes).fit(wave())


@pytest.mark.parametrize(
    ("past", "new"),
    [
        (np.full(64, 5.0), 100 + 10 * np.sin(np.arange(32) / 3)),
        (5 + 1e-9 * np.sin(np.arange(64.0)), 100 + 10 * np.sin(np.arange(32) / 3)),
        (np.sin(np.arange(64.0)), 10 + np.sin(np.arange(64, 96.0))),
        (np.sin(np.arange(64.0)), 9 * np.sin(np.arange(64, 96.0))),
    ],
    ids=["constant", "nearly constant", "level", "spread"],
)
def test_when_a_series_leaves_the_units_of_its_state_then_the_past_is_read_again(checkpoint, past, new):
    y = pd.Series(np.concatenate([past, new]))
    forecaster = PatchSLSTMForecaster(checkpoint, effort="plain").fit(y.iloc[: len(past)], fh=[1, 2])
    forecaster.update(y.iloc[len(past) :])
    again = PatchSLSTMForecaster(checkpoint, effort="plain").fit(y, fh=[1, 2])
    pd.testing.assert_series_equal(forecaster.predict(), again.predict())
