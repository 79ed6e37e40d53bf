"""Somebody at a browser who has a keyboard and no pointer: Chromium without a window, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, FileChooser, Page, sync_playwright

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PATIENCE = 120_000  # milliseconds
ACTIVE = """() => { const e = document.activeElement;
  if (!e || e === document.body) return {tag: '', id: '', name: '', role: '', text: '', outline: 0, seen: true};
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {tag: e.tagName.toLowerCase(), id: e.id, name: e.name || '', role: e.getAttribute('role') || '',
    text: (e.innerText || e.value || '').trim(),
    outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
    seen: box.width > 0 && box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth + 1};
}"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
Stop = dict[str, Any]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, or the one that CHROMIUM names."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("found no chromium; apt-get install chromium, or name one: CHROMIUM=/path/of/it")
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


class Person:
    """One browser context: Tab, Enter, Space and arrows, what is on the screen, and what went wrong."""

    def __init__(self, browser: Browser, home: str, *, width: int, pictures: Path, name: str = "") -> None:
        size = {"width": width, "height": 844 if width < 500 else 800}
        self.page: Page = browser.new_context(viewport=size, accept_downloads=True).new_page()
        self.page.set_default_timeout(PATIENCE)
        self.home, self.log, self.choosers = home, [], []
        self._pictures, self._prefix, self._n = pictures, f"{name}{width}", 0
        # Listened to from the beginning: where a listener comes with the key, the key may come first.
        self.page.on("filechooser", lambda chooser: self.choosers.append(chooser))
        self.page.on("console", lambda line: line.type in ("error", "warning") and self.log.append(line.text))
        self.page.on("pageerror", lambda error: self.log.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url))
        self.go("/")

    def _note(self, url: str) -> None:
        if not url.startswith((self.home, "data:", "blob:")):
            self.log.append(f"asked for {url}")

    def go(self, address: str) -> None:
        self.page.goto(f"{self.home}{address}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def active(self) -> Stop:
        return self.page.evaluate(ACTIVE)

    def tab_to(self, is_it: Callable[[Stop], bool], *, back: bool = False) -> Stop:
        """Tab until the focus stands there; an error after a whole round without it."""
        for _ in range(60):
            found = self.active()
            if is_it(found):
                return found
            self.press("Shift+Tab" if back else "Tab")
        raise AssertionError(f"never reached by Tab; the last stop was {found}")

    def tab_to_button(self, text: str, *, back: bool = False) -> Stop:
        return self.tab_to(lambda stop: stop["tag"] in ("button", "a") and text in stop["text"], back=back)

    def tour(self) -> list[Stop]:
        """Every stop of Tab, once around."""
        self.page.evaluate("document.activeElement.blur()")
        stops: list[Stop] = []
        for _ in range(80):
            self.press("Tab")
            stop = self.active()
            if not stop["tag"] or (len(stops) > 2 and stop == stops[0]):
                break
            stops.append(stop)
        return stops

    def choose(self, path: Path, *, opener: str = "Enter", back: bool = False) -> None:
        """A file, by keyboard: Tab to the field, open it, take the file."""
        self.tab_to(lambda stop: stop["id"] == "file", back=back)
        self.open_chooser(opener).set_files(path)
        self.page.wait_for_timeout(300)

    def open_chooser(self, opener: str) -> FileChooser:
        before = len(self.choosers)
        self.press(opener)
        for _ in range(100):
            if len(self.choosers) > before:
                return self.choosers[-1]
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{opener} opened no choice of files")

    def leave_by(self, key: str) -> None:
        """Press a key that leads to another page, and wait for it."""
        with self.page.expect_navigation():
            self.press(key)

    def download(self, text: str, folder: Path) -> Path:
        """What a link gives to keep, by Enter."""
        self.tab_to_button(text)
        with self.page.expect_download() as coming:
            self.press("Enter")
        path = folder / coming.value.suggested_filename
        coming.value.save_as(path)
        return path

    def says(self, place: str) -> str:
        found = self.page.query_selector(place)
        return " ".join(found.inner_text().split()) if found else ""

    def picture(self, name: str, *, whole: bool = True) -> None:
        """What is on the screen, as a file; and an error where it is wider than the screen."""
        self._n += 1
        self.page.screenshot(path=self._pictures / f"{self._prefix}-{self._n:02d}-{name}.png", full_page=whole)
        wider = self.page.evaluate(WIDER)
        assert wider <= 0, f"{name}: {wider} pixels wider than the screen"
