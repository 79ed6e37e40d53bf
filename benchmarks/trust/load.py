"""Many threads and processes, long hours, large panels, long series.

python benchmarks/trust/load.py --minutes 60 --series 200000 --points 10000000
python benchmarks/trust/load.py --parts hours
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from child import end, fork

from ttm_sk import forecast
from ttm_sk.checkpoints.provenance import source_commit
from ttm_sk.evaluation.measurement import peak_memory_mb

N_TASKS = 32
MOST_GROWTH_MB = 50
PARTS = ("together", "hours", "long", "panel")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="the others stay as measured")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=60.0, help="of forecasts, for the memory")
    parser.add_argument("--series", type=int, default=200_000)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--results", type=Path, default=record.RESULTS, help="folder for load.json")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    works = {
        "together": lambda: together(arguments.threads, arguments.processes),
        "hours": lambda: hours(arguments.minutes),
        "long": lambda: alone(lambda: series_of(arguments.points)),
        "panel": lambda: alone(lambda: panel_of(arguments.series)),
    }
    origin = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": source_commit()}
    found = {part: works[part]() for part in arguments.parts}
    marked = {part: values | origin for part, values in found.items() if values}
    record.write("load", kept(arguments.results) | marked, folder=arguments.results)
    print(found)
    return 0 if all(is_met(part, values) for part, values in found.items()) else 1


def kept(folder: Path) -> dict[str, Any]:
    """The parts that were measured before, each with its own date and commit."""
    before = record.read("load", folder=folder) or {}
    origin = {name: before.get(name) for name in ("date", "commit")}
    return {part: origin | before[part] for part in PARTS if before.get(part)}


def is_met(part: str, values: dict[str, Any]) -> bool:
    """Whether what was measured is as it should be; what failed has no values."""
    if part == "together":
        return bool(values["identical"])
    return bool(values) and (part != "hours" or values["growth_mb"] < MOST_GROWTH_MB)


def _answer(task: int) -> str:
    """The hash of every bit of one forecast."""
    values = np.random.default_rng(task).normal(size=200 + 7 * task).cumsum()
    return hashlib.sha256(forecast(values, 120, backend="torch").tobytes()).hexdigest()


def _answers(n_threads: int) -> list[str]:
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(_answer, range(N_TASKS)))


def together(n_threads: int, n_processes: int) -> dict[str, Any]:
    """Whether threads in processes give the bits that one after the other gives."""
    serial = "\n".join(_answer(task) for task in range(N_TASKS))
    with tempfile.TemporaryDirectory() as name:
        places = [Path(name, str(i)) for i in range(n_processes)]
        children = [
            fork(lambda to=place: to.write_text("\n".join(_answers(n_threads))) and 0, log=Path(name, "log"))
            for place in places
        ]
        codes = [end(child) for child in children]
        same = [place.exists() and place.read_text() == serial for place in places]
    return {
        "threads": n_threads,
        "processes": n_processes,
        "forecasts": N_TASKS * n_processes,
        "identical": all(same) and not any(codes),
    }


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def hours(minutes: float) -> dict[str, Any]:
    """Forecasts of changing lengths and horizons, one after the other; memory after the first tenth and at the end."""
    began, busy, count, early = time.monotonic(), time.process_time(), 0, None
    random = np.random.default_rng(0)
    while (passed := time.monotonic() - began) < 60 * minutes:
        forecast(random.normal(size=int(random.integers(5, 5000))), int(random.integers(1, 200)), backend="torch")
        count += 1
        if early is None and passed > 6 * minutes:
            early = _resident_mb()
    late = _resident_mb()
    return {
        "minutes": minutes,
        "core_minutes": round((time.process_time() - busy) / 60, 1),  # on a busy machine much less than passed
        "forecasts": count,
        "early_mb": round(early or late, 1),
        "late_mb": round(late, 1),
        "growth_mb": round(late - (early or late), 1),
    }


def alone(work: Any) -> dict[str, Any]:
    """Work in a process of its own, for its own peak of memory."""
    with tempfile.TemporaryDirectory() as name:
        kept = Path(name, "found.npy")

        def save() -> None:
            began = time.monotonic()
            size, is_finite = work()
            np.save(kept, [size, is_finite, time.monotonic() - began, peak_memory_mb()])

        if end(fork(save, log=Path(name, "log"))):
            print(Path(name, "log").read_text()[-500:])
            return {}
        size, is_finite, seconds, peak = np.load(kept)
    if not is_finite:
        return {}
    return {"size": int(size), "seconds": round(seconds, 1), "peak_mb": round(peak)}


def panel_of(n_series: int) -> tuple[int, bool]:
    """Series of 100 steps, 12 ahead."""
    values = np.random.default_rng(0).normal(size=(n_series, 100))
    found = forecast(values, 12, effort="plain", backend="torch")
    return len(found), bool(np.isfinite(found).all())


def series_of(n_points: int) -> tuple[int, bool]:
    """One series of so many points."""
    values = np.sin(np.arange(n_points) / 50)
    return n_points, bool(np.isfinite(forecast(values, 96, backend="torch")).all())


if __name__ == "__main__":
    sys.exit(main())
