"""What counts as whole where a worker of a cluster engine was killed, and that the comparison sees a single bit."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")
FOLDER = Path(__file__).parents[2] / "benchmarks"
WHOLE = {"worker_killed": True, "lost": 0, "doubled": 0, "different": 0}


@pytest.fixture
def engines(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER / "trust"))
    return importlib.import_module("engines")


@pytest.fixture
def million(monkeypatch):
    pytest.importorskip("psutil")
    monkeypatch.syspath_prepend(str(FOLDER / "speed"))
    module = importlib.import_module("million")
    monkeypatch.setattr(module, "SERIES_A_PART", 3)
    return module


@pytest.mark.parametrize("fault", ["lost", "doubled", "different"])
def test_when_a_series_is_missing_double_or_other_then_the_row_is_not_whole(engines, fault):
    assert engines.is_whole(WHOLE)
    assert not engines.is_whole(WHOLE | {fault: 1})


def test_when_no_worker_died_or_the_engine_failed_then_nothing_is_shown(engines):
    assert not engines.is_whole(WHOLE | {"worker_killed": False})
    assert not engines.is_whole({"engine": "ray", "failed": "ended with 1"})


def test_when_an_engine_is_not_installed_then_it_is_named(engines, monkeypatch, tmp_path):
    monkeypatch.setitem(engines.PACKAGES, "ray", ("a_package_that_is_not_there",))
    assert engines.main(["--engine", "ray", "--results", str(tmp_path)]) == 0
    assert "a_package_that_is_not_there is not installed" in (tmp_path / "engines.json").read_text()


def test_when_forecasts_are_those_of_one_process_then_a_single_bit_is_seen(million, tmp_path):
    parts = [million.forecast_part(i, n_series=5, killer=str(tmp_path), at=i) for i in range(2)]
    parts[1].to_parquet(tmp_path / "1.parquet")
    parts[0].to_parquet(tmp_path / "0.parquet")
    assert million.compare(tmp_path, 5) == {"different": 0, "largest_difference": 0.0}
    parts[1].loc[0, "forecast"] = np.nextafter(parts[1].loc[0, "forecast"], np.inf)
    parts[1].to_parquet(tmp_path / "1.parquet")
    assert million.compare(tmp_path, 5)["different"] == 1
    assert million.check(tmp_path, 5) == {"lost": 0, "doubled": 0, "rows": 35}
    parts[1][:-1].to_parquet(tmp_path / "1.parquet")
    assert million.compare(tmp_path, 5) == {"different": 1}
    assert million.check(tmp_path, 5)["lost"] == 1
