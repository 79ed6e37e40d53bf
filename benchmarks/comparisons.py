"""Write the figures of ``docs/comparisons.md`` and ``docs/regression.md`` from the results of the comparisons.

``python benchmarks/comparisons.py`` reads ``long_horizon/results/*.csv``, ``tabpfn_ts/results/head_to_head.csv`` and
``regressor/results/*.csv``. Nothing is typed by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from ttm_sk.evaluation.leaderboard import markdown_table
from ttm_sk.evaluation.long_horizon import beside_published

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "comparisons.md"
REGRESSION_PAGE = HERE.parent / "docs" / "regression.md"


def main() -> int:
    """Replace what stands between the marks."""
    text = PAGE.read_text(encoding="utf-8")
    text = _replaced(text, "long-horizon", long_horizon_table())
    text = _replaced(text, "head-to-head", head_to_head_table())
    PAGE.write_text(text, encoding="utf-8")
    text = REGRESSION_PAGE.read_text(encoding="utf-8")
    text = _replaced(text, "lags", lags_table())
    text = _replaced(text, "classes", classes_table())
    REGRESSION_PAGE.write_text(text, encoding="utf-8")
    return 0


def long_horizon_table() -> str:
    """Ours beside TTM-R1 and TTM-R2 of each context length; MSE, and our MAE."""
    results = pd.concat(pd.read_csv(path) for path in sorted((HERE / "long_horizon" / "results").glob("*.csv")))
    results = results.sort_values("stride").drop_duplicates(["dataset", "horizon"])  # all windows where they were taken
    results = results.sort_values(["dataset", "horizon"])
    beside = beside_published(results)
    beside = beside[[name for name in beside.columns if "research" not in name]]
    text = beside.map(lambda value: "" if pd.isna(value) else f"{value:.3f}")
    text.insert(
        2, "windows", [_windows(n, stride) for n, stride in zip(results["n_windows"], results["stride"], strict=True)]
    )
    text = text.rename(columns={"mse": "**ttm-tiny, fast** MSE", "mae": "its MAE"})
    text.index = pd.Index([f"{name} {horizon}" for name, horizon in text.index], name="data set, horizon")
    return markdown_table(text) + f"\n\nWeights `{_one(results['weights'])[:12]}`."


def _windows(n: int, stride: int) -> str:
    return f"{n:,}" if stride == 1 else f"{n:,} (every {stride}th)"


def head_to_head_table() -> str:
    """Cost of one forecast, and the published accuracy."""
    rows = pd.read_csv(HERE / "tabpfn_ts" / "results" / "head_to_head.csv")
    text = pd.DataFrame(
        {
            "model": rows["model"],
            "seconds": (rows["seconds"] / rows["n_forecasts"]).map("{:.2f}".format),
            "CPU seconds": (rows["cpu_seconds"] / rows["n_forecasts"]).map("{:.3f}".format),
            "peak MB": rows["peak_memory_mb"].map("{:.0f}".format),
            "MASE, published (whole task)": rows["published_mase"].map(_figure),
            "CRPS, published (whole task)": rows["published_crps"].map(_figure),
        }
    )
    text.index = pd.Index(rows["task"], name="task")
    return markdown_table(text) + f"\n\nCommit `{_one(rows['commit'])[:12]}`, {_one(rows['threads'])} thread(s)."


def lags_table() -> str:
    """Mean absolute error of each model on each series, and seconds to fit and predict."""
    rows = pd.read_csv(HERE / "regressor" / "results" / "lags.csv")
    text = _side_by_side(rows, "series", "MAE", "{:.4g}")
    regressor = rows[rows["model"] == "TTMRegressor"].set_index("series")
    text.insert(0, "rows", regressor["rows"].astype(str))
    seconds = _side_by_side(rows, "series", "CPU seconds", "{:.2g}")
    for name in ("Ridge", "HistGradientBoosting", "TTMRegressor"):
        text[f"CPU s, {name}"] = seconds[name]
    text.index = pd.Index([f"{name}, {regressor['kind'][name]}" for name in text.index], name="series")
    return markdown_table(text) + f"\n\nWeights `{_one(rows['weights'])}`."


def classes_table() -> str:
    """Accuracy of each model on each problem, and seconds to fit and predict."""
    rows = pd.read_csv(HERE / "regressor" / "results" / "classes.csv")
    text, seconds = (
        _side_by_side(rows, "problem", score, form)
        for score, form in (("accuracy", "{:.3f}"), ("CPU seconds", "{:.2g}"))
    )
    for name in ("TTMFeatures", "TTMFeatures(with_parts=True)"):
        text[f"CPU s, {name}"] = seconds[f"{name} + logistic"]
    text["CPU s, MiniRocket"] = seconds["MiniRocket + ridge"]
    return markdown_table(text) + f"\n\nWeights `{_one(rows['weights'])}`."


def _side_by_side(rows: pd.DataFrame, key: str, score: str, form: str) -> pd.DataFrame:
    """A column for each model, both in the order of the file."""
    table = rows.pivot(index=key, columns="model", values=score)
    return table.loc[rows[key].unique(), rows["model"].unique()].map(form.format)


def _figure(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def _one(column: pd.Series) -> object:
    """The only value of a column; results of several runs must not stand in one table."""
    values = column.unique()
    if len(values) != 1:
        sys.exit(f"found {len(values)} values of {column.name}, expected results of one run; measure again")
    return values[0]


def _replaced(text: str, name: str, block: str) -> str:
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    return f"{text.split(start)[0]}{start}\n{block}\n{end}{text.split(end)[1]}"


if __name__ == "__main__":
    sys.exit(main())
