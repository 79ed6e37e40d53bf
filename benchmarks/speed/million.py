"""A million series through Ray Data, Dask or Spark on one machine, a worker killed on the way: nothing lost or doubled.

    python benchmarks/speed/million.py --engine ray --series 1000000 --output benchmarks/speed/results/million-ray.json

Each partition makes its own synthetic series (60 days, a week in them) and forecasts the next seven days. The forecasts
are written as parquet and read again: every series must be there once. The first worker to have forecast a partition in
the middle is killed (SIGKILL) before it hands its rows over, once. Seconds, series a second, and the most memory that
the process and its children held together, sampled twice a second. ``--compare`` then makes the same partitions one
after the other in this process, and counts the rows that differ from them in a single bit.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow.dataset

from ttm_sk.distributed import forecast_frame

sys.path.insert(0, str(Path(__file__).parents[1]))

from marks import put  # noqa: E402

N_DAYS = 60
OPTIONS = {"horizon": 7, "freq": "D", "levels": (0.1, 0.9), "effort": "plain"}
SERIES_A_PART = 5000
RESULTS = Path(__file__).parent / "results"


def part_of(number: int, *, n_series: int) -> pd.DataFrame:
    """The series of one partition, the same whenever it is made."""
    first, last = number * SERIES_A_PART, min(n_series, (number + 1) * SERIES_A_PART)
    rng = np.random.default_rng(number)
    days = np.arange(N_DAYS)
    values = rng.gamma(2.0, 10.0, (last - first, 1)) * (2 + np.sin(2 * np.pi * days / 7)) + rng.normal(
        size=(last - first, N_DAYS)
    )
    stamps = np.tile(pd.date_range("2026-01-01", periods=N_DAYS).to_numpy(), last - first)
    return pd.DataFrame({"unique_id": np.repeat(np.arange(first, last), N_DAYS), "ds": stamps, "y": values.ravel()})


def forecast_part(number: int, *, n_series: int, killer: str, at: int) -> pd.DataFrame:
    """The forecasts of one partition; whoever first has those of partition ``at`` is killed with them."""
    rows = forecast_frame(part_of(number, n_series=n_series), **OPTIONS)
    if number == at and not Path(killer).exists():
        Path(killer).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return rows


def by_ray(work: Callable[[int], pd.DataFrame], n_parts: int, folder: Path) -> None:
    import ray
    import ray.data

    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, _node_ip_address="127.0.0.1", logging_level="error")
    try:
        parts = ray.data.range(n_parts, override_num_blocks=n_parts)
        parts.map_batches(
            lambda rows: work(int(rows["id"].iloc[0])), batch_size=1, batch_format="pandas"
        ).write_parquet(str(folder))
    finally:
        ray.shutdown()


def by_dask(work: Callable[[int], pd.DataFrame], n_parts: int, folder: Path) -> None:
    import dask.dataframe
    from distributed import Client, LocalCluster

    # Without its MALLOC_TRIM_THRESHOLD_, with which glibc asks the system for every tensor anew: three times slower.
    dask.config.set({"distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1}})
    meta = forecast_frame(part_of(0, n_series=1), **OPTIONS).iloc[:0]
    cluster = LocalCluster(n_workers=os.cpu_count(), threads_per_worker=1, dashboard_address=None, host="127.0.0.1")
    with cluster, Client(cluster):
        dask.dataframe.from_map(work, range(n_parts), meta=meta).to_parquet(str(folder), write_index=False)


def by_spark(work: Callable[[int], pd.DataFrame], n_parts: int, folder: Path) -> None:
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else the workers take whichever is first on the path

    def some(frames):
        for frame in frames:
            for number in frame["id"]:
                yield work(int(number))

    builder = SparkSession.builder.master(f"local[{os.cpu_count()},4]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.session.timeZone", "UTC")
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    try:
        schema = "unique_id long, ds timestamp, forecast double, `0.1` double, `0.9` double"
        session.range(n_parts, numPartitions=n_parts).mapInPandas(some, schema).write.mode("overwrite").parquet(
            str(folder)
        )
    finally:
        session.stop()


ENGINES = {"ray": by_ray, "dask": by_dask, "spark": by_spark}


def memory_of(process: psutil.Process) -> float:
    """Resident bytes of a process and its children that no other of them shares, in megabytes."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().uss
        except psutil.Error:  # it ended meanwhile
            continue
    return total / 2**20


def watched(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and the most megabytes, while ``work`` runs."""
    most, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            most[0] = max(most[0], memory_of(psutil.Process()))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    began = time.perf_counter()
    try:
        work()
    finally:
        over.set()
        watcher.join()
    return time.perf_counter() - began, most[0]


def check(folder: Path, n_series: int) -> dict[str, int]:
    """How many series are missing or there more than once."""
    found = pyarrow.dataset.dataset(str(folder), format="parquet").to_table(columns=["unique_id"])
    counts = np.bincount(found["unique_id"].to_numpy(), minlength=n_series)
    rows = OPTIONS["horizon"]
    return {"lost": int((counts < rows).sum()), "doubled": int((counts > rows).sum()), "rows": int(counts.sum())}


def compare(folder: Path, n_series: int) -> dict[str, float]:
    """Rows that are not those of one process, bit for bit, and by how much the numbers differ at most."""
    found = pyarrow.dataset.dataset(str(folder), format="parquet").to_table().to_pandas()
    found = found.sort_values(["unique_id", "ds"], ignore_index=True)
    n_parts = -(-n_series // SERIES_A_PART)
    parts = [forecast_frame(part_of(number, n_series=n_series), **OPTIONS) for number in range(n_parts)]
    expected = pd.concat(parts, ignore_index=True)
    if len(found) != len(expected):
        return {"different": abs(len(found) - len(expected))}
    numbers = ["forecast", "0.1", "0.9"]
    is_same = (found[numbers].to_numpy() == expected[numbers].to_numpy()).all(axis=1)
    is_same &= found["unique_id"].to_numpy() == expected["unique_id"].to_numpy()
    is_same &= found["ds"].astype("datetime64[ns]").to_numpy() == expected["ds"].astype("datetime64[ns]").to_numpy()
    largest = np.abs(found[numbers].to_numpy() - expected[numbers].to_numpy()).max()
    return {"different": int((~is_same).sum()), "largest_difference": float(largest)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=list(ENGINES), help="none: only write the page")
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--compare", action="store_true", help="with the forecasts of one process")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--page", type=Path, help="Markdown file that gets the table of results/million-*.json")
    options = parser.parse_args()
    if not (options.engine or options.page):
        parser.error("give an --engine to run, or a --page to write")
    if options.engine:
        run(options)
    if options.page:
        write_page(options.page)


def run(options: argparse.Namespace) -> None:
    """One engine; its row is printed and kept."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    n_parts = -(-options.series // SERIES_A_PART)
    with tempfile.TemporaryDirectory() as place:
        folder, killer = Path(place) / "forecasts", Path(place) / "killed"
        work = partial(forecast_part, n_series=options.series, killer=str(killer), at=n_parts // 2)
        seconds, most = watched(lambda: ENGINES[options.engine](work, n_parts, folder))
        row = {"engine": options.engine, "series": options.series, "seconds": round(seconds, 1)}
        row |= {"series_a_second": round(options.series / seconds), "most_mb": round(most), "cores": os.cpu_count()}
        row |= check(folder, options.series) | {"worker_killed": killer.exists()}
        row |= compare(folder, options.series) if options.compare else {}
    print(json.dumps(row))
    if options.output:
        options.output.write_text(json.dumps(row) + "\n")


def write_page(page: Path) -> None:
    """Put the table of what was kept between the marks."""
    rows = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("million-*.json"))]
    lines = ["| engine | series | seconds | series a second | most memory, MB | lost | doubled |", "|---" * 7 + "|"]
    for row in rows:
        values = [f"{row[name]:,}" for name in ("series", "seconds", "series_a_second", "most_mb", "lost", "doubled")]
        lines.append(f"| {row['engine'].capitalize()} | {' | '.join(values)} |")
    put(page, "million", "\n".join(lines))


if __name__ == "__main__":
    main()
