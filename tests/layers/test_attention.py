"""Self-attention over patches."""

from __future__ import annotations

import pytest
import torch

from ttm_sk.layers.attention import SelfAttention


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_when_patches_change_places_then_so_does_the_result(heads):
    torch.manual_seed(0)
    attention, x = SelfAttention(8, heads=heads, dropout=0.0), torch.randn(2, 3, 5, 8)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(attention(x[:, :, order]), attention(x)[:, :, order])


def test_when_one_series_changes_then_the_others_do_not():
    torch.manual_seed(0)
    attention, x = SelfAttention(8, heads=2, dropout=0.0), torch.randn(2, 3, 5, 8)
    moved = x.clone()
    moved[0, 1] += 1
    changed = (attention(moved) != attention(x)).flatten(2).any(-1)
    assert changed.tolist() == [[False, True, False], [False, False, False]]


def test_when_all_patches_are_alike_then_each_keeps_its_value():
    torch.manual_seed(0)
    attention = SelfAttention(8, heads=2, dropout=0.0)
    x = torch.randn(1, 1, 1, 8).expand(1, 1, 4, 8)
    torch.testing.assert_close(attention(x), attention.output(attention.value(x)))
