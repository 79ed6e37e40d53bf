"""Scaling: what was taken away comes back, and only observed values count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, scalings, series

from ttm_sk.errors import ConfigError
from ttm_sk.layers.scaling import SCALINGS, measure_scale, scale_series


def as_window(values: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """One series as ``context`` and ``observed``, ``(1, 1, time)``."""
    context = torch.tensor(values)[None, None]
    return context, ~context.isnan()


@few
@given(values=series(), scaling=scalings, minimum_variance=st.sampled_from([0.0, 1e-5]))
def test_when_scaled_and_inverted_then_observed_values_come_back(values, scaling, minimum_variance):
    context, observed = as_window(values)
    scaled, state = scale_series(context, observed, scaling=scaling, minimum_variance=minimum_variance)
    size = np.nanmax(np.abs(values))
    torch.testing.assert_close(state.inverse(scaled)[observed], context[observed], rtol=1e-6, atol=2e-6 * size)


@few
@given(values=series(), scaling=scalings)
def test_when_a_place_is_unobserved_then_it_is_scaled_to_zero(values, scaling):
    context, observed = as_window(values)
    scaled, _ = scale_series(context, observed, scaling=scaling)
    assert (scaled[~observed] == 0).all()
    assert scaled.isfinite().all()


@few
@given(values=series(), scaling=scalings, other=st.sampled_from([0.0, -7e8, float("inf"), float("nan")]))
def test_when_unobserved_values_change_then_nothing_changes(values, scaling, other):
    context, observed = as_window(values)
    expected = scale_series(context, observed, scaling=scaling)
    found = scale_series(torch.where(observed, context, other), observed, scaling=scaling)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1].loc, expected[1].loc)
    assert torch.equal(found[1].scale, expected[1].scale)


@few
@given(values=series(with_gaps=False), scaling=scalings, n_pads=st.integers(1, 20))
def test_when_padded_on_the_left_then_statistics_stay(values, scaling, n_pads):
    context, observed = as_window(values)
    expected = measure_scale(context, observed, scaling=scaling)
    padded = [torch.nn.functional.pad(part, (n_pads, 0)) for part in (context, observed)]
    found = measure_scale(*padded, scaling=scaling)
    torch.testing.assert_close(found.loc, expected.loc)
    torch.testing.assert_close(found.scale, expected.scale)


@few
@given(values=series(), scaling=st.sampled_from(["std", "asinh"]), factor=st.floats(0.01, 100), shift=st.floats(-9, 9))
def test_when_shifted_and_stretched_then_scaled_values_stay(values, scaling, factor, shift):
    context, observed = as_window(values)
    moved = factor * context + shift * measure_scale(context, observed, scaling=scaling).scale
    expected, _ = scale_series(context, observed, scaling=scaling)
    found, _ = scale_series(moved, observed, scaling=scaling)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@few
@given(values=series(), factor=st.floats(0.01, 100))
def test_when_mean_scaling_is_stretched_then_scaled_values_stay(values, factor):
    context, observed = as_window(values)
    expected, _ = scale_series(context, observed, scaling="mean")
    found, _ = scale_series(factor * context, observed, scaling="mean")
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_when_values_are_known_then_std_is_the_population_formula():
    context = torch.tensor([[[2.0, 4.0, 100.0, 6.0]]])
    observed = torch.tensor([[[True, True, False, True]]])
    scaled, state = scale_series(context, observed, scaling="std", minimum_variance=0.5)
    scale = (8 / 3 + 0.5) ** 0.5
    assert state.loc.item() == 4
    assert state.scale.item() == pytest.approx(scale)
    assert scaled.flatten().tolist() == pytest.approx([-2 / scale, 0, 0, 2 / scale])


def test_when_scaling_is_asinh_then_it_is_the_inverse_hyperbolic_sine_of_std():
    context, observed = as_window(np.array([1.0, 2.0, 300.0]))
    std, _ = scale_series(context, observed, scaling="std")
    asinh, _ = scale_series(context, observed, scaling="asinh")
    torch.testing.assert_close(asinh, torch.asinh(std))


def test_when_scaling_is_mean_then_the_mean_absolute_value_becomes_one():
    context, observed = as_window(np.array([-1.0, np.nan, 3.0]))
    scaled, state = scale_series(context, observed, scaling="mean")
    assert state.scale.item() == 2
    assert scaled.flatten().tolist() == [-0.5, 0, 1.5]


@pytest.mark.parametrize("scaling", ["std", "asinh"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3e6])
def test_when_series_is_constant_then_any_forecast_comes_back_as_the_constant(scaling, value):
    context = torch.full((1, 1, 37), value)
    scaled, state = scale_series(context, torch.ones_like(context, dtype=torch.bool), scaling=scaling)
    assert (scaled == 0).all()
    torch.testing.assert_close(state.inverse(torch.tensor([[[0.0, 3.0]]])), torch.full((1, 1, 2), value))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_when_nothing_is_observed_then_everything_is_finite(scaling):
    context = torch.full((1, 1, 5), float("nan"))
    scaled, state = scale_series(context, torch.zeros(1, 1, 5, dtype=torch.bool), scaling=scaling)
    assert (scaled == 0).all()
    assert state.inverse(torch.ones(1, 1, 2)).isfinite().all()


def test_when_inverting_quantiles_then_every_channel_uses_its_own_scale():
    context = torch.tensor([[[0.0, 2.0], [10.0, 30.0]]])
    _, state = scale_series(context, torch.ones_like(context, dtype=torch.bool), scaling="std")
    quantiles = state.inverse(torch.ones(1, 2, 3, 4))
    assert quantiles.shape == (1, 2, 3, 4)
    assert quantiles[0, 0].unique().tolist() == [2]
    assert quantiles[0, 1].unique().tolist() == [30]


def test_when_scaling_is_unknown_then_the_error_lists_the_names():
    context = torch.ones(1, 1, 3)
    with pytest.raises(ConfigError, match="'robust'; choose one of asinh, std, mean, none"):
        scale_series(context, context.bool(), scaling="robust")
