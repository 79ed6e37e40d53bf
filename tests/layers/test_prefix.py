"""The prefix is one patch in front, the same in every channel, chosen by the token."""

from __future__ import annotations

import pytest
import torch

from ttm_sk.layers.prefix import ResolutionPrefix


@pytest.fixture
def prefix() -> ResolutionPrefix:
    return ResolutionPrefix(n_resolutions=4, patch_length=6, width=10)


def test_when_prefixed_then_one_patch_stands_before_the_unchanged_others(prefix):
    features = torch.randn(3, 2, 5, 10)
    result = prefix(features, torch.tensor([0, 1, 2]))
    assert result.shape == (3, 2, 6, 10)
    assert torch.equal(result[:, :, 1:], features)


def test_when_tokens_are_equal_then_rows_and_channels_share_their_prefix(prefix):
    first = prefix(torch.randn(3, 2, 5, 10), torch.tensor([1, 1, 2]))[:, :, 0]
    assert torch.allclose(first[0], first[1], atol=1e-6)
    assert torch.equal(first[:, 0], first[:, 1])
    assert not torch.allclose(first[0], first[2])


def test_when_built_then_its_size_is_the_published_formula(prefix):
    middle = (6 + 10) // 2
    expected = 4 * 6 + (6 * middle + middle) + (middle * 10 + 10)
    assert sum(parameter.numel() for parameter in prefix.parameters()) == expected


def test_when_a_token_is_outside_the_vocabulary_then_it_raises(prefix):
    with pytest.raises(IndexError):
        prefix(torch.zeros(1, 1, 5, 10), torch.tensor([4]))
