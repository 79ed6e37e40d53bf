"""What stands before the page: only this machine's own browser, only from the page itself, only so many bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ttm_sk.app.problem import Problem
from ttm_sk.app.upload import MEBIBYTE

__all__ = ["Guard", "LateError"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
READS = frozenset({"GET", "HEAD"})
BODY_SECONDS = 60.0  # that a body may take to come, all of it: on one machine a moment
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class LateError(Exception):
    """A body did not come within its time."""


class Guard:
    """An ASGI application around another one.

    Refused are a ``Host`` that is not this machine's loopback name (a foreign name that resolves to it would let any
    web page in), anything but reading that another page sends, and bodies of more than the limit. A body that dawdles
    raises ``LateError`` in the application, which answers it. Every answer gets headers that keep it from loading,
    framing or telling anything outside.

    Parameters
    ----------
    app
        What is guarded.
    limit
        Bytes of an uploaded file; a body may be a mebibyte longer, for the rest of its form.
    page
        Makes the page of a refusal, from the status and what went wrong.
    """

    def __init__(self, app: App, *, limit: int, page: Callable[[int, Problem], str]) -> None:
        self._app = app
        self._limit = limit
        self._page = page

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope["method"], headers)
        receive = _in_time(receive)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
            return
        with contextlib.suppress(LateError):
            await _read_away(receive)  # a browser that is not listened to shows no answer, only a lost connection
        await self._refuse(*refusal, send=_with_headers(send))

    def _refusal(self, method: str, headers: dict[str, str]) -> tuple[int, Problem] | None:
        host = headers.get("host", "")
        if _hostname(host) not in LOOPBACK:
            what = f"found the address {host!r}, but this page answers this machine alone"
            return 421, Problem.of(f"{what}; open http://127.0.0.1 with the port that ttm-sk app printed")
        if method in READS:
            return None
        if method != "POST":
            return 405, Problem.of(f"found the method {method!r}, expected GET or POST; open the page in a browser")
        if not _is_own(headers, host):
            return 403, Problem.of("this form was sent by another page; open the page itself, and send it from there")
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return 411, Problem.of("the length of what was sent is missing; send it from the page itself")
        if int(length) > self._limit + MEBIBYTE:
            found = f"found a file of about {int(length) / MEBIBYTE:,.0f} MB"
            return 413, Problem.of(
                f"{found}, expected at most {self._limit // MEBIBYTE} MB; choose a smaller one, start the page with"
                " `ttm-sk app --upload-limit MB`, or use `ttm-sk forecast`, which has no limit"
            )
        return None

    async def _refuse(self, status: int, problem: Problem, *, send: Send) -> None:
        body = self._page(status, problem).encode()
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_own(headers: dict[str, str], host: str) -> bool:
    """Whether a form comes from this very page; a program that is no browser says nothing of where from."""
    origin = headers.get("origin")
    if origin is not None:
        return origin == f"http://{host}"
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


async def _read_away(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


def _in_time(receive: Receive) -> Receive:
    """The same, until all of the body must be there; what comes after it (that the browser went away) has no time."""
    until, is_whole = asyncio.get_running_loop().time() + BODY_SECONDS, False

    async def receive_in_time() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError as error:
            raise LateError(f"what was sent did not come within {BODY_SECONDS:g} seconds; send it again") from error
        is_whole = not message.get("more_body", False)
        return message

    return receive_in_time


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return send_with_headers
