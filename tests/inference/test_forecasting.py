"""forecast_series: any histories, together or alone, in their own units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, random_module, seeds, series, small_config

from ttm_sk.errors import ConfigError, DataError, HorizonError
from ttm_sk.inference.forecasting import EFFORTS, check_effort, forecast_series
from ttm_sk.models.ttm import DEFAULT_LEVELS

MODULE = random_module(small_config(n_templates=1, with_flags=True, levels=DEFAULT_LEVELS))
efforts = st.sampled_from(EFFORTS)
unpooled_efforts = st.sampled_from(["plain", "fast"])  # "best" chooses one way of reading for all histories


def size_of(history: np.ndarray) -> float:
    return float(np.nanmax(np.abs(history))) or 1.0


@few
@given(histories=st.lists(series(), min_size=2, max_size=5), horizon=st.integers(1, 20), effort=unpooled_efforts)
def test_when_histories_are_of_any_length_then_each_forecast_is_the_one_alone(histories, horizon, effort):
    together = forecast_series(MODULE, histories, horizon, levels=(0.1, 0.5, 0.9), effort=effort)
    assert together.shape == (len(histories), horizon, 3)
    for history, expected in zip(histories, together, strict=True):
        alone = forecast_series(MODULE, [history], horizon, levels=(0.1, 0.5, 0.9), effort=effort)[0]
        np.testing.assert_allclose(alone, expected, rtol=1e-3, atol=1e-3 * size_of(history))


@few
@given(history=series(), effort=efforts)
def test_when_forecasting_then_quantiles_are_finite_and_never_cross(history, effort):
    quantiles = forecast_series(MODULE, [history], 20, levels=(0.01, 0.25, 0.5, 0.77, 0.99), effort=effort)
    assert quantiles.dtype == np.float64
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()


@few
@given(
    history=series(with_offset=False),
    effort=efforts,
    factor=st.floats(0.01, 1e6),
    shift=st.sampled_from([-1e6, 0.0, 40.0]),
)
def test_when_the_unit_changes_then_the_forecast_is_in_the_new_unit(history, effort, factor, shift):
    expected = factor * forecast_series(MODULE, [history], 12, effort=effort) + shift
    found = forecast_series(MODULE, [factor * history + shift], 12, effort=effort)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * factor * size_of(history))


@few
@given(history=series(min_length=5))
def test_when_turned_upside_down_then_the_fast_fan_is_too(history):
    upright, turned = (forecast_series(MODULE, [sign * history], 12, levels=(0.2, 0.5, 0.8)) for sign in (1, -1))
    np.testing.assert_allclose(turned, -upright[..., ::-1], rtol=0, atol=1e-3 * size_of(history))


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e9, 1e-9, 1e300, 5e-324])
@pytest.mark.parametrize("length", [1, 2, 50])
def test_when_the_history_is_constant_then_the_constant_comes_back_exactly(effort, value, length):
    forecast = forecast_series(MODULE, [np.full(length, value)], 20, levels=(0.01, 0.5, 0.99), effort=effort)
    np.testing.assert_array_equal(forecast, value)


def test_when_there_is_a_huge_offset_then_the_movement_survives():
    wave = np.sin(np.arange(64) * np.pi / 6)
    expected = forecast_series(MODULE, [wave], 12)
    found = forecast_series(MODULE, [1e9 + wave], 12) - 1e9
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(found) > 0.01


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_when_values_are_huge_or_tiny_then_the_forecast_is_of_their_size(size):
    wave = np.sin(np.arange(64) * np.pi / 6)
    expected = forecast_series(MODULE, [wave], 12)
    np.testing.assert_allclose(forecast_series(MODULE, [size * wave], 12) / size, expected, atol=1e-5)


@few
@given(seed=seeds, context_length=st.integers(1, 40))
def test_when_the_context_is_limited_then_older_values_change_nothing(seed, context_length):
    history = np.random.default_rng(seed).normal(size=60)
    changed = history.copy()
    seen = min(context_length, MODULE.context_length)
    changed[:-seen] = np.random.default_rng(seed + 1).normal(size=60 - seen) * 1e3
    expected = forecast_series(MODULE, [history], 12, context_length=context_length)
    np.testing.assert_array_equal(forecast_series(MODULE, [changed], 12, context_length=context_length), expected)


def test_when_the_context_is_limited_then_it_is_as_if_the_history_were_short():
    history = np.random.default_rng(0).normal(size=60)
    limited = forecast_series(MODULE, [history], 5, context_length=20)
    np.testing.assert_array_equal(limited, forecast_series(MODULE, [history[-20:]], 5))
    assert not np.allclose(limited, forecast_series(MODULE, [history], 5))


@pytest.mark.parametrize("context_length", [0, -5])
def test_when_the_context_is_below_one_step_then_it_raises(context_length):
    with pytest.raises(ConfigError, match=f"context_length={context_length}"):
        forecast_series(MODULE, [np.arange(9.0)], 5, context_length=context_length)


def test_when_histories_have_channels_then_the_forecast_has_them_and_each_is_its_own():
    history = np.random.default_rng(0).normal(size=(3, 40))
    together = forecast_series(MODULE, [history, history[:, :7]], 10, levels=(0.1, 0.9))
    assert together.shape == (2, 3, 10, 2)
    alone = forecast_series(MODULE, list(history), 10, levels=(0.1, 0.9))
    np.testing.assert_allclose(together[0], alone, rtol=1e-4, atol=1e-4)


def test_when_the_numbers_of_channels_differ_then_it_raises():
    with pytest.raises(DataError, match=r"history 1 has shape \(1, 9\).*expected 2 channel"):
        forecast_series(MODULE, [np.ones((2, 9)), np.ones((1, 9))], 5)


def test_when_a_gap_holds_anything_unobserved_then_it_is_a_gap():
    history = np.random.default_rng(0).normal(size=30)
    history[[3, 4, 20]] = np.nan
    assert np.isfinite(forecast_series(MODULE, [history], 5)).all()


def test_when_forecasting_then_histories_are_not_changed():
    history = np.array([1.0, np.nan, 3.0])
    before = history.copy()
    forecast_series(MODULE, [history], 20)
    np.testing.assert_array_equal(history, before)


def test_when_there_is_no_history_then_it_raises():
    with pytest.raises(DataError, match="no histor"):
        forecast_series(MODULE, [], 5)


def test_when_a_history_is_all_missing_then_it_is_named():
    with pytest.raises(DataError, match="history 1, channel 0 has no observed value"):
        forecast_series(MODULE, [np.ones(5), np.full(5, np.nan)], 5)


def test_when_a_history_is_empty_then_it_is_named():
    with pytest.raises(DataError, match="history 1, channel 0 has no observed value"):
        forecast_series(MODULE, [np.ones(5), np.array([])], 5)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_when_a_history_is_infinite_then_it_is_named(value):
    with pytest.raises(DataError, match="history 0, channel 1 holds an infinite value"):
        forecast_series(MODULE, [np.array([[1.0, 2.0], [value, 3.0]])], 5)


def test_when_the_horizon_is_zero_then_it_raises():
    with pytest.raises(HorizonError, match="horizon of 0"):
        forecast_series(MODULE, [np.ones(5)], 0)


def test_when_a_level_is_outside_then_it_raises():
    with pytest.raises(ConfigError, match=r"found level 0\.999"):
        forecast_series(MODULE, [np.ones(5)], 3, levels=(0.999,))


def test_when_a_point_head_is_asked_for_quantiles_then_it_raises():
    with pytest.raises(ConfigError, match="points only"):
        forecast_series(random_module(small_config(levels=())), [np.ones(5)], 3, levels=(0.1,))


def test_when_levels_are_lopsided_then_the_symmetric_average_raises():
    module = random_module(small_config(levels=(0.1, 0.5, 0.6)))
    with pytest.raises(ConfigError, match="effort='plain'"):
        forecast_series(module, [np.arange(9.0)], 3, effort="fast")
    assert forecast_series(module, [np.arange(9.0)], 3, effort="plain").shape == (1, 3, 1)


@pytest.mark.parametrize(("effort", "says"), [("quick", "choose one of 'plain', 'fast', 'best'")])
def test_when_an_effort_does_not_exist_then_it_raises_by_name(effort, says):
    with pytest.raises(ConfigError, match=f"effort.*{effort}.*{says}"):
        check_effort(effort)
    with pytest.raises(ConfigError, match=says):
        forecast_series(MODULE, [np.ones(5)], 3, effort=effort)


@pytest.mark.gpu
def test_when_on_cuda_then_the_forecast_equals_the_cpus():
    histories = [np.random.default_rng(seed).normal(size=40 + seed).cumsum() for seed in range(6)]
    on_cuda = random_module(MODULE.config)
    on_cuda.load_state_dict(MODULE.state_dict())
    expected = forecast_series(MODULE, histories, 20, levels=(0.1, 0.5, 0.9))
    found = forecast_series(on_cuda.to(torch.device("cuda")), histories, 20, levels=(0.1, 0.5, 0.9))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"histories": np.ones(5)}, r"expected several histories; pass \[history\]"),
        ({"horizon": 2.5}, "found a horizon of 2.5 steps"),
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
    ],
)
def test_when_an_argument_is_of_another_kind_then_the_error_says_which(arguments, message):
    with pytest.raises(ValueError, match=message):
        forecast_series(MODULE, **{"histories": [np.arange(5.0)], "horizon": 2, **arguments})


def test_when_only_some_channels_are_forecast_then_nothing_is_fed_back():
    point = {"levels": (), "head_width": 0, "scaling": "std"}
    module = random_module(
        small_config(**point, n_channels=2, target_channels=(1,), decoder_mixes_channels=True, keeps_unobserved=True)
    )
    history = np.random.default_rng(0).normal(size=(2, 40))
    assert forecast_series(module, [history], 8, effort="plain", levels=[0.5]).shape[2] == 8
    with pytest.raises(HorizonError, match="1 of its 2 channels, so no forecast can be fed back: ask for at most 8"):
        forecast_series(module, [history], 9, effort="plain", levels=[0.5])
