"""What ``finetune`` and ``distill`` share for a Timer-XL: the series of a file, and a line about the end."""

from __future__ import annotations

import argparse

import numpy as np

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.tables import numeric_columns, read_benchmark_table, to_series
from ttm_sk.estimators.frames import to_panel

__all__ = ["learning_series", "print_learnt"]


def learning_series(arguments: argparse.Namespace) -> list[np.ndarray]:
    """``(channel, time)`` of each series; without ``--target`` all columns of numbers."""
    table = read_benchmark_table(arguments.data)
    target = arguments.target or numeric_columns(table, taken=[arguments.time, arguments.id])
    series = to_series(table, time=arguments.time, target=target, id=arguments.id, freq=arguments.freq)
    return list(to_panel(series).histories)


def print_learnt(checkpoint: Checkpoint, output: str) -> None:
    """What was learnt, and where it is."""
    note = checkpoint.provenance["learning"][-1]
    print(
        f"{note['aim']}: {checkpoint.n_parameters:,} parameters, {note['steps']} steps, {note['seconds']:,.0f} seconds;"
        f" hash {checkpoint.hash[:12]}"
    )
    print(f"wrote {output}")
