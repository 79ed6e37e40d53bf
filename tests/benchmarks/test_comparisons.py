"""The page of comparisons shows the results that are kept, and no others."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def comparisons():
    place = REPOSITORY / "benchmarks" / "comparisons.py"
    spec = importlib.util.spec_from_file_location("comparisons", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_when_the_page_is_written_anew_then_it_stays_as_it_is(comparisons, tmp_path, monkeypatch):
    page = REPOSITORY / "docs" / "comparisons.md"
    copy = tmp_path / "comparisons.md"
    copy.write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(comparisons, "PAGE", copy)
    assert comparisons.main() == 0
    assert copy.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    assert "| ETTh1 96 |" in copy.read_text(encoding="utf-8")


def test_when_results_of_several_runs_are_mixed_then_they_are_refused(comparisons):
    from pandas import Series

    with pytest.raises(SystemExit, match="expected results of one run"):
        comparisons._one(Series(["a", "b"], name="weights"))
