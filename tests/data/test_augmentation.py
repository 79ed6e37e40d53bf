"""Augmentations change what they should, keep gaps, and depend on their random numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from ttm_sk.data.augmentation import Augmentation, censor, mix_rows, modulate, put_spikes
from ttm_sk.errors import ConfigError

WAYS = {"modulate": modulate, "censor": censor, "spikes": put_spikes}


def rows(n: int = 6, length: int = 120) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, length)).cumsum(axis=1).astype(np.float32)


@pytest.mark.parametrize("way", WAYS)
def test_when_a_row_has_gaps_then_they_stay_and_nothing_else_becomes_one(way):
    row = rows()[0]
    row[[3, 50, 51]] = np.nan
    before = np.isnan(row)
    WAYS[way](row, np.random.default_rng(0))
    assert np.array_equal(np.isnan(row), before)


@pytest.mark.parametrize("way", WAYS)
def test_when_a_row_has_no_value_then_it_stays_so(way):
    row = np.full(50, np.nan, dtype=np.float32)
    WAYS[way](row, np.random.default_rng(0))
    assert np.isnan(row).all()


def test_when_a_row_is_censored_then_it_ends_at_one_of_its_own_values_range():
    for seed in range(10):
        row, before = rows()[0], rows()[0]
        censor(row, np.random.default_rng(seed))
        changed = row != before
        assert len(np.unique(row[changed])) <= 1
        assert before.min() <= row.min() <= row.max() <= before.max()


def test_when_a_row_is_modulated_then_its_level_stays_and_its_size_changes():
    row, before = rows()[0], rows()[0]
    modulate(row, np.random.default_rng(3))
    ratio = (row - before.mean()) / (before - before.mean())
    assert ratio.min() > 0
    assert np.ptp(ratio) > 0.05


def test_when_spikes_are_put_then_they_come_at_a_regular_distance():
    row = np.zeros(400, dtype=np.float32)
    put_spikes(row, np.random.default_rng(2))
    begins = np.flatnonzero((np.abs(row[1:]) > 0.01) & (np.abs(row[:-1]) <= 0.01))
    assert len(begins) >= 3
    assert len(np.unique(np.diff(begins))) == 1


def test_when_rows_are_mixed_then_only_the_chosen_ones_change():
    values = rows()
    mix_rows(values, np.array([1, 4]), np.random.default_rng(0))
    assert [i for i in range(6) if not np.array_equal(values[i], rows()[i])] == [1, 4]
    assert np.abs(values[1]).max() < 10  # in units of the spread


def test_when_the_seed_is_the_same_then_so_is_what_comes_out():
    first, second, third = rows(), rows(), rows()
    for values, seed in ((first, 1), (second, 1), (third, 2)):
        Augmentation()(values, np.random.default_rng(seed))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_when_a_share_is_impossible_then_it_raises():
    with pytest.raises(ConfigError, match="censored_share=1.5 must lie in"):
        Augmentation(censored_share=1.5)
