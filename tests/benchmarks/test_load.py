"""What counts as met under load, and that parts that are measured apart keep their commit; `tox -e trust` loads."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks/trust"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("load")


@pytest.mark.parametrize(
    "part, values, is_met",
    [
        ("together", {"identical": True}, True),
        ("together", {"identical": False}, False),
        ("hours", {"growth_mb": 3.0}, True),
        ("hours", {"growth_mb": 300.0}, False),
        ("panel", {"size": 1}, True),
        ("panel", {}, False),
    ],
)
def test_when_a_load_is_measured_then_growth_difference_and_failure_count(load, part, values, is_met):
    assert load.is_met(part, values) == is_met


def test_when_parts_are_measured_apart_then_each_keeps_its_commit(load, monkeypatch, tmp_path):
    options = ["--points", "3000", "--results", str(tmp_path)]
    for commit, part in (("first", "long"), ("second", "hours")):
        monkeypatch.setattr(load, "source_commit", lambda commit=commit: commit)
        assert load.main(["--parts", part, "--minutes", "0.001", *options]) == 0
    assert {part: values["commit"] for part, values in load.kept(tmp_path).items()} == {
        "hours": "second",
        "long": "first",
    }
