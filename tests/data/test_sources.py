"""Every format that ``read_series`` knows, on its fixture and on a broken copy of it."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ttm_sk.data import monash
from ttm_sk.data.monash import MONASH, locate_monash
from ttm_sk.data.sources import read_series
from ttm_sk.errors import DataError, MissingExtraError

FIXTURES = Path(__file__).with_name("fixtures")
DAYS = pd.date_range("2024-01-01", periods=12, freq="D")
A, B = np.arange(12.0), np.where(np.arange(12) == 2, np.nan, np.arange(12.0) + 100)

WIDE = ("wide.csv", "wide.parquet", "wide.arrow")
PANELS = {  # fixture -> the column of values
    "long.csv": "sales",
    "nixtla.csv": "y",
    "gluonts_long.csv": "target",
    "example_dataset.tsf": "target",
    "METR_LA.dyna": "traffic_speed",
    "gluonts/test": "target",
    "gluonts/test/data.json": "target",
    "hugging_face/test": "target",
    "hugging_face/test/data-00000-of-00001.arrow": "target",
}


def fixture(name: str) -> Path:
    if name.startswith(("hugging_face", "wide.parquet", "wide.arrow")):
        pytest.importorskip("pyarrow")
    return FIXTURES / name


def check_panel(panel: pd.DataFrame, column: str, *, n_steps: int = 12) -> None:
    assert panel.columns.tolist() == [column]
    for key, values in (("a", A), ("b", B)):
        np.testing.assert_array_equal(panel.loc[key, column], values[:n_steps])
        stamps = panel.loc[key].index
        assert list(stamps.tz_localize(None)) == list(DAYS[:n_steps])


def refusal(source: object, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_series(source, **options)
    return str(caught.value)


# Each format


@pytest.mark.parametrize("name", WIDE)
def test_when_a_wide_table_is_read_then_every_column_of_numbers_is_a_target(name):
    series = read_series(fixture(name))
    assert (series.columns.tolist(), series.index.freqstr) == (["a", "b"], "D")
    np.testing.assert_array_equal(series.to_numpy(), np.stack([A, B], axis=1))


@pytest.mark.parametrize("name", PANELS)
def test_when_a_source_names_its_series_then_they_are_a_panel(name):
    options = {"freq": "D"} if name == "gluonts/test/data.json" else {}  # alone, it has no metadata beside it
    check_panel(read_series(fixture(name), **options), PANELS[name])


@pytest.mark.parametrize("name", ["solar_AL.txt", "PEMS03.npz"])
def test_when_a_benchmark_has_no_stamps_then_its_rows_are_numbered(name):
    series = read_series(FIXTURES / name)
    assert (series.columns.tolist(), series.index.tolist()) == (["0", "1"], list(range(12)))
    np.testing.assert_array_equal(series["0"], A)
    assert "no time column" in refusal(FIXTURES / name, freq="10min")


def test_when_the_table_is_one_of_the_long_horizon_sets_then_its_pace_is_read(tmp_path):
    series = read_series(FIXTURES / "hourly.csv")
    assert (series.shape, series.index.freqstr, series.columns.tolist()) == ((1700, 2), "h", ["HUFL", "OT"])
    (tmp_path / "ETTh1.csv.gz").write_bytes(gzip.compress((FIXTURES / "hourly.csv").read_bytes()))
    pd.testing.assert_frame_equal(read_series(tmp_path / "ETTh1.csv.gz"), series)


def test_when_a_frame_is_given_then_it_is_read_as_its_file_and_not_changed():
    for name, column in (("nixtla.csv", "y"), ("gluonts_long.csv", "target")):
        frame = pd.read_csv(FIXTURES / name)
        before = frame.copy(deep=True)
        check_panel(read_series(frame), column)
        pd.testing.assert_frame_equal(frame, before)
    indexed = pd.read_csv(FIXTURES / "nixtla.csv").set_index("unique_id")  # as older versions of it do
    check_panel(read_series(indexed), "y")
    one = pd.Series(A, index=DAYS, name="a")
    assert read_series(one)["a"].tolist() == A.tolist()


def test_when_columns_are_named_then_they_count_before_what_is_recognised():
    series = read_series(FIXTURES / "nixtla.csv", target="price")
    assert (series.columns.tolist(), series.index.names) == (["price"], ["unique_id", "ds"])
    wide = read_series(FIXTURES / "wide.csv", target="b")
    assert wide.columns.tolist() == ["b"]
    assert "whole series, which have no columns; found time='ds'" in refusal(
        FIXTURES / "example_dataset.tsf", time="ds"
    )


# Monash


def test_when_a_monash_set_is_called_by_name_then_its_file_is_found_in_the_folder(tmp_path):
    shutil.copy(FIXTURES / "example_dataset.tsf", tmp_path / "tourism_monthly_dataset.tsf")
    check_panel(read_series("tourism_monthly", folder=tmp_path), "target")
    with zipfile.ZipFile(tmp_path / "nn5_daily_dataset_with_missing_values.zip", "w") as archive:
        archive.write(FIXTURES / "example_dataset.tsf", "nn5_daily_dataset_with_missing_values.tsf")
    check_panel(read_series("nn5_daily", folder=tmp_path), "target")
    check_panel(read_series(tmp_path / "nn5_daily_dataset_with_missing_values.zip"), "target")
    assert "found no hospital_dataset.tsf or .zip" in refusal("hospital", folder=tmp_path)


def test_when_a_monash_set_is_not_there_then_the_hub_is_asked_for_the_pinned_archive(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(FIXTURES / "example_dataset.tsf", "x.tsf")
    asked = []

    def download(filename: str) -> Path:
        asked.append(filename)
        return tmp_path / "x.zip"

    assert locate_monash("nn5_daily", download=download) == tmp_path / "x.zip"
    monkeypatch.setattr(monash, "_download_from_hub", download)
    check_panel(read_series("hospital"), "target")
    assert asked == ["data/nn5_daily_dataset_with_missing_values.zip", "data/hospital_dataset.zip"]
    assert len(monash.REVISION) == 40


def test_when_a_name_is_unknown_then_the_nearest_is_named():
    message = refusal("tourism_montly")
    assert "did you mean 'tourism_monthly'?" in message
    assert all(name in message for name in MONASH)


def test_when_the_hub_extra_is_missing_then_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"ttm-sk\[hub\]"):
        read_series("hospital")


@pytest.mark.parametrize(
    ("word", "freq", "first", "second"),
    [
        ("yearly", "YS-JAN", "1990-01-01", "1991-01-01"),
        ("quarterly", "QS-JAN", "1990-04-01", "1990-07-01"),
        ("monthly", "MS", "1990-05-01", "1990-06-01"),
        ("weekly", "W-TUE", "1990-05-15", "1990-05-22"),
        ("daily", "D", "1990-05-15", "1990-05-16"),
        ("half_hourly", "30min", "1990-05-15 00:00", "1990-05-15 00:30"),
        ("10_minutes", "10min", "1990-05-15 00:00", "1990-05-15 00:10"),
        ("4_seconds", "4s", "1990-05-15 00:00", "1990-05-15 00:00:04"),
    ],
)
def test_when_a_tsf_file_names_a_frequency_then_its_stamps_have_it(tmp_path, word, freq, first, second):
    text = (FIXTURES / "example_dataset.tsf").read_text()
    path = tmp_path / "x.tsf"
    path.write_text(text.replace("daily", word).replace("2024-01-01", "1990-05-15"))
    index = read_series(path).loc["a"].index
    assert list(index[:2]) == [pd.Timestamp(first), pd.Timestamp(second)]
    assert pd.infer_freq(index) == pd.infer_freq(pd.date_range(first, periods=12, freq=freq))


def test_when_a_tsf_file_has_no_starts_then_steps_are_numbered(tmp_path):
    text = (FIXTURES / "example_dataset.tsf").read_text()
    path = tmp_path / "x.tsf"
    path.write_text(text.replace("@attribute start_timestamp date\n", "").replace(":2024-01-01 00-00-00", ""))
    panel = read_series(path)
    assert panel.loc["a"].index.tolist() == list(range(12))


# Data sets of libraries


def entries() -> list[dict]:
    return [{"item_id": key, "start": "2024-01-01", "target": values} for key, values in (("a", A), ("b", B))]


def test_when_entries_are_given_then_they_are_read_as_gluonts_does():
    check_panel(read_series(entries(), freq="D"), "target")
    check_panel(read_series(iter([each | {"freq": "D"} for each in entries()])), "target")
    periods = [each | {"start": pd.Period("2024-01-01", freq="D")} for each in entries()]
    check_panel(read_series(periods), "target")
    listed = [{"id": each["item_id"], "timestamp": list(DAYS), "target": list(each["target"])} for each in entries()]
    check_panel(read_series(listed), "target")  # as Chronos's data sets are
    several = [{"item_id": "x", "start": "2024-01-01", "freq": "D", "target": [A, B]}]
    assert read_series(several).columns.tolist() == ["target_0", "target_1"]


def test_when_a_gluonts_dataset_is_given_then_it_is_read():
    common = pytest.importorskip("gluonts.dataset.common")
    check_panel(read_series(common.ListDataset(entries(), freq="D")), "target")


def test_when_a_hugging_face_dataset_is_given_then_it_is_read():
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_list([each | {"target": list(each["target"]), "freq": "D"} for each in entries()])
    check_panel(read_series(made), "target")
    check_panel(read_series(datasets.DatasetDict({"train": made, "test": made}), split="test"), "target")
    table = datasets.Dataset.from_pandas(pd.read_csv(FIXTURES / "wide.csv"))
    assert read_series(table).columns.tolist() == ["a", "b"]
    assert "has the parts train, test; found split=None" in refusal(datasets.DatasetDict(train=made, test=made))


def test_when_a_data_set_quacks_like_hugging_faces_then_it_is_read_without_the_package():
    class Dataset:
        column_names = ["date", "a", "b"]

        def to_pandas(self):
            return pd.read_csv(FIXTURES / "wide.csv")

    assert read_series(Dataset()).shape == (12, 2)
    assert read_series({"train": Dataset()}).shape == (12, 2)


def test_when_a_folder_has_several_parts_then_one_is_chosen():
    for name in ("gluonts", "hugging_face"):
        check_panel(read_series(fixture(name), split="train"), "target", n_steps=10)
        assert "has the parts test, train; found split=None, expected one of them" in refusal(FIXTURES / name)
        assert "found split='validation'" in refusal(FIXTURES / name, split="validation")


def test_when_a_folder_holds_parquet_shards_then_parts_are_told_by_their_names(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.read_csv(FIXTURES / "nixtla.csv")
    (tmp_path / "data").mkdir()
    for split, rows in (("train", 6), ("test", 12)):
        part = frame.groupby("unique_id").head(rows) if split == "test" else frame
        part.to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet", index=False)
    check_panel(read_series(tmp_path, split="test"), "y")
    assert "has the parts test, train" in refusal(tmp_path)


# Broken copies


def without(text: str) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(text.encode(), b"")


def instead(text: str, other: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert text.encode() in content
        return content.replace(text.encode(), other.encode(), 1)

    return change


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


BROKEN = [
    ("wide.csv", instead("2024-01-05", "soon"), "column 'date', row 5: found 'soon', expected a date"),
    ("wide.csv", instead("2024-01-05,4.0", "2024-01-05,four"), "column 'a', row 5: found 'four', expected a number"),
    ("wide.csv", instead("2024-01-05", "2024-01-06"), "found duplicate time stamps"),
    ("wide.csv", instead("2024-01-05,4.0,104.0\n", ""), "the time stamps are irregular"),
    ("wide.parquet", half, "no readable parquet file"),
    ("wide.arrow", half, "not readable as an arrow file"),
    ("long.csv", instead("a,2024-01-05", ",2024-01-05"), "the name of the series is missing"),
    ("long.csv", instead("b,2024-01-05", "a,2024-01-05"), "found duplicate time stamps"),
    ("nixtla.csv", instead("a,2024-01-05,4.0", "a,2024-01-05,inf"), "column 'y', row 5: found an infinite value"),
    ("gluonts_long.csv", instead("a,2024-01-05", "a,2024-01-15"), "series 'a': the time stamps are not sorted"),
    ("example_dataset.tsf", without("@data\n"), "has no line @data"),
    ("example_dataset.tsf", lambda text: text[: text.index(b"@data") + 6], "has no series below @data"),
    ("example_dataset.tsf", without("@attribute series_name string\n"), "line 9: found 2 attributes"),
    ("example_dataset.tsf", instead("name string", "name words"), "expected '@attribute name type'"),
    ("example_dataset.tsf", instead("0,1,2", "0,one,2"), "line 10: could not convert string to float: 'one'"),
    ("example_dataset.tsf", instead("2024-01-01 00-00-00", "in January"), "found start_timestamp 'in January'"),
    ("example_dataset.tsf", instead("b:2024", "a:2024"), "two series are called 'a'"),
    ("example_dataset.tsf", instead("daily", "fortnightly"), "found the frequency 'fortnightly'"),
    ("example_dataset.tsf", without("@frequency daily\n"), "found a start, 2024-01-01 00:00:00, but no frequency"),
    ("solar_AL.txt", instead("4,104", "four,104"), "holds text"),
    ("solar_AL.txt", instead("4,104", "4,104,204"), "is no table of numbers between commas"),
    ("PEMS03.npz", half, "no archive of plain arrays"),
    ("METR_LA.dyna", instead("4,state,2024-01-05T00:00:00Z", "4,state,2024-01-32T00:00:00Z"), "found '2024-01-32T00"),
    (
        "METR_LA.dyna",
        lambda text: text.replace(b"state", b"trajectory"),
        "rows of the type trajectory; expected 'state'",
    ),
    ("gluonts/test/data.json", half, "no JSON"),
    (
        "gluonts/test/data.json",
        instead('"target"', '"values"'),
        "entry 1 ('a'): found item_id, start, values; expected",
    ),
    (
        "gluonts/test/data.json",
        instead("[0.0, 1.0", '[0.0, "one"'),
        "entry 1 ('a'): its target is no series of numbers",
    ),
    ("gluonts/test/data.json", instead("2024-01-01", "someday"), "found the start 'someday"),
    ("gluonts/test/data.json", lambda text: text, "but no frequency; give it, for example freq='D'"),
    ("hugging_face/test/data-00000-of-00001.arrow", half, "not readable as an arrow file"),
]


@pytest.mark.parametrize(("name", "damage", "message"), BROKEN)
def test_when_a_copy_is_broken_then_it_says_how_and_what_to_do(tmp_path, name, damage, message):
    path = tmp_path / fixture(name).name
    path.write_bytes(damage(fixture(name).read_bytes()))
    assert message in refusal(path)


def test_when_a_folder_is_broken_then_it_says_how(tmp_path):
    pytest.importorskip("pyarrow")
    shutil.copytree(FIXTURES / "gluonts", tmp_path / "gluonts")
    (tmp_path / "gluonts" / "metadata" / "metadata.json").write_text("{}")
    assert "names no frequency" in refusal(tmp_path / "gluonts" / "train")
    folder = tmp_path / "hugging_face"
    folder.mkdir()
    (folder / "data-00000-of-00001.arrow").write_bytes(b"\xff\xff\xff\xffnothing")
    assert "not readable as arrow streams" in refusal(folder)
    (folder / "data-00000-of-00001.arrow").unlink()
    (folder / "notes.md").write_text("nothing")
    assert "holds notes.md; expected *.arrow, *.parquet, or data.json" in refusal(folder)


def test_when_a_source_is_nothing_known_then_what_is_known_is_listed(tmp_path):
    assert "found a int; expected a path, a Monash name, a frame" in refusal(42)
    assert "found no rows" in refusal([])
    assert "found 1 rows, such as [1.0, 2.0]" in refusal([[1.0, 2.0]])
    assert "found no file" in refusal(tmp_path / "nothing.csv")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("notes.md", "no series")
    assert "holds 0 .tsf files, expected 1" in refusal(tmp_path / "two.zip")


def test_when_entries_contradict_each_other_then_it_is_said():
    first, second = (each | {"freq": "D"} for each in entries())
    assert "found the frequencies D, h" in refusal([first, second | {"freq": "h"}])
    assert "series of [1, 2] channels" in refusal([first, second | {"target": [A, B]}])
    assert "two series are called 'a'" in refusal([first, second | {"item_id": "a"}])
    assert "its target is no series of numbers" in refusal([first | {"target": [[1.0, 2.0], [3.0]]}])
    assert "some series have a start and others have none" in refusal([first, {"item_id": "c", "target": A}])
    assert "found 11 time stamps for 12 values" in refusal([{"timestamp": list(DAYS[:11]), "target": A}])


@pytest.mark.parametrize(
    ("freq", "start", "first"),
    [
        ("QS-DEC", "2023-12-01", "2023-12-01"),
        ("A-JUN", "2023-07-01", "2023-07-01"),
        ("Q-DEC", "2023-12-01", "2023-10-01"),
        ("10ms", "2023-12-01", "2023-12-01"),
    ],
)
def test_when_years_begin_in_another_month_then_starts_stay(freq, start, first):
    entries = [{"start": start, "target": [float(i) for i in range(12)]}]
    assert read_series(entries, freq=freq).index[0][1] == pd.Timestamp(first)


def test_when_some_starts_have_a_zone_then_all_must():
    values = [float(i) for i in range(12)]
    entries = [{"start": "2024-01-01T00:00Z", "target": values}, {"start": "2024-01-01", "target": values}]
    with pytest.raises(DataError, match="some series have a time zone and others none"):
        read_series(entries, freq="D")
    panel = read_series(entries[:1], freq="M")
    assert panel.index[0][1] == pd.Timestamp("2024-01-01", tz="UTC")


def test_when_names_hold_separators_of_lines_then_entries_are_whole(tmp_path):
    entry = {"item_id": "a\u2028b", "start": "2024-01-01", "target": [1.0] * 12}
    (tmp_path / "x.jsonl").write_text(json.dumps(entry, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_series(tmp_path / "x.jsonl", freq="D").index[0][0] == "a\u2028b"
