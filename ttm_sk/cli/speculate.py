"""``ttm-sk speculate run`` and ``sweep``: what a draft buys on the test part of a table."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product

import pandas as pd
import torch

from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.cli.output import PLOT_ENDINGS, TABLE_ENDINGS, check_ending, print_rows, table_content, write_file
from ttm_sk.data.long_horizon_sets import read_any_set
from ttm_sk.errors import ConfigError
from ttm_sk.evaluation.speculation import (
    Options,
    Windows,
    breakdown,
    compare,
    cut_windows,
    speculate_windows,
    sweep,
    trace_table,
)
from ttm_sk.inference.drafts import draft_of
from ttm_sk.models.timer_xl import TimerXL, TimerXLConfig

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for name in ("output", "trace", "breakdown"):
        check_ending(getattr(arguments, name, None), TABLE_ENDINGS, option=f"--{name}")
    plot_ending = check_ending(getattr(arguments, "plot", None), PLOT_ENDINGS, option="--plot")
    if plot_ending:
        import ttm_sk.plotting  # noqa: F401 (without it, nothing is done in vain)
    target, draft = load_checkpoint(arguments.target_model), load_checkpoint(arguments.draft)
    if not isinstance(target.config, TimerXLConfig):
        raise ConfigError(f"--target-model: found a checkpoint of {target.architecture!r}, expected one of 'timer-xl'")
    windows = cut_windows(
        read_any_set(arguments.data),
        context_length=target.config.context_length,
        horizon=arguments.horizon,
        n_windows=arguments.windows,
        is_univariate=not target.config.mixes_channels,
    )
    if arguments.action == "sweep":
        return _sweep(arguments, target, draft, windows, plot_ending)
    return _run(arguments, target, draft, windows)


def _run(arguments: argparse.Namespace, target: Checkpoint, draft: Checkpoint, windows: Windows) -> int:
    options = next(_grid(arguments))
    how = {"batch_size": arguments.batch_size, "n_repeats": arguments.repeats, "device": arguments.device}
    table = compare(target, {"speculative": draft}, windows, options, **how)
    _print(table)
    if arguments.trace or arguments.breakdown:
        module = target.build()
        if not isinstance(module, TimerXL):
            raise ConfigError(f"a target is a Timer-XL, found {type(module).__name__}")
        proposer = draft_of(draft.build(), patch_length=module.patch_length)
        outcome = speculate_windows(
            module, proposer, windows, options, batch_size=arguments.batch_size, is_traced=bool(arguments.trace)
        )
        _write(arguments.trace, trace_table(outcome.reports))
        _write(arguments.breakdown, breakdown(outcome.reports))
    _write(arguments.output, table)
    return 0


def _sweep(
    arguments: argparse.Namespace, target: Checkpoint, draft: Checkpoint, windows: Windows, plot_ending: str
) -> int:
    how = {"batch_size": arguments.batch_size, "n_repeats": arguments.repeats, "device": arguments.device}
    table = sweep(target, draft, windows, _grid(arguments), **how)
    _print(table.dropna(axis=1, how="all"))
    _write(arguments.output, table)
    if plot_ending:
        from ttm_sk.plotting import plot_speculation, to_image

        write_file(arguments.plot, to_image(plot_speculation(table), plot_ending[1:]))
        print(f"wrote {arguments.plot}")
    return 0


def _grid(arguments: argparse.Namespace) -> Iterator[Options]:
    """Every combination of what the mode reads."""

    def several(name: str) -> list:
        value = getattr(arguments, name)
        return value if isinstance(value, list) else [value]

    read = {"tolerance": ("tolerance",), "sample": ("sigma",), "relaxed": ("sigma", "accept_bias")}[arguments.mode]
    for values in product(several("k"), *(several(name) for name in read)):
        chosen = dict(zip(("k", *read), values, strict=True))
        yield Options(arguments.mode, is_adaptive=arguments.adaptive, **chosen)


def _print(table: pd.DataFrame) -> None:
    text = table.copy()
    for name in table.columns:
        if pd.api.types.is_float_dtype(table[name]):
            text[name] = [f"{value:.4g}" if pd.notna(value) else "" for value in table[name]]
    print_rows(text)


def _write(path: str | None, table: pd.DataFrame) -> None:
    if path:
        ending = next(ending for ending in TABLE_ENDINGS if path.lower().endswith(ending))
        write_file(path, table_content(table, ending))
        print(f"wrote {path}")
