"""Patches at several resolutions."""

from __future__ import annotations

import pytest
import torch

from ttm_sk.layers.multiscale import MultiScaleEmbedding, multiscale_patches


@pytest.mark.parametrize(
    ("context_length", "patch_length", "expected"),
    [(96, 8, (12, 6, 3, 1)), (101, 8, (12, 6, 3, 1)), (16, 8, (2, 1)), (9, 8, (1,)), (7, 8, ())],
)
def test_when_the_past_halves_then_whole_patches_are_counted(context_length, patch_length, expected):
    assert multiscale_patches(context_length, patch_length) == expected


def summing(**sizes: int) -> MultiScaleEmbedding:
    """An embedding whose only feature is the mean of a patch."""
    embedding = MultiScaleEmbedding(width=1, **sizes)
    for scale in embedding.scales:
        torch.nn.init.constant_(scale.weight, 1 / sizes["patch_length"])
        torch.nn.init.zeros_(scale.bias)
    return embedding


def test_when_a_past_is_embedded_then_the_coarsest_resolution_comes_first():
    found = summing(context_length=8, patch_length=2)(torch.arange(8.0).reshape(1, 1, 8))[0, 0, :, 0]
    torch.testing.assert_close(found, torch.tensor([3.5, 1.5, 5.5, 0.5, 2.5, 4.5, 6.5]))


def test_when_blocks_do_not_fill_the_past_then_the_newest_steps_are_missing_in_the_coarse_patches():
    values = torch.arange(12.0).reshape(
        1, 1, 12
    )  # three patches of 4; means over 2 give 6, of which the last 4 are used
    found = summing(context_length=12, patch_length=4)(values)[0, 0, :, 0]
    torch.testing.assert_close(found, torch.tensor([7.5, 1.5, 5.5, 9.5]))


def test_when_one_scale_is_asked_for_then_only_the_finest_is_used():
    assert summing(context_length=8, patch_length=2, n_scales=1)(torch.zeros(1, 1, 8)).shape == (1, 1, 4, 1)
