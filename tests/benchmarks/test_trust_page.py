"""The page of trust is what its results say, and every defect on it is kept away by something that exists."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from bad_input import CAUSES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks/trust"))
    return importlib.import_module("page")


def test_when_the_page_is_written_anew_then_it_stays_as_it_is(page, monkeypatch, tmp_path):
    monkeypatch.setattr(page, "DOCS", tmp_path)
    page.main()
    for name in ("trust.md", "trust-errors.md"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text(), "run benchmarks/trust/page.py"


def test_when_a_defect_is_listed_then_what_keeps_it_away_exists(page):
    defects = page.read_defects()
    assert defects
    for defect in defects:
        assert all(defect.values()), defect
        keeper = defect["kept by"]
        if keeper.startswith(page.sections.CAUSE):
            assert keeper.removeprefix(page.sections.CAUSE) in CAUSES, keeper
        else:
            path, _, function = keeper.partition("::")
            assert function in functions(ROOT / path), keeper


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
