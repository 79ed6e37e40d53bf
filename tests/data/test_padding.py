"""Padding: histories of any length in one array, and back in their own units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, series

from ttm_sk.data.padding import pad
from ttm_sk.errors import DataError


@few
@given(histories=st.lists(series(), min_size=1, max_size=5), context_length=st.integers(80, 120))
def test_when_padded_then_observed_values_come_back(histories, context_length):
    padded = pad(histories, context_length=context_length)
    restored = padded.restore(padded.context[..., None])[..., 0]
    for history, values, flags in zip(histories, restored[:, 0], padded.observed[:, 0], strict=True):
        known = history[~np.isnan(history)]
        np.testing.assert_allclose(
            values[flags], known, rtol=0, atol=3e-6 * np.ptp(known) + 1e-12 * np.abs(known).max()
        )


@few
@given(histories=st.lists(series(), min_size=1, max_size=5), context_length=st.integers(80, 120))
def test_when_padded_then_types_shapes_and_units_are_those_of_the_models(histories, context_length):
    padded = pad(histories, context_length=context_length)
    shape = (len(histories), 1, max(map(len, histories)))
    assert padded.context.shape == padded.observed.shape == shape
    assert (padded.context.dtype, padded.observed.dtype, padded.loc.dtype) == (np.float32, bool, np.float64)
    assert padded.loc.shape == padded.scale.shape == (len(histories), 1, 1, 1)
    assert np.isfinite(padded.context).all()
    assert (padded.context[~padded.observed] == 0).all()
    assert (padded.scale >= 0).all()


def test_when_lengths_differ_then_pads_stand_on_the_left_and_are_unobserved():
    padded = pad([np.array([1.0, 3.0, 1.0, 3.0]), np.array([5.0, np.nan, 7.0])], context_length=10)
    assert padded.observed[:, 0].tolist() == [[True] * 4, [False, True, False, True]]
    assert padded.context[:, 0].tolist() == [[-1, 1, -1, 1], [0, -1, 0, 1]]


def test_when_a_history_is_longer_than_the_context_then_its_newest_steps_stay():
    padded = pad([np.array([1e6, -1e6, 2.0, 4.0])], context_length=2)
    assert padded.context.tolist() == [[[-1, 1]]]
    assert padded.loc.item() == 3


def test_when_histories_have_channels_then_each_is_centred_by_itself():
    padded = pad([np.array([[0.0, 2.0], [10.0, 30.0]])], context_length=4)
    assert padded.loc[0, :, 0, 0].tolist() == [1, 20]
    assert padded.scale[0, :, 0, 0].tolist() == pytest.approx([1, 10])


def test_when_a_history_moves_by_rounding_alone_then_it_is_level():
    padded = pad([7.3 + np.array([0.0, 8.9e-16, 0.0])], context_length=3)
    assert padded.scale.item() == 0
    assert not padded.context.any()  # else the model would scale the rounding up


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, -1e-300])
def test_when_a_history_is_constant_then_its_scale_is_zero_and_it_is_restored_exactly(value):
    padded = pad([np.full(37, value)], context_length=50)
    assert (padded.context == 0).all()
    assert (padded.restore(np.ones((1, 1, 4, 2), dtype=np.float32)) == value).all()


def test_when_movement_is_small_beside_the_level_then_it_survives_float32():
    wave = np.sin(np.arange(40.0))
    padded = pad([1e9 + wave], context_length=40)
    np.testing.assert_allclose(padded.context[0, 0], (wave - wave.mean()) / wave.std(), atol=1e-5)


@pytest.mark.parametrize("size", [1e-200, 1e200, 1e307])
def test_when_values_are_extreme_then_nothing_overflows(size):
    padded = pad([size * np.array([-1.0, 1.0, -1.0, 1.0])], context_length=4)
    np.testing.assert_allclose(padded.context[0, 0], [-1, 1, -1, 1], rtol=1e-6)


@pytest.mark.parametrize("kind", [list, tuple, np.float32, np.int64])
def test_when_histories_are_lists_or_other_numbers_then_they_are_read(kind):
    values = kind([1, 2, 3]) if kind in (list, tuple) else np.array([1, 2, 3], dtype=kind)
    assert pad([values], context_length=3).loc.item() == 2


@pytest.mark.parametrize(
    ("histories", "says"),
    [
        ([], "no history"),
        ([[1.0], [np.nan, np.nan]], "history 1, channel 0 has no observed value"),
        ([[[1.0], [np.nan]]], "history 0, channel 1 has no observed value"),
        ([[]], "history 0, channel 0 has no observed value"),
        ([[1.0, np.inf]], "history 0, channel 0 holds an infinite value"),
        ([[[1.0], [2.0]], [[1.0]]], "expected 2 channel"),
        ([[[[1.0]]]], "read as"),
    ],
)
def test_when_a_history_cannot_be_used_then_it_is_named(histories, says):
    with pytest.raises(DataError, match=says):
        pad([np.array(history) for history in histories], context_length=9)


def test_when_units_are_kept_then_values_stay_and_gaps_are_zero():
    padded = pad([np.array([7.0, np.nan, 9.0]), np.array([5.0])], context_length=4, keeps_units=True)
    assert padded.context[:, 0].tolist() == [[7.0, 0.0, 9.0], [0.0, 0.0, 5.0]]
    assert padded.observed[:, 0].tolist() == [[True, False, True], [False, False, True]]
    assert padded.restore(np.full((2, 1, 4, 1), 3.5)).ravel().tolist() == [3.5] * 8


def test_when_padding_counts_then_only_gaps_are_unobserved():
    padded = pad(
        [np.array([7.0, np.nan, 9.0]), np.array([5.0])], context_length=4, keeps_units=True, counts_padding=True
    )
    assert padded.observed[:, 0].tolist() == [[True, False, True], [True, True, True]]


def test_when_units_are_kept_and_a_value_exceeds_float32_then_it_raises():
    with pytest.raises(DataError, match=r"a value of size 1e\+39"):
        pad([np.array([1e39, 1.0])], context_length=4, keeps_units=True)
