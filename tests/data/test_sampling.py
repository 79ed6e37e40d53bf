"""Training windows: a function of seed, rank and index, whose targets never leak into their contexts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, seeds

from ttm_sk.data.corpora import MISSING, Corpus, CorpusGroup
from ttm_sk.data.device_sampling import DeviceWindowSampler
from ttm_sk.data.sampling import WindowSampler
from ttm_sk.data.windows import Batch, batch_from_arrays
from ttm_sk.errors import ConfigError

RAMPS = ((1_000, 700), (10_000, 300), (20_000, 40), (30_000, 4))  # first value and length of each series


def ramps() -> Corpus:
    """Series that count upwards by one, each in thousands of its own, so that a value says where it stands."""
    values = np.concatenate([np.arange(first, first + length) for first, length in RAMPS]).astype(np.int16)
    offsets = np.concatenate([[0], np.cumsum([length for _, length in RAMPS])])
    return Corpus((CorpusGroup("ramps", values, offsets),), ("ramps",))


def real_sampler(**changes) -> WindowSampler:
    return WindowSampler(**{"context_length": 64, "horizon": 16, "corpus": ramps(), "synthetic_share": 0.0} | changes)


def rows_of(batch: Batch) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Places and values observed in each window, the sign undone, and how many of them are context."""
    values = torch.cat([batch.context, batch.target], -1)[:, 0].numpy()
    flags = torch.cat([batch.observed, batch.target_observed], -1)[:, 0].numpy()
    n_context = batch.observed.sum((1, 2)).tolist()
    places = [np.flatnonzero(row) for row in flags]
    return [(at, np.abs(row[at]), n) for at, row, n in zip(places, values, n_context, strict=True)]


def assert_same(first: Batch, second: Batch) -> None:
    for name in ("context", "observed", "target", "target_observed"):
        assert torch.equal(getattr(first, name), getattr(second, name))


@few
@given(seed=seeds, index=st.integers(0, 10**6), rank=st.integers(0, 7))
def test_when_seed_rank_and_index_are_the_same_then_the_batch_is(seed, index, rank):
    first, second = (real_sampler(seed=seed, synthetic_share=0.5) for _ in range(2))
    second.batch(index + 1, 8)
    assert_same(first.batch(index, 8, rank=rank), second.batch(index, 8, rank=rank))


@pytest.mark.parametrize("change", [{"seed": 1}, {"rank": 1}, {"index": 1}], ids=str)
def test_when_seed_rank_or_index_differs_then_the_batch_does(change):
    def batch(seed: int = 0, rank: int = 0, index: int = 0) -> Batch:
        return real_sampler(seed=seed, synthetic_share=0.5).batch(index, 8, rank=rank)

    assert not torch.equal(batch().context, batch(**change).context)


@few
@given(seed=seeds)
def test_when_windows_are_real_then_every_value_stands_where_its_series_has_it(seed):
    for places, values, _ in rows_of(real_sampler(seed=seed).batch(0, 64)):
        slopes = np.diff(values) / np.diff(places)
        assert (slopes > 0).all()
        np.testing.assert_allclose(slopes, np.round(slopes[:1]).repeat(len(slopes)), rtol=1e-3)


@few
@given(seed=seeds)
def test_when_windows_are_real_then_targets_lie_after_the_context(seed):
    n_both = 0
    for _, values, n_context in rows_of(real_sampler(seed=seed).batch(0, 64)):
        past, future = values[:n_context], values[n_context:]
        if len(past) and len(future):
            n_both += 1
            assert past.max() < future.min()
    assert n_both > 32


@few
@given(seed=seeds)
def test_when_windows_are_real_then_none_reaches_into_another_series(seed):
    starts = np.array([first for first, _ in RAMPS])
    ends = np.array([first + length for first, length in RAMPS])
    for _, values, _ in rows_of(real_sampler(seed=seed).batch(0, 64)):
        owner = np.searchsorted(starts, values.min(), side="right") - 1
        assert values.max() < ends[owner]


def test_when_windows_are_coarse_then_they_are_block_means_or_the_last_of_each_block():
    batch = real_sampler(coarse_share=1.0, gap_share=0.0, full_share=1.0).batch(0, 200)
    factors = {int(np.round(np.median(np.diff(values)))) for _, values, _ in rows_of(batch) if len(values) > 2}
    assert len(factors) > 4
    assert max(factors) <= 24


def test_when_nothing_is_coarse_then_steps_are_the_series_own():
    batch = real_sampler(coarse_share=0.0).batch(0, 64)
    for places, values, _ in rows_of(batch):
        np.testing.assert_array_equal(np.diff(values), np.diff(places))


def test_when_gaps_are_cut_then_targets_keep_every_value():
    values = np.arange(1000, 6000, dtype=np.int16)
    corpus = Corpus((CorpusGroup("one", values, np.array([0, 5000])),), ("one",))
    batch = real_sampler(corpus=corpus, gap_share=1.0, full_share=1.0, coarse_share=0.0).batch(0, 64)
    assert (~batch.observed).any(-1).float().mean() > 0.9
    assert batch.target_observed.all()


def test_when_full_share_is_one_then_contexts_are_full_where_the_series_is_long_enough():
    batch = real_sampler(full_share=1.0, gap_share=0.0, synthetic_share=1.0, corpus=None).batch(0, 40)
    cut = real_sampler(full_share=0.0, gap_share=0.0, synthetic_share=1.0, corpus=None).batch(0, 40)
    assert batch.observed.all(-1).sum() >= 10
    assert cut.observed.all(-1).sum() <= 2


def test_when_full_share_is_zero_then_context_lengths_vary_down_to_eight():
    sampler = WindowSampler(context_length=512, horizon=16, synthetic_share=1.0, full_share=0.0, gap_share=0.0)
    lengths = sampler.batch(0, 300).observed.sum(-1).flatten()
    assert lengths.min() < 16
    assert lengths.max() > 256
    assert len(lengths.unique()) > 50


def test_when_half_is_synthetic_then_half_is_real():
    batch = real_sampler(synthetic_share=0.5).batch(0, 40)
    is_ramp = [bool(len(values) > 1 and values.min() >= 999) for _, values, _ in rows_of(batch)]
    assert not any(is_ramp[:20])
    assert sum(is_ramp[20:]) >= 18


def test_when_values_are_missing_in_the_corpus_then_they_are_unobserved():
    values = np.full(100, 7, dtype=np.int16)
    values[::2] = MISSING
    corpus = Corpus((CorpusGroup("gaps", values, np.array([0, 100])),), ("gaps",))
    batch = real_sampler(corpus=corpus, coarse_share=0.0).batch(0, 16)
    assert set(batch.context[batch.observed].abs().unique().tolist()) == {7}
    assert not (batch.observed[..., 1:] & batch.observed[..., :-1]).any()


def test_when_drawn_then_series_stand_on_both_sides_of_zero():
    signs = real_sampler(full_share=1.0).batch(0, 64).context.sum(-1).sign().flatten()
    assert 0.2 < (signs > 0).float().mean() < 0.8


def test_when_a_window_has_no_observed_place_then_it_holds_zero_not_nan():
    batch = batch_from_arrays(np.full((1, 1, 3), np.nan, np.float32), np.full((1, 1, 2), np.nan, np.float32))
    assert (batch.context == 0).all()
    assert (batch.target == 0).all()
    assert not batch.observed.any()
    assert not batch.target_observed.any()


@pytest.mark.parametrize("context_length", [1, 4, 8, 9])
def test_when_the_context_is_short_then_batches_can_be_drawn(context_length):
    batch = real_sampler(context_length=context_length, horizon=2, synthetic_share=0.5).batch(0, 40)
    assert batch.context.shape == (40, 1, context_length)
    assert batch.observed.any()


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_when_the_synthetic_share_is_no_share_then_it_raises(share):
    with pytest.raises(ConfigError, match=r"must lie in \[0, 1\]"):
        real_sampler(synthetic_share=share)


def test_when_there_is_room_for_real_windows_but_no_corpus_then_it_raises():
    with pytest.raises(ConfigError, match="there is no corpus"):
        WindowSampler(context_length=8, horizon=2)


@pytest.mark.parametrize("shares", [{"gap_share": -3.0}, {"full_share": 7.0}, {"coarse_share": float("nan")}])
@pytest.mark.parametrize("kind", [WindowSampler, partial(DeviceWindowSampler, device=torch.device("cpu"))])
def test_when_a_share_is_none_then_it_is_refused(kind, shares):
    with pytest.raises(ConfigError, match="must be a share from 0 to 1"):
        kind(64, 8, corpus=None, synthetic_share=1.0, **shares)


def stretches(kind: str, share: float) -> list[np.ndarray]:
    """The values of 128 windows, past and future together, of which a share is reversed."""
    if kind == "cpu":
        return [row for _, row, _ in rows_of(real_sampler(reversed_share=share, gap_share=0.0).batch(0, 128))]
    options = {"synthetic_share": 0.0, "reversed_share": share}
    sampler = DeviceWindowSampler(64, 16, ramps(), torch.device("cpu"), **options)
    rows = sampler._real(128, sampler._generator(0))  # before their signs and units change
    assert rows[:, 63:65].isfinite().all()  # the cut between past and future stays where it was
    return [row[row.isfinite()].numpy() for row in rows]


@pytest.mark.parametrize("kind", ["cpu", "device"])
def test_when_windows_are_reversed_then_they_run_back_in_time_without_a_gap(kind):
    forward, backward, both = ([np.diff(row) for row in stretches(kind, share)] for share in (0.0, 1.0, 0.5))
    assert all((row > 0).all() for row in forward)
    assert all((row < 0).all() for row in backward)
    assert all(np.ptp(row) < 1e-3 for row in (*backward, *both))  # by one width throughout
    assert 0.3 < np.mean([row[0] < 0 for row in both]) < 0.7


def test_when_the_share_of_reversed_windows_is_none_then_it_is_refused():
    with pytest.raises(ConfigError, match="reversed_share=2"):
        real_sampler(reversed_share=2)
