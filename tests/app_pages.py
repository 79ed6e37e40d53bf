"""The page of ``ttm-sk app`` over the web library's own test client: no port, no socket."""

from __future__ import annotations

import re

import pytest

for package in ("starlette", "python_multipart", "uvicorn"):
    pytest.importorskip(package, reason="needs the extra app")

from starlette.testclient import TestClient  # noqa: E402 (there is none without the extra)

HOME = "http://127.0.0.1:8765"
DAYS = [f"2024-01-{day:02d}" for day in range(1, 29)]
SALES = b"day,sales\n" + "".join(f"{day},{10 + i % 7}\n" for i, day in enumerate(DAYS)).encode()
UPLOAD_LIMIT = 2**20


def visit(app) -> TestClient:
    """A browser of one person."""
    return TestClient(app, base_url=HOME, headers={"origin": HOME}, raise_server_exceptions=False)


def upload(browser: TestClient, content: bytes = SALES, name: str = "sales.csv"):
    return browser.post("/tables", files={"file": (name, content, "text/csv")})


def table_of(response) -> str:
    """The address of the table that a page is about."""
    return re.search(r"/tables/[\w-]{22}", str(response.url))[0]


def forecast(browser: TestClient, table: str, **form: str):
    filled = {"horizon": "3", "windows": "1", "effort": "plain", "target": "sales"} | form
    return browser.post(f"{table}/forecasts", data=filled)
