"""`ttm-sk app` by keyboard alone: files right, wrong and too large, a forecast, its downloads, two people at once.

python benchmarks/browser/app.py --pictures FOLDER [--widths 1280 390]

A line for every step with its seconds; the first that is not as it should be ends it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from person import Person, Stop, chromium
from playwright.sync_api import Browser

FIFTY = 50 * 2**20
WRONG = {"picture.csv": bytes(range(256)) * 20, "empty.csv": b"", "words.csv": b"name,colour\nanna,red\nben,blue\n"}


def is_named(name: str):
    return lambda stop: name in (stop["id"], stop["name"])


def write_files(folder: Path) -> None:
    days = pd.date_range("2023-01-01", periods=400, freq="D")
    wave = np.sin(np.arange(400) * 2 * np.pi / 7)
    table = pd.DataFrame({"day": days, "sales": 20 + 5 * wave, "visits": 300 - 40 * wave, "note": "-"})
    table.round(2).to_csv(folder / "sales.csv", index=False)
    for name, content in WRONG.items():
        (folder / name).write_bytes(content)
    line = b"2023-01-01,12.5,310\n"
    (folder / "fifty.csv").write_bytes(b"day,sales,visits\n" + line * (FIFTY // len(line)))


@contextmanager
def served() -> Iterator[str]:
    """The address of a page of its own."""
    command = [sys.executable, "-m", "ttm_sk", "app", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield re.search(r"http://[\d.]+:\d+", process.stdout.readline())[0]
    finally:
        process.terminate()
        process.wait(20)


class Walk:
    """The steps, in the order in which a person takes them."""

    def __init__(self, browser: Browser, home: str, width: int, folder: Path, pictures: Path) -> None:
        self.new = lambda name: Person(browser, home, width=width, pictures=pictures, name=name)
        self.folder, self.width, self.began = folder, width, time.monotonic()
        self.person = self.new("")

    def said(self, line: str) -> None:
        print(f"{self.width:5} {time.monotonic() - self.began:5.1f} s  {line}", flush=True)
        self.began = time.monotonic()

    def all(self) -> None:
        first = (self.home, self.opened, self.too_large, self.wrong, self.columns, self.mistakes)
        try:
            for step in (*first, self.forecast, self.chart, self.downloads, self.two, self.forgotten):
                step()
        except Exception:
            self.person.picture("last")
            raise
        assert not self.person.log, self.person.log

    def tour(self, what: str) -> list[Stop]:
        stops = self.person.tour()
        for stop in stops:
            assert stop["outline"] >= 2, f"focus cannot be seen: {stop}"
            assert stop["seen"] or stop["role"], f"focus is off the screen: {stop}"
        self.person.picture(what)
        self.said(f"{what}: {len(stops)} stops of Tab, every one seen")
        return stops

    def home(self) -> None:
        self.tour("home")

    def opened(self) -> None:
        person = self.person
        for opener in ("Enter", "Space"):
            person.tab_to(is_named("file"))
            person.open_chooser(opener)
            self.said(f"choice of files opened by {opener}")
        person.tab_to_button("Read the file")
        person.press("Enter")
        assert person.active()["id"] == "file"
        self.said("nothing chosen: the focus goes to the field, which says so")

    def too_large(self) -> None:
        person = self.person
        person.choose(self.folder / "fifty.csv", back=True)
        said = person.says("#file-problem")
        assert "50 MB" in said, said
        person.tab_to_button("Read the file")
        person.press("Enter")
        person.page.wait_for_timeout(500)
        assert person.page.url == f"{person.home}/"
        person.picture("fifty")
        self.said(f"50 MB: {said}")

    def wrong(self) -> None:
        person = self.person
        for name in WRONG:
            person.go("/")
            person.choose(self.folder / name)
            person.tab_to_button("Read the file")
            person.leave_by("Enter")
            said = person.says("#problem")
            is_read = name == "words.csv"  # a table, if one without a number
            assert is_read or person.active()["id"] == "problem", person.active()
            person.picture(name)
            self.said(f"{name}: {said or person.page.title()}")
        person.tab_to_button("Forecast")
        person.leave_by("Enter")
        assert person.active()["id"] == "problem"
        self.said(f"words.csv, forecast: {person.says('#problem')}")

    def columns(self) -> None:
        person = self.person
        person.go("/")
        person.choose(self.folder / "sales.csv", opener="Space")
        person.tab_to_button("Read the file")
        person.leave_by("Enter")
        self.table = person.page.url.removeprefix(person.home)
        self.tour("columns")

    def mistakes(self) -> None:
        person = self.person
        person.go(self.table)
        while (stop := person.tab_to(lambda stop: "target" in stop["name"] or stop["id"] == "horizon"))[
            "name"
        ] == "target":
            if person.page.evaluate("document.activeElement.checked"):
                person.press("Space")
            person.press("Tab")
        person.press("Control+a", "0", "Enter")
        assert person.active()["id"] == "horizon", stop
        self.said(f"0 steps: {person.page.evaluate('document.activeElement.validationMessage')}")
        person.press("Control+a", "1", "4")
        person.leave_by("Enter")
        assert person.active()["id"] == "problem"
        person.picture("no-target")
        self.said(f"no column: {person.says('#problem')}")
        assert person.page.input_value("#horizon") == "14"

    def forecast(self) -> None:
        person = self.person
        person.tab_to(lambda stop: (stop["name"], stop["text"]) == ("target", "sales"))
        person.press("Space")
        person.tab_to(is_named("effort"))
        before = person.page.input_value("#effort")
        person.press("ArrowDown")
        after = person.page.input_value("#effort")
        assert before != after
        person.tab_to(lambda stop: stop["tag"] == "summary")
        person.press("Enter")
        assert person.page.evaluate("document.querySelector('details').open")
        person.tab_to_button("Forecast")
        person.leave_by("Enter")
        person.page.wait_for_selector(".chart svg", timeout=10_000)
        self.said(f"forecast, effort {before} changed to {after}: {person.says('main > p')}")
        self.tour("forecast")

    def chart(self) -> None:
        person = self.person
        person.tab_to(lambda stop: stop["role"] == "slider")
        read = []
        for key in ("Home", "ArrowRight", "PageUp", "End"):
            person.press(key)
            read.append(person.says(".reading"))
        assert len(set(read)) == 4
        person.picture("chart", whole=False)
        self.said(f"chart, End: {read[-1]}")
        person.tab_to(lambda stop: stop["tag"] == "input")
        person.press("Space")
        assert not person.page.query_selector(".chart .past")
        self.said("the backtest hidden by Space")

    def downloads(self) -> None:
        for text in ("Download the forecast", "Download the scores"):
            path = self.person.download(text, self.folder)
            table = pd.read_csv(path)
            self.said(f"{path.name}: {len(table)} rows, {', '.join(table.columns[:5])}, ...")
        self.person.tab_to_button("Choose otherwise")
        self.person.leave_by("Enter")
        assert self.person.page.input_value("#horizon") == "14"

    def two(self) -> None:
        """Another person with another file, at the same time: both get their own."""
        other = self.new("other-")
        other.tab_to_button("solar")
        other.leave_by("Enter")
        for person in (self.person, other):
            person.tab_to_button("Forecast")
            person.press("Enter")
        for person in (self.person, other):
            person.page.wait_for_url("**/forecasts/*")
        found = [person.says("h1") for person in (self.person, other)]
        assert len(set(found)) == 2, found
        self.said(f"two at once: {found}")
        mine, theirs = (person.page.url.split("/")[4] for person in (self.person, other))
        other.page.goto(self.person.page.url.replace(mine, theirs).rsplit("/", 1)[0] + "/99")
        assert "no" in other.says("#problem").lower()
        other.picture("not-there")
        self.said(f"another's number: {other.says('#problem')}")
        assert not [line for line in other.log if "404" not in line], other.log

    def forgotten(self) -> None:
        person = self.person
        person.go(self.table)
        person.tab_to_button("Forget this file")
        person.leave_by("Enter")
        person.go(self.table)
        assert person.active()["id"] == "problem"
        self.said(f"forgotten: {person.says('#problem')}")
        person.log = [line for line in person.log if not re.search(r"status of 4\d\d", line)]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder for what was on the screen")
    parser.add_argument("--widths", type=int, nargs="+", default=[1280, 390], help="of the screen, in pixels")
    arguments = parser.parse_args(argv)
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served() as home, chromium() as browser:
        write_files(Path(folder))
        for width in arguments.widths:
            Walk(browser, home, width, Path(folder), arguments.pictures).all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
