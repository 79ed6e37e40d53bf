"""Arrow files in, windows out; made-up data under the benchmark's names."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ttm_sk.errors import DataError
from ttm_sk.evaluation.gift_eval_tasks import CONFIGURATIONS, select_configurations

pa = pytest.importorskip("pyarrow")

from ttm_sk.evaluation.gift_eval_storage import history_before_tests, is_stored, read_task  # noqa: E402


def read(storage, name):
    return read_task(storage, select_configurations([name])[0])


def write(storage, folder, **columns):
    (storage / folder).mkdir(parents=True)
    table = pa.table(columns)
    with pa.ipc.new_stream(str(storage / folder / "data-00000-of-00001.arrow"), table.schema) as stream:
        stream.write_table(table)


def test_when_the_script_runs_again_then_it_makes_the_files_that_are_here(storage):
    spec = importlib.util.spec_from_file_location("make_storage", Path(__file__).with_name("make_storage.py"))
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for folder, recipe in script.DATASETS.items():
        (path,) = (storage / folder).glob("*.arrow")
        assert pa.ipc.open_stream(path.read_bytes()).read_all().equals(
            script.make_table(folder, *recipe)
        ) or folder in (
            "solar/10T",
            "temperature_rain_with_missing",  # NaN is not equal to NaN
        )


def test_when_items_have_variates_then_each_is_a_series_with_its_own_windows(storage):
    task = read(storage, "ett1/H/short")
    assert [one.item_id for one in task.series] == [f"item_0_dim{i}" for i in range(7)]
    assert (task.n_windows, task.n_tested, task.n_forecasts) == (1, 48, 7)
    assert task.series[0].values.dtype == np.float32


@pytest.mark.parametrize(
    "name, start",
    [
        ("bizitobs_application/10S/short", pd.Period("2024-01-01 00:00:00", freq="10s")),
        ("bizitobs_l2c/5T/short", pd.Period("2024-01-01 00:00", freq="5min")),
        ("m4_hourly", pd.Period("2015-07-01 12:00", freq="h")),
        ("us_births/D", pd.Period("1969-01-01", freq="D")),
        ("hierarchical_sales/W", pd.Period("2014-01-01", freq="W-WED")),
        ("hospital", pd.Period("2000-01", freq="M")),
        ("m4_quarterly", pd.Period("1980Q1", freq="Q-DEC")),
        ("m4_yearly", pd.Period("1750", freq="Y-DEC")),
    ],
)
def test_when_a_data_set_has_a_frequency_then_its_series_begin_with_such_a_period(storage, name, start):
    assert read(storage, name).series[0].start == start


def test_when_values_are_missing_then_they_are_nan(storage):
    some, other, none = read(storage, "temperature_rain").series
    assert 0 < np.isnan(some.values).sum() < len(some.values)
    assert np.isnan(none.values).all()


def test_when_windows_are_cut_then_the_history_ends_where_the_first_begins(storage):
    task = read(storage, "us_births/D")
    (before,) = history_before_tests(task)
    assert task.n_windows == 2
    np.testing.assert_array_equal(before.values, task.series[0].values[: -2 * 30])


def test_when_a_data_set_is_absent_then_it_is_not_stored(storage):
    stored = {task.dataset for task in CONFIGURATIONS if is_stored(storage, task)}
    assert "hospital" in stored
    assert "covid_deaths" not in stored


@pytest.mark.parametrize("content", [b"", b"not arrow", b"\xff" * 200])
def test_when_a_file_is_damaged_then_the_folder_is_named(tmp_path, content):
    (tmp_path / "hospital").mkdir()
    (tmp_path / "hospital" / "data.arrow").write_bytes(content)
    with pytest.raises(DataError, match="hospital: not readable as arrow"):
        read(tmp_path, "hospital")


def test_when_a_file_was_cut_off_then_the_folder_is_named(tmp_path, storage):
    (whole,) = (storage / "hospital").glob("*.arrow")
    (tmp_path / "hospital").mkdir()
    (tmp_path / "hospital" / whole.name).write_bytes(whole.read_bytes()[:600])
    with pytest.raises(DataError, match="hospital: not readable as arrow"):
        read(tmp_path, "hospital")


def test_when_a_folder_holds_no_arrow_file_then_what_is_expected_is_told(tmp_path):
    (tmp_path / "hospital").mkdir()
    with pytest.raises(DataError, match="save_to_disk"):
        read(tmp_path, "hospital")


def test_when_columns_are_missing_then_they_are_named(tmp_path):
    write(tmp_path, "hospital", item_id=["a"], target=[[1.0, 2.0]])
    with pytest.raises(DataError, match="expected also start, freq"):
        read(tmp_path, "hospital")


def test_when_the_frequency_is_another_then_it_is_refused(tmp_path):
    write(tmp_path, "hospital", item_id=["a"], start=[pd.Timestamp("2024-01-01")], freq=["D"], target=[[1.0] * 99])
    with pytest.raises(DataError, match="found the frequency D, expected M"):
        read(tmp_path, "hospital")


def test_when_a_series_is_shorter_than_what_is_tested_then_it_is_refused(storage):
    with pytest.raises(DataError, match="700 steps, expected more than the 900"):
        read(storage, "bizitobs_application/10S/long")
