"""Registers and frequency tokens."""

from __future__ import annotations

import pytest
import torch

from ttm_sk.errors import ConfigError
from ttm_sk.layers.tokens import FrequencyTokens, RegisterTokens, strongest_frequencies


def waves(*cycles: int, n_steps: int = 60, level: float = 0.0) -> torch.Tensor:
    """A series of waves, each half as high as the one before."""
    time = torch.arange(n_steps) * 2 * torch.pi / n_steps
    return (level + sum(torch.sin(time * cycle) / 2**i for i, cycle in enumerate(cycles))).reshape(1, 1, n_steps)


def test_when_registers_are_added_then_they_stand_in_front_of_every_series():
    module, features = RegisterTokens(n_tokens=2, width=3), torch.randn(4, 2, 5, 3)
    found = module(features)
    assert torch.equal(found[:, :, 2:], features)
    assert torch.equal(found[:, :, :2], module.tokens.expand(4, 2, 2, 3))


def test_when_a_series_has_waves_then_their_frequencies_are_named_by_strength():
    assert strongest_frequencies(waves(7, 3, 11), n_frequencies=3).tolist() == [[[7, 3, 11]]]


def test_when_the_mean_is_left_out_then_the_level_is_no_frequency():
    series = waves(7, 3, level=5.0)
    assert strongest_frequencies(series, n_frequencies=2).tolist() == [[[0, 7]]]
    assert strongest_frequencies(series, n_frequencies=2, with_mean=False).tolist() == [[[7, 3]]]


@pytest.mark.parametrize("is_embedded", [True, False])
@pytest.mark.parametrize(("joined_width", "n_tokens"), [(0, 3), (4, 1)])
def test_when_frequencies_are_named_then_tokens_stand_in_front_and_tell_series_apart(
    is_embedded, joined_width, n_tokens
):
    module = FrequencyTokens(
        n_frequencies=3, context_length=60, width=8, is_embedded=is_embedded, joined_width=joined_width
    )
    features = torch.randn(2, 1, 5, 8)
    found = module(features, torch.cat([waves(7, 3, 11), waves(2, 4, 9)]))
    assert found.shape == (2, 1, n_tokens + 5, 8)
    assert torch.equal(found[:, :, n_tokens:], features)
    assert not torch.allclose(found[0, :, :n_tokens], found[1, :, :n_tokens])


@pytest.mark.parametrize("n_frequencies", [0, 32])
def test_when_there_are_not_so_many_frequencies_then_it_raises(n_frequencies):
    with pytest.raises(ConfigError, match="choose 1 to 31"):
        FrequencyTokens(n_frequencies=n_frequencies, context_length=60, width=8)
