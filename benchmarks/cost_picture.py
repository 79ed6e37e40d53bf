"""Accuracy against cost: ``python benchmarks/cost_picture.py docs/images/accuracy-against-cost.png``.

Above, the geometric mean of CRPS relative to seasonal naive over the tasks that were measured here, against the size of
the model: ours, and published results on the same tasks. Below, the seconds that one of our forecasts took in that
measurement (``runs.csv``, a task's seconds over its forecasts, scoring included), effort by effort. Sizes are those
that the models' makers state.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ttm_sk import load_checkpoint
from ttm_sk.evaluation.leaderboard import compare_models, read_results
from ttm_sk.plotting import BLUE, ORANGE, to_image

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
    figure = Figure(figsize=(8, 9), dpi=120, layout="constrained")
    by_size, by_time = figure.subplots(2, 1, height_ratios=(3, 1))
    own_size = load_checkpoint("ttm-tiny").n_parameters / 1e6
    sizes = [MILLIONS.get(name, own_size) for name in scores.index]
    draw(by_size, scores, sizes, label="parameters, millions")
    own = scores.loc[[folder.name for folder in folders]]
    seconds = [seconds_a_forecast(folder) for folder in folders]
    draw(by_time, own, seconds, label="seconds for one forecast, scoring included")
    figure.draw_without_rendering()  # only then does a place on the picture mean something
    name_points(by_size, scores, sizes)
    name_points(by_time, own, seconds)
    path.write_bytes(to_image(figure))
    print(own.assign(seconds=seconds)[["MASE", "CRPS", "seconds"]].to_string())


def seconds_a_forecast(folder: Path) -> float:
    """The median over tasks."""
    runs = pd.read_csv(folder / "runs.csv")
    return float((runs["seconds"] / runs["n_forecasts"]).median())


def draw(axis: Axes, scores: pd.DataFrame, cost: list[float], *, label: str) -> None:
    colours = [ORANGE if is_own else BLUE for is_own in scores["is_own"]]
    axis.scatter(cost, scores["CRPS"], c=colours, s=28)
    axis.set_xscale("log")
    axis.set_xlabel(label)
    axis.set_ylabel("CRPS, seasonal naive = 1")
    axis.margins(x=0.25, y=0.12)


def name_points(axis: Axes, scores: pd.DataFrame, cost: list[float]) -> None:
    points = list(zip(cost, scores["CRPS"], strict=True))
    taken = [Bbox.from_bounds(x - 7, y - 7, 14, 14) for x, y in axis.transData.transform(points)]
    for name, point in zip(scores.index, points, strict=True):
        taken.append(name_point(axis, str(name), point, taken))


def name_point(axis: Axes, name: str, point: tuple[float, float], taken: list[Bbox]) -> Bbox:
    """Write a name beside its point, where it covers the least of what is there already; the place that it takes."""
    tried = []
    for order, (side, up) in enumerate((side, up) for up in (-3, 6, -12, 12, -18) for side in ("left", "right")):
        shift = (7 if side == "left" else -7, up)
        text = axis.annotate(name, point, xytext=shift, textcoords="offset points", ha=side, fontsize=9)
        place = text.get_window_extent()
        tried.append((sum(place.overlaps(other) for other in taken), order, text, place))
        text.remove()
    _, _, best, place = min(tried, key=lambda one: one[:2])
    axis.add_artist(best)
    return place


if __name__ == "__main__":
    main(Path(sys.argv[1]))
