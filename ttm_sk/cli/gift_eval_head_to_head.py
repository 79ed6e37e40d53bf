"""``ttm-sk gift-eval head-to-head``: this package and TabPFN-TS on the same windows and machine."""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path

import pandas as pd

from ttm_sk.cli.output import check_ending, table_content, write_file
from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.estimators.tabpfn_weights import LICENCES, write_random_weights
from ttm_sk.evaluation.contenders import CheckpointContender
from ttm_sk.evaluation.gift_eval_tasks import select_configurations
from ttm_sk.evaluation.head_to_head import Measured, TabPFNContender, head_to_head

__all__ = ["run"]

WIDTHS = "{:<26}{:<26}{:>9}{:>9}{:>9}{:>12}{:>12}{:>9}{:>12}{:>12}"


def run(arguments: argparse.Namespace) -> int:
    """Measure both, print a row for each task and model, write them."""
    check_ending(arguments.output, (".csv",), option="--output")
    if arguments.tabpfn_weights and arguments.random_weights:
        raise ConfigError("--random-weights stands in for weights that are not there; leave it or --tabpfn-weights out")
    configurations = select_configurations(arguments.config, terms=arguments.term)
    ours = CheckpointContender(arguments.model, arguments.effort, device=arguments.device)
    with tempfile.TemporaryDirectory() as folder:
        tabpfn = _tabpfn(arguments, Path(folder))
        _print_head(tabpfn)
        rows: list[Measured] = []

        def on_result(row: Measured) -> None:
            _print_row(row)
            rows.append(row)
            if arguments.output:  # each at once: the next may take hours, and fail
                write_file(arguments.output, table_content(pd.DataFrame(rows), ".csv"))

        head_to_head(
            [ours, tabpfn],
            configurations,
            storage=arguments.storage,
            n_forecasts=arguments.forecasts,
            threads=arguments.threads,
            on_result=on_result,
        )
    _print_foot(tabpfn)
    if arguments.output:
        print(f"wrote {arguments.output}")
    return 0


def _tabpfn(arguments: argparse.Namespace, folder: Path) -> TabPFNContender:
    path = arguments.tabpfn_weights
    if arguments.random_weights:
        path = str(folder / "random-v2-regressor.safetensors")
        write_random_weights(path)
    parameters = {"model_path": path, "device": arguments.device, "context_length": arguments.context_length}
    try:
        return TabPFNContender(parameters=parameters, is_trained=not arguments.random_weights)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error} Or add --random-weights, to measure its seconds and memory without its accuracy."
        ) from error


def _print_head(tabpfn: TabPFNContender) -> None:
    print(LICENCES)
    if not tabpfn.is_trained:
        print("TabPFN's weights here are random, of the v2 regressor's size: its seconds and memory are measured, its")
        print("accuracy is not.")
    names = ("task", "model", "windows", "MASE", "CRPS", "s/forecast", "CPU s/fc", "MB", "MASE publ.", "CRPS publ.")
    print("\n" + WIDTHS.format(*names))


def _print_row(row: Measured) -> None:
    n = row.n_forecasts
    scores = [_number(value) for value in (row.mase, row.crps)]
    costs = [f"{row.seconds / n:.3f}", f"{row.cpu_seconds / n:.3f}", f"{row.peak_memory_mb:.0f}"]
    published = [_number(value) for value in (row.published_mase, row.published_crps)]
    print(WIDTHS.format(row.task, row.model, f"{n}/{row.n_all}", *scores, *costs, *published), flush=True)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _print_foot(tabpfn: TabPFNContender) -> None:
    print("\npubl.: published by the leaderboard, of the whole task, not measured here; MASE and CRPS: of the windows")
    print("that were forecast here. Each model ran in a process of its own; loading is not in the seconds.")
