"""Measure weights on GIFT-Eval with every effort, and set them beside published models.

``python benchmarks/gift_eval/measure.py --storage DIR`` fills ``results/<model>-<effort>`` for each effort with
``ttm-sk gift-eval run`` (what is done already is kept; another model's results are refused) and writes
``results/comparison.md`` and ``.png`` with ``ttm-sk gift-eval compare``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ttm_sk.cli import main as ttm_sk
from ttm_sk.inference.forecasting import EFFORTS

RESULTS = Path(__file__).parent / "results"


def main(argv: list[str] | None = None) -> int:
    """Run and compare; 0 when every task was scored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", type=Path, required=True, help="the benchmark's data sets")
    parser.add_argument("--model", default="ttm-tiny", help="name or path of weights")
    parser.add_argument("--effort", nargs="+", choices=EFFORTS, default=list(EFFORTS))
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the folders of results are")
    options = parser.parse_args(argv)
    folders = [str(options.results / f"{Path(options.model).stem}-{effort}") for effort in options.effort]
    for folder, effort in zip(folders, options.effort, strict=True):
        chosen = ["--storage", str(options.storage), "--model", options.model, "--effort", effort, "--output", folder]
        if code := ttm_sk(["gift-eval", "run", *chosen]):
            return code
    written = ["--output", str(options.results / "comparison.md"), "--plot", str(options.results / "comparison.png")]
    return ttm_sk(["gift-eval", "compare", *reversed(folders), *written])


if __name__ == "__main__":
    sys.exit(main())
