"""Readings: coarser, by phase, of a shorter past; and each step of a forecast back in its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from ttm_sk.errors import ConfigError
from ttm_sk.inference.readings import AS_IT_IS, Reading, at_rate, by_phase


def mean_of_all(histories, horizon):
    """A fan of one quantile at the mean of what was observed."""
    return np.stack([np.repeat(np.nanmean(h, axis=-1)[:, None, None], horizon, axis=1) for h in histories])


def line_through_the_last_two(histories, horizon):
    ahead = np.arange(1, horizon + 1)
    return np.stack([(h[:, -1:] + (h[:, -1:] - h[:, -2:-1]) * ahead)[..., None] for h in histories])


def last_cycle(period):
    def forecast(histories, horizon):
        steps = np.arange(horizon) % period
        return np.stack([h[:, h.shape[-1] - period + steps][..., None] for h in histories])

    return forecast


@few
@given(period=st.integers(1, 9), n_cycles=st.integers(2, 6), extra=st.integers(0, 8), horizon=st.integers(1, 30))
def test_when_a_cycle_repeats_then_reading_it_by_phase_reads_it_on(period, n_cycles, extra, horizon):
    values = np.tile(np.random.default_rng(period).normal(size=period), n_cycles + 40)[: n_cycles * period + extra + 30]
    past, future = values[None, :-30], values[-30:]
    found = by_phase(mean_of_all, period)([past, past + 1], horizon)
    assert found.shape == (2, 1, horizon, 1)
    np.testing.assert_allclose(found[0, 0, :, 0], future[:horizon])
    np.testing.assert_allclose(found[1, 0, :, 0], future[:horizon] + 1)


@few
@given(rate=st.integers(2, 9), extra=st.integers(0, 8), horizon=st.integers(1, 40))
def test_when_a_line_is_read_coarser_then_it_goes_on(rate, extra, horizon):
    n_steps = 16 * rate + extra
    past = np.stack([np.arange(n_steps), 5 - 2.0 * np.arange(n_steps)])
    found = at_rate(line_through_the_last_two, rate)([past], horizon)[0, :, :, 0]
    first_middle = (rate - 1) / 2
    ahead = n_steps + np.maximum(np.arange(horizon), first_middle)
    np.testing.assert_allclose(found, np.stack([ahead, 5 - 2.0 * ahead]))


def test_when_values_are_missing_then_blocks_are_means_of_the_rest():
    seen = []
    at_rate(lambda histories, horizon: seen.extend(histories) or mean_of_all(histories, horizon), 2)(
        [np.array([[9.0, 1.0, np.nan, np.nan, np.nan, 3.0, 5.0]])], 1
    )
    np.testing.assert_array_equal(seen[0], [[1.0, np.nan, 4.0]])


def test_when_readings_are_combined_then_blocks_are_read_by_phase():
    hours = np.tile(np.repeat([0.0, 4.0, 2.0], 2), 20)[None]
    found = Reading(rate=2, period=3).of(mean_of_all, [0.5])([hours], 12)[0, 0, :, 0]
    assert found[[0, 2, 4]].tolist() == pytest.approx([0.0, 3.0, 2.5])  # a quarter of a block after the middle


def test_when_a_context_is_given_then_only_the_newest_steps_are_read():
    history = np.concatenate([np.full(50, 100.0), np.full(20, 3.0)])[None]
    assert Reading(context=20).of(mean_of_all, [0.5])([history], 2).ravel().tolist() == [3.0, 3.0]


def test_when_the_newest_steps_are_missing_then_the_theta_method_does_not_suit():
    past = np.arange(40.0)[None]
    missing = [np.concatenate([past, np.full((1, n), np.nan)], axis=1) for n in (7, 8)]
    assert [Reading(theta=1).suits(one, seen=4096) for one in missing] == [True, False]
    both = np.concatenate([missing[0], np.full((1, 47), np.nan)])  # a second channel without values
    assert not Reading(theta=1).suits(both, seen=4096)


def test_when_values_are_the_largest_there_are_then_the_mean_with_theta_is_finite():
    def last(histories, horizon):
        return np.stack([np.repeat(history[:, -1:, None], horizon, axis=1) for history in histories])

    np.testing.assert_allclose(Reading(theta=1).of(last, [0.5])([np.full((1, 40), 1e308)], 3), 1e308)


@pytest.mark.parametrize(
    ("reading", "length", "suits"),
    [
        (AS_IT_IS, 1, True),
        (Reading(rate=4), 63, False),
        (Reading(rate=4), 64, True),
        (Reading(period=7), 55, False),
        (Reading(period=7), 56, True),
        (Reading(rate=3, period=5), 119, False),
        (Reading(rate=3, period=5), 120, True),
        (Reading(context=30), 5, False),
        (Reading(theta=1), 7, False),
        (Reading(theta=4), 8, True),
    ],
)
def test_when_the_history_is_short_then_a_reading_may_not_suit(reading, length, suits):
    assert reading.suits(np.arange(length * 1.0)[None], seen=4096) is suits


def test_when_a_phase_was_never_observed_then_reading_by_phase_does_not_suit():
    days = np.arange(240.0)[None].copy()
    days[:, 3::12] = np.nan
    assert not Reading(period=12).suits(days, seen=4096)
    assert Reading(period=5).suits(days, seen=4096)


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"period": 0}, {"context": -1}])
def test_when_a_reading_is_impossible_then_it_raises(wrong):
    with pytest.raises(ConfigError, match="at least"):
        Reading(**wrong)


def test_when_the_model_gets_the_phases_then_it_sees_one_row_for_each():
    shapes = []

    def watching(rows, horizon):
        shapes.append((len(rows), rows[0].shape, horizon))
        return last_cycle(1)(rows, horizon)

    by_phase(watching, 7)([np.arange(73.0)[None], np.arange(73.0)[None]], 15)
    assert shapes == [(14, (1, 10), 3)]


def test_when_the_newest_steps_are_missing_then_only_a_coarser_reading_suits():
    gap = np.concatenate([np.arange(100.0), np.full(60, np.nan)])[None]
    assert not AS_IT_IS.suits(gap, seen=50)
    assert Reading(rate=2).suits(gap, seen=50)


def test_when_a_panel_has_very_many_phases_then_it_is_forecast_in_parts(monkeypatch):
    histories = [np.arange(40.0)[None] + i for i in range(5)]
    whole = by_phase(mean_of_all, 4)(histories, 6)
    monkeypatch.setattr("ttm_sk.inference.readings.ROWS_AT_ONCE", 8)
    sizes = []

    def watching(rows, horizon):
        sizes.append(len(rows))
        return mean_of_all(rows, horizon)

    np.testing.assert_array_equal(by_phase(watching, 4)(histories, 6), whole)
    assert sizes == [8, 8, 4]


def test_when_the_horizon_is_shorter_than_the_period_then_only_the_phases_ahead_are_forecast():
    rows = []

    def last(histories, horizon):
        rows.append(len(histories))
        return np.stack([np.repeat(history[:, -1:, None], horizon, axis=1) for history in histories])

    history = np.arange(70.0)[None]
    short = by_phase(last, 24)([history, history + 100], 5)
    whole = by_phase(last, 24)([history, history + 100], 24)
    np.testing.assert_array_equal(short, whole[:, :, :5])
    assert rows == [10, 48]
