"""``ttm-sk pretrain``: weights from synthetic series and a folder of real ones."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from ttm_sk.checkpoints.architectures import AnyConfig
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.cli.output import TABLE_ENDINGS, is_first_process, refuse_the_data, refuse_to_replace
from ttm_sk.data.corpora import Corpus, read_corpus
from ttm_sk.data.held_out import held_out_match
from ttm_sk.data.tables import read_all_series
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.loop import LoopSettings
from ttm_sk.training.pretrain import PretrainSettings, pretrain
from ttm_sk.training.recipes import preset_config

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Train and write, in all processes of ``torchrun`` or in this one."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    refuse_to_replace(arguments.output, is_forced=arguments.force)
    refuse_the_data(arguments.output, arguments.state_file, what="the state file")
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return _train(arguments)
    torch.distributed.init_process_group("gloo")
    try:
        return _train(arguments)
    finally:
        torch.distributed.destroy_process_group()


def _train(arguments: argparse.Namespace) -> int:
    start = _start(arguments)
    corpus = _corpus(arguments) if arguments.corpus else None
    settings = PretrainSettings(
        n_windows=arguments.windows,
        batch_size=min(arguments.batch_size, arguments.windows),
        peak=arguments.peak,
        warmup_share=arguments.warmup_share,
        decay_share=arguments.decay_share,
        synthetic_share=arguments.synthetic_share,
        reversed_share=arguments.reversed_share,
        changed_share=arguments.changed_share,
        fed_back_share=arguments.fed_back_share,
        fed_back_weight=arguments.fed_back_weight,
        validation_share=arguments.validation_share,
        seed=arguments.seed,
    )
    state_file = Path(arguments.state_file) if arguments.state_file else None
    loop = LoopSettings(
        n_parts=arguments.accumulate,
        is_bfloat16=arguments.bfloat16,
        is_compiled=arguments.compile,
        state_file=state_file,
        time_limit=arguments.time_limit,
    )
    checkpoint = pretrain(start, corpus, settings=settings, loop=loop, device=arguments.device)
    if not is_first_process():
        return 0
    run = checkpoint.provenance["runs"][-1]
    is_over = run["windows"] >= settings.schedule().n_steps * settings.batch_size
    if not is_over and state_file is not None and settings.decay_share > 0:
        print(
            f"stopped by the time limit after {run['windows']:,} windows; the same command continues from {state_file}"
        )
        return 1
    save_checkpoint(checkpoint, arguments.output)
    examined = f"; validation loss {run['validation_loss']:.4f}" if "validation_loss" in run else ""
    print(f"{run['windows']:,} windows in {run['seconds']:,.0f} seconds; hash {checkpoint.hash[:12]}{examined}")
    print(f"wrote {arguments.output}")
    return 0


def _start(arguments: argparse.Namespace) -> AnyConfig | Checkpoint:
    """A new model of the architecture and size that were asked for, or the checkpoint to train onwards."""
    if not arguments.start:
        config = preset_config(arguments.architecture or "ttm", arguments.preset or "tiny")
        return _draft(config, arguments.draft_scale) if arguments.draft_scale else config
    checkpoint = load_checkpoint(arguments.start)
    if arguments.architecture not in (None, checkpoint.architecture):
        raise ConfigError(
            f"--architecture {arguments.architecture}: {arguments.start!r} holds a {checkpoint.architecture}; leave the"
            " option out, or give other weights"
        )
    return checkpoint


def _draft(config: AnyConfig, scale: float) -> AnyConfig:
    """A small stochastic Timer-XL that can propose for one of this config."""
    if not isinstance(config, TimerXLConfig):
        raise ConfigError("--draft-scale is for --architecture timer-xl; leave it out")
    return config.draft(scale, is_stochastic=True)


def _corpus(arguments: argparse.Namespace) -> Corpus:
    folder = Path(arguments.corpus)
    if (folder / "MANIFEST.csv").is_file():
        corpus = read_corpus(folder, licence_classes=arguments.licence_class)
    else:
        corpus = _corpus_of_tables(folder, arguments)
    if is_first_process():
        print(f"corpus: {len(corpus.datasets)} data sets, {corpus.n_points:,} points")
        print("".join(f"  left out, held out for evaluation: {name}\n" for name in corpus.refused), end="")
    return corpus


def _corpus_of_tables(folder: Path, arguments: argparse.Namespace) -> Corpus:
    """Every numeric column of every CSV and parquet file of a folder as series, but for held-out ones."""
    if arguments.licence_class:
        raise ConfigError(f"--licence-class needs a MANIFEST.csv, and {folder} has none; leave the option out")
    endings = (*TABLE_ENDINGS, ".pq", ".tsv")
    paths = sorted(path for path in folder.glob("*") if path.name.lower().endswith(endings))
    if not paths:
        raise DataError(f"found neither MANIFEST.csv nor a CSV or parquet file in {folder}; give a folder with data")
    kept, names, refused = [], [], []
    for path in paths:
        try:
            series = read_all_series(path, time=arguments.time, id=arguments.id, freq=arguments.freq)
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from error
        known = [held_out_match(values) for values in series]
        kept += [values for values, name in zip(series, known, strict=True) if name is None]
        names += [path.stem] * (None in known)
        refused += [f"{path.name} (copy of {name})" for name in known if name is not None]
    if not kept:
        raise DataError(f"every series in {folder} is held out for evaluation ({', '.join(refused)}); give others")
    corpus = Corpus.from_series(kept, name=folder.name)
    return Corpus(corpus.groups, tuple(names), tuple(refused))
