"""What holds for every forecaster, whatever its architecture and its (random) weights."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sktime.base import BaseObject
from strategies import few, small_config
from strategies import series as any_series

from ttm_sk import PatchSLSTMForecaster, SpeculativeForecaster, TimerXLForecaster, TTMForecaster
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.models.ttm import TTM
from ttm_sk.training.patch_learning import random_checkpoint

SLSTM = PatchSLSTMConfig(
    context_length=32,
    prediction_length=8,
    longest_pass=24,
    patch_length=8,
    width=8,
    n_blocks=1,
    n_heads=2,
    hidden_width=16,
    expanded_width=8,
    levels=(0.05, 0.1, 0.5, 0.9, 0.95),
)
TTM_WEIGHTS = Checkpoint(
    small_config(levels=(0.05, 0.1, 0.5, 0.9, 0.95)), TTM(small_config(levels=(0.05, 0.1, 0.5, 0.9, 0.95))).state_dict()
)
TIMER = random_checkpoint(TimerXLConfig.tiny())
FORECASTERS = {
    "ttm": TTMForecaster(TTM_WEIGHTS),
    "patch-slstm": PatchSLSTMForecaster(Checkpoint(SLSTM, PatchSLSTM(SLSTM).state_dict())),
    "timer-xl": TimerXLForecaster(TIMER),
    "speculative": SpeculativeForecaster(TIMER, TIMER, tolerance=0.0),
}
STEPS = list(range(1, 21))
fewer = settings(few, max_examples=8)  # each fits two to six forecasters
every = pytest.mark.parametrize("name", FORECASTERS)
# no offset: a value of 1e3 beside noise of 1e-4 has three digits left in float32
histories = any_series(min_length=40, max_length=70, with_offset=False, kinds=("noise", "walk", "wave"))


def predict(name: str, values: np.ndarray) -> np.ndarray:
    return FORECASTERS[name].clone().fit(pd.Series(values)).predict(STEPS).to_numpy()


@every
@given(values=histories, factor=st.sampled_from([0.25, 3.0, 1000.0]), shift=st.sampled_from([0.0, -8.0]))
@fewer
def test_when_a_series_is_stretched_and_moved_then_so_is_its_forecast(name, values, factor, shift):
    expected = factor * predict(name, values) + shift * factor
    np.testing.assert_allclose(
        predict(name, factor * (values + shift)), expected, rtol=2e-3, atol=2e-3 * factor * (1 + np.nanstd(values))
    )


@every
@given(first=histories, second=histories)
@fewer
def test_when_a_series_stands_in_a_panel_then_it_is_forecast_as_if_alone(name, first, second):
    frames = {"a": pd.Series(first).to_frame("y"), "b": pd.Series(second).to_frame("y")}
    together = FORECASTERS[name].clone().fit(pd.concat(frames, names=["id", "time"])).predict(STEPS)
    for key, values in {"a": first, "b": second}.items():
        scale = 1 + np.nanstd(values)
        np.testing.assert_allclose(together.loc[key, "y"], predict(name, values), rtol=1e-3, atol=1e-3 * scale)


@every
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])  # noqa: S301 (our own)
def test_when_a_fitted_forecaster_is_copied_then_the_copy_forecasts_the_same(name, copied):
    fitted: BaseObject = FORECASTERS[name].clone().fit(pd.Series(np.sin(np.arange(60.0))))
    pd.testing.assert_series_equal(copied(fitted).predict(STEPS), fitted.predict(STEPS))


@every
def test_when_a_forecaster_is_cloned_then_its_parameters_are_equal_and_its_own(name):
    first = FORECASTERS[name]
    second = first.clone()
    assert second.get_params() == first.get_params()
    assert second.set_params(batch_size=7).get_params()["batch_size"] == 7
    assert first.get_params()["batch_size"] == 256


@pytest.mark.parametrize("name", ["ttm", "patch-slstm"])
@given(values=histories)
@fewer
def test_when_quantiles_are_forecast_then_they_never_cross(name, values):
    found = FORECASTERS[name].clone().fit(pd.Series(values)).predict_quantiles(STEPS, alpha=[0.05, 0.3, 0.5, 0.7, 0.95])
    assert (np.diff(found.to_numpy(), axis=1) >= 0).all()
