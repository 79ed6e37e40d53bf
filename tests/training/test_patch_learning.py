"""Learning patches and distilling drafts: it learns, only what was observed counts, and a draft comes to be kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from strategies import small_config

from ttm_sk.data.windows import batch_from_arrays
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.inference.acceptance import Tolerance
from ttm_sk.inference.drafts import draft_of
from ttm_sk.inference.speculative import speculate
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.distill import DistillSettings, distill
from ttm_sk.training.next_patch import next_patch_loss
from ttm_sk.training.patch_learning import PatchLearning, learn_patches, random_checkpoint
from ttm_sk.training.pretrain import PretrainSettings, pretrain

TINY = TimerXLConfig.tiny()
RNG = np.random.default_rng(0)
WAVE = np.sin(np.arange(600.0) * 2 * np.pi / 24) + 0.1 * RNG.normal(size=600)


def loss_of(checkpoint) -> float:
    windows = np.stack([WAVE[i : i + 104] for i in range(400, 480, 5)])[:, None].astype(np.float32)
    with torch.inference_mode():
        return float(next_patch_loss(checkpoint.build(), batch_from_arrays(windows[..., :96], windows[..., 96:])))


def test_when_it_learns_from_a_wave_then_it_forecasts_the_wave():
    settings = PatchLearning(n_steps=120, batch_size=16, peak=5e-3)
    tuned = learn_patches(TINY, [WAVE], settings=settings, is_quiet=True)
    assert loss_of(tuned) < 0.35 * loss_of(random_checkpoint(TINY))
    assert tuned.provenance["learning"][-1]["aim"] == "next patch"


@pytest.mark.parametrize("is_stochastic", [False, True])
def test_when_something_was_not_observed_then_it_changes_no_loss(is_stochastic):
    module = random_checkpoint(TimerXLConfig(**TINY.to_dict() | {"is_stochastic": is_stochastic})).build()
    values = RNG.normal(size=(3, 1, 104)).astype(np.float32)
    values[0, 0, :30] = np.nan  # a short history
    values[1, 0, 50:53] = np.nan
    values[2, 0, 100:] = np.nan
    batch = batch_from_arrays(values[..., :96], values[..., 96:])
    loss = next_patch_loss(module, batch)
    batch.context[~batch.observed] = 1e6
    batch.target[~batch.target_observed] = -1e6
    torch.testing.assert_close(next_patch_loss(module, batch), loss)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_when_every_patch_counts_then_the_loss_is_the_mean_over_all_of_them():
    module = random_checkpoint(TINY).build()
    values = torch.randn(2, 1, 32)
    batch = batch_from_arrays(values[..., :24].numpy(), values[..., 24:].numpy())
    with torch.inference_mode():
        state = module.start(batch.context, batch.observed)
        after = module._forecast(state.output, state.scale).mean
        error = (after - values.unflatten(-1, (-1, 8))[:, :, 1:]) / module.unit(state)
    torch.testing.assert_close(next_patch_loss(module, batch), error.square().mean())


def test_when_it_is_pretrained_then_it_goes_through_the_same_door():
    checkpoint = pretrain(TINY, settings=PretrainSettings(n_windows=32, batch_size=16), is_quiet=True)
    assert (checkpoint.architecture, checkpoint.provenance["windows"]) == ("timer-xl", 32)
    with pytest.raises(ConfigError, match="attends='own'"):
        pretrain(TimerXLConfig(**TINY.to_dict() | {"attends": "all"}), is_quiet=True)


def test_when_a_draft_is_distilled_then_more_of_it_is_kept():
    target = learn_patches(TINY, [WAVE], settings=PatchLearning(n_steps=60, batch_size=16, peak=5e-3), is_quiet=True)
    before = random_checkpoint(TINY.draft(0.5, is_stochastic=True))
    settings = DistillSettings(n_steps=100, batch_size=16, peak=1e-2)
    after = distill(target, before, [WAVE], settings=settings, is_quiet=True)
    ttm = small_config(context_length=96, prediction_length=24, levels=(), head_width=0, scaling="std")
    other = distill(target, ttm, [WAVE], settings=replace(settings, n_steps=60), is_quiet=True)
    context = torch.from_numpy(np.stack([WAVE[i : i + 96] for i in range(0, 400, 40)])[:, None].astype(np.float32))

    def acceptance(draft) -> float:
        module, observed = target.build(), torch.ones_like(context, dtype=torch.bool)
        drafted = draft_of(draft.build(), patch_length=8)
        return speculate(module, drafted, context, observed, horizon=64, rule=Tolerance(0.05), k=3).report.acceptance

    assert acceptance(before) < 0.2
    assert acceptance(after) > 0.5
    assert acceptance(other) > acceptance(before)
    assert after.provenance["learning"][-1]["target"] == target.hash


def test_when_learning_is_impossible_then_it_says_why():
    target = random_checkpoint(TINY)
    with pytest.raises(ConfigError, match="use finetune for a TTM"):
        learn_patches(small_config(), [WAVE])
    with pytest.raises(DataError, match="no window"):
        learn_patches(TINY, [np.full(50, np.nan)])
    with pytest.raises(ConfigError, match="whole patches"):
        next_patch_loss(target.build(), batch_from_arrays(np.zeros((1, 1, 16), "f4"), np.zeros((1, 1, 5), "f4")))
    with pytest.raises(ConfigError, match=r"target\.config\.draft"):
        distill(target, TimerXLConfig(context_length=96, patch_length=16, width=16, heads=2), [WAVE])
    with pytest.raises(ConfigError, match="a target is a Timer-XL"):
        distill(random_checkpoint(small_config()), target, [WAVE])
    with pytest.raises(ConfigError, match="horizon of at least 8"):
        distill(target, small_config(prediction_length=4, patch_length=4), [WAVE])
    with pytest.raises(ConfigError, match="noise=-1"):
        DistillSettings(noise=-1)
