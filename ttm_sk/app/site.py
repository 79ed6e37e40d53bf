"""The addresses of the page, and what each of them does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ttm_sk.app.analysis import Analysis, analyse
from ttm_sk.app.choices import WHOLE, Choices
from ttm_sk.app.guard import App, Guard, LateError
from ttm_sk.app.line import BusyError, Line
from ttm_sk.app.pages import analysis_page, columns_page, problem_page, upload_page
from ttm_sk.app.problem import Problem
from ttm_sk.app.shelf import MOST_TABLES, Shelf, StoredTable
from ttm_sk.app.upload import MEBIBYTE, read_upload, shown_name
from ttm_sk.app.worker import LostError, TooSlowError, Worker
from ttm_sk.data.tables import load_example
from ttm_sk.errors import MissingExtraError, TTMError

try:
    import python_multipart  # noqa: F401 (starlette reads forms with it)
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.datastructures import FormData, UploadFile
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, RedirectResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles
except ImportError as error:
    raise MissingExtraError("app", package="starlette or python-multipart") from error

__all__ = ["UPLOAD_LIMIT", "make_app"]

UPLOAD_LIMIT = 32 * MEBIBYTE
MOST_FIELDS = 10_000  # a column each
MOST_WAITING = 15  # for a forecast, and for the reading of a file; each holds one of the 40 threads that there are
LONGEST_ADDRESS = 80  # that is shown
UNREADABLE, BUSY = 422, 503
STATIC = Path(__file__).with_name("static")
NOT_DONE = (BusyError, TooSlowError, LostError)
SMALLER = "ask for fewer steps or windows, less effort or no training, or use `ttm-sk forecast`, which has no limit"
REMEDIES: dict[type[Exception], str] = {
    TooSlowError: f"{{}}; {SMALLER}",
    LostError: f"{{}}, perhaps for want of memory; {SMALLER}",
}
GONE = (
    f"this file is no longer here: the page keeps the newest {MOST_TABLES} until it is stopped; choose the file again"
)


def make_app(
    *,
    model: str = "ttm-tiny",
    device: str = "auto",
    upload_limit: int = UPLOAD_LIMIT,
    time_limit: float | None = None,
) -> App:
    """The page as an ASGI application, with a shelf of its own.

    Parameters
    ----------
    model
        Name or path of weights.
    device
        As of :class:`~ttm_sk.estimators.forecaster.TTMForecaster`.
    upload_limit
        Bytes of a file, at most.
    time_limit
        Seconds that one forecast may take, and that one waits for others'. Forecasts are then made in a process of
        their own, which is stopped after that time. None has no limit, and makes them in this process.

    Examples
    --------
    >>> make_app()  # doctest: +ELLIPSIS
    <ttm_sk.app.guard.Guard object at ...>
    """
    work = partial(analyse, model=model, device=device)
    site = _Site(work, upload_limit, time_limit)
    routes = [
        Route("/", site.home),
        Route("/tables", site.upload, methods=["POST"]),
        Route("/tables/{key}", site.columns),
        Route("/tables/{key}/forget", site.forget, methods=["POST"]),
        Route("/tables/{key}/forecasts", site.forecast, methods=["POST"]),
        Route("/tables/{key}/forecasts/{number}", site.analysis),
        Route("/tables/{key}/forecasts/{number}/{what}.csv", site.download),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    starlette = Starlette(routes=routes, exception_handlers=PROBLEMS)
    return Guard(starlette, limit=upload_limit, page=problem_page)


class _Site:
    """The handlers, around one shelf. Forecasts take turns, so that two people do not share out the memory."""

    def __init__(self, work: partial[Analysis], upload_limit: int, time_limit: float | None) -> None:
        self._worker = None if time_limit is None else Worker(work, seconds=time_limit)
        self._forecasts = Line(
            work if self._worker is None else self._worker.ask, most_waiting=MOST_WAITING, seconds=time_limit
        )
        self._reads = Line(self._read, most_waiting=MOST_WAITING, seconds=time_limit)
        self._limit = upload_limit
        self._shelf = Shelf()

    async def home(self, request: Request) -> Response:
        return HTMLResponse(upload_page(limit=self._limit))

    async def upload(self, request: Request) -> Response:
        async with _form(request, max_files=1, max_fields=2) as form:
            file, example = form.get("file"), form.get("example")
            try:
                if isinstance(example, str):
                    name, frame = f"{example}.csv", await run_in_threadpool(_example, example)
                else:
                    with self._reads.place():
                        name, frame = await run_in_threadpool(self._reads.turn, file)
            except (TTMError, BusyError) as error:
                return _again(upload_page(limit=self._limit, problem=Problem.of(error)), error)
        if self._worker is not None:
            await run_in_threadpool(self._worker.start)
        return _see(f"/tables/{self._shelf.put(name, frame)}")

    def _read(self, file: Any) -> tuple[str, pd.DataFrame]:
        if not isinstance(file, UploadFile) or not file.filename:
            raise HTTPException(400, "found no file; choose one first")
        name = shown_name(file.filename)
        return name, read_upload(file.file, name, limit=self._limit)

    async def columns(self, request: Request) -> Response:
        table = self._table(request)
        asked = request.query_params.get("from")
        before = [analysis for number, analysis in table.analyses.items() if str(number) == asked]
        filled = _filled(before[0].choices) if before else None
        return HTMLResponse(await run_in_threadpool(columns_page, request.path_params["key"], table, filled=filled))

    async def forget(self, request: Request) -> Response:
        self._shelf.forget(request.path_params["key"])
        return _see("/")

    async def forecast(self, request: Request) -> Response:
        table, key = self._table(request), request.path_params["key"]
        async with _form(request, max_files=0, max_fields=MOST_FIELDS) as form:
            filled = _texts(form)
        try:
            with self._forecasts.place():
                analysis = await run_in_threadpool(self._forecasts.turn, table.frame, Choices.of(filled))
        except (TTMError, *NOT_DONE) as error:
            problem = Problem.of(REMEDIES.get(type(error), "{}").format(error))
            return _again(columns_page(key, table, filled=filled, problem=problem), error)
        return _see(f"/tables/{key}/forecasts/{self._shelf.add(table, analysis)}")

    async def analysis(self, request: Request) -> Response:
        table, number = self._table(request), _number(request)
        analysis = _stored(table, number)
        asked = request.query_params.get("series", "0")
        if asked not in map(str, range(len(analysis.parts()))):
            raise HTTPException(404, f"found series {asked!r}, expected a number below {len(analysis.parts())}")
        page = await run_in_threadpool(analysis_page, request.path_params["key"], table, number, position=int(asked))
        return HTMLResponse(page)

    async def download(self, request: Request) -> Response:
        table, what = self._table(request), request.path_params["what"]
        analysis = _stored(table, _number(request))
        if what == "forecast":
            rows = await run_in_threadpool(analysis.table)
        elif what == "backtest" and analysis.backtest is not None:
            rows = analysis.backtest.scores
        else:
            raise HTTPException(404, f"found no download {what!r}; go back to the forecast")
        content = await run_in_threadpool(rows.to_csv, index=False)
        headers = {"content-disposition": f'attachment; filename="{what}.csv"'}
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)

    def _table(self, request: Request) -> StoredTable:
        table = self._shelf.find(request.path_params["key"])
        if table is None:
            raise HTTPException(404, GONE)
        return table


@asynccontextmanager
async def _form(request: Request, **limits: int) -> AsyncIterator[FormData]:
    """The form that was sent; what its reader says of a broken one is no help to whoever sent it."""
    try:
        form = await request.form(**limits)
    except HTTPException as error:
        why = error.detail.partition("\n")[0].rstrip(".")
        raise HTTPException(400, f"found a form that is none of this page's ({why}); send it from the page") from error
    try:
        yield form
    finally:
        await form.close()


def _again(page: str, error: Exception) -> Response:
    """The form once more, with what was wrong with it, or why it was not looked at."""
    if isinstance(error, NOT_DONE):
        return HTMLResponse(page, status_code=BUSY, headers={"retry-after": "30"})
    return HTMLResponse(page, status_code=UNREADABLE)


def _example(name: str) -> pd.DataFrame:
    return load_example(name).reset_index()


def _number(request: Request) -> int:
    """The forecast's number in the address; one of thousands of digits is none, as is a word."""
    text = request.path_params["number"]
    if not WHOLE.fullmatch(text):
        raise HTTPException(404, f"found no forecast {text[:20]!r}; go back to the beginning")
    return int(text)


def _stored(table: StoredTable, number: int) -> Analysis:
    if number not in table.analyses:
        raise HTTPException(404, f"found no forecast {number} of {table.name}; make it again")
    return table.analyses[number]


def _texts(form: FormData) -> dict[str, list[str]]:
    return {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}


def _filled(choices: Choices) -> dict[str, list[str]]:
    """The form as it was when these choices were made."""
    single = {name: getattr(choices, name) for name in ("time", "id", "freq", "effort", "strategy", "season")}
    numbers = {"horizon": choices.horizon, "windows": choices.windows}
    filled = {name: [str(value)] for name, value in (single | numbers).items() if value is not None}
    return filled | {"target": list(choices.targets)}


def _see(address: str) -> Response:
    """Go there and read: a reload sends no form twice."""
    return RedirectResponse(address, status_code=303)


async def _http_problem(request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    asked = f"{request.method} {request.url.path[:LONGEST_ADDRESS]}"
    usual = {404: f"found no page for {asked!r}", 405: f"found {asked!r}, which this page does not answer"}
    text = f"{usual[status]}; go back to the beginning" if detail in ("Not Found", "Method Not Allowed") else detail
    return HTMLResponse(problem_page(status, Problem.of(text)), status_code=status)


async def _late(request: Request, error: Exception) -> Response:
    return HTMLResponse(problem_page(408, Problem.of(error)), status_code=408, headers={"connection": "close"})


async def _unforeseen(request: Request, error: Exception) -> Response:
    text = f"something went wrong here ({type(error).__name__}); the terminal that runs ttm-sk app has the details"
    return HTMLResponse(problem_page(500, Problem.of(text)), status_code=500)


PROBLEMS: dict[Any, Any] = {HTTPException: _http_problem, LateError: _late, Exception: _unforeseen}
