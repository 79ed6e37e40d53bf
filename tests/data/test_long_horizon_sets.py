"""Splits and scaling of the seven long-horizon tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ttm_sk.data.long_horizon_sets import LAYOUTS, read_long_horizon_set
from ttm_sk.errors import DataError, HorizonError


@pytest.fixture(scope="module")
def hourly(tmp_path_factory) -> Path:
    """A file with the shape of ETTh2; its last column is constant in the training part."""
    values = np.random.default_rng(0).normal(5, 3, (LAYOUTS["ETTh2"].n_rows, 7)).round(3)
    values[: LAYOUTS["ETTh2"].n_train, -1] = 4.0
    frame = pd.DataFrame(values, columns=[*"abcdef", "OT"])
    frame.insert(0, "date", pd.date_range("2016-07-01", periods=len(frame), freq="h").astype(str))
    path = tmp_path_factory.mktemp("sets") / "etth2.csv.gz"
    frame.to_csv(path, index=False)
    return path


def test_when_a_set_is_read_then_its_training_part_is_standardised(hourly):
    data = read_long_horizon_set(hourly)
    train = data.values[:, :8640]
    assert (data.name, data.values.shape, data.test_start, data.test_stop) == ("ETTh2", (7, 17420), 11520, 14400)
    np.testing.assert_allclose(train.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(train.std(axis=1)[:-1], 1)
    assert set(data.values[-1, :8640]) == {0.0}  # a constant is centred, and nothing is divided by 0
    raw = pd.read_csv(hourly)
    np.testing.assert_allclose((data.values * data.scale + data.loc)[0], raw["a"])


def test_when_windows_are_counted_then_there_are_as_many_as_published(hourly):
    data = read_long_horizon_set(hourly)
    assert [len(data.starts(horizon)) for horizon in (96, 192, 336, 720)] == [2785, 2689, 2545, 2161]
    assert data.starts(96)[0] == 11520
    assert data.starts(96)[-1] + 96 == 14400


@pytest.mark.parametrize("horizon", [0, 2881])
def test_when_a_horizon_does_not_fit_then_it_is_refused(hourly, horizon):
    with pytest.raises(HorizonError, match="ask for 1 to that many"):
        read_long_horizon_set(hourly).starts(horizon)


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [("Weather", 36887, 10539), ("Electricity", 18412, 5260), ("Traffic", 12280, 3508), ("ETTm1", 34560, 11520)],
)
def test_when_a_set_is_cut_then_its_parts_are_those_of_the_field(name, train, test):
    layout = LAYOUTS[name]
    assert (layout.n_train, layout.n_test) == (train, test)
    assert layout.n_train + layout.n_validation + layout.n_test <= layout.n_rows


def test_when_the_file_is_none_of_the_seven_then_they_are_listed(hourly, tmp_path):
    other = tmp_path / "sales.csv"
    other.write_text("date,x\n2024-01-01,1\n")
    with pytest.raises(DataError, match=r"found 'sales'.*Traffic"):
        read_long_horizon_set(other)
    with pytest.raises(DataError, match="1 rows and 1 columns of numbers; Weather as published has 52,696 and 21"):
        read_long_horizon_set(other, name="weather")


def test_when_a_value_is_missing_then_the_row_is_named(hourly, tmp_path):
    frame = pd.read_csv(hourly)
    frame.loc[41, "b"] = np.nan
    frame.to_csv(tmp_path / "ETTh2.csv", index=False)
    with pytest.raises(DataError, match="row 42 of column 2 is missing"):
        read_long_horizon_set(tmp_path / "ETTh2.csv")


def test_when_the_real_file_is_there_then_it_is_read():
    path = Path(__file__).parents[3] / "shared" / "data" / "ett" / "ETTh1.csv.gz"
    if not path.exists():
        pytest.skip("no ETTh1.csv.gz beside the repository")
    data = read_long_horizon_set(path)
    assert data.loc[-1, 0] == pytest.approx(17.128, abs=1e-3)  # oil temperature, degrees Celsius
