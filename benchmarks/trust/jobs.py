"""The work that is killed, interrupted and starved: each writes into a folder, and goes on where it was stopped."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ttm_sk import finetune, load_checkpoint, pretrain, save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.cli import main
from ttm_sk.inference.export import export_checkpoint
from ttm_sk.models.ttm import TTM, TTMConfig
from ttm_sk.training.finetune import FineTuneSettings
from ttm_sk.training.loop import LoopSettings
from ttm_sk.training.pretrain import PretrainSettings

__all__ = ["JOBS", "Job"]

STORAGE = Path(__file__).parents[2] / "tests/evaluation/gift_eval"
CONFIG = TTMConfig(
    context_length=64,
    prediction_length=8,
    patch_length=16,
    width=32,
    n_levels=2,
    n_layers=2,
    decoder_width=16,
    decoder_layers=1,
    levels=(0.1, 0.5, 0.9),
    head_width=16,
)


class Job(NamedTuple):
    """Work on a folder, and what it leaves there that must be the same whenever it was stopped."""

    work: Callable[[Path], object]
    result: Callable[[Path], object]


def start() -> Checkpoint:
    """The same random weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Checkpoint(CONFIG, TTM(CONFIG).state_dict(), {})


def _pretrain(folder: Path) -> None:
    settings = PretrainSettings(n_windows=480, batch_size=16)
    loop = LoopSettings(state_file=folder / "run.state", save_every=0.0)
    save_checkpoint(pretrain(start(), settings=settings, loop=loop, is_quiet=True), folder / "out.safetensors")


def _finetune(folder: Path) -> None:
    past = [np.sin(np.arange(600) / period) for period in (3.0, 5.0, 7.0)]
    settings = FineTuneSettings(most_steps=15, peak=1e-3)
    save_checkpoint(finetune(start(), past, settings=settings, is_quiet=True), folder / "out.safetensors")


def _gift_eval(folder: Path) -> None:
    tasks = ["hospital", "us_births/D", "m4_hourly", "m4_quarterly", "ett1/H"]
    options = ["--storage", str(STORAGE), "--output", str(folder), "--config", *tasks, "--term", "short"]
    if main(["gift-eval", "run", *options, "--baseline", "seasonal-naive"]):
        raise SystemExit(1)


def _export(folder: Path) -> None:
    export_checkpoint(start(), folder / "out.pt2", format="torch")


def _save(folder: Path) -> None:
    checkpoint = start()
    for i in range(60):
        save_checkpoint(checkpoint, folder / f"out{i % 3}.safetensors")


def _weights(folder: Path) -> str:
    """The hash of the one checkpoint; reading it checks every byte."""
    return load_checkpoint(folder / "out.safetensors").hash


def _rows(folder: Path) -> list[list[str]]:
    with (folder / "all_results.csv").open(newline="") as file:
        return list(csv.reader(file))


def _program(folder: Path) -> list[float]:
    module = torch.export.load(folder / "out.pt2").module()
    context = torch.linspace(-1, 1, CONFIG.context_length).reshape(1, 1, -1)
    with torch.no_grad():
        return module(context, torch.ones_like(context, dtype=torch.bool)).flatten().tolist()


def _saved(folder: Path) -> list[str]:
    return [load_checkpoint(path).hash for path in sorted(folder.glob("out*.safetensors"))]


JOBS = {
    "pretraining": Job(_pretrain, _weights),
    "fine-tuning": Job(_finetune, _weights),
    "a benchmark run": Job(_gift_eval, _rows),
    "export": Job(_export, _program),
    "saving": Job(_save, _saved),
}
