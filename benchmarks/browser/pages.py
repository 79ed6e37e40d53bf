"""The built documentation on a desk and on a phone: what is too wide, broken, not described, dead or from elsewhere.

python benchmarks/browser/pages.py SITE --pictures FOLDER [--pages tutorial own-csv] [--widths 1280 390]

A line for every page and width, a picture of each; what is wrong with it behind the line, and 1 as the exit code.
"""

from __future__ import annotations

import argparse
import functools
import html
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from person import chromium
from playwright.sync_api import Browser, Page

LOOK = """() => {
  const width = document.documentElement.clientWidth, words = e => e.tagName + ': ' + e.textContent.trim().slice(0, 40);
  const scrolls = e => { for (let p = e; p && p !== document.body; p = p.parentElement)
    if (getComputedStyle(p).overflowX !== 'visible') return true; return false; };
  const inside = [...document.querySelectorAll('article *')];
  return {
    'wider than the screen': document.documentElement.scrollWidth > width ? [document.documentElement.scrollWidth] : [],
    'cut off': inside.filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e)).slice(0, 3).map(words),
    'no picture': [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src),
    'not described': [...document.images].filter(i => !i.alt).map(i => i.src),
    'too small': inside.filter(e => e.childElementCount === 0 && e.innerText && e.getBoundingClientRect().width
      && parseFloat(getComputedStyle(e).fontSize) < 10).slice(0, 3).map(words),
  };
}"""
LINKS = "[...document.querySelectorAll('a[href]')].map(link => link.href)"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def looked_at(page: Page, home: str, name: str, picture: Path) -> tuple[dict[str, Any], list[str]]:
    """What is wrong with a page, and the links on it."""
    outside: list[str] = []
    page.on("request", lambda request: request.url.startswith((home, "data:")) or outside.append(request.url))
    page.goto(f"{home}/{name}/" if name else f"{home}/", wait_until="load")
    page.wait_for_timeout(600)
    found = page.evaluate(LOOK) | {"from elsewhere": outside}
    page.screenshot(path=picture, full_page=True)
    return {what: value for what, value in found.items() if value}, page.evaluate(LINKS)


def is_there(site: Path, link: str) -> bool:
    """Whether a link within the site has a file, and its anchor a place there."""
    path, _, anchor = link.partition("#")
    file = site / unquote(path).strip("/")
    file = file / "index.html" if file.is_dir() else file
    if not file.is_file():
        return False
    wanted = html.escape(unquote(anchor))
    return not anchor or anchor.startswith("__") or f'id="{wanted}"' in file.read_text(encoding="utf-8")


def look(browser: Browser, site: Path, home: str, pages: list[str], widths: list[int], pictures: Path) -> int:
    n_wrong, links = 0, {}
    for width in widths:
        context = browser.new_context(
            viewport={"width": width, "height": 844 if width < 500 else 900}, reduced_motion="reduce"
        )
        for name in pages:
            page = context.new_page()
            picture = pictures / f"{(name or 'home').replace('/', '_')}-{width}.png"
            wrong, on_page = looked_at(page, home, name, picture)
            links |= dict.fromkeys(on_page, name)
            n_wrong += bool(wrong)
            print(f"{width:5}  {name or 'home'}", *(f"| {what}: {value}" for what, value in wrong.items()), flush=True)
            page.close()
        context.close()
    own = {link.removeprefix(home): name for link, name in links.items() if link.startswith(home)}
    dead = [f"{link} (on {name})" for link, name in sorted(own.items()) if not is_there(site, link)]
    print(f"{len(own)} links within, {len(dead)} dead", *dead, sep="\n  ")
    print("links to elsewhere:", *sorted(link for link in links if not link.startswith(home)), sep="\n  ")
    return n_wrong + len(dead)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, help="folder that mkdocs built")
    parser.add_argument("--pictures", type=Path, required=True, help="folder for what was on the screen")
    parser.add_argument("--pages", nargs="+", help="only these; '' is the first page")
    parser.add_argument("--widths", type=int, nargs="+", default=[1280, 390], help="of the screen, in pixels")
    arguments = parser.parse_args(argv)
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    files = sorted(arguments.site.rglob("index.html"))
    pages = arguments.pages or ["/".join(file.relative_to(arguments.site).parts[:-1]) for file in files]
    with served(arguments.site) as home, chromium() as browser:
        return 1 if look(browser, arguments.site, home, pages, arguments.widths, arguments.pictures) else 0


if __name__ == "__main__":
    sys.exit(main())
