"""Which versions are lowest, and when two runs are the same; the matrix itself is `tox -e trust`'s."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks/trust"


@pytest.fixture
def versions(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("versions")


def run(**changes) -> dict:
    return {"python": "3.11", "failed": "", "from": "there", "forecasts": [[1.0, 2.0]]} | changes


def test_when_dependencies_are_read_then_each_has_its_lowest_version(versions):
    assert versions.lower_bounds(["numpy>=2.0", "scikit-learn>=1.6"]) == {"numpy": "2.0", "scikit-learn": "1.6"}


@pytest.mark.parametrize(
    "listed, least, lowest",
    [
        (["2.10.0", "2.9.1", "1.26.4"], "2.0", "2.9.1"),
        (["2.0.1", "2.0.0", "2.0.0rc1"], "2.0", "2.0.0"),
        (["2.1.0"], "2.0", "2.1.0"),
        (["0.4.3", "0.4.10", "0.4.2"], "0.4.3", "0.4.3"),
    ],
)
def test_when_versions_are_listed_then_the_lowest_that_is_allowed_is_taken(versions, listed, least, lowest):
    assert versions.lowest_of(listed, least) == lowest


def test_when_this_python_is_looked_for_then_it_is_found_and_no_other(versions):
    assert versions.interpreter("2.0") is None
    found = versions.interpreter(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert found is None or Path(found).exists()


def test_when_a_run_forecasts_something_else_then_it_has_failed(versions):
    rows = versions.compared([run(), run(forecasts=[[1.0, 2.5], [7.0]]), run(failed="no module named numpy")])
    assert [row["failed"] for row in rows] == ["", "differs by 0.5", "no module named numpy"]
    assert rows[0]["difference"] == 0
    assert "forecasts" not in rows[0]
    assert versions.compared([run(), run(forecasts=[[1.0, float("nan")]])])[1]["failed"]
