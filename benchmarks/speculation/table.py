"""Speculative decoding on the test part of a table: the figures of ``docs/speculative.md``.

    python benchmarks/speculation/table.py ETTh1.csv.gz --models models --output results/ETTh1.csv
    python benchmarks/speculation/table.py --base --output results/base-84m.csv

Seconds are wall clock of one thread; a row is one channel of one window. ``--base`` times ``base-84m`` with random
weights, whose forecasts mean nothing: its drafts are kept by force (an endless tolerance), so its rows say what keeping
everything would buy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ttm_sk import load_checkpoint
from ttm_sk.data.long_horizon_sets import LongHorizonSet, read_long_horizon_set
from ttm_sk.evaluation.speculation import Options, Windows, compare, cut_windows
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.scoring import metrics
from ttm_sk.training.patch_learning import random_checkpoint

HORIZONS = (192, 336, 720)
BATCHES = (1, 32)
DRAFTS = ("quarter-before", "quarter", "hundredth", "ttm")
SEASON = {"ETTh1": 24, "ETTh2": 24, "ETTm1": 96, "ETTm2": 96}


def seasonal_naive(windows: Windows, season: int) -> dict[str, float]:
    past, horizon = windows.context.numpy()[..., -season:], windows.target.shape[-1]
    forecast = np.tile(past, -(-horizon // season))[..., :horizon]
    return {
        "mse": metrics.mse(target=windows.target, forecast=forecast),
        "mae": metrics.mae(target=windows.target, forecast=forecast),
    }


def trained(data: LongHorizonSet, folder: Path, options: Options, *, n_windows: int, n_repeats: int) -> pd.DataFrame:
    target = load_checkpoint(folder / "target.safetensors")
    found = {name: folder / f"{name}.safetensors" for name in DRAFTS}
    drafts = {name: load_checkpoint(path) for name, path in found.items() if path.exists()}
    tables = []
    for horizon in HORIZONS:
        for batch_size in BATCHES:
            n_now = n_windows if batch_size > 1 else -(-n_windows // 4)  # one by one takes long
            windows = cut_windows(data, context_length=672, horizon=horizon, n_windows=n_now)
            table = compare(target, drafts, windows, options, batch_size=batch_size, n_repeats=n_repeats)
            naive = {"method": "seasonal naive", "horizon": horizon, "batch_size": batch_size}
            naive |= seasonal_naive(windows, SEASON[data.name])
            tables += [table, pd.DataFrame([naive])]
            print(table.round(4).to_string(index=False), flush=True)
    return pd.concat(tables).assign(dataset=data.name, tolerance=options.tolerance, k=options.k)


def base(options: Options, *, n_repeats: int) -> pd.DataFrame:
    config = TimerXLConfig.base_84m()
    target = random_checkpoint(config)
    drafts = {"quarter": random_checkpoint(config.draft(0.25)), "hundredth": random_checkpoint(config.draft(0.01))}
    values = np.random.default_rng(0).normal(size=(4, 1, 1536 + 720)).cumsum(-1)
    windows = Windows(torch.from_numpy(values[..., :1536].astype(np.float32)), values[..., 1536:])
    tables = [compare(target, drafts, windows, options, batch_size=n, n_repeats=n_repeats) for n in (1, 4)]
    table = pd.concat(tables).assign(dataset="random walk", tolerance=options.tolerance, k=options.k)
    return table.drop(columns=["mse", "mae"])  # of random weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--base", action="store_true")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--tolerance", type=float, default=0.3)
    parser.add_argument("--k", type=int, default=7)
    parser.add_argument("--windows", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.base:
        table = base(Options(tolerance=1e9, k=arguments.k), n_repeats=arguments.repeats)
    else:
        options = Options(tolerance=arguments.tolerance, k=arguments.k)
        data = read_long_horizon_set(arguments.data)
        table = trained(data, arguments.models, options, n_windows=arguments.windows, n_repeats=arguments.repeats)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.output, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
