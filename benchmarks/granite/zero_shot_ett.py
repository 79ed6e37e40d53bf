"""Zero-shot error of a Granite checkpoint on ETT, every window of the test months, by this package alone.

The protocol is that of the long-horizon tables: 12 months of training (which the values are standardised by), 4 of
validation, 4 of test; every window of the test months, each with the context before it; each column by itself::

    python benchmarks/granite/zero_shot_ett.py --checkpoint FOLDER --data ETTh1.csv.gz
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ttm_sk import load_checkpoint

DAYS = {"train": 360, "validation": 120, "test": 120}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="a folder of Granite, or any other checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="ETTh1.csv or another hourly one, gzip or not")
    parser.add_argument("--batch-size", type=int, default=512)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    module = load_checkpoint(arguments.checkpoint).build()
    values = standardised(pd.read_csv(arguments.data))
    began = time.perf_counter()
    mse, mae, n_windows = evaluate(module, values, batch_size=arguments.batch_size)
    print(
        f"{arguments.data.name.split('.')[0]}: {n_windows:,} windows x {values.shape[1]} columns,"
        f" {module.context_length} -> {module.prediction_length}: MSE {mse:.5f}, MAE {mae:.5f},"
        f" {time.perf_counter() - began:.0f} s"
    )


def standardised(table: pd.DataFrame) -> np.ndarray:
    """``(time, column)``, by the mean and deviation of the training months."""
    values = table.drop(columns="date").to_numpy(dtype=np.float64)
    train = values[: DAYS["train"] * 24]
    return ((values - train.mean(axis=0)) / train.std(axis=0)).astype(np.float32)


@torch.inference_mode()
def evaluate(module: torch.nn.Module, values: np.ndarray, *, batch_size: int) -> tuple[float, float, int]:
    """Mean squared and absolute error, and the number of windows."""
    begin, end = (DAYS["train"] + DAYS["validation"]) * 24, sum(DAYS.values()) * 24
    length = module.context_length + module.prediction_length
    windows = torch.from_numpy(values[begin - module.context_length : end]).unfold(0, length, 1)
    squared = absolute = 0.0
    for rows in windows.split(max(1, batch_size // values.shape[1])):
        context, target = rows[..., : module.context_length], rows[..., module.context_length :]
        error = module(context, torch.ones_like(context, dtype=torch.bool)).mean - target
        squared += float(error.double().square().sum())
        absolute += float(error.double().abs().sum())
    count = windows.shape[0] * windows.shape[1] * module.prediction_length
    return squared / count, absolute / count, len(windows)


if __name__ == "__main__":
    main()
