"""The long-horizon table of a checkpoint on whichever of the seven files are there, beside TTM's published rows.

    python benchmarks/long_horizon/table.py FOLDER --checkpoint ttm-tiny --effort fast --output RESULTS.csv

``FOLDER`` holds the files as they are published (``ETTh1.csv``, ``ETTh1.csv.gz``, ``weather.csv``); one that is not
there is left out, and said so. Every test window is forecast; ``--stride 25`` takes every 25th, for an estimate. The
output has a row for each data set and horizon, with the weights' hash and the commit, written anew after each set.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
import torch

from ttm_sk import load_checkpoint
from ttm_sk.checkpoints.provenance import source_commit
from ttm_sk.data.long_horizon_sets import LAYOUTS
from ttm_sk.evaluation.long_horizon import HORIZONS, beside_published, long_horizon

SHOWN = ["horizon", "mse", "mae", "n_windows", "context_length", "effort", "stride", "set_seconds"]


def find_files(folder: Path) -> dict[str, Path]:
    """The files of the seven data sets in a folder, whatever their case."""
    stems = {path.name.partition(".")[0].lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
    return {name: stems[name.lower()] for name in LAYOUTS if name.lower() in stems}


def measure(options: argparse.Namespace) -> pd.DataFrame:
    checkpoint = load_checkpoint(options.checkpoint)
    tables = []
    for name, path in find_files(options.folder).items():
        if options.sets and name not in options.sets:
            continue
        table = long_horizon(
            checkpoint,
            path,
            horizons=options.horizons,
            effort=options.effort,
            context_length=options.context_length,
            stride=options.stride,
            batch_size=options.batch_size,
            device=options.device,
        )
        print(table[["dataset", *SHOWN]].round(4).to_string(index=False), flush=True)
        model = Path(options.checkpoint).name
        tables.append(table.assign(model=model, threads=torch.get_num_threads(), commit=source_commit()))
        if options.output:
            pd.concat(tables).to_csv(options.output, index=False)
    return pd.concat(tables)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", default="ttm-tiny", help="name, file or folder (default: ttm-tiny)")
    parser.add_argument("--effort", default="fast")
    parser.add_argument("--sets", nargs="+", choices=list(LAYOUTS), help="default: all that are there")
    parser.add_argument("--horizons", nargs="+", type=int, default=HORIZONS)
    parser.add_argument("--context-length", type=int, help="newest steps to use (default: all that the model sees)")
    parser.add_argument("--stride", type=int, default=1, help="every so many windows (default: 1, as published)")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--kind", default="zero-shot", help="which published rows: 'zero-shot' or 'few-shot 5 %%'")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    if missing := set(options.sets or LAYOUTS) - set(find_files(options.folder)):
        print(f"not in {options.folder.name}, left out: {', '.join(sorted(missing))}")
        if missing == set(options.sets or LAYOUTS):
            return 1
    results = measure(options)
    print("\nMSE and MAE as measured, and IBM's published MSE:")
    print(beside_published(results, kind=options.kind).T.round(3).to_string(na_rep=""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
