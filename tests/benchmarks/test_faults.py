"""A few of the faults of `tox -e trust`: kills, full disks, read-only folders, Ctrl-C, scarce memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gluonts")
if not sys.platform.startswith("linux"):
    pytest.skip("forks, and limits processes as Linux does", allow_module_level=True)
FOLDER = Path(__file__).parents[2] / "benchmarks/trust"


def measured(noun: str, folder: Path, *options: str) -> dict:
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{noun}.py"), "--results", str(folder), *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads((folder / f"{noun}.json").read_text())


@pytest.mark.slow
def test_when_work_is_killed_at_random_then_nothing_is_damaged_and_it_ends_the_same(tmp_path):
    rows = measured("kill", tmp_path, "--times", "10")["rows"]
    assert [row["kills"] for row in rows] == [2] * 5
    assert not any(row["damaged"] or row["different"] for row in rows)


@pytest.mark.slow
def test_when_disks_folders_or_memory_fail_then_one_line_says_so_and_nothing_changes(tmp_path):
    found = measured("disk", tmp_path, "--interrupts", "2")
    assert len(found["faults"]) == 18
    assert all(row["unchanged"] and row["said"].startswith("ttm-sk: error: ") for row in found["faults"])
    assert found["memory"]["halved"]
