"""A worker of each cluster engine killed on the way: series lost, doubled, or other than those of one process.

python benchmarks/trust/engines.py --series 40000

An engine that is not installed is named as left out; `tox -e trust-engines` installs them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import record

SCRIPT = Path(__file__).parents[1] / "speed/million.py"
PACKAGES = {"ray": ("ray",), "dask": ("dask", "distributed"), "spark": ("pyspark",)}
LONGEST = 1800  # seconds of one engine
FAULTS = ("lost", "doubled", "different")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    parser.add_argument("--series", type=int, default=40_000)
    parser.add_argument("--results", type=Path, default=record.RESULTS, help="folder for engines.json")
    arguments = parser.parse_args(argv)
    rows = [measure(engine, arguments.series) for engine in arguments.engine]
    record.write("engines", {"rows": rows}, folder=arguments.results)
    for row in rows:
        print(row)
    return 1 if any("skipped" not in row and not is_whole(row) for row in rows) else 0


def is_whole(row: dict[str, Any]) -> bool:
    """Whether a worker died, and every row is there once, with the bits of one process."""
    return bool(row.get("worker_killed")) and all(row.get(fault) == 0 for fault in FAULTS)


def measure(engine: str, n_series: int) -> dict[str, Any]:
    """One engine in a process of its own, or why it was left out."""
    if reason := missing(engine):
        return {"engine": engine, "skipped": reason}
    with tempfile.TemporaryDirectory() as name:
        kept = Path(name, "row.json")
        asked = ["--engine", engine, "--series", str(n_series), "--compare", "--output", str(kept)]
        threads = {"OMP_NUM_THREADS": "1", "PYSPARK_PYTHON": sys.executable}
        try:
            done = subprocess.run(
                [sys.executable, str(SCRIPT), *asked],
                capture_output=True,
                text=True,
                timeout=LONGEST,
                env={**os.environ, **threads},
            )
        except subprocess.TimeoutExpired:
            return {"engine": engine, "failed": f"not done after {LONGEST} seconds"}
        if done.returncode or not kept.exists():
            return {"engine": engine, "failed": done.stderr.strip()[-300:]}
        version = {"version": importlib.metadata.version(PACKAGES[engine][0])}
        return json.loads(kept.read_text()) | version


def missing(engine: str) -> str:
    """What of an engine's needs is not installed; empty if nothing."""
    for package in (*PACKAGES[engine], "psutil", "pyarrow"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    if engine == "spark" and shutil.which("java") is None:
        return "java is not installed"
    return ""


if __name__ == "__main__":
    sys.exit(main())
