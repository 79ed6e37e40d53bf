"""From a dropped file to a download, and what the page says where that does not work."""

from __future__ import annotations

import gzip
import html
import importlib
import io
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from app_pages import DAYS, SALES, UPLOAD_LIMIT, forecast, table_of, upload, visit

from ttm_sk import TTMForecaster
from ttm_sk.app.line import BusyError
from ttm_sk.app.site import make_app
from ttm_sk.app.upload import MOST_COLUMNS
from ttm_sk.data.tables import to_series
from ttm_sk.errors import MissingExtraError

HOSTILE = '<script>alert("x")</script>'


def said(response) -> str:
    """The page's text, as a person reads it."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


def chart_of(response) -> dict:
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', response.text, re.DOTALL)[1])


def test_when_a_file_is_dropped_then_its_columns_can_be_chosen(browser):
    page = upload(browser)
    assert page.status_code == 200
    assert "28 rows, 2 columns" in said(page)
    assert re.search(r'name="target" value="sales" checked', page.text)
    assert "2024-01-01" in said(page)


def test_when_a_forecast_is_asked_for_then_it_is_the_forecasters_own(browser):
    page = forecast(browser, table_of(upload(browser)))
    assert page.status_code == 200
    series = to_series(pd.read_csv(io.BytesIO(SALES)))
    expected = TTMForecaster(effort="plain").fit(series).predict_quantiles(fh=[1, 2, 3], alpha=[0.1, 0.5, 0.9])
    table = pd.read_csv(io.BytesIO(browser.get(f"{page.url}/forecast.csv").content))
    assert table["time"].tolist() == ["2024-01-29", "2024-01-30", "2024-01-31"]
    assert table[["0.1", "forecast", "0.9"]].to_numpy() == pytest.approx(expected.to_numpy())


def test_when_a_forecast_is_shown_then_the_chart_has_the_history_the_fan_and_the_backtest(browser):
    chart = chart_of(forecast(browser, table_of(upload(browser))))
    assert chart["history"] == [10 + i % 7 for i in range(28)]
    assert len(chart["times"]) == 31
    assert [band["share"] for band in chart["bands"]] == [0.8, 0.6, 0.4, 0.2]
    assert all(low <= high for band in chart["bands"] for low, high in zip(band["low"], band["high"], strict=True))
    assert chart["backtest"]["start"] == 25
    assert chart["backtest"]["naive"] == chart["history"][25:]  # a week repeats itself here


def test_when_there_was_a_backtest_then_its_scores_are_shown_and_downloaded(browser):
    page = forecast(browser, table_of(upload(browser)), windows="2")
    assert "2 windows of 3 steps; seasonal naive repeats 7" in said(page)
    scores = pd.read_csv(io.BytesIO(browser.get(f"{page.url}/backtest.csv").content))
    assert scores["method"].tolist() == ["seasonal naive"] * 2 + ["ttm_sk"] * 2


def test_when_the_past_repeats_itself_exactly_then_no_score_is_made_up(browser):
    text = said(forecast(browser, table_of(upload(browser))))
    assert "There is no MASE here" in text
    assert "nan" not in text.lower().split()


def test_when_the_past_is_noisy_then_one_sentence_compares_with_seasonal_naive(browser):
    lines = [f"{day},{10 + i % 7 + (i * i) % 5}" for i, day in enumerate(DAYS)]
    page = forecast(browser, table_of(upload(browser, "\n".join(["day,sales", *lines]).encode())), windows="2")
    scores = pd.read_csv(io.BytesIO(browser.get(f"{page.url}/backtest.csv").content))
    ours, naive = (scores[scores["method"] == name]["mase"].mean() for name in ("ttm_sk", "seasonal naive"))
    expected = f"{abs(1 - ours / naive):.0%}".replace("%", "\N{NO-BREAK SPACE}%")
    assert f"was {expected} {'below' if ours < naive else 'above'} seasonal naive's" in page.text.replace("&#39;", "'")


def test_when_the_past_is_too_short_for_a_backtest_then_the_forecast_comes_with_the_reason(browser):
    page = forecast(browser, table_of(upload(browser)), horizon="28")
    assert page.status_code == 200
    assert "No backtest. Found a series of 28 steps, too short for 1 windows of 28 steps." in said(page)
    assert browser.get(f"{page.url}/backtest.csv").status_code == 404


def test_when_values_are_missing_then_the_chart_has_gaps(browser):
    lines = SALES.decode().splitlines()
    lines[20] = lines[20].split(",")[0] + ","
    chart = chart_of(forecast(browser, table_of(upload(browser, "\n".join(lines).encode()))))
    assert chart["history"][19] is None
    assert None not in chart["median"]


def test_when_there_are_several_series_then_one_of_them_is_shown_and_all_are_downloaded(browser):
    rows = [f"{day},{shop},{10 * (k + 1) + i % 7}" for k, shop in enumerate("ab") for i, day in enumerate(DAYS)]
    content = "\n".join(["day,shop,sales", *rows]).encode()
    page = forecast(browser, table_of(upload(browser, content)), id="shop")
    assert chart_of(page)["name"] == "a: sales"
    second = browser.get(page.url, params={"series": "1"})
    assert chart_of(second)["name"] == "b: sales"
    assert chart_of(second)["history"][0] == 20
    table = pd.read_csv(io.BytesIO(browser.get(f"{page.url}/forecast.csv").content))
    assert table["id"].tolist() == ["a"] * 3 + ["b"] * 3
    assert browser.get(page.url, params={"series": "2"}).status_code == 404


def test_when_an_example_is_chosen_then_it_is_forecast_like_a_file(browser):
    page = browser.post("/tables", data={"example": "airline"})
    assert "144 rows" in said(page)
    page = forecast(browser, table_of(page), target="passengers_thousands", horizon="12")
    assert chart_of(page)["times"][-1] == "1961-12-01"


@pytest.mark.parametrize(
    "content, name, words",
    [
        (b"", "empty.csv", "“empty.csv” is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "picture.png", "“picture.png” is no UTF-8 text"),
        (b"1,2\n3,4\n", "bare.csv", "“bare.csv” has no line of column names"),
        (b"PAR1nonsense", "broken.parquet", "“broken.parquet” is no readable parquet file"),
        (gzip.compress(b"day,sales\n" + b"x" * 9 * UPLOAD_LIMIT), "trap.csv.gz", "“trap.csv.gz” unpacks to more than"),
        (gzip.compress(SALES)[:30] + b"\xff" * 40, "torn.csv.gz", "“torn.csv.gz” is"),
        (b"\x1f\x8b\x08\x00", "half.csv.gz", "“half.csv.gz” is"),
    ],
    ids=["empty", "picture", "bare", "broken", "trap", "torn", "half"],
)
def test_when_a_file_is_no_table_then_the_page_names_it_and_what_to_do(browser, content, name, words):
    page = upload(browser, content, name)
    assert page.status_code == 422
    assert words in said(page)
    assert "/tmp" not in page.text
    assert 'type="file"' in page.text  # another one can be chosen


@pytest.mark.parametrize(
    "content, form, words",
    [
        (SALES, {"horizon": "0"}, "Found '0' in “Steps ahead”, expected a whole number from 1 to 2,000. Correct it."),
        (SALES, {"horizon": "soon"}, "Found 'soon' in “Steps ahead”"),
        (SALES, {"season": "-1"}, "Found '-1' in “Steps of a season”"),
        (SALES, {"effort": "none"}, "Found 'none' in “Effort”. Choose one of plain, fast, best."),
        (SALES, {"target": "profit"}, "Found no column 'profit'"),
        (SALES, {"target": "day"}, "Column 'day', row 1: found '2024-01-01', expected a number."),
        (SALES.replace(b",12", b",twelve", 1), {}, "Column 'sales', row 3: found 'twelve', expected a number."),
        (b"a,b\n1,2\n3,4\n", {"target": ""}, "Found no column ''"),
        (SALES + b"2024-06-01,3\n", {}, "and missing rows become NaN"),
    ],
    ids=["zero", "word", "negative", "effort", "unknown", "dates", "text", "nothing", "gap"],
)
def test_when_a_choice_cannot_be_met_then_the_form_says_why_and_stays_filled(browser, content, form, words):
    page = forecast(browser, table_of(upload(browser, content)), **{"windows": "2"} | form)
    assert page.status_code == 422
    assert words in said(page)
    assert "--" not in said(page)  # the command line's options are not the page's
    assert re.search(r'name="windows"[^>]*value="2"', page.text)


@pytest.mark.parametrize(
    ("content", "ticked"),
    [(b"year,sales\n2001,3\n2002,4\n2003,5\n", ["sales"]), (b"store,day,sales\n1,2024-01-01,3\n1,2024-01-02,4\n", [])],
)
def test_when_a_table_has_one_column_to_forecast_then_it_is_ticked_and_else_none(browser, content, ticked):
    page = upload(browser, content, "sales.csv").text
    assert re.findall(r'name="target" value="(\w+)"[^>]*checked', page) == ticked


def test_when_no_column_is_chosen_among_several_then_the_page_asks_which(browser):
    table = table_of(upload(browser, b"a,b\n" + b"1,2\n" * 30))
    page = browser.post(f"{table}/forecasts", data={"horizon": "3"})
    assert "Found several columns that could be forecast: 'a', 'b'." in said(page)
    assert "Name those that you want (Columns to forecast)." in said(page)


def test_when_a_choice_is_to_be_changed_then_the_form_is_as_it_was(browser):
    table = table_of(upload(browser))
    forecast(browser, table, horizon="5", effort="plain", season="7")
    page = browser.get(table, params={"from": "1"})
    assert re.search(r'name="horizon"[^>]*value="5"', page.text)
    assert '<option value="plain" selected>' in page.text
    assert re.search(r'name="season"[^>]*value="7"', page.text)


def test_when_names_are_hostile_then_every_page_escapes_them(browser):
    quoted = HOSTILE.replace('"', '""')
    rows = "".join(f'{day},{10 + i % 7},"{quoted}"\n' for i, day in enumerate(DAYS))
    content = f'day,"{quoted}",{"shop"}\n{rows}'.encode()
    columns = upload(browser, content, f"{HOSTILE}.csv")
    table = table_of(columns)
    wrong = forecast(browser, table, target=f"{HOSTILE}!")
    page = forecast(browser, table, target=HOSTILE, id="shop")
    assert (columns.status_code, wrong.status_code, page.status_code) == (200, 422, 200)
    assert HOSTILE in said(columns) + said(wrong)
    for response in (columns, wrong, page):
        assert "<script>alert" not in response.text
        assert "</script>alert" not in response.text
    assert chart_of(page)["name"] == f"{HOSTILE}: {HOSTILE}"


def test_when_two_people_work_at_once_then_each_sees_their_own(browser):
    def work(scale: int) -> tuple[str, list[float]]:
        content = b"day,sales\n" + "".join(f"{day},{scale + i % 7}\n" for i, day in enumerate(DAYS)).encode()
        page = forecast(browser, table_of(upload(browser, content, f"of-{scale}.csv")))
        return said(page), chart_of(page)["history"]

    scales = [10, 1000, 20, 2000]
    with ThreadPoolExecutor(4) as people:
        for scale, (text, history) in zip(scales, people.map(work, scales), strict=True):
            assert f"of-{scale}.csv" in text
            assert history == [scale + i % 7 for i in range(28)]


def test_when_an_address_is_guessed_or_forgotten_then_nothing_is_shown(browser):
    table = table_of(upload(browser))
    forecast(browser, table)
    assert browser.get(f"{table}/forecasts/2").status_code == 404
    assert browser.get("/tables/AAAAAAAAAAAAAAAAAAAAAA").status_code == 404
    assert browser.post(f"{table}/forget").url.path == "/"
    gone = browser.get(f"{table}/forecasts/1")
    assert gone.status_code == 404
    assert "This file is no longer here" in said(gone)


def test_when_many_files_are_dropped_then_the_oldest_makes_room(browser, monkeypatch):
    monkeypatch.setattr("ttm_sk.app.shelf.MOST_TABLES", 3)
    first, second = table_of(upload(browser)), table_of(upload(browser))
    browser.get(first)  # so that the second one was longest unused
    for _ in range(2):
        upload(browser)
    assert browser.get(first).status_code == 200
    assert browser.get(second).status_code == 404


@pytest.mark.parametrize(
    "address, status",
    [
        ("/nowhere", 404),
        ("/tables", 405),
        ("/static/../site.py", 404),
        pytest.param(f"/tables/a/forecasts/{'9' * 5000}", 404, id="huge"),
        ("/tables/%00/forecasts/1", 404),
        ("/static/%00", 404),
    ],
)
def test_when_an_address_is_wrong_then_the_page_says_so(browser, address, status):
    page = browser.get(address)
    assert page.status_code == status
    assert "That did not work" in said(page)


def test_when_no_file_is_chosen_then_the_page_asks_for_one(browser):
    page = browser.post("/tables", files={"file": ("", b"")})
    assert page.status_code == 400
    assert "Found no file" in said(page)


@pytest.mark.parametrize(
    "content, kind, words",
    [
        (b"x", "multipart/form-data", "Missing boundary"),
        (b"no form", "multipart/form-data; boundary=b", "Invalid multipart data"),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 3 + b"--b--", None, "Too many fields"),
    ],
    ids=["boundary", "broken", "fields"],
)
def test_when_a_form_is_none_of_the_pages_then_it_says_what_to_do(browser, content, kind, words):
    headers = {"content-type": kind or "multipart/form-data; boundary=b"}
    page = browser.post("/tables", content=content, headers=headers)
    assert page.status_code == 400
    assert re.search(rf"Found a form that is none of this page's \({words}.*\)\. Send it from the page", said(page))


def test_when_something_unforeseen_happens_then_the_page_says_so_without_details(browser, monkeypatch):
    monkeypatch.setattr("ttm_sk.app.site.read_upload", lambda *_, **__: 1 / 0)
    page = upload(browser)
    assert page.status_code == 500
    assert "ZeroDivisionError" in said(page)
    assert "site.py" not in page.text


def test_when_the_line_for_forecasts_is_full_then_the_page_says_busy_and_the_form_stays(browser, monkeypatch):
    table = table_of(upload(browser))
    monkeypatch.setattr("ttm_sk.app.line.Line.place", raising(BusyError("found 16 others in line; try again later")))
    page = forecast(browser, table, horizon="5")
    assert (page.status_code, page.headers["retry-after"]) == (503, "30")
    assert "Found 16 others in line. Try again later." in said(page)
    assert re.search(r'name="horizon"[^>]*value="5"', page.text)
    page = upload(browser)
    assert page.status_code == 503
    assert "Try again later." in said(page)


def raising(error: Exception):
    def act(*arguments, **options):
        raise error

    return act


def test_when_a_forecast_takes_too_long_then_it_is_stopped_and_the_next_one_comes():
    browser = visit(make_app(time_limit=0.001))
    table = table_of(upload(browser))
    page = forecast(browser, table)
    assert page.status_code == 503
    assert "Found no answer after 0.001 seconds. Ask for fewer steps or windows" in said(page)
    assert browser.get(table).status_code == 200


def test_when_forecasts_have_a_process_of_their_own_then_they_are_the_same(browser):
    apart = visit(make_app(time_limit=60.0))
    pages = [forecast(each, table_of(upload(each))) for each in (apart, browser)]
    assert [page.status_code for page in pages] == [200, 200]
    assert chart_of(pages[0]) == chart_of(pages[1])
    wrong = forecast(apart, table_of(upload(apart)), target="profit")
    assert "Found no column 'profit'" in said(wrong)


def test_when_a_parquet_file_repeats_one_value_without_end_then_it_is_refused_unread(browser, tmp_path):
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "trap.parquet"
    rows = pa.array([0] * 2_000_000, pa.int32())
    pa.parquet.write_table(pa.table({"a": pa.DictionaryArray.from_arrays(rows, pa.array(["x"]))}), path)
    assert path.stat().st_size < 20_000
    page = upload(browser, path.read_bytes(), path.name)
    assert page.status_code == 422
    assert "“trap.parquet” has 2,000,000 rows of 1 columns, expected at most 1,048,576 cells." in said(page)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_when_a_file_has_too_many_columns_then_it_is_refused(browser, packed):
    content = b",".join(b"c%d" % i for i in range(MOST_COLUMNS + 1)) + b"\n" + b"1," * MOST_COLUMNS + b"1\n"
    page = upload(browser, gzip.compress(content) if packed else content, "wide.csv")
    assert page.status_code == 422
    assert f"“wide.csv” has more than {MOST_COLUMNS:,} columns. Leave out" in said(page)


def test_when_two_pages_are_made_then_they_share_no_file(browser):
    assert visit(make_app()).get(table_of(upload(browser))).status_code == 404


@pytest.mark.parametrize(
    "module, package", [("site", "starlette"), ("site", "python_multipart"), ("server", "uvicorn"), ("pages", "jinja2")]
)
def test_when_the_extra_is_missing_then_it_is_named(module, package, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package or name.startswith("ttm_sk.app")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"ttm-sk\[app\]"):
        importlib.import_module(f"ttm_sk.app.{module}")
