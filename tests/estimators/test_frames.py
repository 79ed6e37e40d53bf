"""Frames to arrays and back: every layout that sktime passes, and every reason to refuse one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sktime.forecasting.base import ForecastingHorizon
from strategies import few

from ttm_sk.errors import DataError, HorizonError
from ttm_sk.estimators.frames import from_forecast, refuse_disorder, steps_ahead, text_columns, to_panel

FREQUENCIES = ("D", "h", "15min", "MS", "ME", "QS-FEB", "YE", "W-MON", "B", "2D", "36h", "BMS")


def frame(index: pd.Index, *, n_columns: int = 1) -> pd.DataFrame:
    values = np.arange(len(index) * n_columns, dtype=float).reshape(len(index), n_columns)
    return pd.DataFrame(values, index=index, columns=[f"c{i}" for i in range(n_columns)])


def panel_of(**indices: pd.Index) -> pd.DataFrame:
    return pd.concat({name: frame(index) for name, index in indices.items()}, names=["id", "time"])


def days(n: int, start: str = "2024-01-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=n, freq="D")


def test_when_a_series_is_read_then_it_is_one_instance_with_its_channels():
    panel = to_panel(frame(pd.RangeIndex(5, 9), n_columns=2))
    assert panel.instances is None
    np.testing.assert_array_equal(panel.histories[0], [[0, 2, 4, 6], [1, 3, 5, 7]])
    assert panel.ends.tolist() == [8]
    assert panel.frequencies == (None,)


def test_when_a_panel_of_unequal_lengths_is_read_then_each_instance_has_its_own_rows_and_end():
    panel = to_panel(panel_of(b=days(5), a=days(3, "2024-02-01")))
    assert panel.instances.tolist() == ["b", "a"]
    assert [history.shape for history in panel.histories] == [(1, 5), (1, 3)]
    assert panel.ends.strftime("%m-%d").tolist() == ["01-05", "02-03"]
    assert panel.frequencies == (pd.offsets.Day(), pd.offsets.Day())
    assert panel.names == ("id", "time")


def test_when_a_hierarchy_is_read_then_instances_are_tuples():
    hierarchy = pd.concat({("x", "a"): frame(days(4)), ("x", "b"): frame(days(4))}, names=["top", "low", "time"])
    assert to_panel(hierarchy).instances.tolist() == [("x", "a"), ("x", "b")]


def test_when_the_frame_changes_after_it_was_read_then_the_histories_do_not():
    y = frame(days(5))
    panel = to_panel(y)
    y.iloc[:] = -1.0
    assert panel.histories[0].tolist() == [[0, 1, 2, 3, 4]]


def test_when_values_are_missing_in_nullable_columns_then_they_are_nan():
    y = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [True, False, True]})
    np.testing.assert_array_equal(to_panel(y).histories[0], [[1, np.nan, 3], [1, 0, 1]])


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_when_dates_do_not_carry_their_frequency_then_it_is_read_from_them(frequency):
    known = pd.date_range("2024-01-01", periods=30, freq=frequency)
    forgotten = to_panel(frame(pd.DatetimeIndex(known.tolist())))
    rows, steps = [np.zeros((3, 1))], [1, 3, 10]  # sktime writes the frequency into a horizon that it has seen
    expected = from_forecast(rows, to_panel(frame(known)), ForecastingHorizon(steps), ["c0"])
    pd.testing.assert_frame_equal(from_forecast(rows, forgotten, ForecastingHorizon(steps), ["c0"]), expected)


@few
@given(
    frequency=st.sampled_from(FREQUENCIES),
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    steps=st.lists(st.integers(1, 30), min_size=1, max_size=5, unique=True),
    is_tz=st.booleans(),
)
def test_when_a_panel_is_forecast_then_its_rows_are_those_of_each_instance_alone(frequency, lengths, steps, is_tz):
    grid = pd.date_range("2024-01-01", periods=80, freq=frequency, tz="Europe/Berlin" if is_tz else None)
    y = panel_of(longest=grid[:40], **{f"s{i}": grid[40 - n : 40 + i] for i, n in enumerate(lengths)})
    panel, horizon = to_panel(y), ForecastingHorizon(steps)
    together = from_forecast([np.zeros((len(steps), 1))] * len(panel.histories), panel, horizon, y.columns)
    for i, name in enumerate(panel.instances):
        alone = grid[grid.get_loc(panel.ends[i]) + np.sort(steps)]
        assert together.loc[name].index.tolist() == alone.tolist()


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(5, 45),
        pd.Index(np.arange(3, 43)),
        pd.period_range("2000-01", periods=40, freq="M"),
        pd.period_range("2000-01", periods=40, freq="2M"),
        pd.period_range("2000-01-01", periods=40, freq="15min"),
        *[pd.date_range("2000-01-01", periods=40, freq=frequency) for frequency in FREQUENCIES],
        pd.date_range("2000-03-01", periods=40, freq="D", tz="Europe/Berlin"),
        pd.date_range("2000-03-25", periods=40, freq="h", tz="Europe/Berlin"),
    ],
    ids=lambda index: str(index.dtype) + str(getattr(index, "freq", "")),
)
def test_when_a_horizon_is_absolute_then_its_steps_count_from_each_end(index):
    horizon = ForecastingHorizon(index[[31, 33, 39]], is_relative=False)
    assert [s.tolist() for s in steps_ahead(horizon, to_panel(frame(index[:30])))] == [[2, 4, 10]]
    panel = to_panel(panel_of(a=index[:30], b=index[:20]))
    assert [s.tolist() for s in steps_ahead(horizon, panel)] == [[2, 4, 10], [12, 14, 20]]
    rows = from_forecast([np.zeros((3, 1))] * 2, panel, horizon, ["c0"])
    assert rows.loc["b"].index.tolist() == index[[31, 33, 39]].tolist()


def test_when_a_horizon_is_a_duration_then_it_is_counted_in_steps_of_each_instance():
    horizon = ForecastingHorizon(pd.to_timedelta(["2D", "4D"]), is_relative=True)
    panel = to_panel(panel_of(daily=days(8), every_second=pd.date_range("2024-01-01", periods=5, freq="2D")))
    assert [s.tolist() for s in steps_ahead(horizon, panel)] == [[2, 4], [1, 2]]
    rows = from_forecast([np.zeros((2, 1))] * 2, panel, horizon, ["c0"])
    assert rows.loc["every_second"].index.strftime("%m-%d").tolist() == ["01-11", "01-13"]


def test_when_a_horizon_is_not_on_the_grid_then_the_stamp_is_named():
    horizon = ForecastingHorizon(pd.DatetimeIndex(["2024-02-12 05:00"]), is_relative=False)
    with pytest.raises(HorizonError, match="2024-02-12 05:00:00 is not on the grid of y"):
        steps_ahead(horizon, to_panel(frame(days(30))))


def test_when_a_step_is_not_ahead_of_every_series_then_the_series_is_named():
    horizon = ForecastingHorizon(days(1, "2024-01-06"), is_relative=False)
    with pytest.raises(HorizonError, match="at or before the end of series 'late'"):
        steps_ahead(horizon, to_panel(panel_of(early=days(5), late=days(9))))


def test_when_a_horizon_is_of_another_kind_than_the_index_then_it_is_refused():
    horizon = ForecastingHorizon(days(3, "2030-01-01"), is_relative=False)
    with pytest.raises(HorizonError, match="a horizon of DatetimeIndex, but the series has a PeriodIndex"):
        steps_ahead(horizon, to_panel(frame(pd.period_range("2024-01", periods=5, freq="M"))))


def test_when_instances_have_typed_names_then_the_forecast_keeps_the_types():
    upper = pd.CategoricalIndex(["u", "u", "u", "v", "v", "v"], name="id")
    y = frame(pd.MultiIndex.from_arrays([upper, pd.RangeIndex(3).append(pd.RangeIndex(3))]))
    rows = from_forecast([np.zeros((1, 1))] * 2, to_panel(y), ForecastingHorizon([1]), y.columns)
    assert isinstance(rows.index.levels[0], pd.CategoricalIndex)
    assert rows.index.names == ["id", None]


def test_when_short_series_stand_in_a_panel_then_they_take_the_frequency_of_the_longest():
    panel = to_panel(panel_of(long=pd.date_range("2024-01-01", periods=9, freq="MS"), short=days(1, "2024-05-01")))
    assert panel.frequencies[1] == pd.offsets.MonthBegin()


@pytest.mark.parametrize(
    ("gone", "named"),
    [(20, "2024-01-20 00:00:00 is followed by 2024-01-22"), (1, "2024-01-01 00:00:00 is followed by 2024-01-03")],
)
def test_when_dates_are_irregular_then_the_first_irregular_one_is_named(gone, named):
    with pytest.raises(DataError, match=f"{named}.*y.asfreq\\('D'\\)"):
        to_panel(frame(days(40).delete(gone)))


def test_when_a_month_is_gone_then_months_of_30_days_are_not_taken_for_it():
    months = pd.date_range("2024-01-01", periods=30, freq="MS").delete(20)
    with pytest.raises(DataError, match="2025-08-01 00:00:00 is followed by 2025-10-01.*asfreq\\('MS'\\)"):
        to_panel(frame(months))


def test_when_one_series_of_a_panel_is_irregular_then_it_is_named():
    with pytest.raises(DataError, match="series 'bad': the time stamps are irregular"):
        to_panel(panel_of(good=days(20), bad=days(20).delete(7)))


def test_when_too_few_dates_show_no_frequency_then_the_remedy_is_named():
    with pytest.raises(DataError, match="found 2 time stamp.*y.index.freq"):
        to_panel(frame(pd.DatetimeIndex(["2024-01-01", "2024-01-02"])))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (pd.RangeIndex(0, 20, 2), "integer index has gaps \\(0 is followed by 2\\)"),
        (pd.Index([0, 1, 1, 2]), "time stamp 1 is a duplicate"),
        (pd.Index([0, 2, 1]), "1 comes after 2"),
        (
            pd.period_range("2024-01", periods=9, freq="M").delete(4),
            "periods have gaps \\(2024-04 is followed by 2024-06",
        ),
        (pd.PeriodIndex(["2024-01", "2024-01"], freq="M"), "time stamp 2024-01 is a duplicate"),
        (days(4)[[0, 1, 1, 2]], "time stamp 2024-01-02 00:00:00 is a duplicate"),
        (days(4)[::-1], "2024-01-03 00:00:00 comes after 2024-01-04"),
        (pd.DatetimeIndex(["2024-01-01", None, "2024-01-03"]), "a time stamp is missing"),
        (pd.timedelta_range("1D", periods=4), "type timedelta64.*expected dates"),
    ],
    ids=str,
)
def test_when_time_stamps_are_disordered_then_the_first_wrong_one_is_named(index, message):
    with pytest.raises(DataError, match=message):
        to_panel(frame(index))


def test_when_a_series_of_a_panel_is_disordered_then_it_is_named():
    with pytest.raises(DataError, match="series 'b': the time stamp 2024-01-02"):
        refuse_disorder(panel_of(a=days(4), b=days(4)[[0, 1, 1, 2]]))


def test_when_rows_of_a_series_do_not_stand_together_then_it_is_named():
    y = panel_of(a=days(4), b=days(4)).iloc[[0, 1, 4, 5, 6, 7, 2, 3]]
    with pytest.raises(DataError, match="rows of series 'a' do not stand together"):
        to_panel(y)


def test_when_a_user_passes_what_is_no_frame_then_sktime_decides():
    assert refuse_disorder(np.zeros(3)) is None
    assert refuse_disorder(pd.Series([1.0, 2.0], index=["a", "b"])) is None
    assert text_columns(np.zeros(3)) == []


@pytest.mark.parametrize("dtype", [object, "string"])
def test_when_a_column_holds_text_then_it_is_named(dtype):
    y = pd.DataFrame({"a": [1.0, 2.0], "b": pd.Series(["1.5", "x"], dtype=dtype)})
    assert text_columns(y) == ["b"]
    with pytest.raises(DataError, match="column 'b' has the type .*, expected numbers"):
        to_panel(y)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, np.inf], [2, 3]], "y, column 'c1': row 1 is infinite"),
        ([[1, np.nan], [2, np.nan]], "y, column 'c1': all values are missing"),
        (np.zeros((0, 2)), "found y with 0 rows"),
    ],
)
def test_when_values_cannot_be_forecast_then_the_column_is_named(values, message):
    with pytest.raises(DataError, match=message):
        to_panel(pd.DataFrame(np.asarray(values, dtype=float), columns=["c0", "c1"]))


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "series 'b', column 'c0': all values"), (-np.inf, "series 'b', column 'c0': row 1")]
)
def test_when_a_series_of_a_panel_cannot_be_forecast_then_it_is_named(value, message):
    y = panel_of(a=days(4), b=days(4))
    y.loc["b"] = value
    with pytest.raises(DataError, match=message):
        to_panel(y)


@pytest.mark.parametrize("n_days", [20, 3])
def test_when_stamps_only_resemble_a_calendar_then_they_are_irregular(n_days):
    stamps = pd.DatetimeIndex([pd.Timestamp(2024, 1, 1 + day, hour) for day in range(n_days) for hour in range(10, 18)])
    with pytest.raises(DataError, match="the time stamps are irregular"):
        to_panel(pd.DataFrame({"y": 1.0}, index=stamps))
