"""Write the figures of ``docs/comparisons.md``, ``docs/regression.md`` and ``docs/beside-others.md``.

``python benchmarks/comparisons.py`` reads ``long_horizon/results/*.csv``, ``tabpfn_ts/results/*.csv``,
``regressor/results/*.csv`` and the benchmark's published results. Nothing is typed by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from ttm_sk import load_checkpoint
from ttm_sk.evaluation.leaderboard import BASELINE, markdown_table, published_results
from ttm_sk.evaluation.long_horizon import beside_published

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "comparisons.md"
MODELS = {"ttm-tiny": "ttm-tiny", "granite_r2_512_96": "TTM-R2 512 fine-tune"}  # in the table's order
REGRESSION_PAGE = HERE.parent / "docs" / "regression.md"
QUOTED_PAGE = HERE.parent / "docs" / "beside-others.md"
QUOTED = {  # parameters as their makers state them
    "TTM-R1-Pretrained": "TTM-R1 (0.8 M)",
    "TTM-R2-Pretrained": "TTM-R2 (3 M)",
    "TTM-R2-Finetuned": "TTM-R2, fine-tuned to each data set",
    "TTM-R3-PT": "TTM-R3 (1.4 M)",
    "chronos_bolt_small": "Chronos-Bolt-small (48 M)",
    "chronos_bolt_base": "Chronos-Bolt-base (205 M)",
    "tabpfn_ts": "TabPFN-TS (11 M)",
    "TiRex": "TiRex (35 M)",
    "TiRex-2-Zeroshot": "TiRex-2, zero-shot (38 M, with other channels 82 M)",
    "chronos-2": "Chronos-2 (120 M)",
    "TimesFM-2.5": "TimesFM 2.5 (231 M)",
    "Toto-2.0-4m": "Toto 2.0, smallest (4 M)",
    "Reverso-Small": "Reverso-Small (0.55 M)",
    "auto_arima": "AutoARIMA",
    "seasonal_naive": "seasonal naive",
}


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
    text = _replaced(QUOTED_PAGE.read_text(encoding="utf-8"), "gift-eval-quoted", quoted_table())
    QUOTED_PAGE.write_text(text, encoding="utf-8")
    return 0


def quoted_table() -> str:
    """What the benchmark publishes: geometric means over all tasks relative to its seasonal naive, best CRPS first."""
    scores = published_results()[["MASE", "CRPS"]]
    logs = np.log(scores / scores.loc[BASELINE].reindex(scores.index, level="task"))
    means = np.exp(logs.groupby(level="model").mean()).loc[list(QUOTED)].sort_values("CRPS")
    return markdown_table(means.map(_figure).rename(index=QUOTED))


def long_horizon_table() -> str:
    """Every model and effort that was measured, beside TTM-R1 and TTM-R2 of each context length."""
    results = pd.concat(pd.read_csv(path) for path in sorted((HERE / "long_horizon" / "results").glob("*.csv")))
    results = results.sort_values("stride").drop_duplicates(["model", "effort", "dataset", "horizon"])
    results["column"] = "**" + results["model"].map(MODELS) + ", " + results["effort"] + "**"
    results = results.sort_values("model", key=lambda names: names.map(list(MODELS).index), kind="stable")
    columns = [_measured(part).rename(name) for name, part in results.groupby("column", sort=False)]
    every = results.drop_duplicates(["dataset", "horizon"]).sort_values(["dataset", "horizon"])
    published = beside_published(every).drop(columns=["mse", "mae"])
    published = published[[name for name in published.columns if "research" not in name]]
    text = pd.concat([*columns, published.map(_figure)], axis=1).reindex(published.index).fillna("")
    text.index = pd.Index([f"{name} {horizon}" for name, horizon in text.index], name="data set, horizon")
    hashes = [
        f"{MODELS[model]} {_weights(part['weights'], model=model)}"
        for model, part in results.groupby("model", sort=False)
    ]
    return f"{markdown_table(text)}\n\nWeights: {', '.join(hashes)}.{_estimates(results)}"


def _measured(results: pd.DataFrame) -> pd.Series:
    """MSE and MAE as text, by data set and horizon; a mark where some windows stand for all."""
    rows = results.set_index(["dataset", "horizon"])
    marks = rows["stride"].gt(1).map({True: "~", False: ""})
    return marks + rows["mse"].map(_figure) + " / " + rows["mae"].map(_figure)


def _estimates(results: pd.DataFrame) -> str:
    """Which windows stand for all, where that is marked."""
    some = results[results["stride"] > 1].drop_duplicates(["model", "effort", "dataset", "stride"])
    taken = [
        f"{MODELS[row.model]}, {row.effort}, {row.dataset}: every {row.stride}th window" for row in some.itertuples()
    ]
    return f" `~`: {'; '.join(taken)}." if taken else ""


def _weights(column: pd.Series, *, model: str) -> str:
    """The hash of the weights, and whether those of that name that are bundled are others by now."""
    found = str(_one(column))
    is_old = model == "ttm-tiny" and found != load_checkpoint(model).hash
    return f"`{found[:12]}`" + (" (not those that are bundled now)" if is_old else "")


def head_to_head_table() -> str:
    """Cost of one forecast, and the published accuracy; of several runs the one with most forecasts of a task."""
    rows = pd.concat(pd.read_csv(path) for path in sorted((HERE / "tabpfn_ts" / "results").glob("*.csv")))
    rows = rows.sort_values("n_forecasts", ascending=False, kind="stable").drop_duplicates(["task", "model"])
    text = pd.DataFrame(
        {
            "model": rows["model"],
            "forecasts": rows["n_forecasts"],
            "seconds": (rows["seconds"] / rows["n_forecasts"]).map("{:.2f}".format),
            "CPU seconds": (rows["cpu_seconds"] / rows["n_forecasts"]).map("{:.3f}".format),
            "peak MB": rows["peak_memory_mb"].map("{:.0f}".format),
            "MASE, published (whole task)": rows["published_mase"].map(_figure),
            "CRPS, published (whole task)": rows["published_crps"].map(_figure),
            "weights": rows["weights"].str[:12],
            "commit": rows["commit"].str[:12],
        }
    )
    text.index = pd.Index(rows["task"], name="task")
    return f"{markdown_table(text)}\n\n{_one(rows['threads'])} thread(s)."


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
