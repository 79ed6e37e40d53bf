"""Full disks, read-only folders, Ctrl-C and scarce memory: what is said, and what is left.

python benchmarks/trust/disk.py
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import hashlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import record
from child import end, end_within, fork
from jobs import STORAGE, start

from ttm_sk import forecast, save_checkpoint
from ttm_sk.cli import main as ttm_sk
from ttm_sk.data.tables import EXAMPLES

CAPABILITY_VERSION = 0x20080522
BEFORE = b"what stood there before"
FAILED, INTERRUPTED = 1, 130
ROOM = 1_000_000_000  # bytes of address space that a large panel may take
PATIENCE = 20.0  # seconds after which work that ignores Ctrl-C is killed


class Writer(NamedTuple):
    """A command that writes a file of that name, given the arguments."""

    output: str
    arguments: tuple[str, ...]


AIRLINE = str(EXAMPLES / "airline.csv")
WRITERS = {
    "forecast": Writer("out.csv", ("forecast", AIRLINE, "--horizon", "12", "--model", "{model}", "--output", "{out}")),
    "pretrain": Writer(
        "out.st",
        ("pretrain", "--from", "{model}", "--windows", "64", "--batch-size", "16", "--output", "{out}", "--force"),
    ),
    "finetune": Writer(
        "out.st", ("finetune", AIRLINE, "--model", "{model}", "--steps", "4", "--output", "{out}", "--force")
    ),
    "convert": Writer("new.st", ("convert", "{model}", "--to", "ttm-sk", "--output", "{out}")),
    "export": Writer("out.pt2", ("export", "{model}", "--format", "torch", "--output", "{out}", "--force")),
    "gift-eval run": Writer(
        "all_results.csv",
        ("gift-eval", "run", "--storage", str(STORAGE), "--config", "hospital", "--output", "{folder}")
        + ("--baseline", "seasonal-naive"),
    ),
}


def run(writer: Writer, folder: Path, model: Path, around: Callable[[], Any]) -> tuple[int, str]:
    """The command in a child, inside of a context that makes it fail; its exit code and what it printed."""
    known = {"model": model, "out": folder / writer.output, "folder": folder}
    arguments = [argument.format(**known) for argument in writer.arguments]

    def work() -> int:
        with around():
            return ttm_sk(arguments)

    reading, writing = os.pipe()  # a log file would be cut short, too
    child = fork(work, log=writing)
    os.close(writing)
    with os.fdopen(reading, errors="replace") as said:
        text = said.read()
    return end(child), text


def look(folder: Path) -> dict[str, str]:
    """Every file that is there, by its content."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def disk_full() -> Iterator[None]:
    """What the system says where no block is free: at once, and when buffers are flushed."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with mock.patch("os.fsync", side_effect=full):
        yield


@contextlib.contextmanager
def files_limited() -> Iterator[None]:
    """No file may grow beyond 200 bytes: the system itself cuts the write short."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
    yield


@contextlib.contextmanager
def bound_by_modes() -> Iterator[None]:
    """An account that a folder's mode binds, as it does not bind root."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    if os.getuid() == 0 and (libc.capget(header, data) or _without_override(libc, header, data)):
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")
    yield


def _without_override(libc: ctypes.CDLL, header: Any, data: Any) -> int:
    data[0] &= ~0b1110  # effective: DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
    return libc.capset(header, data)


def try_all(name: str, around: Callable[[], Any], *, mode: int = 0o755) -> list[dict[str, Any]]:
    """Each writer once, on a folder that holds a file of the output's name."""
    rows = []
    for command, writer in WRITERS.items():
        with tempfile.TemporaryDirectory() as place:
            folder, model = Path(place, "folder"), Path(place, "model.st")
            folder.mkdir()
            save_checkpoint(start(), model)
            (folder / "out.st").write_bytes(BEFORE)
            before = look(folder)
            folder.chmod(mode)
            code, text = run(writer, folder, model, around)
            folder.chmod(0o755)
            said = text.strip().splitlines()
            after = look(folder)
        line = said[-1].replace(str(place), "") if said else ""
        rows.append({"fault": name, "command": command, "code": code, "said": line, "unchanged": after == before})
    return rows


def interrupt(n_times: int, seed: int = 0) -> list[dict[str, Any]]:
    """SIGINT at random moments of training: how long it takes to end, and what is left."""
    moments, rows = random.Random(seed), []
    for _ in range(n_times):
        with tempfile.TemporaryDirectory() as place:
            folder, model = Path(place, "folder"), Path(place, "model.st")
            folder.mkdir()
            save_checkpoint(start(), model)
            arguments = ["pretrain", "--from", str(model), "--windows", "10000000", "--output", str(folder / "out.st")]

            def work(given: list[str] = arguments) -> int:
                signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background work ignore it
                return ttm_sk(given)

            child = fork(work, log=model.with_name("log.txt"))
            time.sleep(moments.uniform(1.5, 4))
            began = time.monotonic()
            os.kill(child, signal.SIGINT)
            code, seconds = end_within(child, PATIENCE), time.monotonic() - began
            said = model.with_name("log.txt").read_text().strip().splitlines()
            rows.append(
                {"code": code, "seconds": round(seconds, 2), "said": said[-1][-80:], "left": sorted(look(folder))}
            )
    return rows


def scarce_memory(n_series: int) -> dict[str, Any]:
    """A panel in one batch, in a child that may take only a little more than it has."""
    panel = np.random.default_rng(0).normal(size=(n_series, 512)).cumsum(axis=1)
    whole = forecast(panel[:64], 96, backend="torch")
    with tempfile.TemporaryDirectory() as place:
        log, kept = Path(place, "log.txt"), Path(place, "found.npy")

        def work() -> None:
            from ttm_sk.checkpoints.open import load_checkpoint
            from ttm_sk.inference.forecasting import forecast_series

            module = load_checkpoint("ttm-tiny").build()
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + ROOM,) * 2)
            found = forecast_series(module, list(panel), 96, levels=(0.1, 0.5, 0.9), batch_size=n_series)
            np.save(kept, found[:64])

        code = end(fork(work, log=log))
        said = log.read_text()
        difference = float(np.abs(np.load(kept) - whole).max() / panel.std()) if kept.exists() else None
    return {
        "series": n_series,
        "code": code,
        "halved": said.count("going on with half"),
        "difference": difference,
        "said": said.strip().splitlines()[-1:] if code else [],
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interrupts", type=int, default=10)
    parser.add_argument("--series", type=int, default=6_000, help="in one batch, where memory is scarce")
    parser.add_argument("--results", type=Path, default=record.RESULTS, help="folder for disk.json")
    arguments = parser.parse_args(argv)
    faults = try_all("disk full", disk_full) + try_all("file too large", files_limited)
    faults += try_all("read-only folder", bound_by_modes, mode=0o555)
    stops, memory = interrupt(arguments.interrupts), scarce_memory(arguments.series)
    record.write("disk", {"faults": faults, "interrupts": stops, "memory": memory}, folder=arguments.results)
    wrong = [row for row in faults if row["code"] != FAILED or not row["unchanged"] or "error" not in row["said"]]
    wrong += [row for row in stops if row["code"] != INTERRUPTED or row["left"]]
    wrong += [memory] if memory["code"] or not memory["halved"] else []
    for row in wrong:
        print(row)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
