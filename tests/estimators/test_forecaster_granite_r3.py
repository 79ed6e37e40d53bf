"""TTMForecaster on TTM-R3 folders: any horizon, gaps, short histories, panels, quantiles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from granite_r3_cases import MULTI, PAIR_QUANTILES, POOLED, TREND, draw_weights
from safetensors.torch import save_file

from ttm_sk import TTMForecaster
from ttm_sk.errors import ConfigError

PREFIX = {"resolution_prefix_tuning": True, "frequency_token_vocab_size": 10}
KINDS = {"single": POOLED | {"register_tokens": 2, "fft_length": 3}, "pair": PAIR_QUANTILES | TREND}


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp(request.param), KINDS[request.param])


def write(folder: Path, values: dict) -> Path:
    weights = {name: value.contiguous() for name, value in draw_weights(values).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def wave(n: int = 150, *, shift: float = 0.0, freq: str = "h") -> pd.Series:
    steps = np.arange(n)
    index = pd.date_range("2024-01-01", periods=n, freq=freq)
    return pd.Series(20 + 3 * np.sin(steps * 2 * np.pi / 12 + shift) + 0.02 * steps, index=index, name="y")


@pytest.mark.parametrize("effort", ["plain", "fast"])
def test_when_the_horizon_is_longer_than_the_head_then_the_forecast_goes_on(folder, effort):
    forecaster = TTMForecaster(folder, effort=effort).fit(wave())
    whole = forecaster.predict(fh=range(1, 41))
    assert whole.shape == (40,)
    assert np.isfinite(whole).all()
    pd.testing.assert_series_equal(forecaster.predict(fh=range(1, 17)), whole[:16])


def test_when_quantiles_are_asked_for_then_they_ascend_and_levels_between_are_interpolated(folder):
    levels = [0.1, 0.25, 0.5, 0.75, 0.9]
    found = TTMForecaster(folder).fit(wave()).predict_quantiles(fh=[1, 16, 40], alpha=levels)
    assert found.shape == (3, 5)
    assert (np.diff(found.to_numpy(), axis=1) > 0).all()


def test_when_a_level_lies_outside_of_the_heads_then_it_raises(folder):
    with pytest.raises(ConfigError, match="knows levels from 0.1 to 0.9"):
        TTMForecaster(folder).fit(wave()).predict_quantiles(fh=[1], alpha=[0.05])


@pytest.mark.parametrize("n", [1, 2, 7, 60, 95, 97])
def test_when_a_history_is_short_then_it_is_forecast(folder, n):
    assert np.isfinite(TTMForecaster(folder).fit(wave(n)).predict(fh=[1, 20])).all()


def test_when_values_are_missing_then_the_forecast_is_that_of_the_last_ones_carried_on(folder):
    y = wave()
    y.iloc[[40, 41, 100, 149]] = np.nan
    gaps = TTMForecaster(folder, effort="plain").fit(y).predict(fh=[1, 5])
    filled = TTMForecaster(folder, effort="plain").fit(y.ffill()).predict(fh=[1, 5])
    assert np.isfinite(gaps).all()
    assert np.abs(gaps - filled).max() < 0.2 * np.abs(y.diff()).max()  # alike; only the scale knows of the gaps


def test_when_series_of_a_panel_differ_in_length_then_each_is_forecast_as_alone(folder):
    series = {"a": wave(150), "b": wave(30, shift=1.0), "c": wave(4, shift=2.0)}
    panel = pd.concat({key: value.to_frame() for key, value in series.items()}, names=["id", "time"])
    together = TTMForecaster(folder).fit(panel).predict(fh=range(1, 25))
    for key, value in series.items():
        alone = TTMForecaster(folder).fit(value.to_frame()).predict(fh=range(1, 25))
        np.testing.assert_allclose(together.loc[key].to_numpy(), alone.to_numpy(), rtol=1e-5)


def test_when_a_frame_has_columns_then_each_is_forecast_by_itself(folder):
    frame = pd.DataFrame({"a": wave(), "b": 1000 * wave(shift=1.0)})
    found = TTMForecaster(folder).fit(frame).predict(fh=[1, 2])
    alone = TTMForecaster(folder).fit(frame[["b"]]).predict(fh=[1, 2])
    np.testing.assert_allclose(found["b"], alone["b"], rtol=1e-5)


def test_when_the_model_has_a_prefix_then_the_pace_of_the_series_changes_the_forecast(tmp_path):
    folder = write(tmp_path, POOLED | PREFIX)
    hourly, daily = (TTMForecaster(folder).fit(wave(freq=freq)).predict(fh=[1, 2]).to_numpy() for freq in ("h", "D"))
    assert not np.allclose(hourly, daily)


def test_when_the_head_knows_points_only_then_quantiles_raise(tmp_path):
    forecaster = TTMForecaster(write(tmp_path, MULTI)).fit(wave())
    assert np.isfinite(forecaster.predict(fh=[1, 20])).all()
    with pytest.raises(ConfigError, match="points only"):
        forecaster.predict_quantiles(fh=[1], alpha=[0.9])


def test_when_weights_of_another_architecture_are_pretrained_then_it_raises(folder):
    panel = pd.concat({key: wave(shift=key).to_frame() for key in range(2)}, names=["id", "time"])
    with pytest.raises(ConfigError, match="pretraining is for TTMConfig"):
        TTMForecaster(folder, pretrain_windows=8).pretrain(panel)
