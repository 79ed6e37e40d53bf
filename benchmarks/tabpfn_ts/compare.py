"""TabPFN-TS beside this package: ``ttm-sk gift-eval head-to-head`` on a few short tasks, its rows kept.

    python benchmarks/tabpfn_ts/compare.py STORAGE --tabpfn-weights tabpfn-v2-regressor.ckpt
    python benchmarks/tabpfn_ts/compare.py STORAGE --random-weights        # no weights: seconds and memory alone

Needs the extras tabpfn and gift-eval (``constraints/tabpfn.txt``). ``results/head_to_head.csv`` names the weights by
their hash, the commit, and the threads.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ttm_sk.cli import main

TASKS = ("hospital", "saugeen/M", "m4_weekly")
RESULTS = Path(__file__).with_name("results") / "head_to_head.csv"

if __name__ == "__main__":
    storage, *options = sys.argv[1:]
    defaults = ["--config", *TASKS, "--forecasts", "1", "--context-length", "512", "--threads", "1"]
    arguments = ["gift-eval", "head-to-head", "--storage", storage, *defaults, "--output", str(RESULTS), *options]
    sys.exit(main(arguments))
