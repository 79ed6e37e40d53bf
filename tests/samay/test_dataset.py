"""Windows of a part of a file: boundaries as documented, every mode, no shared default."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ttm_sk.errors import ConfigError, DataError
from ttm_sk.samay import TinyTimeMixerDataset

N = 200


@pytest.fixture
def counting(tmp_path) -> Path:
    """A file whose value is the number of its row."""
    days = pd.date_range("2024-01-01", periods=N, freq="D")
    path = tmp_path / "rows.csv"
    pd.DataFrame({"ds": days, "row": np.arange(N), "twice": 2 * np.arange(N)}).to_csv(path, index=False)
    return path


def part(path: Path, **options) -> TinyTimeMixerDataset:
    return TinyTimeMixerDataset(**{"path": path, "context_len": 10, "horizon_len": 4, "stride": 1, **options})


def targets(data: TinyTimeMixerDataset) -> list[int]:
    """Rows that are forecast."""
    return sorted({int(row) for _, true in data for row in true[0]})


@pytest.mark.parametrize(
    ("mode", "rows"),
    [("train", range(10, 100)), ("val", range(100, 150)), ("test", range(150, N)), (None, range(10, N))],
)
def test_when_boundaries_are_given_then_each_part_forecasts_its_own_rows(counting, mode, rows):
    assert targets(part(counting, mode=mode, boundaries=[0, 100, 150])) == list(rows)


def test_when_boundaries_are_zero_then_the_file_is_cut_after_half_and_seven_tenths(counting):
    assert [targets(part(counting, mode=mode))[0] for mode in ("train", "val", "test")] == [10, 100, 140]
    assert targets(part(counting, mode="val"))[-1] == 139
    assert part(counting).boundaries == (0, 100, 140)


def test_when_training_begins_later_then_nothing_before_is_seen(counting):
    data = part(counting, mode="train", boundaries=[50, 100, 150])
    assert data[0][0][0].tolist() == list(range(50, 60))


def test_when_test_windows_are_cut_then_their_past_lies_directly_before(counting):
    history, true = part(counting, mode="test", boundaries=[0, 100, 150])[0]
    np.testing.assert_array_equal(history, [np.arange(140, 150), 2 * np.arange(140, 150)])
    np.testing.assert_array_equal(true, [np.arange(150, 154), 2 * np.arange(150, 154)])


def test_when_a_stride_is_given_then_windows_lie_that_far_apart(counting):
    data = part(counting, mode="test", boundaries=[0, 100, 150], stride=7)
    assert [int(true[0, 0]) for _, true in data] == list(range(150, N - 3, 7))
    histories, trues = data.arrays()
    assert (histories.shape, trues.shape) == ((len(data), 2, 10), (len(data), 2, 4))
    assert data.stamps(0)[1][0] == pd.Timestamp("2024-01-01") + pd.Timedelta(days=150)


def test_when_two_datasets_are_made_then_they_share_no_default(counting):
    boundaries = [0, 100, 150]
    part(counting, boundaries=boundaries, mode="val")
    assert boundaries == [0, 100, 150]
    defaults = {name: p.default for name, p in inspect.signature(TinyTimeMixerDataset).parameters.items()}
    assert not [name for name, value in defaults.items() if isinstance(value, (list, dict, set))]
    first, second = part(counting), part(counting)
    assert first.values is not second.values
    first.values[:] = 0
    assert second.values.any()


def test_when_values_are_missing_then_only_blank_windows_are_left_out(counting):
    frame = pd.read_csv(counting).astype({"row": float})
    frame.loc[100:120, "row"] = np.nan
    frame.to_csv(counting, index=False)
    data = part(counting)
    assert np.isnan(data.arrays()[1]).any()
    assert all(np.isfinite(true).any(axis=1).all() and np.isfinite(past).any(axis=1).all() for past, true in data)
    assert len(data) == len(part(counting, datetime_col="ds")) < N - 13


def test_when_the_file_is_long_or_irregular_then_the_remedy_is_named(counting, tmp_path):
    frame = pd.read_csv(counting)
    gap = tmp_path / "gap.csv"
    frame.drop(index=50).to_csv(gap, index=False)
    with pytest.raises(DataError, match="irregular"):
        part(gap)
    assert np.isnan(part(gap, freq="D").values[:, 50]).all()
    long = pd.concat([frame.assign(unique_id=key).rename(columns={"row": "y"}) for key in "ab"])
    long.to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(DataError, match="holds 2 series; expected one, a column for each channel"):
        part(tmp_path / "long.csv")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"path": None}, ConfigError, "found no path"),
        ({"mode": "valid"}, ConfigError, "found mode='valid'; choose one of None, 'train', 'val', 'test'"),
        ({"stride": 0}, ConfigError, "found stride=0"),
        ({"batch_size": 2.5}, ConfigError, "found batch_size=2.5"),
        ({"path": 7}, ConfigError, "found path=7"),
        ({"datetime_col": None}, ConfigError, "found datetime_col=None"),
        ({"boundaries": 100}, ConfigError, "found boundaries=100"),
        ({"boundaries": [0, 100]}, DataError, r"found boundaries=\[0, 100\] for the 200 rows"),
        ({"boundaries": [0, 150, 100]}, DataError, "ascending"),
        ({"boundaries": [0, 100, 201]}, DataError, "at most 200"),
        ({"boundaries": [0.0, 0.5, 1.0]}, DataError, "three row numbers"),
        ({"boundaries": [0, 100, 198], "mode": "test"}, DataError, "hold no whole window of 10 \\+ 4 steps"),
        ({"context_len": 197}, DataError, "expected at least 201 such rows"),
        ({"datetime_col": "date"}, DataError, "found no column 'date'"),
        ({"path": "nothing.csv"}, DataError, "found no file nothing.csv"),
    ],
)
def test_when_an_argument_does_not_fit_then_it_says_why(counting, options, error, message):
    with pytest.raises(error, match=message):
        part(**{"path": counting, **options})


def test_when_a_window_does_not_exist_then_its_number_is_named(counting):
    with pytest.raises(IndexError, match="found window 1000; this dataset has"):
        part(counting)[1000]
    with pytest.raises(DataError, match="found window 0.5"):
        part(counting)[0.5]
    assert len(list(part(counting))) == 187  # the error also ends a loop
    assert repr(part(counting)).endswith("mode=None, windows=187)")
