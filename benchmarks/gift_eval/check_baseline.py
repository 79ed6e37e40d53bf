"""How far our runner's seasonal naive is from the published rows: the worst relative difference of each metric.

``ttm-sk gift-eval run --storage DIR --baseline seasonal-naive --output FOLDER``, then
``python benchmarks/gift_eval/check_baseline.py FOLDER``. The published figures have six digits.
"""

from __future__ import annotations

import sys

import pandas as pd

from ttm_sk.evaluation.leaderboard import BASELINE, published_results, read_results

FOUR_DIGITS = 5e-5


def differences(folder: str) -> pd.DataFrame:
    """Relative differences, a row for each task of the folder, a column for each metric."""
    own = read_results(folder).loc[BASELINE]
    published = published_results().loc[BASELINE].loc[own.index, own.columns]
    return (own / published - 1).abs()


def main(argv: list[str]) -> int:
    """Print the table; 0 where all agree to four digits."""
    table = differences(*argv)
    worst = pd.DataFrame({"worst relative difference": table.max().map("{:.1e}".format), "task": table.idxmax()})
    print(f"{len(table)} tasks\n{worst.to_string()}")
    return int((table > FOUR_DIGITS).any(axis=None))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
