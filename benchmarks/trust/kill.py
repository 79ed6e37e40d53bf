"""SIGKILL at random moments: every file that has its name is whole, and the work goes on to the same result.

python benchmarks/trust/kill.py --times 100
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import record
from child import end, fork
from jobs import JOBS, Job

MEMORY = next((path for path in ("/dev/shm",) if os.access(path, os.W_OK)), None)  # a kill loses no page, so no disk
MOST_KILLS = 4  # in one folder, before the work may end


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100, help="kills, over all kinds of work")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--results", type=Path, default=record.RESULTS, help="folder for kill.json")
    arguments = parser.parse_args(argv)
    moments = random.Random(arguments.seed)
    each = -(-arguments.times // len(JOBS))
    rows = [{"work": name, **measure(job, each, moments)} for name, job in JOBS.items()]
    record.write("kill", {"rows": rows}, folder=arguments.results)
    for row in rows:
        print(row)
    return 1 if any(row["damaged"] or row["different"] or row["kills"] < each for row in rows) else 0


def measure(job: Job, n_kills: int, moments: random.Random) -> dict[str, Any]:
    """Kill the work so often, a few times in one folder, then let it end and compare."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        began = time.monotonic()
        undisturbed = finish(job, Path(name))
        seconds = time.monotonic() - began
    counts = {"seconds": round(seconds, 2), "kills": 0, "damaged": 0, "different": 0, "left behind": 0}
    tries = 0
    while counts["kills"] < n_kills and tries < 5 * n_kills:
        with tempfile.TemporaryDirectory(dir=MEMORY) as name:
            folder = Path(name)
            for _ in range(min(MOST_KILLS, n_kills - counts["kills"])):
                tries += 1
                was_killed = kill(job, folder, moments.uniform(0, seconds))
                seconds *= 1 if was_killed else 0.8  # it went on faster than the first time
                counts["kills"] += was_killed
                counts["damaged"] += damaged(job, folder)
            counts["different"] += finish(job, folder) != undisturbed
            counts["left behind"] += len(list(folder.glob(".*.tmp")))
    return counts


def kill(job: Job, folder: Path, after: float) -> bool:
    """Whether the work was still going on when it was killed."""
    child = fork(lambda: job.work(folder), log=folder.with_suffix(".log"))
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return end(child) == -signal.SIGKILL


def finish(job: Job, folder: Path) -> object:
    """What undisturbed work leaves."""
    log = folder.with_suffix(".log")
    code = end(fork(lambda: job.work(folder), log=log))
    if code:
        raise RuntimeError(f"the work ended with {code}: {log.read_text()[-500:]}")
    log.unlink()
    return job.result(folder)


def damaged(job: Job, folder: Path) -> bool:
    """Whether something stands under its own name that cannot be read; what is not there yet is none."""
    if not any(path for path in folder.iterdir() if not path.name.startswith(".") and path.suffix != ".state"):
        return False
    try:
        job.result(folder)
    except FileNotFoundError:
        return False
    except Exception as error:
        print(f"damaged: {type(error).__name__}: {error}")
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
