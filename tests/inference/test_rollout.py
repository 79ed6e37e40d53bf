"""Any horizon: how many passes it takes, and what they are fed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from ttm_sk.errors import ConfigError, HorizonError
from ttm_sk.inference import rollout

OPTIONS = {"levels": (0.1, 0.5, 0.9)}


class Counter:
    """A model of three quantiles that counts on from the last value, ``n_ahead`` steps in a pass, and takes notes."""

    def __init__(self, n_ahead: int) -> None:
        self.n_ahead, self.contexts, self.flags = n_ahead, [], []

    def __call__(self, context: np.ndarray, observed: np.ndarray) -> np.ndarray:
        self.contexts.append(context.copy())
        self.flags.append(observed.copy())
        median = context[..., -1:] + np.arange(1, self.n_ahead + 1, dtype=context.dtype)
        return np.stack([median - 10, median, median + 10], axis=-1)


def forecast(step, *, horizon: int, context: np.ndarray | None = None, context_length: int = 6) -> np.ndarray:
    context = np.zeros((2, 1, 4), dtype=np.float32) if context is None else context
    observed = np.ones(context.shape, dtype=bool)
    return rollout.forecast(step, context, observed, horizon=horizon, context_length=context_length, **OPTIONS)


@few
@given(horizon=st.integers(1, 30), n_ahead=st.integers(1, 9))
def test_when_any_horizon_is_asked_for_then_it_is_met_in_as_few_passes_as_possible(horizon, n_ahead):
    step = Counter(n_ahead)
    assert forecast(step, horizon=horizon).shape == (2, 1, horizon, 3)
    assert len(step.contexts) == -(-horizon // n_ahead)


@few
@given(horizon=st.integers(1, 30), n_ahead=st.integers(1, 9))
def test_when_the_horizon_is_long_then_the_median_is_fed_back(horizon, n_ahead):
    result = forecast(Counter(n_ahead), horizon=horizon)
    np.testing.assert_array_equal(result[0, 0, :, 1], np.arange(1, horizon + 1))


def test_when_the_horizon_is_extended_then_its_beginning_stays():
    np.testing.assert_array_equal(forecast(Counter(4), horizon=11)[:, :, :3], forecast(Counter(4), horizon=3))


def test_when_fed_back_then_steps_count_as_observed_and_the_oldest_are_dropped():
    step = Counter(3)
    forecast(step, horizon=7, context=np.arange(4, dtype=np.float32).reshape(1, 1, 4))
    assert [context[0, 0].tolist() for context in step.contexts] == [
        [0, 1, 2, 3],
        [1, 2, 3, 4, 5, 6],
        [4, 5, 6, 7, 8, 9],
    ]
    assert all(flags.all() for flags in step.flags)


def test_when_steps_were_unobserved_then_they_stay_so_beside_the_fed_back_ones():
    step = Counter(2)
    observed = np.array([[[False, True, True]]])
    rollout.forecast(step, np.ones((1, 1, 3)), observed, horizon=3, context_length=9, **OPTIONS)
    assert step.flags[1].tolist() == [[[False, True, True, True, True]]]


def test_when_rolled_out_then_the_callers_arrays_stay():
    context, observed = np.ones((1, 1, 4)), np.ones((1, 1, 4), dtype=bool)
    rollout.forecast(Counter(1), context, observed, horizon=5, context_length=4, **OPTIONS)
    assert (context == 1).all()
    assert context.shape == observed.shape == (1, 1, 4)


def test_when_several_quantiles_are_fed_back_then_each_is_a_future_of_its_own():
    step = Counter(1)
    context, observed = np.zeros((2, 1, 3), dtype=np.float32), np.ones((2, 1, 3), dtype=bool)
    result = rollout.forecast(step, context, observed, horizon=3, context_length=9, paths=(0.1, 0.5, 0.9), **OPTIONS)
    assert [part.shape[0] for part in step.contexts] == [2, 6, 6]
    assert step.contexts[1][:, 0, -1].tolist() == [-9, 1, 11] * 2
    assert result.shape == (2, 1, 3, 3)
    np.testing.assert_allclose(result[..., 1], [[[1, 2, 3]]] * 2)


def test_when_several_quantiles_are_fed_back_then_intervals_widen_with_the_horizon():
    context, observed = np.zeros((1, 1, 3), dtype=np.float32), np.ones((1, 1, 3), dtype=bool)
    many = {"horizon": 4, "context_length": 9, "paths": (0.1, 0.5, 0.9), **OPTIONS}
    width = np.ptp(rollout.forecast(Counter(1), context, observed, **many), axis=-1)[0, 0]
    assert (np.diff(width) > 0).all()


def test_when_a_path_is_no_level_of_the_model_then_it_raises():
    with pytest.raises(ConfigError, match=r"cannot feed back the levels \[0.3\]"):
        rollout.forecast(
            Counter(1),
            np.zeros((1, 1, 3)),
            np.ones((1, 1, 3), bool),
            horizon=2,
            context_length=9,
            paths=(0.3,),
            **OPTIONS,
        )


@pytest.mark.parametrize("horizon", [0, -3])
def test_when_the_horizon_is_below_one_then_it_raises(horizon):
    with pytest.raises(HorizonError, match=f"found a horizon of {horizon} steps"):
        forecast(Counter(2), horizon=horizon)


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_when_a_forecast_is_fed_back_then_its_flags_say_so(weight):
    step, context = Counter(2), np.zeros((1, 1, 4), dtype=np.float32)
    observed = np.array([[[False, True, True, True]]])
    rollout.forecast(step, context, observed, horizon=5, context_length=6, fed_back_weight=weight, **OPTIONS)
    assert step.flags[0].dtype == bool
    assert step.flags[1].tolist() == [[[0, 1, 1, 1, weight, weight]]]
    assert step.flags[2].tolist() == [[[1, 1, weight, weight, weight, weight]]]
    assert step.flags[2].dtype == (bool if weight == 1 else np.float32)
