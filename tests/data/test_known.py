"""Drivers around a cutoff: in units of their own past, whatever stands around them."""

from __future__ import annotations

import numpy as np

from ttm_sk.data.known import driver_window

DRIVERS = np.stack([np.arange(30.0) ** 1.5, np.full(30, 1e6), np.arange(30.0) % 7])


def test_when_drivers_are_cut_then_their_past_has_mean_zero_and_deviation_one():
    window = driver_window(DRIVERS, 20, n_past=12, n_future=5)
    assert window.shape == (3, 17)
    np.testing.assert_allclose(window[[0, 2], :12].mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(window[[0, 2], :12].std(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(driver_window(1e3 * DRIVERS + 7, 20, n_past=12, n_future=5)[0], window[0], rtol=1e-5)


def test_when_a_driver_does_not_move_then_it_is_zero():
    assert not driver_window(DRIVERS, 20, n_past=12, n_future=5)[1].any()


def test_when_the_window_is_longer_than_the_past_then_nothing_was_observed_there_and_the_rest_stays():
    short, long = (driver_window(DRIVERS, 9, n_past=n, n_future=3) for n in (9, 16))
    assert np.isnan(long[:, :7]).all()
    np.testing.assert_array_equal(long[:, 7:], short)


def test_when_drivers_end_early_then_their_last_value_goes_on():
    window = driver_window(DRIVERS, 28, n_past=10, n_future=5)
    assert (window[:, -3:] == window[:, [11]]).all()


def test_when_what_comes_after_changes_then_the_past_is_as_before():
    other = DRIVERS.copy()
    other[:, 20:] += 9
    before, after = (driver_window(values, 20, n_past=12, n_future=5) for values in (DRIVERS, other))
    np.testing.assert_array_equal(before[:, :12], after[:, :12])
    assert (after[0, 12:] > before[0, 12:]).all()
