"""What people and programs send to the page of `ttm-sk app` that cannot be met."""

from __future__ import annotations

import asyncio
import gzip
import html
import re
import socket
from collections.abc import Callable
from typing import Any
from unittest import mock

from bad_input.cause import Cause, PageError
from ttm_sk.errors import ConfigError

__all__ = ["CAUSES"]

HOME = "http://127.0.0.1:8765"
LIMIT = 2**20
DAYS = [f"2024-01-{day:02}" for day in range(1, 29)]
SALES = ("day,sales\n" + "".join(f"{day},{10 + i % 7}\n" for i, day in enumerate(DAYS))).encode()
FORM = {"horizon": "3", "windows": "0", "effort": "plain", "target": "sales"}
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
PROBLEM = re.compile(r'class="problem" role="alert"[^>]*>(.*?)</div>', re.DOTALL)


def _visitor(place: Any) -> Any:
    """A browser on a page of its own, without a port."""
    from starlette.testclient import TestClient

    from ttm_sk.app.site import make_app

    app = make_app(model=place.model, upload_limit=LIMIT)
    return TestClient(app, base_url=HOME, headers={"origin": HOME}, raise_server_exceptions=False)


def _raise_problem(answer: Any) -> None:
    """Raise what the page says if it answers as it does where a request cannot be met."""
    if answer.status_code < 400:
        return
    shown = PROBLEM.search(answer.text)
    if answer.status_code == 500 or shown is None:
        raise AssertionError(
            f"answered {answer.status_code} with {answer.text[-300:]!r}, expected a page that says why"
        )
    text = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", shown[1])).split())
    raise PageError(f"{answer.status_code}: {text}")


def _ask(method: str, address: str, **options: Any) -> Callable[[Any], None]:
    return lambda place: _raise_problem(_visitor(place).request(method, address, **options))


def _upload(content: bytes, name: str = "data.csv") -> Callable[[Any], None]:
    return _ask("POST", "/tables", files={"file": (name, content)})


def _body(*parts: bytes, end: bytes = b"--b--\r\n", **headers: str) -> Callable[[Any], None]:
    """A form in pieces, as a program sends it that is no browser."""
    return _ask("POST", "/tables", content=b"".join(parts) + end, headers=MULTIPART | headers)


def _with_table(act: Callable[[Any, str], Any], content: bytes = SALES) -> Callable[[Any], None]:
    """An act on a page that has a table, and on its address."""

    def acts(place: Any) -> None:
        browser = _visitor(place)
        answer = browser.post("/tables", files={"file": ("data.csv", content)})
        _raise_problem(act(browser, answer.url.path))

    return acts


def _forecast(content: bytes = SALES, **form: str | list[str]) -> Callable[[Any], None]:
    return _with_table(lambda browser, table: browser.post(f"{table}/forecasts", data=FORM | form), content)


def _look(address: str) -> Callable[[Any], None]:
    """An address below that of a forecast."""
    return _with_table(
        lambda browser, table: browser.get(f"{browser.post(f'{table}/forecasts', data=FORM).url.path}{address}")
    )


def _full_line(browser: Any, table: str) -> Any:
    with mock.patch("ttm_sk.app.line.Line.turn", side_effect=_busy):
        return browser.post(f"{table}/forecasts", data=FORM)


def _busy(*question: Any) -> None:
    from ttm_sk.app.line import BusyError

    raise BusyError("waited 3 seconds for others; try again later")


def _late(place: Any) -> None:
    """A form whose second half does not come."""
    from starlette.responses import HTMLResponse

    from ttm_sk.app.site import make_app

    headers = MULTIPART | {"host": HOME.removeprefix("http://"), "origin": HOME, "content-length": "9"}
    scope = {"type": "http", "method": "POST", "path": "/tables", "query_string": b"", "root_path": ""}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
    pieces, sent = [{"type": "http.request", "body": b"--b", "more_body": True}], []

    async def receive() -> dict[str, Any]:
        return pieces.pop() if pieces else await asyncio.sleep(30)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with mock.patch("ttm_sk.app.guard.BODY_SECONDS", 0.01):
        asyncio.run(make_app(model=place.model)(scope, receive, send))
    page = b"".join(message.get("body", b"") for message in sent)
    answer = HTMLResponse(page, status_code=sent[0]["status"])
    answer.text = page.decode()
    _raise_problem(answer)


def _taken_port(place: Any) -> None:
    from ttm_sk.app.server import HOST, serve

    with socket.create_server((HOST, 0)) as taken:
        serve(lambda *_: None, port=taken.getsockname()[1], announce=print)


def _page(name: str, act: Callable[[Any], None], found: str) -> Cause:
    return Cause(name, act, found, PageError)


def _wide() -> bytes:
    return b",".join(b"c%d" % i for i in range(2001)) + b"\n" + b"1," * 2000 + b"1\n"


TWO = b"day,a,b\n" + "".join(f"{day},{i},1\n" for i, day in enumerate(DAYS)).encode()
FILES = {"file": ("data.csv", SALES)}
CAUSES = [
    _page("no file chosen on the page", _ask("POST", "/tables", files={"file": ("", b"")}), "no file"),
    _page("a form on the page without its file", _body(PART % (b"colour", b"", b"red")), "no file"),
    _page("a file sent as a field of text", _body(PART % (b"file", b"", SALES)), "no file"),
    _page("an empty file on the page", _upload(b"", "empty.csv"), "422: “empty.csv” is empty"),
    _page("a picture on the page", _upload(b"\x89PNG\r\n\x1a\n\x00\xff", "me.png"), "“me.png” is no"),
    _page("an Excel file on the page", _upload(b"PK\x03\x04" + bytes(range(256)), "sales.xlsx"), "“sales.xlsx” is no"),
    _page("a PDF on the page", _upload(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "sales.pdf"), "“sales.pdf” is no"),
    _page("JSON on the page", _upload(b'{"day": "2024-01-01", "sales": 3}', "sales.json"), "“sales.json” holds JSON"),
    _page("broken JSON on the page", _upload(b'{"day": ["2024-01-', "sales.json"), "“sales.json” holds JSON"),
    _page("numbers without names on the page", _upload(b"1,2\n3,4\n"), "“data.csv” has no line of column names"),
    _page("parquet cut short on the page", _upload(b"PAR1nonsense", "data.parquet"), "“data.parquet” is no"),
    _page("gzip cut short on the page", _upload(gzip.compress(SALES)[:-9], "data.csv.gz"), "“data.csv.gz”"),
    _page("a gzip file that unpacks without end", _upload(gzip.compress(b"x" * 9 * LIMIT), "a.csv.gz"), "unpacks"),
    _page("a file a byte too large", _upload(SALES.ljust(LIMIT + 1, b"\n")), "422: .*more than 1 MB"),
    _page("a file of 50 MB", _upload(b"x" * (50 * LIMIT)), "413: .*50 MB"),
    _page("a file of 2,001 columns", _upload(_wide()), "2,000 columns"),
    _page("an example that the page has not", _ask("POST", "/tables", data={"example": "moon"}), "moon"),
    _page("two files at once", _body(*[PART % (b"file", b'; filename="a.csv"', SALES)] * 2), "400: .*file"),
    _page("a hundred fields beside a file", _body(*[PART % (b"x", b"", b"1")] * 100), "400: .*field"),
    _page(
        "a field of one and a half megabytes", _body(PART % (b"example", b"", b"x" * (3 * LIMIT // 2))), "400: .*1024KB"
    ),
    _page(
        "a form without a boundary",
        _ask("POST", "/tables", content=b"x", headers={"content-type": "multipart/form-data"}),
        "400: .*boundary",
    ),
    _page("a form that is no form", _body(b"no form at all"), "400: "),
    _page("a form that ends in the middle", _body(PART % (b"file", b"", b"x"), end=b"--"), "400: "),
    _page(
        "a part of a form without a name", _body(b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n"), "400: .*name"
    ),
    _page("JSON for a form", _ask("POST", "/tables", json={"file": "data.csv"}), "400: .*no file"),
    _page("a body that does not come", _late, "408: .*did not come"),
    _page("a body of unknown length", _ask("POST", "/tables", content=iter([b"a"])), "411: .*length"),
    _page(
        "a length that is no number",
        _ask("POST", "/tables", content=b"a", headers={"content-length": "-1"}),
        "411: .*length",
    ),
    _page("reading where a file is sent", _ask("GET", "/tables"), "405: .*GET /tables"),
    _page("DELETE on the page", _ask("DELETE", "/"), "405: .*DELETE"),
    _page("PUT of a file", _ask("PUT", "/tables", files=FILES), "405: .*PUT"),
    _page("a method that there is not", _ask("BREW", "/"), "405: .*BREW"),
    _page(
        "a form of another page",
        _ask("POST", "/tables", files=FILES, headers={"origin": "http://evil.example"}),
        "403: .*another page",
    ),
    _page(
        "a form of a page without an origin", _ask("POST", "/tables", files=FILES, headers={"origin": "null"}), "403: "
    ),
    _page(
        "a form of another port",
        _ask("POST", "/tables", files=FILES, headers={"origin": "http://127.0.0.1:1"}),
        "403: ",
    ),
    _page(
        "a name that resolves to this machine",
        _ask("GET", "/", headers={"host": "evil.example"}),
        "421: .*evil.example",
    ),
    _page("no name of a host", _ask("GET", "/", headers={"host": ""}), "421: .*''"),
    _page("an address that the page has not", _ask("GET", "/nowhere"), "404: .*/nowhere"),
    _page("an address that climbs out", _ask("GET", "/static/%2e%2e/site.py"), "404: "),
    _page("a zero byte in an address", _ask("GET", "/static/%00"), "404: "),
    _page("a table whose address was guessed", _ask("GET", f"/tables/{'A' * 22}"), "404: .*no longer here"),
    _page("a forecast of a table that has gone", _ask("POST", f"/tables/{'A' * 22}/forecasts", data=FORM), "404: "),
    _page(
        "a forecast that was not made",
        _with_table(lambda browser, table: browser.get(f"{table}/forecasts/7")),
        "404: .*7",
    ),
    _page(
        "a forecast called soon", _with_table(lambda browser, table: browser.get(f"{table}/forecasts/soon")), "'soon'"
    ),
    _page("a picture that there is not", _look("?series=3"), "404: .*'3'"),
    _page("a download that there is not", _look("/weights.csv"), "404: .*'weights'"),
    _page("the scores of a backtest that was not made", _look("/backtest.csv"), "404: .*'backtest'"),
    _page("no horizon on the page", _forecast(horizon=""), "found nothing in “Steps ahead”|Found nothing"),
    _page("a horizon of 0 on the page", _forecast(horizon="0"), "'0' in “Steps ahead”"),
    _page("a horizon in words on the page", _forecast(horizon="soon"), "'soon'"),
    _page("a horizon of half a step on the page", _forecast(horizon="2.5"), r"'2\.5'"),
    _page("a horizon of a million steps on the page", _forecast(horizon="1000000"), "'1000000'"),
    _page("a horizon in Arabic digits on the page", _forecast(horizon="٣"), "'٣'"),
    _page("21 windows on the page", _forecast(windows="21"), "'21' in “Windows of the backtest”"),
    _page("a negative season on the page", _forecast(season="-1"), "'-1' in “Steps of a season”"),
    _page("an unknown effort on the page", _forecast(effort="quick"), "'quick' in “Effort”"),
    _page("an unknown strategy on the page", _forecast(strategy="luck"), "'luck'"),
    _page("an unknown column on the page", _forecast(target="profit"), "'profit'"),
    _page("a column of dates to forecast on the page", _forecast(target="day"), "'day'"),
    _page("a word among numbers on the page", _forecast(SALES.replace(b",12", b",twelve", 1)), "'twelve'"),
    _page("an unknown time column on the page", _forecast(time="week"), "'week'"),
    _page("an unknown series column on the page", _forecast(id="shop"), "'shop'"),
    _page("an unknown grid on the page", _forecast(freq="often"), "'often'"),
    _page("one column in two roles on the page", _forecast(id="sales"), "'sales'"),
    _page("no column chosen among two", _forecast(TWO, target=[]), "'a', 'b'"),
    _page("a day missing on the page", _forecast(SALES + b"2024-06-01,3\n"), "2024-06-01"),
    _page(
        "a file in the form of the forecast",
        _with_table(lambda browser, table: browser.post(f"{table}/forecasts", data=FORM, files=FILES)),
        "400: .*file",
    ),
    _page("everybody in line at once", _with_table(_full_line), "503: .*3 seconds"),
    Cause("a port that is taken", _taken_port, r"port \d+ is taken", ConfigError),
]
