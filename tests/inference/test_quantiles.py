"""Levels between the known ones are interpolated; outside of them nothing is invented."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import few, seeds

from ttm_sk.errors import ConfigError
from ttm_sk.inference.quantiles import at_levels, pool

KNOWN = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
FAN = np.array([1.0, 2.0, 4.0])


def test_when_a_level_is_known_then_its_quantile_comes_back_exactly():
    fan = np.sort(np.random.default_rng(0).normal(size=(4, len(KNOWN))))
    np.testing.assert_array_equal(at_levels(fan, known=KNOWN, wanted=KNOWN), fan)


def test_when_a_level_lies_between_then_it_is_interpolated():
    np.testing.assert_allclose(at_levels(FAN, known=(0.1, 0.5, 0.9), wanted=(0.2, 0.6, 0.8)), [1.25, 2.5, 3.5])


def test_when_levels_are_in_any_order_then_the_result_keeps_it():
    np.testing.assert_allclose(at_levels(FAN, known=(0.1, 0.5, 0.9), wanted=(0.9, 0.1, 0.5)), [4, 1, 2])


def test_when_given_quantiles_cross_then_they_are_sorted():
    assert at_levels(FAN[::-1], known=(0.1, 0.5, 0.9), wanted=(0.1, 0.5, 0.9)).tolist() == [1, 2, 4]


@few
@given(
    fan=arrays(np.float32, (3, len(KNOWN)), elements=st.floats(-1e6, 1e6, width=32)),
    wanted=st.lists(st.floats(0.01, 0.99), min_size=2, max_size=9, unique=True),
)
def test_when_levels_ascend_then_quantiles_never_cross(fan, wanted):
    quantiles = at_levels(fan, known=KNOWN, wanted=sorted(wanted))
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert quantiles.dtype == np.float32


@pytest.mark.parametrize("level", [0.005, 0.995, 0.0, 1.0, -1.0, float("nan")])
def test_when_a_level_lies_outside_then_it_raises(level):
    with pytest.raises(ConfigError, match=r"knows levels from 0\.01 to 0\.99"):
        at_levels(np.zeros(len(KNOWN)), known=KNOWN, wanted=[0.5, level])


def test_when_a_level_is_off_by_rounding_then_it_is_the_known_one():
    assert at_levels(FAN, known=(0.1, 0.5, 0.9), wanted=[1 - 0.1 - 1e-17 + 1e-16, 0.1 - 1e-12]).tolist() == [4, 1]


def test_when_only_points_are_known_then_the_median_comes_back():
    assert at_levels(np.array([[3.0]]), known=(0.5,), wanted=(0.5,)).tolist() == [[3.0]]


def test_when_only_points_are_known_and_a_quantile_is_asked_for_then_it_raises():
    with pytest.raises(ConfigError, match="forecasts points only"):
        at_levels(np.array([[3.0]]), known=(0.5,), wanted=(0.5, 0.9))


def test_when_forecasts_agree_then_their_pool_is_close_to_each():
    levels = (0.1, 0.3, 0.5, 0.7, 0.9)
    one = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    pooled = pool(np.tile(one, (1, 3, 1, 1, 1)), levels=levels)[0, 0, 0]
    np.testing.assert_allclose(pooled[2], 3.0)
    assert (np.abs(pooled - one) <= 0.5).all()
    assert (np.diff(pooled) >= 0).all()


def test_when_there_is_one_path_then_the_pool_is_that_path():
    quantiles = np.random.default_rng(0).normal(size=(2, 1, 3, 4, 5))
    np.testing.assert_array_equal(pool(quantiles, levels=(0.1, 0.3, 0.5, 0.7, 0.9)), quantiles[:, 0])


def test_when_forecasts_lie_apart_then_the_pool_spans_both():
    near, far = np.array([-1.0, 0.0, 1.0]), np.array([99.0, 100.0, 101.0])
    low, middle, high = pool(np.stack([near, far]).reshape(1, 2, 1, 1, 3), levels=(0.1, 0.5, 0.9)).ravel()
    assert low < 1
    assert 1 < middle < 99
    assert high > 99


@given(seeds)
def test_when_quantiles_hardly_move_then_neither_does_their_pool(seed):
    rng = np.random.default_rng(seed)
    levels = (0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99)  # which stand for unequal shares
    quantiles = np.sort(rng.normal(size=(1, 5, 1, 4, len(levels))), axis=-1)
    quantiles[:, 1] = quantiles[:, 0]  # values that tie
    moved = quantiles + 1e-9 * rng.uniform(-1, 1, quantiles.shape)
    assert np.abs(pool(moved, levels=levels) - pool(quantiles, levels=levels)).max() < 2e-9
