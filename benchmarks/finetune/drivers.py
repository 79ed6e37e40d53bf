"""What known-future drivers are worth: a synthetic series that they move, real rented bicycles, and pure noise.

    python benchmarks/finetune/drivers.py --bikes seoul_bikes_hourly.npz --output drivers.csv

``--bikes`` is a corpus file (see ``ttm_sk/data/corpora.py``): the target first, then the weather of each hour.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ttm_sk import TTMForecaster
from ttm_sk.scoring import metrics

LEVELS = [0.1, 0.3, 0.5, 0.7, 0.9]


def synthetic(seed: int, n: int = 720) -> tuple[np.ndarray, np.ndarray]:
    """A daily wave, moved by two of three drivers that no past foretells."""
    rng = np.random.default_rng(seed)
    drivers = rng.normal(size=(n, 3))
    wave = 10 + 2 * np.sin(np.arange(n) * 2 * np.pi / 24) + 0.5 * rng.normal(size=n)
    return wave + 2 * drivers[:, 0] - drivers[:, 1], drivers


def bikes(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path) as file:
        bounds = zip(file["offsets"][:-1], file["offsets"][1:], strict=True)
        columns = [
            file["values"][start:stop].astype(float) * scale + loc
            for (start, stop), scale, loc in zip(bounds, file["scale"], file["loc"], strict=True)
        ]
    return columns[0], np.stack(columns[1:], axis=1)


def noise(series: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng([99, seed]).normal(size=(len(series), 3))


def cases(arguments: argparse.Namespace) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, series and drivers, each ending with a window to forecast."""
    for seed in range(arguments.windows):
        series, drivers = synthetic(seed)
        yield "synthetic, its drivers", series, drivers
        yield "synthetic, noise", series, noise(series, seed)
    if not arguments.bikes:
        return
    series, drivers = bikes(arguments.bikes)
    for window in range(arguments.windows):
        stop = len(series) - window * arguments.spacing
        yield "bicycles, weather", series[:stop], drivers[:stop]
        yield "bicycles, noise", series[:stop], noise(series[:stop], window)


def compare(name: str, series: np.ndarray, drivers: np.ndarray, strategy: str, arguments: argparse.Namespace) -> dict:
    """Errors of one window with and without its drivers."""
    h = arguments.horizon
    y, table = pd.Series(series), pd.DataFrame(drivers).add_prefix("x")
    steps = list(range(1, h + 1))
    row: dict[str, object] = {"case": name, "strategy": strategy}
    for label, known in (("without", None), ("with", table)):
        forecaster = TTMForecaster(fit_strategy=strategy, effort=arguments.effort, fit_steps=arguments.steps)
        forecaster.fit(y.iloc[:-h], X=None if known is None else known.iloc[:-h], fh=steps)
        fan = forecaster.predict_quantiles(alpha=LEVELS, X=None if known is None else known.iloc[-h:]).to_numpy()
        target = series[-h:]
        row[f"mae {label}"] = metrics.mae(target=target, forecast=fan[:, 2])
        row[f"pinball {label}"] = float(metrics.pinball(target=target, quantiles=fan, levels=LEVELS).mean())
        row[f"coverage {label}"] = float(((target >= fan[:, 0]) & (target <= fan[:, -1])).mean())
        row[f"width {label}"] = float((fan[:, -1] - fan[:, 0]).mean())
        row["way"] = "" if forecaster.drivers_ is None else forecaster.drivers_.chosen
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bikes", type=Path)
    parser.add_argument("--strategy", nargs="+", default=["zero-shot"])
    parser.add_argument("--horizon", type=int, default=24)
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--spacing", type=int, default=168 + 24)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--effort", default="plain")
    parser.add_argument("--case", nargs="+", help="only those whose name contains one of these words")
    parser.add_argument("--output", required=True, type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for case in cases(arguments):
        if arguments.case and not any(word in case[0] for word in arguments.case):
            continue
        rows += [compare(*case, strategy, arguments) for strategy in arguments.strategy]
        pd.DataFrame(rows).to_csv(arguments.output, index=False)
    found = pd.DataFrame(rows)
    table = found.groupby(["case", "strategy"], sort=False).mean(numeric_only=True)
    for name in ("mae", "pinball", "width"):
        table[f"{name} ratio"] = table[f"{name} with"] / table[f"{name} without"]
    table["windows"] = arguments.windows
    print(table.T.round(3).to_string())
    print(found.groupby(["case", "strategy", "way"], sort=False).size().to_string())


if __name__ == "__main__":
    main()
