"""Fuzz the readers of files, guided by coverage (atheris): minutes, executions, findings.

python benchmarks/trust/fuzz.py --seconds 60
python benchmarks/trust/fuzz.py --target header --seconds 600
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fuzz_targets
import record

from ttm_sk.checkpoints.provenance import source_commit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", nargs="+", choices=fuzz_targets.TARGETS, default=list(fuzz_targets.TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--results", type=Path, default=record.RESULTS, help="folder for fuzz.json")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.target:
        rows.append(fuzz(name, arguments.seconds) | {"commit": source_commit()})
        both = kept(arguments.results, without=arguments.target) + rows
        record.write("fuzz", {"targets": both}, folder=arguments.results)  # what was found is kept, come what may
    for row in rows:
        print(f"{row['target']}: {row['executions']:,} executions, {len(row['findings'])} findings {row['findings']}")
    return 1 if any(row["findings"] for row in rows) else 0


def kept(folder: Path, *, without: list[str]) -> list[dict]:
    """What the other targets gave before, each with its own commit."""
    before = record.read("fuzz", folder=folder) or {"targets": []}
    rows = [{"commit": before["commit"]} | row for row in before["targets"]]
    return [row for row in rows if row["target"] not in without]


def fuzz(name: str, seconds: int) -> dict:
    """One process of libFuzzer on one target, from its seeds."""
    with tempfile.TemporaryDirectory() as folder:
        seeds, found = Path(folder, "seeds"), Path(folder, "findings")
        seeds.mkdir()
        for i, content in enumerate(fuzz_targets.TARGETS[name].seeds()):
            (seeds / f"{i}").write_bytes(content)
        command = [sys.executable, fuzz_targets.__file__, name, str(found), str(seeds)]
        options = [f"-max_total_time={seconds}", "-print_final_stats=1", "-rss_limit_mb=3000", "-timeout=20"]
        began, busy = time.monotonic(), _busy_seconds()
        result = subprocess.run([*command, *options], capture_output=True, text=True, cwd=folder)
        lines = found.read_text().splitlines() if found.exists() else []
    said = re.search(r"stat::number_of_executed_units:\s*(\d+)", result.stderr)
    covered = re.findall(r"cov: (\d+)", result.stderr)
    findings = [json.loads(line) for line in lines]
    if said is None or result.returncode:
        findings.append(f"ended with {result.returncode}: {result.stderr[-300:]}")
    return {
        "target": name,
        "minutes": round((time.monotonic() - began) / 60, 2),
        "core_minutes": round((_busy_seconds() - busy) / 60, 2),
        "executions": int(said[1]) if said else 0,
        "edges": int(covered[-1]) if covered else 0,
        "findings": findings,
    }


def _busy_seconds() -> float:
    """Of the processes that have ended; on a busy machine much less than passed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
