"""The past of training windows grows with the run, and every batch can be drawn again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ttm_sk.data.augmentation import Augmentation
from ttm_sk.data.curriculum import CurriculumSampler
from ttm_sk.data.sampling import WindowSampler
from ttm_sk.errors import ConfigError


def sampler(n_steps: int = 10, **changes) -> CurriculumSampler:
    windows = WindowSampler(128, 16, synthetic_share=1.0, augmentation=Augmentation())
    return CurriculumSampler(windows, n_steps=n_steps, **{"unit": 8} | changes)


def test_when_training_goes_on_then_the_past_grows_to_the_longest():
    lengths = [sampler().batch(step, 4).context.shape[-1] for step in range(10)]
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (32, 128)


def test_when_a_batch_is_drawn_again_then_it_is_the_same_whatever_was_drawn_before():
    one, other = sampler(), sampler()
    other.batch(0, 4)
    assert torch.equal(one.batch(7, 4).context, other.batch(7, 4).context)
    assert not torch.equal(one.batch(7, 4).context, one.batch(8, 4).context)


def test_when_rows_are_augmented_then_past_and_future_are():
    plain = WindowSampler(64, 16, synthetic_share=1.0)
    seen = []

    def double(rows: np.ndarray, rng: np.random.Generator) -> None:
        rows *= 2
        seen.append(rows.shape)

    changed = WindowSampler(64, 16, synthetic_share=1.0, augmentation=double)
    first, second = plain.batch(0, 4), changed.batch(0, 4)
    assert seen == [(4, 80)]
    assert torch.equal(first.target * 2, second.target)


@pytest.mark.parametrize("stages", [(), ((0.5, 1.0),), ((1.0, 1.0), (0.5, 0.5))])
def test_when_stages_do_not_ascend_to_the_end_then_it_raises(stages):
    with pytest.raises(ConfigError, match="must ascend to the share 1"):
        sampler(stages=stages)


@pytest.mark.parametrize("changes", [{"stages": ((1.0, 5.0),)}, {"stages": ((1.0, 0.0),)}, {"unit": 512}])
def test_when_a_stage_is_no_part_of_the_longest_past_then_it_is_refused(changes):
    with pytest.raises(ConfigError, match="must be parts of the longest past"):
        CurriculumSampler(WindowSampler(64, 8, synthetic_share=1.0), n_steps=10, **changes)
