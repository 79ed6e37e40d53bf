"""How fast this package is beside others: the same weights, in one process, one after the other in every round.

    python benchmarks/speed/compare.py --granite FOLDER --rounds 9 --output benchmarks/speed/results/speed.json \
        --page docs/speed.md --picture docs/images/speed.png

A ratio is the median, over the rounds, of the peer's time over ours in that round: what else the machine does slows
both. What is not installed is left out. ``--only forward`` (or ``panel``, ``training``, ``start``, ``warm``) measures a
part. The first table says which goals were reached.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from goals import goals, in_words
from peers import GRANITE, HORIZON, OURS, Forwards, inputs, panel, panel_calls
from torch.utils.flop_counter import FlopCounterMode

from ttm_sk import TTMForecaster, load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.windows import batch_from_arrays
from ttm_sk.evaluation.leaderboard import markdown_table
from ttm_sk.scoring.metrics import mase, seasonal_error
from ttm_sk.training.objectives import scaled_loss

sys.path.insert(0, str(Path(__file__).parents[1]))

from marks import put  # noqa: E402

PARTS = ("forward", "training", "panel", "start", "warm")
BATCHES = (1, 64, 1024)
PACKAGES = (
    "ttm-sk",
    "torch",
    "numpy",
    "pandas",
    "sktime",
    "onnxruntime",
    "openvino",
    "granite-tsfm",
    "chronos-forecasting",
    "transformers",
)
Results = dict[str, list[dict[str, object]]]
IMPORTS = {
    "import ttm_sk": "import ttm_sk",
    "TTMForecaster": "from ttm_sk import TTMForecaster",
    "torch and sktime's base": "import torch, sktime.forecasting.base",
}


def interleaved(calls: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of every call in every round; one round before does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if i:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratios(seconds: Mapping[str, list[float]], *, to: str) -> dict[str, float]:
    """Median over the rounds of the time of ``to`` over each one's: how many times faster it is."""
    return {
        name: statistics.median(base / own for base, own in zip(seconds[to], found, strict=True))
        for name, found in seconds.items()
    }


def measure(options: argparse.Namespace, *, is_first: bool) -> Results:
    """All parts that were asked for, at the number of threads that is set; starts are measured once."""
    results: Results = {}
    if "forward" in options.only:
        results["forward, ttm-tiny"] = measure_forward(load_checkpoint("ttm-tiny"), None, options.rounds)
        if options.granite:
            granite = load_checkpoint(options.granite)
            results["forward, Granite's weights"] = measure_forward(granite, options.granite, options.rounds)
    if "training" in options.only:
        results["training"] = measure_training(options.rounds)
    if "panel" in options.only:
        results["panel"] = measure_panel(options.granite, max(1, options.rounds // 3), options.series, options.of_peers)
    if "start" in options.only and is_first:
        results["start"] = measure_start(options.rounds)
    if "warm" in options.only:
        results["warm"] = measure_warm(options.rounds)
    return results


def measure_forward(checkpoint: Checkpoint, folder: Path | None, rounds: int) -> list[dict[str, object]]:
    """Rows of one model: how many times faster than granite-tsfm (or, without it, than ours in torch)."""
    forwards, rows = Forwards(checkpoint, folder), []
    peak = sgemm_rate()
    with torch.inference_mode():
        for batch_size in BATCHES:
            seconds = interleaved(forwards.calls(batch_size), rounds=rounds)
            base = GRANITE if GRANITE in seconds else OURS
            fastest = {name: min(found) for name, found in seconds.items()}
            rate = operations(forwards.module, batch_size) / fastest[OURS]
            for name, ratio in ratios(seconds, to=base).items():
                rows.append(
                    {
                        "batch": batch_size,
                        "engine": name,
                        "ms": 1e3 * fastest[name],
                        "times": ratio,
                        "relative to": base,
                    }
                )
            rows[-len(seconds)]["share of sgemm"] = rate / peak  # ours stands first
    return rows


def operations(module: torch.nn.Module, batch_size: int) -> int:
    """Multiplications and additions of the matrix products in one pass."""
    with FlopCounterMode(display=False) as counter:
        module(*inputs(module, batch_size))
    return counter.get_total_flops()


def sgemm_rate(size: int = 1024) -> float:
    """Operations a second of the best of ten square products."""
    a, b = torch.randn(2, size, size)
    return 2 * size**3 / min(interleaved({"product": lambda: a @ b}, rounds=10)["product"])


def measure_training(rounds: int) -> list[dict[str, object]]:
    """Forward and backward of 256 windows of the bundled model."""
    module = load_checkpoint("ttm-tiny").build().train()
    walks = np.random.default_rng(0).normal(size=(256, 1, module.context_length + 96)).cumsum(-1).astype(np.float32)
    batch = batch_from_arrays(walks[..., :-96], walks[..., -96:])

    def step() -> None:
        module.zero_grad()
        scaled_loss(module, batch).backward()

    seconds = interleaved({"step": step}, rounds=rounds)["step"]
    return [{"what": "training step, 256 windows", "ms": 1e3 * min(seconds)}]


def measure_panel(folder: Path | None, rounds: int, n_series: int, n_of_peers: int) -> list[dict[str, object]]:
    """Fit and predict; slow peers forecast the first series alone, and count in proportion. MASE is that of those."""
    y, target = panel(n_series, 512)
    part = y.loc[: n_of_peers - 1]
    errors = [seasonal_error(part.loc[i, "y"].to_numpy(), seasonality=24) for i in range(n_of_peers)]
    rows = []
    for name, call in panel_calls(y, folder).items():
        data, share = (y, 1) if name.startswith("ttm_sk") else (part, n_series / n_of_peers)
        seconds = [share * second for second in interleaved({name: lambda c=call, d=data: c(d)}, rounds=rounds)[name]]
        forecast = call(data).to_numpy().reshape(-1, HORIZON)[:n_of_peers]
        row = {"forecaster": name, "seconds": statistics.median(seconds), "series timed": len(data) // 512}
        rows.append(row | {"MASE": mase(target=target[:n_of_peers], forecast=forecast, seasonal_error=errors)})
    ours = rows[0]["seconds"]
    return [row | {"times ttm_sk, plain": row["seconds"] / ours} for row in rows]


def measure_warm(rounds: int) -> list[dict[str, object]]:
    """One series through sktime, after a first forecast: fit and predict, and predict alone."""
    y = panel(1, 512)[0].loc[0, "y"].asfreq("h")
    steps = np.arange(1, HORIZON + 1)
    rows = []
    for effort in ("plain", "fast"):
        fitted = TTMForecaster(effort=effort).fit(y)
        calls = {
            f"one warm forecast, 512 -> {HORIZON}, {effort}": lambda f=fitted: f.predict(fh=steps),
            f"the same with fit, {effort}": lambda e=effort: TTMForecaster(effort=e).fit(y).predict(fh=steps),
        }
        seconds = interleaved(calls, rounds=5 * rounds)
        rows += [{"what": name, "ms": 1e3 * statistics.median(found)} for name, found in seconds.items()]
    return rows


def measure_start(rounds: int) -> list[dict[str, object]]:
    """Milliseconds of imports in fresh processes, in turn, less those of the interpreter; the least of the rounds."""
    calls = {name: lambda c=code: _fresh(c) for name, code in {"nothing": "pass", **IMPORTS}.items()}
    least = {name: min(seconds) for name, seconds in interleaved(calls, rounds=rounds).items()}
    return [{"import": name, "ms": 1e3 * (least[name] - least["nothing"])} for name in IMPORTS]


def _fresh(code: str) -> None:
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def conditions(threads: list[int]) -> dict[str, object]:
    """What the figures depend on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "weights": load_checkpoint("ttm-tiny").hash,
        "threads": threads,
        "processor": _processor(),
        "load_average": os.getloadavg()[0],
        "versions": versions,
    }


def _processor() -> str:
    cores = Path("/proc/cpuinfo")
    lines = cores.read_text().splitlines() if cores.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def tables(results: Results) -> str:
    """All rows as Markdown."""
    import pandas as pd

    parts = []
    for name, rows in results.items():
        table = pd.DataFrame(rows)
        for column in table.select_dtypes("float"):
            table[column] = table[column].map(lambda value: "" if pd.isna(value) else in_words(value))
        parts += [f"### {name[0].upper()}{name[1:]}", "", markdown_table(table.set_index(table.columns[0])), ""]
    return "\n".join(parts)


def draw(results: Results, path: Path) -> None:
    """How many times faster, for every model, engine and batch size."""
    from matplotlib.figure import Figure

    shown = {name: rows for name, rows in results.items() if name.startswith("forward")}
    n_columns = min(2, len(shown))  # more beside each other could not be read on a page
    n_rows = -(-len(shown) // n_columns)
    figure = Figure(figsize=(5 * n_columns, 3.2 * n_rows), layout="constrained")
    places = figure.subplots(n_rows, n_columns, squeeze=False).flat
    for axes in list(places)[len(shown) :]:
        axes.set_axis_off()
    for axes, (name, rows) in zip(figure.axes, shown.items(), strict=False):
        names = list(dict.fromkeys(str(row["engine"]) for row in rows))
        for k, batch_size in enumerate(BATCHES):
            times = {str(row["engine"]): row["times"] for row in rows if row["batch"] == batch_size}
            heights = np.arange(len(names)) + 0.25 * (1 - k)
            axes.barh(heights, [times[each] for each in names], 0.25, label=f"batch {batch_size}")
        axes.set_yticks(range(len(names)), names)
        axes.set_title(name)
        axes.set_xlabel(f"times the speed of {rows[0]['relative to']}")
        axes.legend()
    figure.savefig(path, dpi=120)


def main(arguments: list[str]) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--granite", type=Path, help="folder of an IBM Granite checkpoint, 512 steps to 96")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--series", type=int, default=400)
    parser.add_argument("--of-peers", type=int, default=8, help="series that the slow peers forecast")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--output", type=Path, default=Path("speed.json"))
    parser.add_argument("--page", type=Path, help="Markdown file whose figures are replaced")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args(arguments)
    results: Results = {}
    for n_threads in options.threads:
        torch.set_num_threads(n_threads)
        suffix = "" if n_threads == 1 else f", {n_threads} threads"
        results |= {f"{name}{suffix}": rows for name, rows in measure(options, is_first=not results).items()}
    if reached := goals(results):
        results = {"goals": reached} | results
    text = tables(results)
    print(text)
    options.output.write_text(json.dumps(conditions(options.threads) | {"results": results}, indent=1) + "\n")
    if options.picture:
        draw(results, options.picture)
    if options.page:
        put(options.page, "figures", text)


if __name__ == "__main__":
    main(sys.argv[1:])
