"""Seconds, trained parameters and accuracy of every fit strategy on held-out real series, and what ``auto`` chooses.

    python benchmarks/finetune/strategies.py --bikes seoul_bikes_hourly.npz --output strategies.csv

Airline and solar come with the package; the bicycles are a corpus file. Fitted before the first window, then updated.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ttm_sk import TTMForecaster
from ttm_sk.data.tables import load_example
from ttm_sk.estimators.adaptation import STRATEGIES
from ttm_sk.evaluation.backtest import NAIVE, backtest


def cases(bikes: Path | None) -> Iterator[tuple[str, pd.DataFrame, int, int, int]]:
    """Name, series, horizon, windows and season."""
    yield "airline", load_example("airline"), 12, 3, 12
    yield "solar", load_example("solar"), 48, 2, 48
    if bikes is not None:
        with np.load(bikes) as file:
            values = file["values"][: file["offsets"][1]].astype(float) * file["scale"][0] + file["loc"][0]
        hours = pd.date_range("2017-12-01", periods=len(values), freq="h")
        yield "bicycles", pd.DataFrame({"rented": values}, index=hours), 24, 14, 24


def measure(name: str, case: tuple[pd.DataFrame, int, int, int], strategy: str, steps: int) -> dict[str, object]:
    y, horizon, n_windows, season = case
    forecaster = TTMForecaster(fit_strategy=strategy, effort="plain", fit_steps=steps, random_state=0)
    result = backtest({"ours": forecaster}, y, horizon=horizon, n_windows=n_windows, season=season)
    summary = result.summary().set_index("method")
    fitted = forecaster.clone().fit(y.iloc[: -horizon * n_windows], fh=list(range(1, horizon + 1)))
    notes = fitted.checkpoint_.provenance.get("finetuning", [{}])[-1]
    return {
        "series": name,
        "strategy": strategy,
        "mase": summary.loc["ours", "mase"],
        "wql": summary.loc["ours", "wql"],
        "naive mase": summary.loc[NAIVE, "mase"],
        "parameters": notes.get("trained_parameters", 0),
        "seconds": summary.loc["ours", "seconds"],
        "chosen": fitted.strategy_.chosen,
        "why": fitted.strategy_.reason,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bikes", type=Path)
    parser.add_argument("--series", nargs="+", default=["airline", "solar", "bicycles"])
    parser.add_argument("--strategy", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, *case in (case for case in cases(arguments.bikes) if case[0] in arguments.series):
        for strategy in arguments.strategy:
            rows.append(measure(name, tuple(case), strategy, arguments.steps))
            pd.DataFrame(rows).to_csv(arguments.output, index=False)
            print(
                {key: value if isinstance(value, str) else round(value, 4) for key, value in rows[-1].items()},
                flush=True,
            )
    table = pd.DataFrame(rows)
    best = table[table["strategy"] != "auto"].groupby("series")["wql"].min()
    auto = table[table["strategy"] == "auto"].set_index("series")["wql"]
    print("auto's regret (its loss over the best strategy's, minus 1):")
    print((auto / best - 1).round(3).to_string())


if __name__ == "__main__":
    main()
