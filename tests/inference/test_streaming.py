"""Streams: what is kept forecasts as the whole past would, at a cost that does not grow."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ttm_sk.errors import DataError
from ttm_sk.inference.forecasting import forecast_series
from ttm_sk.inference.streaming import begin_stream, forecast_stream, read_on
from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig

LEVELS = (0.1, 0.5, 0.9)
CONFIG = PatchSLSTMConfig(
    context_length=64,
    prediction_length=8,
    longest_pass=24,
    patch_length=8,
    width=16,
    n_blocks=2,
    n_heads=2,
    hidden_width=16,
    expanded_width=16,
    levels=LEVELS,
)


@pytest.fixture(scope="module")
def module() -> PatchSLSTM:
    torch.manual_seed(0)
    return PatchSLSTM(CONFIG).eval().requires_grad_(False)


def histories(*lengths: int, n_channels: int = 2) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [1000 + 50 * rng.normal(size=(n_channels, length)).cumsum(axis=1) for length in lengths]


@pytest.mark.parametrize("effort", ["plain", "fast"])
@pytest.mark.parametrize("batch_size", [1, 2, 256])
def test_when_a_stream_begins_then_it_forecasts_as_the_walk_does(module, effort, batch_size):
    past = histories(100, 40, 13)
    past[1][0, 10:20] = np.nan
    stream = begin_stream(module, past, batch_size=batch_size, is_symmetric=effort == "fast")
    found = forecast_stream(module, stream, 20, levels=LEVELS)
    np.testing.assert_allclose(found, forecast_series(module, past, 20, levels=LEVELS, effort=effort), rtol=1e-4)


@pytest.mark.parametrize("is_symmetric", [True, False])
def test_when_values_arrive_fifty_times_then_the_stream_forecasts_as_if_all_had_been_there(module, is_symmetric):
    past = histories(64 + 50 * 8, 40 + 50 * 8)
    now = begin_stream(module, [row[:, : -50 * 8] for row in past], is_symmetric=is_symmetric)
    start = now
    new = np.stack([row[:, -50 * 8 :] for row in past])
    for values in np.split(new, 50, axis=-1):
        now = read_on(module, now, values)
    at_once = read_on(module, start, new)
    found, expected = (forecast_stream(module, stream, 24, levels=LEVELS) for stream in (now, at_once))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not np.allclose(found, forecast_stream(module, start, 24, levels=LEVELS))


def test_when_new_values_have_gaps_then_they_are_read_as_missing(module):
    stream = begin_stream(module, histories(64))
    values = histories(8)[0][None]
    values[..., 2:5] = np.nan
    assert np.isfinite(forecast_stream(module, read_on(module, stream, values), 8, levels=LEVELS)).all()


def test_when_a_series_was_constant_and_then_moves_then_its_stream_goes_on(module):
    stream = begin_stream(module, [np.full((1, 30), 5.0)])
    assert (forecast_stream(module, stream, 4, levels=LEVELS) == 5.0).all()
    moved = read_on(module, stream, 5 + np.arange(8.0)[None, None])
    assert np.isfinite(forecast_stream(module, moved, 4, levels=LEVELS)).all()


@pytest.mark.parametrize("values", [np.ones((1, 2, 7)), np.full((1, 2, 8), np.inf)], ids=["no patch", "infinite"])
def test_when_new_values_cannot_be_read_then_it_raises(module, values):
    with pytest.raises(DataError, match="in patches of 8"):
        read_on(module, begin_stream(module, histories(64)), values)
