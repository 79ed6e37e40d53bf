"""A user's own weights from one folder of CSV files, within minutes, beside seasonal naive.

    python benchmarks/pretraining/toy.py FOLDER --horizon 48 --season 24 --target HUFL OT [--windows 5] [--seen 20000]

The last WINDOWS x HORIZON rows of every file are kept back, ``ttm-sk pretrain`` learns from the rest, from random
weights, and ``ttm-sk evaluate`` forecasts what was kept back. Both are the commands that a user would type.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from ttm_sk import load_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--horizon", type=int, default=48)
    parser.add_argument("--season", type=int, default=24)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--target", nargs="+", default=[], help="columns to forecast, where a file has several")
    parser.add_argument("--seen", type=int, default=20_000, help="windows to learn from")
    parser.add_argument("--freq", help="of the files, where they do not say")
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.csv"))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for path in paths:
            pd.read_csv(path, dtype=str).iloc[: -options.windows * options.horizon].to_csv(
                work / path.name, index=False
            )
        weights = work / "toy.safetensors"
        frequency = ["--freq", options.freq] if options.freq else []
        began = time.perf_counter()
        ttm_sk("pretrain", "--corpus", work, "--windows", options.seen, "--output", weights, *frequency)
        print(
            f"pretrained in {time.perf_counter() - began:.0f} s: {load_checkpoint(weights).n_parameters:,} parameters"
        )
        for path in paths:
            sizes = ["--horizon", options.horizon, "--windows", options.windows, "--season", options.season]
            for target in options.target or [None]:
                column = ["--target", target] if target else []
                ttm_sk("evaluate", path, "--model", weights, "--without-classics", *sizes, *frequency, *column)


def ttm_sk(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "ttm_sk", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
