"""Windows of series: complete, observed, split in time, and never across a border."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, series

from ttm_sk.data.window_dataset import WindowDataset
from ttm_sk.errors import ConfigError, DataError


def windows_of(*arrays: np.ndarray, **options) -> WindowDataset:
    return WindowDataset.from_series(arrays, **{"context_length": 16, "prediction_length": 4} | options)


def test_when_a_series_is_long_then_every_window_is_whole():
    windows = windows_of(np.arange(100.0))
    assert len(windows) == 100 - 16 - 4 + 1
    batch = windows.batch([0, len(windows) - 1])
    assert batch.context.shape == (2, 1, 16)
    assert batch.target_observed.all()


def test_when_windows_are_scaled_then_past_and_target_are_in_the_same_units():
    values = 1e7 + np.arange(100.0)
    batch = windows_of(values).batch([5])
    steps = torch.cat([batch.context, batch.target], dim=-1)[0, 0].diff()
    torch.testing.assert_close(steps, torch.full_like(steps, steps[0].item()), rtol=1e-4, atol=0)
    assert abs(float(batch.context.mean())) < 1e-5


@few
@given(values=series(min_length=12, max_length=60), share=st.sampled_from([0.1, 0.25, 0.5]))
def test_when_split_in_time_then_no_target_of_training_reaches_the_rest(values, share):
    windows = windows_of(values)
    training, validation = windows.split(share)
    border = len(values) - max(1, round(len(values) * share))
    assert (training.index[:, 2] <= border).all()
    assert (validation.index[:, 1] >= border).all()
    for part in (training, validation):
        if len(part):
            batch = part.batch(np.arange(len(part)))
            assert batch.observed.any(dim=-1).all()
            assert batch.target_observed.any(dim=-1).all()
            assert torch.isfinite(batch.target).all()


def test_when_a_series_is_short_then_it_still_has_windows_with_cut_targets():
    windows = windows_of(np.arange(9.0), context_length=512, prediction_length=96)
    assert len(windows) > 3
    assert not windows.batch([0]).target_observed.all()


def test_when_a_short_series_is_split_then_there_is_something_to_learn_and_to_examine():
    training, validation = windows_of(np.arange(12.0), context_length=512, prediction_length=96).split(0.2)
    assert len(training) > 1
    assert validation.index.tolist() == [[0, 10, 12]]


def test_when_few_shots_are_asked_for_then_they_are_the_newest():
    windows = windows_of(np.arange(100.0), np.arange(50.0))
    assert windows.last(6).index[:, 1].tolist() == [94, 95, 96, 44, 45, 46]
    share = windows.last(0.1)
    assert share.index[share.index[:, 0] == 0][:, 1].min() == 90
    assert share.index[share.index[:, 0] == 1][:, 1].min() == 45


def test_when_channels_are_univariate_then_each_is_a_series():
    table = np.stack([np.arange(40.0), np.full(40, 7.0)])
    assert windows_of(table).batch([9]).context.shape == (1, 2, 16)
    assert windows_of(table, is_univariate=True).batch([9, 36]).context.shape == (2, 1, 16)


def test_when_drivers_are_given_then_they_reach_into_the_future():
    drivers = np.stack([np.arange(40.0), np.ones(40)])
    batch = windows_of(np.arange(40.0), drivers=[drivers], static=np.array([[2]])).batch([0])
    assert batch.covariates.shape == (1, 2, batch.context.shape[-1] + 4)
    assert batch.covariates[0, 0].diff().min() > 0
    assert batch.covariates[0, 1].abs().max() == 0
    assert batch.static.tolist() == [[2]]


def test_when_the_data_cannot_make_windows_then_the_error_says_why():
    with pytest.raises(DataError, match="series 1 has shape"):
        windows_of(np.ones((2, 9)), np.ones(9))
    with pytest.raises(DataError, match="infinite value"):
        windows_of(np.array([1.0, np.inf, 2.0]))
    with pytest.raises(DataError, match="drivers of series 0 have 8 steps, expected 9"):
        windows_of(np.ones(9), drivers=[np.ones((1, 8))])
    with pytest.raises(DataError, match="gaps"):
        windows_of(np.ones(9), drivers=[np.full((1, 9), np.nan)])
    with pytest.raises(ConfigError, match="few shots"):
        windows_of(np.arange(30.0)).last(0)
    with pytest.raises(ConfigError, match="must lie inside"):
        windows_of(np.arange(30.0)).split(1.0)


def test_when_a_window_is_calmer_than_its_series_then_its_weight_says_so():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=40), 10 * rng.normal(size=40)])
    windows = windows_of(values)
    weights = windows.batch([0, len(windows) - 1]).weight
    assert weights.shape == (2, 1)
    assert weights[0] < 0.3 < 1 < weights[1]


def test_when_cutoffs_are_given_then_windows_stand_there_but_for_blank_ones():
    values = np.stack([np.arange(20.0), np.arange(20.0)])
    values[1, 10:14] = np.nan
    chosen = np.array([4, 6, 10, 14, 16])
    windows = WindowDataset.at_cutoffs(values, chosen, context_length=4, prediction_length=4)
    # at 10 the second channel shows nothing of the target, at 14 nothing of the past
    assert windows.index.tolist() == [[0, 4, 8], [0, 6, 10], [0, 16, 20]]
    assert windows.batch([0]).context.shape == (1, 2, 4)
    with pytest.raises(DataError, match="infinite"):
        WindowDataset.at_cutoffs(np.full((1, 20), np.inf), chosen, context_length=4, prediction_length=4)
