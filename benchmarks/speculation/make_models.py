"""A target of eight narrow layers and three drafts of it, trained on the training part of one of the seven tables.

    python benchmarks/speculation/make_models.py ETTh1.csv.gz --output models

Writes ``target``, ``quarter`` (.25 of the target), ``hundredth`` (.01 of heads and layers; a quarter of the width, as a
hundredth of 64 features is less than one), ``ttm`` (a TTM that forecasts seven patches in one call) and
``quarter-before`` (trained on the data, not yet distilled). They are not part of the package.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ttm_sk import TTMConfig, load_checkpoint, save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.long_horizon_sets import LAYOUTS, read_long_horizon_set
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.distill import DistillSettings, distill
from ttm_sk.training.patch_learning import PatchLearning, learn_patches

TTM_DRAFT = TTMConfig(
    context_length=672,
    prediction_length=672,
    patch_length=48,
    width=64,
    n_levels=1,
    n_layers=2,
    dropout=0.1,
    head_dropout=0.1,
    gate="none",
    decoder_width=32,
    decoder_layers=1,
    minimum_variance=0.0,
)


def learn_all(series: list[np.ndarray], folder: Path, *, target_steps: int, draft_steps: int) -> None:
    """Each model that is not there yet, the target first."""

    def kept(name: str, make) -> Checkpoint:
        path = folder / f"{name}.safetensors"
        if not path.exists():
            save_checkpoint(make(), path)
        checkpoint = load_checkpoint(path)
        print(f"{name}: {checkpoint.n_parameters:,} parameters, {checkpoint.provenance['learning'][-1]['seconds']} s")
        return checkpoint

    config = TimerXLConfig.small()
    how = PatchLearning(n_steps=target_steps, batch_size=32, peak=1e-3, weight_decay=0.05)
    target = kept("target", lambda: learn_patches(config, series, settings=how))
    quarter = replace(config.draft(0.25, is_stochastic=True), dropout=0.0)
    hundredth = replace(config.draft(0.01, width=0.25, feedforward=0.25, is_stochastic=True), dropout=0.0)
    short = PatchLearning(n_steps=draft_steps, batch_size=32, peak=2e-3)
    before = kept("quarter-before", lambda: learn_patches(quarter, series, settings=short))
    distilling = DistillSettings(n_steps=draft_steps, batch_size=32, peak=2e-3)
    kept("quarter", lambda: distill(target, before, series, settings=distilling))
    kept("hundredth", lambda: distill(target, hundredth, series, settings=replace(distilling, peak=3e-3)))
    kept("ttm", lambda: distill(target, TTM_DRAFT, series, settings=replace(distilling, n_steps=2 * draft_steps)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--target-steps", type=int, default=1500)
    parser.add_argument("--draft-steps", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read_long_horizon_set(arguments.data)
    train = data.values[:, : LAYOUTS[data.name].n_train]
    learn_all([train], arguments.output, target_steps=arguments.target_steps, draft_steps=arguments.draft_steps)


if __name__ == "__main__":
    main()
