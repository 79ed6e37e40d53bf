"""Write the figures of ``docs/speculative.md`` from ``results/*.csv`` beside this script, and draw its sweep."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from ttm_sk.evaluation.leaderboard import markdown_table
from ttm_sk.plotting import plot_speculation, to_image

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "speculative.md"
START, END = "<!-- results:start -->", "<!-- results:end -->"
COLUMNS = {
    "seconds": "{:.3f}",
    "speedup": "{:.2f}",
    "law": "{:.2f}",
    "acceptance": "{:.2f}",
    "target_calls": "{:.1f}",
    "draft_cost": "{:.2f}",
    "mse": "{:.3f}",
    "mae": "{:.3f}",
}


def main() -> int:
    """Replace what stands between the marks."""
    text = PAGE.read_text(encoding="utf-8")
    parts = [_section(path) for path in sorted((HERE / "results").glob("*.csv")) if not path.stem.startswith("sweep")]
    block = "\n\n".join([START, *parts, END])
    picture = to_image(plot_speculation(pd.read_csv(HERE / "results" / "sweep-ETTh1.csv")))
    (PAGE.parent / "images" / "speculative-sweep.png").write_bytes(picture)
    PAGE.write_text(f"{text.split(START)[0]}{block}{text.split(END)[1]}", encoding="utf-8")
    return 0


def _section(path: Path) -> str:
    rows = pd.read_csv(path)
    if (
        "mse" in rows and rows["batch_size"].nunique() > 1
    ):  # one by one, fewer windows were forecast: no errors of those
        rows.loc[rows["batch_size"] == 1, ["mse", "mae"]] = float("nan")
        rows = rows[(rows["method"] != "seasonal naive") | (rows["batch_size"] > 1)]
    shown = {name: form for name, form in COLUMNS.items() if name in rows}
    text = pd.DataFrame({name: [_figure(value, form) for value in rows[name]] for name, form in shown.items()})
    text.index = pd.Index(
        [
            f"{horizon}, {batch}: {name}"
            for horizon, batch, name in rows[["horizon", "batch_size", "method"]].to_numpy()
        ],
        name="horizon, series at once: method",
    )
    settings = f"k = {rows['k'].iloc[0]}, tolerance {rows['tolerance'].iloc[0]:g}"
    return f"**{rows['dataset'].iloc[0]}** ({path.stem}; {settings}; one thread)\n\n{markdown_table(text)}"


def _figure(value: float, form: str) -> str:
    return "" if pd.isna(value) else form.format(value)


if __name__ == "__main__":
    sys.exit(main())
