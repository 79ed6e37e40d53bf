"""How long a forecast takes. Run by ``tox -e bench``; beside other machines only ratios mean anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from ttm_sk import TTMForecaster, load_checkpoint
from ttm_sk.models.ttm import TTM

LENGTH, HORIZON = 512, 96


def walks(n_series: int, length: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n_series, length)).cumsum(axis=1)


def hourly_panel(n_series: int) -> pd.DataFrame:
    hours = pd.date_range("2024-01-01", periods=LENGTH, freq="h")
    index = pd.MultiIndex.from_product([range(n_series), hours], names=["series", "time"])
    return pd.DataFrame({"y": walks(n_series, LENGTH).ravel()}, index=index)


def fit_predict(y: pd.Series | pd.DataFrame, effort: str) -> pd.Series | pd.DataFrame:
    return TTMForecaster(effort=effort).fit(y).predict(fh=np.arange(1, HORIZON + 1))


@pytest.fixture(scope="module")
def module() -> TTM:
    return load_checkpoint("ttm-tiny").build()


@pytest.fixture
def measured(benchmark: BenchmarkFixture) -> Callable:
    def run(function: Callable, *arguments: object, rounds: int) -> object:
        return benchmark.pedantic(function, args=arguments, rounds=rounds, warmup_rounds=1)

    return run


@pytest.mark.parametrize("batch_size", [1, 64, 1024])
def test_when_windows_are_passed_through_the_module_then_this_is_one_pass(measured, module, batch_size):
    """The network alone: a batch of full contexts, no gradients, no pandas."""
    context = torch.from_numpy(walks(batch_size, module.context_length).astype(np.float32))[:, None]
    observed = torch.ones_like(context, dtype=torch.bool)
    with torch.inference_mode():
        forecast = measured(module, context, observed, rounds=3 if batch_size > 64 else 20)
    assert forecast.mean.shape == (batch_size, 1, HORIZON)


@pytest.mark.parametrize("effort", ["plain", "fast"])
def test_when_one_series_is_forecast_then_this_is_fit_and_predict(measured, effort):
    """One series of 512 hours, 96 ahead, with all that sktime checks and converts."""
    y = hourly_panel(1).loc[0, "y"].asfreq("h")
    assert len(measured(fit_predict, y, effort, rounds=10)) == HORIZON


@pytest.mark.parametrize("effort", ["plain", "fast"])
def test_when_a_panel_is_forecast_then_this_is_fit_and_predict_of_100_series(measured, effort):
    """A panel of 100 series of 512 hours, 96 ahead, in one batch."""
    assert len(measured(fit_predict, hourly_panel(100), effort, rounds=5)) == 100 * HORIZON
