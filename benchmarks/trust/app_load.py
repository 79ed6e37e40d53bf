"""`ttm-sk app` under many requests at once: right answers or a clean "busy", limits on size and time, memory.

python benchmarks/trust/app_load.py --people 50 --rounds 10
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import record

from ttm_sk.app.analysis import analyse
from ttm_sk.app.choices import Choices

HOST = "127.0.0.1"
OK, SEE, TOO_LARGE, BUSY, LATE = 200, 303, 413, 503, 408
BODY_SECONDS = 60  # that the page waits for a body
FORM = {"horizon": "7", "windows": "1", "effort": "plain", "target": "sales"}
SLOW = {"horizon": "2000", "windows": "20", "effort": "best", "strategy": "full", "target": "sales"}
TIME_LIMIT = "15"  # seconds of a forecast: hours are far beyond it, and a short one far below it on a busy machine
MOST_GROWTH_MB = 50
PATIENCE = 120.0  # seconds, after which no answer is a missing answer


class Answer(NamedTuple):
    status: int
    address: str
    text: str


def ask(port: int, method: str, address: str, body: bytes = b"", kind: str = "") -> Answer:
    """One request, as a browser on the page sends it."""
    headers = {"Origin": f"http://{HOST}:{port}"} | ({"Content-Type": kind} if kind else {})
    with contextlib.closing(HTTPConnection(HOST, port, timeout=PATIENCE)) as line:
        line.request(method, address, body or None, headers)
        found = line.getresponse()
        return Answer(found.status, found.getheader("location") or "", found.read().decode())


def upload(port: int, content: bytes, name: str = "sales.csv") -> Answer:
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return ask(port, "POST", "/tables", head.encode() + content + b"\r\n--b--\r\n", "multipart/form-data; boundary=b")


def forecast(port: int, table: str, form: dict[str, str]) -> Answer:
    return ask(port, "POST", f"{table}/forecasts", urlencode(form).encode(), "application/x-www-form-urlencoded")


def table_of(person: int) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=60, freq="D").strftime("%Y-%m-%d")
    return pd.DataFrame({"day": days, "sales": np.round(10.0 * person + np.sin(np.arange(60.0)) + 20, 3)})


def expected_of(person: int) -> str:
    choices = Choices.of({name: [value] for name, value in FORM.items()})
    return analyse(table_of(person), choices).table().to_csv(index=False)


@contextlib.contextmanager
def served(*options: str) -> Iterator[tuple[int, int]]:
    """Port and process id of a page of its own."""
    command = [sys.executable, "-m", "ttm_sk", "app", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield int(re.search(r":(\d+)/", process.stdout.readline())[1]), process.pid
    finally:
        process.terminate()
        process.wait(20)


def memory_mb(process: int) -> float:
    """Resident megabytes of the page and of the process that forecasts for it."""
    tasks = Path(f"/proc/{process}/task")
    children = {child for task in tasks.iterdir() for child in (task / "children").read_text().split()}
    pages = [int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in (process, *children)]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Visitors:
    """People at the page, who count what they are answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.counts: Counter[str] = Counter()
        self.seconds: list[float] = []
        self._counting = threading.Lock()

    def visit(self, person: int, expected: str) -> None:
        """Upload, forecast, download; again as long as the page says that it is busy."""
        content = table_of(person).to_csv(index=False).encode()
        table = self._until_done(lambda: upload(self._port, content))
        made = self._until_done(lambda: forecast(self._port, table.address, FORM))
        found = self._until_done(lambda: ask(self._port, "GET", f"{made.address}/forecast.csv"))
        is_right = (found.status, found.text) == (OK, expected)
        self._count("right" if is_right else "wrong")
        if not is_right:
            print(person, table[:2], made[:2], found.status, _said(found.text), found.text[-300:], expected[-300:])

    def _until_done(self, request: Callable[[], Answer]) -> Answer:
        """The first answer that is not a clean "busy"."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            began = time.monotonic()
            answer = request()
            with self._counting:
                self.seconds.append(time.monotonic() - began)
            if answer.status != BUSY or "ry again later" not in answer.text:
                return answer
            self._count("busy")
            time.sleep(0.5)
        return Answer(BUSY, "/", "")

    def _count(self, what: str) -> None:
        with self._counting:
            self.counts[what] += 1


def crowd(n_people: int, n_rounds: int) -> dict[str, Any]:
    """All at once, round after round; memory after the first round and after the last."""
    expected = [expected_of(person) for person in range(n_people)]
    with served() as (port, process), ThreadPoolExecutor(n_people) as pool:
        visitors, memory = Visitors(port), []
        for _ in range(n_rounds):
            list(pool.map(visitors.visit, range(n_people), expected))
            memory.append(memory_mb(process))
    return {
        "people": n_people,
        "rounds": n_rounds,
        "requests": len(visitors.seconds),
        **{name: visitors.counts[name] for name in ("right", "wrong", "busy")},
        "slowest_seconds": round(max(visitors.seconds), 2),
        "memory_mb": [round(value, 1) for value in memory],
        "growth_mb": round(memory[-1] - memory[len(memory) // 2], 1),
    }


def limits() -> list[dict[str, Any]]:
    """What is too large, too slow or too long is answered, and the page goes on."""
    with served("--upload-limit", "1", "--time-limit", TIME_LIMIT) as (port, _):
        trap = _trap()
        tries = {
            "a file of 50 MB": lambda: upload(port, b"x" * 50 * 2**20),
            "a gzip file of 20 KB that unpacks to 20 MB": lambda: upload(port, trap, "trap.csv.gz"),
            "a body of which half comes": lambda: _half(port),
            "a forecast that takes hours": lambda: forecast(port, _table(port), SLOW),
        }
        rows = []
        for name, act in tries.items():
            began = time.monotonic()
            answer = act()
            seconds = round(time.monotonic() - began, 1)
            after = forecast(port, _table(port), FORM).status == SEE
            rows.append({"what": name, "status": answer.status, "said": _said(answer.text), "seconds": seconds})
            rows[-1]["goes on"] = after
    return rows


def _table(port: int) -> str:
    return upload(port, table_of(0).to_csv(index=False).encode()).address


def _trap() -> bytes:
    import gzip

    return gzip.compress(b"day,sales\n" + b"x" * 20 * 2**20)


def _half(port: int) -> Answer:
    """A form whose second half never comes."""
    head = f"POST /tables HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    with socket.create_connection((HOST, port), timeout=2 * BODY_SECONDS) as line:
        line.sendall(f"{head}Content-Length: 1000\r\n\r\n--b\r\n".encode())
        with line.makefile(encoding="utf-8") as reader:
            status = int(reader.readline().split()[1])
            return Answer(status, "", "".join(reader))


def _said(page: str) -> str:
    """The problem that a page shows."""
    found = re.search(r'class="problem" role="alert" tabindex[^>]*>(.*?)</div>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split()) if found else ""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--results", type=Path, default=record.RESULTS, help="folder for app_load.json")
    arguments = parser.parse_args(argv)
    found = {"crowd": crowd(arguments.people, arguments.rounds), "limits": limits()}
    record.write("app_load", found, folder=arguments.results)
    print(found)
    is_right = found["crowd"]["wrong"] == 0 and found["crowd"]["right"] == arguments.people * arguments.rounds
    statuses = [row["status"] for row in found["limits"]]
    is_bound = statuses == [TOO_LARGE, 422, LATE, BUSY] and all(row["goes on"] for row in found["limits"])
    return 0 if is_right and is_bound and found["crowd"]["growth_mb"] < MOST_GROWTH_MB else 1


if __name__ == "__main__":
    sys.exit(main())
