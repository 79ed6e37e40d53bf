"""Seconds and memory of a large panel forecast in one batch, beside the same series one at a time.

    python benchmarks/speed/panel.py --series 1000 --length 512 --horizon 96 --output panel.json

Each way runs in a process of its own, so that its peak memory is its own; loading the package and the weights is
not timed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import ttm_sk
from ttm_sk import TTMForecaster, load_checkpoint

WAYS = {"panel": "one panel, one batch", "alone": "one series at a time"}


def hourly_panel(n_series: int, length: int) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(n_series, length)).cumsum(axis=1)
    hours = pd.date_range("2024-01-01", periods=length, freq="h")
    index = pd.MultiIndex.from_product([range(n_series), hours], names=["series", "time"])
    return pd.DataFrame({"y": values.ravel()}, index=index)


def forecast_panel(y: pd.DataFrame, horizon: int, effort: str) -> int:
    return len(TTMForecaster(effort=effort).fit(y).predict(fh=np.arange(1, horizon + 1)))


def forecast_alone(series: list[pd.Series], horizon: int, effort: str) -> int:
    return sum(len(TTMForecaster(effort=effort).fit(y).predict(fh=np.arange(1, horizon + 1))) for y in series)


def peak_megabytes() -> float:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(way: str, options: argparse.Namespace) -> dict[str, float]:
    """Seconds and memory of one way, in this process."""
    y = hourly_panel(options.series, options.length)
    forecast: Callable[..., int] = forecast_panel
    data: object = y
    if way == "alone":
        forecast, data = forecast_alone, [y.loc[i, "y"].asfreq("h") for i in range(options.series)]
    forecast_panel(hourly_panel(2, options.length), 1, options.effort)  # opens the weights
    before, began = peak_megabytes(), time.perf_counter()
    n_rows = forecast(data, options.horizon, options.effort)
    seconds = time.perf_counter() - began
    assert n_rows == options.series * options.horizon
    return {"seconds": seconds, "peak_megabytes": peak_megabytes(), "megabytes_before": before}


def in_fresh_process(way: str, arguments: list[str]) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, *arguments, "--way", way], capture_output=True, check=True)
    return json.loads(done.stdout)


def conditions(options: argparse.Namespace) -> dict[str, object]:
    return {
        "series": options.series,
        "length": options.length,
        "horizon": options.horizon,
        "effort": options.effort,
        "weights": load_checkpoint("ttm-tiny").hash,
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "processor": platform.machine(),
        "versions": {"ttm-sk": ttm_sk.__version__}
        | {name: version(name) for name in ("torch", "pandas", "numpy", "sktime")},
    }


def print_table(results: dict[str, dict[str, float]]) -> None:
    print(f"{'':22}{'seconds':>10}{'times':>8}{'peak MB':>10}{'of it new':>12}")
    for way, result in results.items():
        new = result["peak_megabytes"] - result["megabytes_before"]
        ratio = result["seconds"] / results["panel"]["seconds"]
        print(f"{WAYS[way]:22}{result['seconds']:10.2f}{ratio:8.1f}{result['peak_megabytes']:10.0f}{new:12.0f}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--length", type=int, default=512, help="steps of each series")
    parser.add_argument("--horizon", type=int, default=96)
    parser.add_argument("--effort", choices=["plain", "fast"], default="fast")
    parser.add_argument("--threads", type=int, help="of torch; its own choice where this is left out")
    parser.add_argument("--output", type=Path, default=Path("panel.json"))
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.way:
        print(json.dumps(measure(options.way, options)))
        return
    results = {way: in_fresh_process(way, arguments) for way in WAYS}
    print_table(results)
    options.output.write_text(json.dumps(conditions(options) | {"results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
