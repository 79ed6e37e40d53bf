"""Cutting, splitting and merging lose nothing and reorder nothing."""

from __future__ import annotations

import pytest
import torch
from einops import rearrange
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, seeds

from ttm_sk.errors import ConfigError
from ttm_sk.layers.patching import PatchEmbedding, block_means, cut_patches, merge_patches, split_patches

sizes = st.integers(1, 4)


@few
@given(batch=sizes, channel=sizes, patch=sizes, feature=sizes, factor=sizes, seed=seeds)
def test_when_split_and_merged_then_features_are_identical(batch, channel, patch, feature, factor, seed):
    x = torch.randn(batch, channel, patch, feature * factor, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(merge_patches(split_patches(x, factor), factor), x)


@few
@given(batch=sizes, channel=sizes, patch=sizes, feature=sizes, factor=sizes, seed=seeds)
def test_when_merged_and_split_then_features_are_identical(batch, channel, patch, feature, factor, seed):
    x = torch.randn(batch, channel, patch * factor, feature, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(split_patches(merge_patches(x, factor), factor), x)


@few
@given(patch=sizes, feature=sizes, first=sizes, second=sizes)
def test_when_split_twice_then_it_equals_one_split_by_the_product(patch, feature, first, second):
    x = torch.arange(patch * feature * first * second, dtype=torch.float32).reshape(1, 1, patch, -1)
    assert torch.equal(split_patches(split_patches(x, first), second), split_patches(x, first * second))


def test_when_split_then_every_patch_is_cut_into_neighbours():
    x = torch.tensor([[[[1, 2, 3, 4], [5, 6, 7, 8]]]])
    assert split_patches(x, 2).tolist() == [[[[1, 2], [3, 4], [5, 6], [7, 8]]]]


@few
@given(batch=sizes, channel=sizes, n_patches=sizes, patch_length=sizes, remainder=st.integers(0, 3))
def test_when_cut_then_the_newest_values_stay_in_order(batch, channel, n_patches, patch_length, remainder):
    remainder %= patch_length
    length = n_patches * patch_length + remainder
    values = torch.arange(batch * channel * length, dtype=torch.float32).reshape(batch, channel, length)
    patches = cut_patches(values, patch_length)
    assert patches.shape == (batch, channel, n_patches, patch_length)
    back = rearrange(patches, "batch channel patch step -> batch channel (patch step)")
    assert torch.equal(back, values[..., remainder:])


def test_when_parts_do_not_divide_the_width_then_it_raises():
    with pytest.raises(ConfigError, match="cannot split 10 features into 4"):
        split_patches(torch.zeros(1, 1, 2, 10), 4)


def test_when_groups_do_not_divide_the_patches_then_it_raises():
    with pytest.raises(ConfigError, match="cannot merge 5 patches in groups of 2"):
        merge_patches(torch.zeros(1, 1, 5, 4), 2)


def test_when_some_of_a_block_is_missing_then_its_mean_is_over_the_rest():
    values = torch.tensor([[[1.0, 99.0, 5.0, 7.0, 99.0, 99.0]]])
    weight = torch.tensor([[[1.0, 0.0, 1.0, 1.0, 0.0, 0.0]]])
    means, share = block_means(values, weight, 2)
    assert means.tolist() == [[[1.0, 6.0, 0.0]]]
    assert share.tolist() == [[[0.5, 1.0, 0.0]]]


@few
@given(first=sizes, second=sizes, n_blocks=sizes, seed=seeds)
def test_when_nothing_is_missing_then_means_of_means_are_means(first, second, n_blocks, seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, 1, n_blocks * first * second, generator=generator, dtype=torch.float64)
    direct, _ = block_means(values, torch.ones_like(values), first * second)
    inner, share = block_means(values, torch.ones_like(values), first)
    twice, _ = block_means(inner, share, second)
    torch.testing.assert_close(twice, direct)


@pytest.mark.parametrize("with_flags", [False, True])
def test_when_embedded_then_flags_matter_only_where_the_config_says_so(with_flags):
    embedding = PatchEmbedding(patch_length=4, width=6, with_flags=with_flags)
    values, observed = torch.randn(2, 1, 3, 4), torch.ones(2, 1, 3, 4)
    features = embedding(values, observed)
    assert features.shape == (2, 1, 3, 6)
    assert torch.equal(features, embedding(values, observed * 0.5)) is not with_flags
