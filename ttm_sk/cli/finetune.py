"""``ttm-sk finetune``: weights adapted to the series in a file."""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch

from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.cli.learning import learning_series, print_learnt
from ttm_sk.cli.output import refuse_the_data, refuse_to_replace
from ttm_sk.data.tables import read_table, to_series
from ttm_sk.errors import ConfigError
from ttm_sk.estimators.frames import to_panel
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.finetune import FineTuneSettings, finetune
from ttm_sk.training.patch_learning import PatchLearning, learn_patches

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Read, fine-tune, say what came out, write."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    refuse_to_replace(arguments.output, is_forced=arguments.force)
    refuse_the_data(arguments.output, arguments.data)
    settings = FineTuneSettings(
        n_epochs=arguments.epochs,
        most_steps=arguments.steps,
        peak=arguments.peak,
        head_dropout=arguments.head_dropout,
        few_shot=arguments.few_shot,
        validation_share=arguments.validation_share,
        horizon=arguments.horizon,
        mixes_channels=arguments.mix_channels,
        seed=arguments.seed,
        time_limit=arguments.time_limit,
    )
    checkpoint = load_checkpoint(arguments.model)
    if isinstance(checkpoint.config, TimerXLConfig):
        return _finetune_patches(arguments, checkpoint)
    series = to_series(
        read_table(arguments.data), time=arguments.time, target=arguments.target, id=arguments.id, freq=arguments.freq
    )
    panel = to_panel(series)
    tuned = finetune(
        checkpoint,
        panel.histories,
        trainable=arguments.trainable,
        settings=replace(settings, resolution=panel.resolution(checkpoint.config.n_resolutions)),
        device=arguments.device,
    )
    save_checkpoint(tuned, arguments.output)
    note = tuned.provenance["finetuning"][-1]
    print(f"{note['outcome']}")
    print(
        f"{note['trained_parameters']:,} of {tuned.n_parameters:,} parameters, {note['training_windows']:,} windows,"
        f" {note['steps']} steps, {note['seconds']:,.0f} seconds; hash {tuned.hash[:12]}"
    )
    print(f"wrote {arguments.output}")
    return 0


def _finetune_patches(arguments: argparse.Namespace, checkpoint: Checkpoint) -> int:
    """A Timer-XL learns the next patch of every patch, all of it."""
    if arguments.trainable not in ("full", "minimal") or arguments.mix_channels or arguments.few_shot:
        raise ConfigError(
            "a Timer-XL is trained in full, on all windows; leave out --trainable (or say full), --mix-channels and"
            " --few-shot"
        )
    settings = PatchLearning(
        n_steps=arguments.steps, peak=arguments.peak or 1e-3, seed=arguments.seed, time_limit=arguments.time_limit
    )
    tuned = learn_patches(checkpoint, learning_series(arguments), settings=settings, device=arguments.device)
    save_checkpoint(tuned, arguments.output)
    print_learnt(tuned, arguments.output)
    return 0
