"""Quantiles around a point forecast."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, seeds

from ttm_sk.layers.spread import CONDITIONS, QuantileSpread, add_quantiles


def make_spread(*, seed: int = 0, **changes: object) -> QuantileSpread:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = QuantileSpread(n_levels=5, width=4, n_patches=3, n_features=6, condition_width=2, **changes)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
    return module


@few
@given(seed=seeds, condition=st.sampled_from(CONDITIONS), is_concatenated=st.booleans(), moves_median=st.booleans())
def test_when_weights_are_random_then_quantiles_keep_their_distance(seed, condition, is_concatenated, moves_median):
    module = make_spread(
        seed=seed,
        condition=condition,
        is_concatenated=is_concatenated,
        moves_median=moves_median,
        minimum_step=0.25,
    )
    point = torch.randn(2, 3, 8)
    found = module(point, torch.randn(2, 3, 3, 6))
    assert found.shape == (2, 3, 8, 5)
    assert (found.diff(dim=-1) >= 0.25 - 1e-4).all()
    assert torch.equal(found[..., 2], point) != moves_median


@pytest.mark.parametrize("condition", CONDITIONS)
def test_when_the_decoder_is_a_condition_then_it_changes_the_quantiles(condition):
    module, point = make_spread(condition=condition), torch.randn(2, 1, 8)
    one, other = (module(point, features) for features in (torch.zeros(2, 1, 3, 6), torch.ones(2, 1, 3, 6)))
    assert torch.equal(one, other) == (condition == "none")


def test_when_distances_are_added_then_the_sum_of_two_fans_never_crosses():
    fans = [make_spread(seed=seed)(torch.randn(2, 1, 8), torch.zeros(2, 1, 3, 6)) for seed in (1, 2)]
    together, apart = (add_quantiles(*fans, is_independent=flag) for flag in (False, True))
    for found in (together, apart):
        assert (found.diff(dim=-1) > 0).all()
        torch.testing.assert_close(found[..., 2], fans[0][..., 2] + fans[1][..., 2])
    assert (together[..., -1] - together[..., 0] > apart[..., -1] - apart[..., 0]).all()
