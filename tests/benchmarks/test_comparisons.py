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


def test_when_the_pages_are_written_anew_then_they_stay_as_they_are(comparisons, tmp_path, monkeypatch):
    pages = {"PAGE": "comparisons.md", "REGRESSION_PAGE": "regression.md", "QUOTED_PAGE": "beside-others.md"}
    before = {name: (REPOSITORY / "docs" / name).read_text(encoding="utf-8") for name in pages.values()}
    for constant, name in pages.items():
        (tmp_path / name).write_text(before[name], encoding="utf-8")
        monkeypatch.setattr(comparisons, constant, tmp_path / name)
    assert comparisons.main() == 0
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in before} == before
    assert "| ETTh1 96 |" in before["comparisons.md"]
    assert "| OSULeaf |" in before["regression.md"]
    assert "| TiRex (35 M) |" in before["beside-others.md"]


def test_when_results_of_several_runs_are_mixed_then_they_are_refused(comparisons):
    from pandas import Series

    with pytest.raises(SystemExit, match="expected results of one run"):
        comparisons._one(Series(["a", "b"], name="weights"))
