"""Results as JSON: what was measured, when, of which commit, on what kind of machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ttm_sk import __version__
from ttm_sk.checkpoints.provenance import source_commit

__all__ = ["RESULTS", "machine", "read", "write"]

RESULTS = Path(__file__).with_name("results")


def machine() -> str:
    """'N cores, CPU model': a kind of machine, not a name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {_cpu_model()}"


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return found or platform.processor() or platform.machine()


def _commit_here() -> str:
    """The commit of these scripts, from which an installed package was built; empty without git."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def write(noun: str, values: dict[str, Any], *, folder: Path = RESULTS) -> Path:
    """Keep what was measured under the noun's name."""
    about = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": source_commit() or _commit_here(),
        "machine": machine(),
        "version": __version__,
        "python": platform.python_version(),
    }
    folder.mkdir(exist_ok=True)
    path = folder / f"{noun}.json"
    path.write_text(json.dumps(about | values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {path.name}")
    return path


def read(noun: str, *, folder: Path = RESULTS) -> dict[str, Any] | None:
    """What was measured last; None where it never was."""
    path = folder / f"{noun}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
