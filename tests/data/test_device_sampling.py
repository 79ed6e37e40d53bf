"""Batches drawn on the training device."""

import numpy as np
import pytest
import torch

from ttm_sk.data.corpora import MISSING, Corpus, CorpusGroup
from ttm_sk.data.device_sampling import DeviceWindowSampler
from ttm_sk.errors import ConfigError


def _ramps(**options) -> DeviceWindowSampler:
    """Two series that climb by one each step, so that a block mean climbs by its width."""
    values = np.concatenate([np.arange(400), np.arange(900)]).astype(np.int16)
    corpus = Corpus((CorpusGroup("ramps", values, np.array([0, 400, 1300])),), ("ramps",))
    plain = {"synthetic_share": 0.0, "gap_share": 0.0, "changed_share": 0.0, "pool_size": 8}
    return DeviceWindowSampler(64, 16, corpus, torch.device("cpu"), **{**plain, **options})


def test_when_a_real_series_climbs_then_every_window_climbs_by_one_width_throughout():
    batch = _ramps().batch(0, 256)
    rows = torch.cat([batch.context, batch.target], -1)[:, 0]
    seen = torch.cat([batch.observed, batch.target_observed], -1)[:, 0]
    both = seen[:, 1:] & seen[:, :-1]
    steps = (rows[:, 1:] - rows[:, :-1]).abs()
    for row, counts in zip(steps, both, strict=True):
        assert row[counts].std() < 1e-3 * row[counts].mean()
    assert (rows[~seen] == 0).all()
    assert seen[:, 63].all()
    assert seen[:, 64].all()


def test_when_the_same_batch_is_asked_for_again_then_it_is_the_same_and_another_is_not():
    first, again = _ramps(synthetic_share=0.5), _ramps(synthetic_share=0.5)
    again.batch(40, 16)
    one, same, other = first.batch(3, 16), again.batch(3, 16), first.batch(4, 16)
    assert torch.equal(one.context, same.context)
    assert torch.equal(one.target, same.target)
    assert not torch.equal(one.context, other.context)
    assert torch.isfinite(one.context).all()
    assert torch.isfinite(one.target).all()


def test_when_values_are_missing_then_they_are_not_observed():
    values = np.arange(600, dtype=np.int16)
    values[::2] = MISSING
    corpus = Corpus((CorpusGroup("gappy", values, np.array([0, 600])),), ("gappy",))
    sampler = DeviceWindowSampler(
        64, 16, corpus, torch.device("cpu"), synthetic_share=0, coarse_share=0, gap_share=0, full_share=1
    )
    observed = sampler.batch(0, 32).target_observed
    assert 0.4 < observed.float().mean() < 0.6


def test_when_the_corpus_holds_floats_then_it_is_refused():
    with pytest.raises(ConfigError, match="int16"):
        DeviceWindowSampler(64, 16, Corpus.from_series([np.arange(50.0)]), torch.device("cpu"))
