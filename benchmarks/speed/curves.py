"""What a forecast costs against the length of the past, the horizon and the number of series, and how it grows.

    python benchmarks/speed/curves.py --output benchmarks/speed/results/curves.csv --page docs/speed.md \
        --picture docs/images/cost-curves.png

``ttm_sk.forecast`` on random walks, one thread, the median of the rounds. Growth is the slope of log seconds over log
size between the largest size and the one a quarter of it: 1 is linear, 0 does not grow.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from compare import interleaved

from ttm_sk import forecast, load_checkpoint
from ttm_sk.evaluation.leaderboard import markdown_table
from ttm_sk.plotting import blank_figure, to_image

sys.path.insert(0, str(Path(__file__).parents[1]))

from marks import put  # noqa: E402

LENGTH, HORIZON = 512, 96
SIZES = {
    "length of the past": (64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576),
    "horizon": (6, 24, 96, 384, 1536, 6144),
    "series": (1, 4, 16, 64, 256, 1024, 4096),
}
EFFORTS = {"plain": 4096, "fast": 4096, "best": 64}  # the most series; "best" takes seconds for each


def seconds_of(axis: str, size: int, effort: str, rounds: int) -> float:
    """Of one call; what is not varied is 512 steps of one series and 96 steps ahead."""
    length, horizon, n_series = (
        size if axis == name else usual
        for name, usual in (("length of the past", LENGTH), ("horizon", HORIZON), ("series", 1))
    )
    values = np.random.default_rng(0).normal(size=(n_series, length)).cumsum(axis=1)
    call = interleaved({"call": lambda: forecast(values, horizon, effort=effort)}, rounds=rounds)
    return statistics.median(call["call"])


def growth(rows: pd.DataFrame) -> float:
    """The slope between the largest size and the one a quarter of it."""
    small, large = rows.iloc[-2], rows.iloc[-1]
    return float(np.log(large["seconds"] / small["seconds"]) / np.log(large["size"] / small["size"]))


def summary(table: pd.DataFrame) -> str:
    """The least and the most of each curve, and how it grows at its end."""
    rows = []
    for (axis, effort), part in table.groupby(["axis", "effort"], sort=False):
        first, last = part.iloc[0], part.iloc[-1]
        row = {"of": axis, "effort": effort, "from": f"{first['size']:,}", "ms": f"{1e3 * first['seconds']:.3g}"}
        rows.append(row | {"to": f"{last['size']:,}", "ms ": f"{1e3 * last['seconds']:.4g}", "growth": growth(part)})
    shown = pd.DataFrame(rows).set_index("of")
    shown["growth"] = shown["growth"].map("{:.2f}".format)
    return markdown_table(shown)


def draw(table: pd.DataFrame, path: Path) -> None:
    """A panel for each axis, a line for each effort, both logarithmic."""
    figure, panels = blank_figure(table["axis"].nunique())
    for axes, (axis, part) in zip(panels, table.groupby("axis", sort=False), strict=True):
        for effort, line in part.groupby("effort", sort=False):
            axes.loglog(line["size"], 1e3 * line["seconds"], marker="o", label=effort)
        axes.set_xlabel(axis)
        axes.set_ylabel("milliseconds")
        axes.legend()
    path.write_bytes(to_image(figure, path.suffix[1:]))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--efforts", nargs="+", choices=EFFORTS, default=list(EFFORTS))
    parser.add_argument("--most", type=int, help="leave larger sizes out")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="Markdown file whose table is replaced")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for axis, sizes in SIZES.items():
        for effort in options.efforts:
            for size in sizes:
                if (axis == "series" and size > EFFORTS[effort]) or (options.most and size > options.most):
                    continue
                seconds = seconds_of(axis, size, effort, options.rounds)
                rows.append({"axis": axis, "effort": effort, "size": size, "seconds": seconds})
                print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(options.output, index=False)
    text = f"{summary(table)}\n\nWeights {load_checkpoint('ttm-tiny').hash[:12]}."
    print(text)
    if options.picture:
        draw(table, options.picture)
    if options.page:
        put(options.page, "curves", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
