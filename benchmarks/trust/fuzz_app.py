"""The page of `ttm-sk app` as a target: uploads alone, and whole requests; all of it is real but the forecast."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

__all__ = ["request", "request_seeds", "upload", "upload_seeds"]

HOST = b"127.0.0.1:8765"
LIMIT = 2**20
KEY = re.compile(r"KEY")  # in an address: that of a table that is there
SALES = b"day,sales\n" + b"".join(b"2024-01-%02d,%d\n" % (day, day % 7) for day in range(1, 29))
FORM = b"horizon=3&target=sales&time=day&id=&freq=D&season=7&windows=0&effort=plain&strategy=zero-shot"


class Page:
    """An application on a loop of its own, and the key of a table on its shelf."""

    def __init__(self) -> None:
        from ttm_sk.app import site

        site.analyse = _without_forecast
        self._app = site.make_app(upload_limit=LIMIT)
        self._loop = asyncio.new_event_loop()
        self.key = ""

    def ask(self, method: str, address: str, headers: dict[bytes, bytes], body: bytes) -> dict[str, Any]:
        """Status and headers of the answer; what the application does not catch is raised."""
        path, _, query = address.partition("?")
        usual = {b"host": HOST, b"origin": b"http://" + HOST, b"content-length": b"%d" % len(body)}
        scope = {"type": "http", "http_version": "1.1", "method": method, "scheme": "http", "root_path": ""}
        scope |= {"path": unquote(path), "raw_path": path.encode(), "query_string": query.encode()}
        scope |= {"headers": list((usual | headers).items()), "server": ("127.0.0.1", 8765)}
        pieces, answer = [{"type": "http.request", "body": body, "more_body": False}], {}

        async def receive() -> dict[str, Any]:
            return pieces.pop() if pieces else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            answer.update(message)

        self._loop.run_until_complete(self._app(scope, receive, send))
        return answer

    def has_table(self) -> None:
        """Put a table on the shelf, unless one is there."""
        if not self.key or self.ask("GET", f"/tables/{self.key}", {}, b"")["status"] != 200:
            place = dict(self.ask("POST", "/tables", MULTIPART, _multipart(SALES))["headers"])[b"location"]
            self.key = place.decode().rpartition("/")[2]


MULTIPART = {b"content-type": b"multipart/form-data; boundary=b"}
PAGES: list[Page] = []


def _page() -> Page:
    if not PAGES:
        PAGES.append(Page())
    return PAGES[0]


def _without_forecast(table: Any, choices: Any, **options: object) -> Any:
    """The series as they are read, and every level of the forecast the series itself."""
    import pandas as pd

    from ttm_sk.app.analysis import Analysis
    from ttm_sk.data.tables import to_series
    from ttm_sk.evaluation.backtest import SCORED_LEVELS

    y = to_series(table, time=choices.time, target=list(choices.targets), id=choices.id, freq=choices.freq)
    fan = pd.DataFrame({(name, level): y[name] for name in y.columns for level in SCORED_LEVELS})
    return Analysis(choices, y, fan, None, "none was asked for", 1, "", 0.0)


def _multipart(content: bytes, name: bytes = b"sales.csv") -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    return head + content + b"\r\n--b--\r\n"


def upload(content: bytes) -> object:
    """A body as of the form that sends a file."""
    return _page().ask("POST", "/tables", MULTIPART, content)


def upload_seeds() -> Iterator[bytes]:
    yield _multipart(SALES)
    yield _multipart(b"\x1f\x8b\x08\x00", b"..\\sales.csv.gz")
    yield _multipart(b"PAR1", b"sales.parquet")
    yield b'--b\r\nContent-Disposition: form-data; name="example"\r\n\r\nairline\r\n--b--\r\n'


def request(content: bytes) -> object:
    """A method and an address, lines of headers, an empty line, a body."""
    head, _, body = content.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, address = first.decode("latin-1").partition(" ")
    pairs = [line.partition(b":") for line in lines]
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    page = _page()
    page.has_table()
    path = KEY.sub(page.key, address.encode("ascii", "replace").decode())
    return page.ask(method or "GET", f"/{path.lstrip('/')}", headers, body)


def request_seeds() -> Iterator[bytes]:
    yield b"GET /"
    yield b"GET /tables/KEY?from=1"
    yield b"POST /tables/KEY/forecasts\ncontent-type: application/x-www-form-urlencoded\n\n" + FORM
    yield b"GET /tables/KEY/forecasts/1?series=0"
    yield b"GET /tables/KEY/forecasts/1/forecast.csv"
    yield b"POST /tables/KEY/forget\norigin: null\n\n"
    yield b"GET /static/page.js\nrange: bytes=0-9\nif-none-match: x\nhost: localhost"
    yield b"POST /tables\ncontent-type: multipart/form-data; boundary=b\n\n" + _multipart(SALES)
