"""What the folder of a run keeps, and what it refuses."""

from __future__ import annotations

import pytest

from ttm_sk.errors import ConfigError, DataError
from ttm_sk.evaluation.measurement import peak_memory_mb
from ttm_sk.evaluation.results_folder import RESULT_COLUMNS, RUN_COLUMNS, ResultsFolder

ORDER = ["first", "second", "third"]


def rows(name, **settings):
    result = dict.fromkeys(RESULT_COLUMNS, 0.5) | {"dataset": name, "model": "mine"}
    run = dict.fromkeys(RUN_COLUMNS, "x") | {"dataset": name, "settings": settings, "trained_on": ["a", "b"]}
    return result, run


def test_when_tasks_finish_in_any_order_then_rows_stand_in_the_benchmarks(tmp_path):
    folder = ResultsFolder(tmp_path, order=ORDER)
    for name in ("third", "first", "second"):
        folder.add(*rows(name))
    for file in ("all_results.csv", "runs.csv"):
        lines = (tmp_path / file).read_text().splitlines()[1:]
        assert [line.split(",")[0] for line in lines] == ORDER
    assert ResultsFolder(tmp_path, order=ORDER).done == set(ORDER)


def test_when_a_kill_came_between_the_two_files_then_the_task_is_not_done(tmp_path):
    ResultsFolder(tmp_path, order=ORDER).add(*rows("first"))
    before = (tmp_path / "all_results.csv").read_bytes()
    ResultsFolder(tmp_path, order=ORDER).add(*rows("second"))
    (tmp_path / "all_results.csv").write_bytes(before)
    assert ResultsFolder(tmp_path, order=ORDER).done == {"first"}


def test_when_a_row_cannot_be_written_then_those_before_stay(tmp_path, monkeypatch):
    folder = ResultsFolder(tmp_path, order=ORDER)
    folder.add(*rows("first"))
    before = (tmp_path / "all_results.csv").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left on device.*runs.csv"):
        folder.add(*rows("second"))
    assert (tmp_path / "all_results.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all_results.csv", "runs.csv"]


def test_when_rows_have_no_run_then_the_folder_is_refused(tmp_path):
    ResultsFolder(tmp_path, order=ORDER).add(*rows("first"))
    (tmp_path / "runs.csv").unlink()
    with pytest.raises(DataError, match=r"first in all_results\.csv but not in runs\.csv"):
        ResultsFolder(tmp_path, order=ORDER)


@pytest.mark.parametrize(
    "change",
    [{"model": "other"}, {"weights": "y"}, {"settings": {"effort": "fast"}}],
    ids=lambda change: next(iter(change)),
)
def test_when_another_run_comes_then_what_differs_is_named(tmp_path, change):
    same = {"model": "mine", "weights": "x", "settings": {"effort": "plain"}}
    folder = ResultsFolder(tmp_path, order=ORDER)
    folder.add(*rows("first", effort="plain"))
    folder.check_same_run(**same)
    with pytest.raises(ConfigError, match=f"other {next(iter(change))}"):
        folder.check_same_run(**same | change)


def test_when_measured_then_memory_is_positive():
    assert peak_memory_mb() > 10
