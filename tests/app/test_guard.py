"""Who gets in: this machine's own browser, from the page itself, with not too many bytes."""

from __future__ import annotations

import asyncio
import re

import pytest
from app_pages import HOME, SALES, UPLOAD_LIMIT, upload, visit

from ttm_sk.app.guard import Guard
from ttm_sk.app.site import make_app

FILES = {"file": ("sales.csv", SALES)}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9", "localhost:8765", "[::1]:8765"])
def test_when_the_host_is_this_machine_then_the_page_answers(browser, host):
    assert browser.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[", "", "0.0.0.0"]
)
def test_when_the_host_is_foreign_then_nothing_is_answered(browser, host):
    page = browser.get("/", headers={"host": host})
    assert page.status_code == 421
    assert "Drop a CSV file" not in page.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8765", "http://127.0.0.1:9", ""])
def test_when_another_page_posts_then_it_is_refused(browser, origin):
    page = browser.post("/tables", files=FILES, headers={"origin": origin})
    assert page.status_code == 403
    assert "sent by another page" in page.text.lower()


@pytest.mark.parametrize("method", ["DELETE", "PUT", "BREW"])
def test_when_the_method_is_none_of_the_pages_then_it_is_named_whatever_comes_with_it(browser, method):
    page = browser.request(method, "/tables", files=FILES)
    assert page.status_code == 405
    assert f"Found the method &#39;{method}&#39;, expected GET or POST" in page.text


@pytest.mark.parametrize("site, status", [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)])
def test_when_a_browser_names_no_origin_then_it_says_from_which_site(site, status):
    browser = visit(make_app())
    del browser.headers["origin"]
    assert browser.post("/tables", files=FILES, headers={"sec-fetch-site": site}).status_code == status


def test_when_a_file_is_just_small_enough_then_it_is_read(browser):
    content = SALES + b"\n" * (UPLOAD_LIMIT - len(SALES))
    assert upload(browser, content).status_code == 200


def test_when_a_file_is_a_byte_too_large_then_the_limit_is_said(browser):
    page = upload(browser, SALES + b"\n" * (UPLOAD_LIMIT - len(SALES) + 1))
    assert page.status_code == 422
    assert "more than 1 MB" in page.text


def test_when_a_file_is_far_too_large_then_it_is_refused_unread(browser):
    page = upload(browser, b"x" * (50 * 2**20), "huge.csv")
    assert page.status_code == 413
    assert "found a file of about 50 MB, expected at most 1 MB" in page.text.replace("Found", "found")
    assert "--upload-limit" in page.text


def test_when_the_length_is_hidden_then_the_post_is_refused(browser):
    chunks = iter([b"a=", b"b"])
    assert browser.post("/tables", content=chunks).status_code == 411


@pytest.mark.parametrize("origin, status", [(HOME, 408), ("http://evil.example", 403)])
def test_when_a_body_dawdles_then_it_is_answered_in_time(monkeypatch, origin, status):
    monkeypatch.setattr("ttm_sk.app.guard.BODY_SECONDS", 0.05)
    headers = {"host": HOME.removeprefix("http://"), "origin": origin, "content-length": "9"}
    headers["content-type"] = "multipart/form-data; boundary=b"
    scope = {"type": "http", "method": "POST", "path": "/tables", "query_string": b"", "root_path": ""}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
    pieces, sent = [{"type": "http.request", "body": b"--b", "more_body": True}], []

    async def receive():
        return pieces.pop() if pieces else await asyncio.sleep(30)

    async def send(message):
        sent.append(message)

    asyncio.run(asyncio.wait_for(make_app()(scope, receive, send), 10))
    assert sent[0]["status"] == status
    if status == 408:
        assert b"did not come within 0.05 seconds. " in sent[1]["body"].replace(b"</strong></p>\n<p>", b" ")


def test_when_a_page_is_served_then_it_may_load_and_tell_nothing_elsewhere(browser):
    for response in (browser.get("/"), upload(browser), browser.get("/static/page.js"), browser.get("/nowhere")):
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert not re.search(r"https?:|\*|unsafe", policy)
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"


def test_when_pages_name_what_they_load_then_it_is_their_own(browser):
    for text in (browser.get("/").text, upload(browser).text):
        assert all(address.startswith("/") for address in re.findall(r'(?:src|href|action)="([^"#]*)"', text))


def test_when_the_request_is_no_page_then_the_guard_lets_it_through():
    seen = []

    async def inner(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(Guard(inner, limit=1, page=lambda *_: "")({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]


def test_when_the_static_files_are_read_then_they_fetch_nothing_from_elsewhere(browser):
    for name in ("page.js", "chart.js", "page.css", "icon.svg"):
        response = browser.get(f"/static/{name}")
        assert response.status_code == 200
        text = response.text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""https?:|["'(`]//|@import""", text)


def test_when_the_page_is_asked_from_itself_then_home_is_home():
    assert visit(make_app()).get("/").url == f"{HOME}/"
