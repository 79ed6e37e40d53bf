"""What each part of ``effort="fast"`` and ``"best"`` buys: GIFT-Eval's tasks with one lever at a time.

``python benchmarks/gift_eval/levers.py --storage STORAGE --output FOLDER`` forecasts the tasks in STORAGE with each
(FOLDER keeps what is done; whole efforts are those that ``measure.py`` has left in ``results``), writes
``results/levers.csv`` and the table of ``docs/ablations.md``.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from ttm_sk.cli import main as ttm_sk
from ttm_sk.evaluation.leaderboard import compare_models, read_results
from ttm_sk.inference import forecasting, resolution, rollout
from ttm_sk.inference.readings import AS_IT_IS, Reading

sys.path.insert(0, str(Path(__file__).parents[1]))

from marks import put  # noqa: E402

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[2] / "docs" / "ablations.md"
NO_SYMMETRY = (forecasting, "sign_symmetric", lambda step: step)
ONE_FUTURE = (rollout, "FIVE_PATHS", (0.5,))


def _only(chooses: Callable[[Reading], bool]) -> tuple[Any, str, Any]:
    """Candidates of one kind beside the series as they are."""
    all_of_them = resolution.candidates

    def candidates(pasts: Sequence[np.ndarray]) -> list[Reading]:
        return [one for one in all_of_them(pasts) if one == AS_IT_IS or chooses(one)]

    return resolution, "candidates", candidates


# what the table says: (effort, what of it is taken away)
LEVERS: dict[str, tuple[str, tuple[tuple[Any, str, Any], ...]]] = {
    "one pass, the median fed back (`plain`)": ("plain", ()),
    "+ the negated series": ("fast", (ONE_FUTURE,)),
    "+ five futures fed back": ("fast", (NO_SYMMETRY,)),
    "+ both (`fast`)": ("fast", ()),
    "`fast` + coarser": ("best", (_only(lambda one: one.rate > 1 and one.period == 1),)),
    "`fast` + by phase": ("best", (_only(lambda one: one.period > 1),)),
    "`fast` + shorter pasts": ("best", (_only(lambda one: one.context > 0),)),
    "`fast` + beside the theta method": ("best", (_only(lambda one: one.theta > 0),)),
    "`fast` + all four (`best`)": ("best", ()),
}


def main() -> None:
    """Run every lever, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", type=Path, required=True, help="the benchmark's data sets")
    parser.add_argument("--output", type=Path, required=True, help="a folder for the runs")
    parser.add_argument("--done", action="store_true", help="write what was measured, run nothing")
    options = parser.parse_args()
    rows = [
        {"lever": name, **measured(options, f"lever-{number}", effort, changes)}
        for number, (name, (effort, changes)) in enumerate(LEVERS.items())
        if not options.done or not changes or is_whole(options.output / f"lever-{number}")
    ]
    with (RESULTS / "levers.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    write_table(rows)


def is_whole(folder: Path) -> bool:
    """Whether a run has as many tasks as the released results."""
    released = len(read_results(RESULTS / "ttm-tiny-fast"))
    return (folder / "all_results.csv").is_file() and len(read_results(folder)) == released


def measured(options: argparse.Namespace, name: str, effort: str, changes: Sequence[tuple[Any, str, Any]]) -> dict:
    """The scores of one lever over all tasks, and by term."""
    folder = options.output / name if changes else RESULTS / f"ttm-tiny-{effort}"
    chosen = ["--storage", str(options.storage), "--effort", effort, "--output", str(folder)]
    with ExitStack() as stack:
        for place, attribute, value in changes:
            stack.enter_context(patch.object(place, attribute, value))
        if changes and not options.done and (code := ttm_sk(["gift-eval", "run", *chosen, "--name", name])):
            raise SystemExit(code)
    own = read_results(folder)
    scores = compare_models(own, models=()).iloc[0]
    shown = {"MASE": scores["MASE"], "CRPS": scores["CRPS"]}
    for term in ("short", "medium", "long"):
        part = own[[task.endswith(f"/{term}") for task in own.index.get_level_values("task")]]
        shown[f"CRPS, {term}"] = compare_models(part, models=()).iloc[0]["CRPS"]
    return {key: f"{value:.4f}" for key, value in shown.items()}


def write_table(rows: Sequence[dict[str, str]]) -> None:
    """Put it between the marks of the page."""
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        values = [f"{float(value):.3f}" for value in list(row.values())[1:]]
        lines.append(f"| {row['lever']} | {' | '.join(values)} |")
    put(PAGE, "levers", "\n".join(lines))


if __name__ == "__main__":
    main()
