"""The addresses of the page, and what each of them does."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd

from ttm_sk.app.analysis import Analysis, analyse
from ttm_sk.app.choices import Choices
from ttm_sk.app.guard import App, Guard
from ttm_sk.app.pages import analysis_page, columns_page, problem_page, upload_page
from ttm_sk.app.problem import Problem
from ttm_sk.app.shelf import MOST_TABLES, Shelf, StoredTable
from ttm_sk.app.upload import MEBIBYTE, read_upload, shown_name
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
UNREADABLE = 422
STATIC = Path(__file__).with_name("static")
GONE = (
    f"this file is no longer here: the page keeps the newest {MOST_TABLES} until it is stopped; choose the file again"
)


def make_app(*, model: str = "ttm-tiny", device: str = "auto", upload_limit: int = UPLOAD_LIMIT) -> App:
    """The page as an ASGI application, with a shelf of its own.

    Parameters
    ----------
    model
        Name or path of weights.
    device
        As of :class:`~ttm_sk.estimators.forecaster.TTMForecaster`.
    upload_limit
        Bytes of a file, at most.

    Examples
    --------
    >>> make_app()  # doctest: +ELLIPSIS
    <ttm_sk.app.guard.Guard object at ...>
    """
    site = _Site(partial(analyse, model=model, device=device), upload_limit)
    routes = [
        Route("/", site.home),
        Route("/tables", site.upload, methods=["POST"]),
        Route("/tables/{key}", site.columns),
        Route("/tables/{key}/forget", site.forget, methods=["POST"]),
        Route("/tables/{key}/forecasts", site.forecast, methods=["POST"]),
        Route("/tables/{key}/forecasts/{number:int}", site.analysis),
        Route("/tables/{key}/forecasts/{number:int}/{what}.csv", site.download),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    starlette = Starlette(routes=routes, exception_handlers={HTTPException: _http_problem, Exception: _unforeseen})
    return Guard(starlette, limit=upload_limit, page=problem_page)


class _Site:
    """The handlers, around one shelf. Forecasts take turns, so that two people do not share out the memory."""

    def __init__(self, work: partial[Analysis], upload_limit: int) -> None:
        self._work = work
        self._limit = upload_limit
        self._shelf = Shelf()
        self._turn = Lock()

    async def home(self, request: Request) -> Response:
        return HTMLResponse(upload_page(limit=self._limit))

    async def upload(self, request: Request) -> Response:
        async with request.form(max_files=1, max_fields=2) as form:
            file, example = form.get("file"), form.get("example")
            try:
                if isinstance(example, str):
                    name, frame = f"{example}.csv", await run_in_threadpool(_example, example)
                else:
                    name, frame = await run_in_threadpool(self._read, file)
            except TTMError as error:
                page = upload_page(limit=self._limit, problem=Problem.of(error))
                return HTMLResponse(page, status_code=UNREADABLE)
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
        async with request.form(max_files=0, max_fields=MOST_FIELDS) as form:
            filled = _texts(form)
        try:
            analysis = await run_in_threadpool(self._analyse, table, filled)
        except TTMError as error:
            page = columns_page(key, table, filled=filled, problem=Problem.of(error))
            return HTMLResponse(page, status_code=UNREADABLE)
        return _see(f"/tables/{key}/forecasts/{self._shelf.add(table, analysis)}")

    def _analyse(self, table: StoredTable, filled: dict[str, list[str]]) -> Analysis:
        choices = Choices.of(filled)
        with self._turn:
            return self._work(table.frame, choices)

    async def analysis(self, request: Request) -> Response:
        table, number = self._table(request), request.path_params["number"]
        analysis = _stored(table, number)
        asked = request.query_params.get("series", "0")
        if asked not in map(str, range(len(analysis.parts()))):
            raise HTTPException(404, f"found series {asked!r}, expected a number below {len(analysis.parts())}")
        page = await run_in_threadpool(analysis_page, request.path_params["key"], table, number, position=int(asked))
        return HTMLResponse(page)

    async def download(self, request: Request) -> Response:
        table, what = self._table(request), request.path_params["what"]
        analysis = _stored(table, request.path_params["number"])
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


def _example(name: str) -> pd.DataFrame:
    return load_example(name).reset_index()


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
    usual = {404: "there is no such page; go back to the beginning", 405: "this address cannot be asked so; go back"}
    text = usual[status] if detail in ("Not Found", "Method Not Allowed") else detail
    return HTMLResponse(problem_page(status, Problem.of(text)), status_code=status)


async def _unforeseen(request: Request, error: Exception) -> Response:
    text = f"something went wrong here ({type(error).__name__}); the terminal that runs ttm-sk app has the details"
    return HTMLResponse(problem_page(500, Problem.of(text)), status_code=500)
