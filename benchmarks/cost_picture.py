"""Accuracy against cost: ``python benchmarks/cost_picture.py docs/images/accuracy-against-cost.png``.

Left, the geometric mean of CRPS relative to seasonal naive over the tasks that were measured here, against the size of
the model: ours, and published results on the same tasks. Right, the seconds that one of our forecasts took in that
measurement (``runs.csv``, a task's seconds over its forecasts, scoring included), effort by effort. Sizes are those
that the models' makers state.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from ttm_sk import load_checkpoint
from ttm_sk.evaluation.leaderboard import compare_models, read_results
from ttm_sk.plotting import BLUE, ORANGE, blank_figure, to_image

RESULTS = Path(__file__).parent / "gift_eval/results"
MILLIONS = {
    "Reverso-Nano": 0.19,
    "Reverso-Small": 0.55,
    "TTM-R1-Pretrained": 0.8,
    "TTM-R2-Pretrained": 3.0,
    "TTM-R3-PT": 1.4,
    "Toto-2.0-4m": 4.0,
    "FlowState-9.1M": 9.1,
    "Kairos_10m": 10.0,
    "tabpfn_ts": 11.0,
    "TiRex": 35.3,
    "TempoPFN": 38.0,
    "chronos_bolt_small": 48.0,
    "chronos-2": 120.0,
    "TimesFM-2.5": 231.0,
}


def main(path: Path) -> None:
    folders = sorted(RESULTS.glob("ttm-tiny-*"))
    scores = compare_models(pd.concat(map(read_results, folders)), models=tuple(MILLIONS))
    figure, [by_size, by_time] = blank_figure(2)
    own_size = load_checkpoint("ttm-tiny").n_parameters / 1e6
    sizes = [MILLIONS.get(name, own_size) for name in scores.index]
    draw(by_size, scores, sizes, label="parameters, millions")
    own = scores.loc[[folder.name for folder in folders]]
    seconds = [seconds_a_forecast(folder) for folder in folders]
    draw(by_time, own, seconds, label="seconds for one forecast, scoring included")
    path.write_bytes(to_image(figure))
    print(own.assign(seconds=seconds)[["MASE", "CRPS", "seconds"]].to_string())


def seconds_a_forecast(folder: Path) -> float:
    """The median over tasks."""
    runs = pd.read_csv(folder / "runs.csv")
    return float((runs["seconds"] / runs["n_forecasts"]).median())


def draw(axis: Axes, scores: pd.DataFrame, cost: list[float], *, label: str) -> None:
    colours = [ORANGE if is_own else BLUE for is_own in scores["is_own"]]
    axis.scatter(cost, scores["CRPS"], c=colours, s=28)
    for (name, row), x in zip(scores.iterrows(), cost, strict=True):
        side = -1 if row["is_own"] else 1  # ours stand to the left, clear of models of the same size
        place = {"xytext": (5 * side, 3), "ha": "right" if row["is_own"] else "left"}
        axis.annotate(str(name), (x, row["CRPS"]), textcoords="offset points", fontsize=8, **place)
    axis.set_xscale("log")
    axis.set_xlabel(label)
    axis.set_ylabel("CRPS, seasonal naive = 1")
    axis.margins(x=0.3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
