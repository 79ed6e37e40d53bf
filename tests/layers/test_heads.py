"""Heads: shapes, quantiles that never cross, and where a quantile head begins."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import few

from ttm_sk.layers.heads import PointHead, QuantileHead, monotone_quantiles
from ttm_sk.layers.seasonal import N_CYCLES, Seasons
from ttm_sk.models.ttm import DEFAULT_LEVELS

raw_outputs = arrays(np.float32, (3, 5), elements=st.floats(-1e4, 1e4, width=32))


def quantile_head(**changes) -> QuantileHead:
    plain = {"n_features": 12, "width": 7, "horizon": 5, "levels": DEFAULT_LEVELS, "dropout": 0.0}
    return QuantileHead(**plain | {"n_templates": 0} | changes)


def seasons_of(templates: torch.Tensor, clues: torch.Tensor) -> Seasons:
    cycles = torch.zeros(*templates.shape[:-1], N_CYCLES, templates.shape[-1])
    return Seasons(templates, clues, cycles)


@few
@given(raw=raw_outputs, centre=st.floats(-1e3, 1e3, width=32), median=st.integers(0, 4))
def test_when_outputs_are_anything_then_quantiles_never_cross(raw, centre, median):
    quantiles = monotone_quantiles(torch.tensor(raw), torch.full((3,), centre), median=median)
    assert (quantiles.diff(dim=-1) >= 0).all()


@few
@given(raw=raw_outputs, median=st.integers(0, 4))
def test_when_the_median_is_asked_for_then_it_is_centre_plus_its_own_output(raw, median):
    centre = torch.tensor([1.0, -2.0, 0.5])
    quantiles = monotone_quantiles(torch.tensor(raw), centre, median=median)
    assert torch.equal(quantiles[:, median], torch.tensor(raw)[:, median] + centre)


def test_when_the_point_head_runs_then_features_become_steps():
    head = PointHead(n_features=12, horizon=5, dropout=0.0)
    features = torch.randn(2, 3, 4, 3)
    expected = features.reshape(2, 3, 12) @ head.projection.weight.T + head.projection.bias
    torch.testing.assert_close(head(features), expected)


def test_when_the_quantile_head_runs_then_every_step_has_every_level():
    assert quantile_head()(torch.randn(2, 3, 4, 3), torch.randn(2, 3, 2)).shape == (2, 3, 5, len(DEFAULT_LEVELS))


def test_when_only_the_bias_speaks_then_the_fan_is_standard_normal():
    head = quantile_head()
    torch.nn.init.zeros_(head.output.weight)
    torch.nn.init.zeros_(head.skip.weight)
    fan = head(torch.randn(1, 1, 4, 3), torch.zeros(1, 1, 2))[0, 0]
    expected = torch.tensor([NormalDist().inv_cdf(level) for level in DEFAULT_LEVELS])
    torch.testing.assert_close(fan, expected.expand(5, -1), rtol=1e-5, atol=1e-5)


def test_when_a_template_is_trusted_then_the_fan_moves_with_it():
    head = quantile_head(n_templates=1)
    for weight in (head.template.weight, head.output.weight, head.skip.weight, head.gate.weight):
        torch.nn.init.zeros_(weight)
    torch.nn.init.constant_(head.gate.bias, 50.0)  # its sigmoid is 1
    templates, clues = torch.arange(5.0).reshape(1, 1, 1, 5), torch.full((1, 1, 1, 4), 0.5)
    fan = head(torch.randn(1, 1, 4, 3), torch.zeros(1, 1, 2), seasons_of(templates, clues))[0, 0]
    torch.testing.assert_close(fan - fan[:1], (0.5 * torch.arange(5.0))[:, None].expand_as(fan))


def test_when_templates_are_used_then_they_and_their_clues_change_the_forecast():
    head = quantile_head(n_templates=2)
    seen = torch.randn(1, 1, 4, 3), torch.randn(1, 1, 2)
    templates, clues = torch.randn(1, 1, 2, 5), torch.rand(1, 1, 2, 4)
    plain = head(*seen, seasons_of(templates, clues))
    assert not torch.allclose(plain, head(*seen, seasons_of(templates + 1, clues)))
    assert not torch.allclose(plain, head(*seen, seasons_of(templates, clues * 0.5)))


def test_when_the_last_value_is_trusted_then_the_whole_fan_moves_with_it():
    head = quantile_head()
    for weight in (head.anchor.weight, head.anchor_gate.weight):
        torch.nn.init.zeros_(weight)
    head.anchor_gate.bias.data = torch.tensor([50.0, 0.0])  # its sigmoid is 1 at every step
    features = torch.randn(1, 1, 4, 3)
    fans = [head(features, torch.tensor([[[last, -1.0]]])) for last in (0.0, 2.5)]
    torch.testing.assert_close(fans[1] - fans[0], torch.full_like(fans[0], 2.5))


@pytest.mark.parametrize("levels", [(0.5,), (0.5, 0.9), (0.2, 0.5)])
def test_when_levels_are_one_sided_then_the_fan_still_ascends(levels):
    quantiles = quantile_head(levels=levels)(torch.randn(1, 1, 4, 3), torch.randn(1, 1, 2))
    assert quantiles.shape[-1] == len(levels)
    assert (quantiles.diff(dim=-1) >= 0).all()
