"""``ttm-sk distill``: a draft that has learnt what a target forecasts on the series in a file."""

from __future__ import annotations

import argparse

import torch

from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import save_checkpoint
from ttm_sk.cli.learning import learning_series, print_learnt
from ttm_sk.cli.output import refuse_to_replace
from ttm_sk.errors import ConfigError
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.distill import DistillSettings, distill

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Read, distil, write."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    refuse_to_replace(arguments.output, is_forced=arguments.force)
    settings = DistillSettings(
        n_steps=arguments.steps,
        batch_size=arguments.batch_size,
        peak=arguments.peak,
        seed=arguments.seed,
        time_limit=arguments.time_limit,
        noise=arguments.teacher_noise,
        variance_weight=arguments.variance_weight,
        n_rollout=arguments.rollout,
    )
    target = load_checkpoint(arguments.target_model)
    if not isinstance(target.config, TimerXLConfig):
        raise ConfigError(f"--target-model: found a checkpoint of {target.architecture!r}, expected one of 'timer-xl'")
    start = (
        load_checkpoint(arguments.draft)
        if arguments.draft
        else target.config.draft(arguments.scale, is_stochastic=not arguments.points)
    )
    draft = distill(target, start, learning_series(arguments), settings=settings, device=arguments.device)
    save_checkpoint(draft, arguments.output)
    print_learnt(draft, arguments.output)
    return 0
