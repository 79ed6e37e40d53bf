"""Batches drawn on the training device."""

import numpy as np
import pytest
import torch

from ttm_sk.data.corpora import MISSING, Corpus, CorpusGroup
from ttm_sk.data.device_sampling import DeviceWindowSampler
from ttm_sk.errors import ConfigError
from ttm_sk.models.ttm import TTMConfig
from ttm_sk.training.recipes import recipe_of


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


def test_when_the_corpus_holds_floats_then_its_gaps_are_not_observed_either():
    corpus = Corpus.from_series([np.where(np.arange(500) % 4 == 1, np.nan, np.arange(500.0))])
    options = {"synthetic_share": 0, "coarse_share": 0, "gap_share": 0, "changed_share": 0, "full_share": 1}
    batch = DeviceWindowSampler(32, 16, corpus, torch.device("cpu"), **options).batch(0, 64)
    assert 0.6 < batch.target_observed.float().mean() < 0.8
    whole = batch.target_observed[:, 0].sum(-1) > 4
    for row, seen in zip(batch.target[whole, 0], batch.target_observed[whole, 0], strict=True):
        places, values = torch.arange(16)[seen], row[seen]
        slopes = (values[1:] - values[:-1]) / (places[1:] - places[:-1])
        assert torch.allclose(slopes, slopes.mean().expand_as(slopes), rtol=1e-3)


def test_when_processes_draw_then_each_has_windows_of_its_own():
    sampler = _ramps(synthetic_share=1.0)
    assert not torch.equal(sampler.batch(0, 8, rank=0).context, sampler.batch(0, 8, rank=1).context)


def test_when_real_windows_are_wanted_without_a_corpus_then_it_is_refused():
    with pytest.raises(ConfigError, match="no corpus"):
        DeviceWindowSampler(64, 16, None, torch.device("cpu"), synthetic_share=0.5)


def test_when_rows_are_changed_then_what_was_missing_stays_missing():
    options = {"changed_share": 1.0, "coarse_share": 0.0, "full_share": 1.0}
    plain, changed = _ramps(), _ramps(**options)
    batch = changed.batch(0, 64)
    rows = batch.context[:, 0]
    steps = (rows[:, 1:] - rows[:, :-1])[batch.observed[:, 0, 1:] & batch.observed[:, 0, :-1]]
    assert steps.std() > 1e-3  # no longer ramps
    assert (batch.context[~batch.observed] == 0).all()
    assert torch.isfinite(plain.batch(0, 64).target).all()


def test_when_training_on_a_gpu_then_the_windows_are_drawn_there():
    options = {"n_steps": 1, "corpus": None, "synthetic_share": 1.0, "seed": 0}
    sampler = recipe_of(TTMConfig.tiny()).sampler(TTMConfig.tiny(), device=torch.device("cuda"), **options)
    assert isinstance(sampler, DeviceWindowSampler)
    assert sampler.device.type == "cuda"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_when_there_is_a_gpu_then_batches_lie_on_it():
    corpus = Corpus.from_series([np.arange(500.0)])
    batch = DeviceWindowSampler(64, 16, corpus, torch.device("cuda"), pool_size=8).batch(0, 8)
    assert batch.context.device.type == "cuda"
    assert torch.isfinite(batch.context).all()
