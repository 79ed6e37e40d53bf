"""What counts as met under load, and that only parts of the same sources stand together; `tox -e trust` loads."""

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


def test_when_parts_are_measured_apart_then_those_of_the_same_commit_stay(load, monkeypatch, tmp_path):
    options = ["--points", "3000", "--series", "20", "--results", str(tmp_path)]
    assert load.main(["--parts", "long", *options]) == 0
    assert set(load.others_of_this_commit(tmp_path)) == {"long"}
    monkeypatch.setattr(load, "source_commit", lambda: "another")
    assert load.others_of_this_commit(tmp_path) == {}
