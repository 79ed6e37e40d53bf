"""What another engine or a lower precision costs in accuracy: the bundled weights, ``effort="fast"``, beside torch.

    python benchmarks/speed/backends.py --ett FOLDER --storage STORAGE --output benchmarks/speed/results/backends.csv \\
        --page docs/speed.md

ETTh1 at 96 steps (every 7th window) by MSE, and ten of GIFT-Eval's development tasks by MASE and CRPS: geometric means
over the tasks of the engine's score over torch's, and the largest single one. What is not installed is left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ttm_sk import load_checkpoint
from ttm_sk.errors import MissingExtraError
from ttm_sk.evaluation.contenders import CheckpointContender, Forecast, History
from ttm_sk.evaluation.gift_eval_predictor import score
from ttm_sk.evaluation.gift_eval_storage import read_task
from ttm_sk.evaluation.gift_eval_tasks import CONFIGURATIONS
from ttm_sk.evaluation.leaderboard import markdown_table
from ttm_sk.evaluation.long_horizon import long_horizon
from ttm_sk.inference.export import export_checkpoint
from ttm_sk.inference.exported import open_exported
from ttm_sk.inference.forecasting import as_runner, forecast_series
from ttm_sk.inference.runner import Runner

sys.path.insert(0, str(Path(__file__).parents[1]))

from marks import put  # noqa: E402

TASKS = (
    "hospital/M/short",
    "m4_weekly/W/short",
    "us_births/D/short",
    "us_births/M/short",
    "us_births/W/short",
    "saugeen/D/short",
    "saugeen/M/short",
    "hierarchical_sales/W/short",
    "m_dense/D/short",
    "bizitobs_l2c/H/short",
)
ENGINES = {
    "ONNX Runtime, f32": ("onnx", "onnx", "f32"),
    "ONNX Runtime, int8": ("onnx-int8", "onnx", "f32"),
    "OpenVINO, f32": ("onnx", "openvino", "f32"),
    "OpenVINO, bf16": ("onnx", "openvino", "bf16"),
}
STRIDE = 7


class EngineContender(CheckpointContender):
    """The bundled weights in an engine."""

    runner: Runner

    def prepare(self, known: Sequence[History], *, horizon: int, seasonality: int) -> Forecast:
        def forecast(histories: Sequence[History]) -> np.ndarray:
            pasts = self._visible([history.values for history in histories])
            return forecast_series(self.runner, pasts, horizon, levels=self.levels, effort=str(self.effort))

        return forecast

    @cached_property
    def module(self) -> object:
        return self.checkpoint.build()


def runners() -> dict[str, Runner]:
    """torch first, then every engine that is here."""
    checkpoint = load_checkpoint("ttm-tiny")
    found: dict[str, Runner] = {"torch": as_runner(checkpoint.build())}
    with tempfile.TemporaryDirectory() as folder:
        for name, (form, engine, precision) in ENGINES.items():
            path = Path(folder) / f"{form}.onnx"
            try:
                if not path.exists():
                    export_checkpoint(checkpoint, path, format=form)
                found[name] = open_exported(path, engine=engine, precision=precision)
            except MissingExtraError:
                continue
    return found


def measure(runner: Runner, ett: Path, storage: Path) -> dict[str, float]:
    """MSE of ETTh1, and MASE and CRPS of each task."""
    csv = next(path for path in sorted(ett.iterdir()) if path.name.startswith("ETTh1"))
    table = long_horizon(load_checkpoint("ttm-tiny"), csv, horizons=[96], stride=STRIDE, runner=runner)
    found = {"ETTh1 96": float(table["mse"].iloc[0])}
    contender = EngineContender("ttm-tiny", effort="fast")
    object.__setattr__(contender, "runner", runner)
    for configuration in CONFIGURATIONS:
        if configuration.name in TASKS:
            metrics = score(contender, read_task(storage, configuration))
            found |= {f"{configuration.name} MASE": metrics["MASE[0.5]"]}
            found |= {f"{configuration.name} CRPS": metrics["mean_weighted_sum_quantile_loss"]}
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ett", type=Path, required=True)
    parser.add_argument("--storage", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args(arguments)
    columns = {}
    for name, runner in runners().items():
        columns[name] = measure(runner, options.ett, options.storage)
        print(name, {k: round(v, 4) for k, v in columns[name].items()}, flush=True)
    table = pd.DataFrame(columns).rename_axis("measured")
    table.to_csv(options.output)
    text = f"{summary(table)}\n\nWeights {load_checkpoint('ttm-tiny').hash[:12]}."
    print(text)
    if options.page:
        put(options.page, "backends", text)
    return 0


def summary(table: pd.DataFrame) -> str:
    """Each engine's scores over torch's."""
    ratio = table.div(table["torch"], axis=0)
    rows = {}
    for name in table.columns:
        row = {"ETTh1, MSE": ratio.loc["ETTh1 96", name]}
        for kind in ("MASE", "CRPS"):
            tasks = ratio.loc[[index for index in ratio.index if index.endswith(kind)], name]
            row |= {f"ten tasks, {kind}": np.exp(np.log(tasks).mean()), f"worst {kind}": tasks.max()}
        rows[name] = row
    return markdown_table(pd.DataFrame(rows).T.map("{:.4f}".format).rename_axis("engine"))


if __name__ == "__main__":
    sys.exit(main())
