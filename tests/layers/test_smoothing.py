"""The robust trend, and gaps carried forward."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from strategies import few, seeds

from ttm_sk.errors import DataError
from ttm_sk.layers.gaps import carry_forward
from ttm_sk.layers.smoothing import robust_trend


def walk(seed: int, n_steps: int = 80) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 1, n_steps, generator=generator, dtype=torch.float64).cumsum(-1)


@few
@given(seed=seeds)
def test_when_a_series_is_moved_and_stretched_then_so_is_its_trend(seed):
    values = walk(seed)
    torch.testing.assert_close(robust_trend(3 * values + 7), 3 * robust_trend(values) + 7, rtol=1e-5, atol=1e-5)


@few
@given(seed=seeds)
def test_when_a_series_is_smoothed_then_its_mean_stays_and_its_roughness_goes(seed):
    values = walk(seed)
    trend = robust_trend(values)
    torch.testing.assert_close(trend.mean(-1), values.mean(-1))
    assert (trend.diff().abs().mean() < 0.6 * values.diff().abs().mean()).item()


def test_when_one_value_is_far_off_then_only_the_level_of_the_trend_moves():
    values = torch.sin(torch.arange(80.0) / 12).reshape(1, 1, 80)
    broken = values.clone()
    broken[..., 40] += 1000
    moved = robust_trend(broken) - robust_trend(values)
    torch.testing.assert_close(moved, torch.full_like(moved, 1000 / 80), rtol=0.05, atol=0)


@pytest.mark.parametrize("n_steps", [3, 4, 5, 6, 40, 41])
def test_when_a_series_is_short_then_its_trend_has_the_same_length(n_steps):
    trend = robust_trend(walk(0, n_steps))
    assert trend.shape == (2, 1, n_steps)
    assert trend.isfinite().all()


def test_when_there_are_fewer_than_three_steps_then_it_raises():
    with pytest.raises(DataError, match="at least 3"):
        robust_trend(torch.zeros(1, 1, 2))


def test_when_values_are_missing_then_the_last_observed_one_stands_there():
    values = torch.tensor([[[float("nan"), 1.0, float("nan"), 9.0, 2.0]], [[1.0, 2.0, 3.0, 4.0, 5.0]]])
    observed = torch.tensor([[[False, True, False, False, True]], [[False] * 5]])
    assert carry_forward(values, observed).tolist() == [[[0.0, 1.0, 1.0, 1.0, 2.0]], [[0.0] * 5]]
