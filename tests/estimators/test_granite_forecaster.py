"""TTMForecaster on IBM Granite's folders: the module's own numbers, whatever the shape of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from granite_cases import EXOGENOUS, MIXED, SMALL, draw_weights

from ttm_sk import TTMForecaster, load_checkpoint
from ttm_sk.checkpoints.granite import to_granite
from ttm_sk.checkpoints.granite_config import ttm_config
from ttm_sk.checkpoints.granite_keys import granite_names
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.models.ttm import TTM

ROWS = np.random.default_rng(0).normal(50, 9, size=(60, 3)).astype(np.float32).astype(float)
HORIZON = SMALL["prediction_length"]


def write(folder: Path, options: dict | None = None) -> str:
    values = SMALL | (options or {})
    config, weights = ttm_config(values), draw_weights(values)
    ours = {name: weights[theirs] for name, theirs in granite_names(TTM(config).state_dict(), config).items()}
    return str(to_granite(Checkpoint(config, ours, {"granite": values}), folder))


def frame(rows: np.ndarray, freq: str = "h") -> pd.DataFrame:
    return pd.DataFrame(rows, index=pd.date_range("2024-01-01", periods=len(rows), freq=freq), columns=list("abc"))


def forecast(path: str, y: pd.DataFrame, horizon: int = HORIZON) -> np.ndarray:
    return TTMForecaster(path, effort="plain").fit(y).predict(fh=range(1, horizon + 1)).to_numpy()


def expected(path: str, rows: np.ndarray, token: int | None = None) -> np.ndarray:
    """What the module gives for the raw values, 0 at gaps."""
    context = torch.from_numpy(rows.T.astype(np.float32))[None]
    resolution = None if token is None else torch.tensor([token])
    with torch.inference_mode():
        return load_checkpoint(path).build()(context, ~context.isnan(), resolution=resolution).mean[0].T.numpy()


def test_when_a_series_is_forecast_then_the_module_sees_it_in_its_own_units(tmp_path):
    path = write(tmp_path / "model")
    np.testing.assert_allclose(forecast(path, frame(ROWS)), expected(path, ROWS), rtol=1e-6)


def test_when_the_horizon_is_long_then_the_forecast_is_fed_back(tmp_path):
    path, rows = write(tmp_path / "model"), ROWS
    found = forecast(path, frame(ROWS), horizon=2 * HORIZON + 3)
    for _ in range(3):
        rows = np.concatenate([rows, expected(path, rows)])
    np.testing.assert_allclose(found, rows[len(ROWS) :][: len(found)], rtol=1e-5)


def test_when_values_are_missing_then_they_enter_as_granite_reads_them(tmp_path):
    path, rows = write(tmp_path / "model"), ROWS.copy()
    rows[35:40, 1] = np.nan
    np.testing.assert_allclose(forecast(path, frame(rows)), expected(path, rows), rtol=1e-6)


def test_when_series_of_a_panel_differ_in_length_then_each_is_forecast_as_if_alone(tmp_path):
    path = write(tmp_path / "model")
    parts = {"long": ROWS, "short": ROWS[:11], "other": ROWS[20:]}
    panel = pd.concat({name: frame(rows) for name, rows in parts.items()}, names=["id", "time"])
    found = TTMForecaster(path, effort="plain").fit(panel).predict(fh=range(1, HORIZON + 1))
    for name, rows in parts.items():
        np.testing.assert_allclose(found.loc[name].to_numpy(), expected(path, rows), rtol=1e-5)


@pytest.mark.parametrize(("freq", "token"), [("h", 7), ("15min", 5), ("MS", 0), ("D", 0)])
def test_when_the_model_has_a_prefix_then_it_is_told_the_pace(freq, token, tmp_path):
    path = write(tmp_path / "model", {"resolution_prefix_tuning": True, "frequency_token_vocab_size": 8})
    np.testing.assert_allclose(forecast(path, frame(ROWS, freq)), expected(path, ROWS, token), rtol=1e-6)
    other = expected(path, ROWS, (token + 1) % 8)
    assert not np.allclose(forecast(path, frame(ROWS, freq)), other)


def test_when_channels_are_mixed_then_all_columns_go_in_together(tmp_path):
    path = write(tmp_path / "model", MIXED)
    np.testing.assert_allclose(forecast(path, frame(ROWS)), expected(path, ROWS), rtol=1e-6)


def test_when_quantiles_are_asked_of_a_point_model_then_the_error_says_what_to_do(tmp_path):
    forecaster = TTMForecaster(write(tmp_path / "model")).fit(frame(ROWS))
    with pytest.raises(ConfigError, match=r"forecasts points only; use one with quantiles \(model_path='ttm-tiny'\)"):
        forecaster.predict_interval(fh=[1], coverage=0.8)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (MIXED | {"num_input_channels": 2}, DataError, r"found 3 column\(s\), .* mixes exactly 2 channels"),
        (EXOGENOUS, ConfigError, r"needs 2 covariate\(s\) and 0 static"),
        (MIXED | {"categorical_vocab_size_list": [3]}, ConfigError, r"0 covariate\(s\) and 1 static"),
        (MIXED | {"prediction_channel_indices": [0]}, ConfigError, r"only the channels \(0,\) of 3"),
    ],
)
def test_when_the_checkpoint_needs_more_than_the_series_then_fit_says_what(options, error, message, tmp_path):
    path = write(tmp_path / "model", options)
    with pytest.raises(error, match=message):
        TTMForecaster(path).fit(frame(ROWS))
