"""Tables become series in sktime's layout, or an error that names what is wrong."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from ttm_sk.data.tables import load_example, numeric_columns, read_all_series, read_table, to_series
from ttm_sk.errors import DataError

DAYS = pd.date_range("2024-01-01", periods=12, freq="D")


def daily(**columns) -> pd.DataFrame:
    return pd.DataFrame({"day": DAYS.strftime("%Y-%m-%d"), **(columns or {"sales": np.arange(12.0)})})


def panel(**starts: str) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"store": key, "day": pd.date_range(start, periods=12, freq="D"), "sales": np.arange(12.0)})
        for key, start in starts.items()
    ]
    return pd.concat(parts, ignore_index=True)


def refusal(frame: pd.DataFrame, **options) -> str:
    with pytest.raises(DataError) as caught:
        to_series(frame, **options)
    return str(caught.value)


# Reading


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_when_the_separator_is_a_common_one_then_it_is_found(tmp_path, separator):
    daily(a=range(12), b=0.5).to_csv(tmp_path / "x.txt", sep=separator, index=False)
    assert read_table(tmp_path / "x.txt").columns.tolist() == ["day", "a", "b"]


def test_when_the_file_is_gzip_then_it_is_opened_whatever_its_name(tmp_path):
    (tmp_path / "x.csv").write_bytes(gzip.compress(daily().to_csv(index=False).encode()))
    pd.testing.assert_frame_equal(read_table(tmp_path / "x.csv"), daily())


def test_when_the_file_is_parquet_then_its_index_becomes_a_column(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"sales": np.arange(12.0)}, index=DAYS.rename("day")).to_parquet(tmp_path / "x.parquet")
    table = read_table(tmp_path / "x.parquet")
    assert table.columns.tolist() == ["day", "sales"]
    assert to_series(table).index.freqstr == "D"


@pytest.mark.parametrize(
    "content", ['{"day": [1, 2]}', '[\n  {"day": 1}\n]', "[[1, 2], [3, 4]]", "{\n}\n", ' { "a": 1}\n']
)
def test_when_the_file_is_json_then_it_says_so(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match=r"x\.json holds JSON: '.*; convert it to a CSV or parquet file"):
        read_table(tmp_path / "x.json")


@pytest.mark.parametrize("names", ["[time],[sales]", "{a},{b}", "[,]"])
def test_when_names_are_in_brackets_then_the_file_is_no_json(tmp_path, names):
    (tmp_path / "x.csv").write_text(f"{names}\n2024-01-01,3\n")
    assert read_table(tmp_path / "x.csv").columns.tolist() == names.split(",")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"time,value\n", "is empty: found 0 rows"),
        (b"2024-01-01,3\n2024-01-02,4\n", "no line of column names"),
        (b"time,value\n2024-01-01,3,9\n2024-01-02,4,9\n", "more cells than the 2 column names"),
        (b"time,value\n2024-01-01,3\n2024-01-02,4,9\n", "no readable CSV file"),
        (b"time,value\n\xff\xfe,1\n", "no UTF-8 text"),
        (b"\x1f\x8bnonsense", "no readable CSV file"),
    ],
)
def test_when_the_file_is_damaged_then_the_error_says_how(tmp_path, content, message):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "x.csv")


def test_when_the_parquet_file_is_damaged_then_the_error_says_so(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="no readable parquet file"):
        read_table(tmp_path / "x.parquet")


def test_when_the_file_is_missing_then_the_error_names_it(tmp_path):
    with pytest.raises(DataError, match=r"found no file .*nothing\.csv"):
        read_table(tmp_path / "nothing.csv")


# Layouts


def test_when_there_is_one_choice_then_time_and_target_are_guessed():
    series = to_series(daily(sales=range(12), shop="north"))
    assert series.columns.tolist() == ["sales"]
    assert series.dtypes.tolist() == [np.float64]
    assert series.index.equals(DAYS)
    assert (series.index.name, series.index.freqstr) == ("day", "D")


def test_when_several_targets_are_named_then_the_series_is_multivariate():
    assert to_series(daily(a=1, b=2, c=3), target=["c", "a"]).columns.tolist() == ["c", "a"]


def test_when_there_is_no_time_then_rows_are_numbered():
    assert to_series(pd.DataFrame({"x": [3, 1, 2]})).index.tolist() == [0, 1, 2]


def test_when_the_time_is_whole_numbers_then_they_are_the_index():
    series = to_series(pd.DataFrame({"year": [1990, 1991, 1992], "x": [1.0, 2.0, 4.0]}))
    assert series.index.tolist() == [1990, 1991, 1992]


def test_when_rows_of_several_series_alternate_then_a_panel_is_made():
    table = panel(b="2024-01-01", a="2024-03-01").sort_values(["day", "store"]).sample(frac=1, random_state=0)
    series = to_series(table.sort_values("day"), id="store")
    assert series.index.names == ["store", "day"]
    assert series.index.get_level_values(0).unique().tolist() == ["a", "b"]
    assert series.loc["b", "sales"].tolist() == list(range(12))


def test_when_a_panel_has_no_time_then_each_series_is_numbered():
    series = to_series(pd.DataFrame({"who": ["x", "y", "x"], "v": [1.0, 2.0, 3.0]}), id="who")
    assert series.index.tolist() == [("x", 0), ("x", 1), ("y", 0)]


def test_when_a_series_of_a_panel_is_short_then_it_begins_with_missing_rows():
    table = pd.concat([panel(a="2024-01-01"), panel(b="2024-02-01").head(1)])
    series = to_series(table, id="store").loc["b"]
    assert (len(series), series["sales"].count(), series.index[-1]) == (10, 1, pd.Timestamp("2024-02-01"))


def test_when_business_days_form_a_panel_then_their_frequency_is_kept():
    days = pd.bdate_range("2024-01-01", periods=30)
    table = pd.DataFrame({"id": "a", "day": days, "v": 1.0})
    short = table.head(4).assign(id="b")
    index = to_series(pd.concat([table, short]), id="id").loc["b"].index
    assert pd.infer_freq(index) == "B"


def test_when_the_frame_comes_with_an_index_of_dates_then_it_is_the_time():
    assert to_series(pd.DataFrame({"x": np.arange(12.0)}, index=DAYS)).index.equals(DAYS)
    periods = pd.DataFrame({"x": np.arange(12.0)}, index=pd.period_range("2024-01", periods=12, freq="M"))
    assert to_series(periods).index.freqstr == "MS"


def test_when_a_table_is_read_then_the_frame_is_not_changed():
    table = daily(sales=["1", "2", None, *"456789012"])
    before = table.copy(deep=True)
    series = to_series(table, freq="D")
    series.iloc[:] = -1.0
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("texts", "freq"),
    [
        (["2024-01", "2024-02", "2024-03"], "MS"),
        (["Jan 2024", "Feb 2024", "Mar 2024"], "MS"),
        (["2024Q1", "2024Q2", "2024Q3"], "QS-OCT"),
        (["31/12/2023", "01/01/2024", "02/01/2024"], "D"),
        (["12/31/2023", "01/01/2024", "01/02/2024"], "D"),
        (["2024-01-01 00:00", "2024-01-01 00:30", "2024-01-01 01:00"], "30min"),
        (["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00", "2024-03-31T04:00+02:00"], "h"),
    ],
)
def test_when_dates_are_written_in_a_common_way_then_they_are_read(texts, freq):
    assert to_series(pd.DataFrame({"when": texts, "x": [1.0, 2.0, 3.0]})).index.freqstr == freq


@pytest.mark.parametrize(("name", "length", "freq"), [("airline", 144, "MS"), ("solar", 289, "30min")])
def test_when_an_example_is_loaded_then_it_is_regular(name, length, freq):
    series = load_example(name)
    assert (series.shape, series.index.freqstr) == ((length, 1), freq)


def test_when_an_example_is_unknown_then_the_names_are_listed():
    with pytest.raises(DataError, match="airline, solar"):
        load_example("lunar")


def test_when_all_series_of_a_file_are_read_then_each_column_of_each_is_one(tmp_path):
    panel(a="2024-01-01", b="2024-01-01").assign(year=2024, price=2.0).to_csv(tmp_path / "x.csv", index=False)
    series = read_all_series(tmp_path / "x.csv", time="day", id="store")
    assert [values.shape for values in series] == [(12,)] * 6


# Frequency


def test_when_a_frequency_is_given_then_gaps_become_missing_rows():
    series = to_series(daily().drop(index=[3, 4]), freq="D")
    assert np.flatnonzero(series["sales"].isna()).tolist() == [3, 4]
    integers = to_series(pd.DataFrame({"t": [1, 2, 5], "x": [1.0, 2.0, 3.0]}), time="t", freq="1")
    assert integers.index.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("freq", "suggested"),
    [("D", "D"), ("W", "7D"), ("MS", "MS"), ("ME", "ME"), ("YS", "YS-JAN"), ("B", "B"), ("30min", "30min")],
)
def test_when_stamps_are_irregular_then_the_remedy_works(freq, suggested):
    stamps = pd.date_range("2024-01-01", periods=24, freq=freq)
    table = pd.DataFrame({"when": stamps, "x": np.arange(24.0)}).drop(index=15)
    message = refusal(table)
    assert f"is followed by {stamps[16]} in row 16" in message
    assert f"(--freq {suggested})" in message
    assert to_series(table, freq=suggested).index.equals(stamps)


@pytest.mark.parametrize(
    ("freq", "message"),
    [
        ("fortnight", "found freq='fortnight'"),
        ("-1D", "steps forward"),
        ("MS", "2024-01-02 00:00:00 in row 2 is not on the grid"),
        ("2D", "2024-01-02 00:00:00 in row 2 is not on the grid"),
        ("s", "more than 99 %"),
    ],
)
def test_when_the_frequency_does_not_fit_then_the_error_says_why(freq, message):
    assert message in refusal(daily(), freq=freq)


def test_when_a_frequency_comes_without_time_then_it_is_refused():
    assert "no time column" in refusal(pd.DataFrame({"x": [1.0]}), freq="D")


def test_when_two_stamps_cannot_tell_the_frequency_then_it_is_asked_for():
    assert "too few to tell the frequency" in refusal(daily().head(2))
    assert to_series(daily().head(1), freq="D").index.freqstr == "D"


def test_when_series_of_a_panel_differ_in_frequency_then_both_are_named():
    hourly = pd.DataFrame({"store": "b", "day": pd.date_range("2024", periods=5, freq="h"), "sales": 1.0})
    message = refusal(pd.concat([panel(a="2024-01-01"), hourly]), id="store")
    assert "series 'b' has the frequency h, series 'a' has D" in message


# Refusals


def test_when_a_column_is_unknown_then_the_nearest_and_all_are_named():
    message = refusal(daily(), target="sale")
    assert "did you mean 'sales'?" in message
    assert "columns are 'day', 'sales'" in message


def test_when_a_column_has_two_roles_then_it_is_refused():
    assert "named twice" in refusal(daily(), target="sales", id="sales")


@pytest.mark.parametrize("text", ["10,01", "1.234,50", "1,234.5", "$12.50", "-3,5 €", "12 %"])
def test_when_numbers_are_written_with_other_signs_then_the_remedy_is_named(text):
    message = refusal(daily(sales=[text] * 12))
    assert message.startswith("found no column of numbers")
    assert f"'sales' holds text such as {text!r}: write numbers as 1234.5" in message


def test_when_the_columns_are_words_then_no_remedy_is_named():
    assert refusal(daily(kind=["bread"] * 12)).endswith("columns are 'day', 'kind'")


def test_when_pandas_wrote_its_index_then_it_is_no_series(tmp_path):
    daily().to_csv(tmp_path / "x.csv")
    assert to_series(read_table(tmp_path / "x.csv")).columns.tolist() == ["sales"]
    assert len(read_all_series(tmp_path / "x.csv")) == 1


def test_when_several_columns_could_be_meant_then_they_are_listed():
    assert "could be forecast: 'a', 'b'" in refusal(daily(a=1, b=2))
    assert "could be the time: 'day', 'paid'" in refusal(daily(x=1.0, paid="2024-05-05"))
    assert "no column of numbers" in refusal(daily(shop="north"))


def test_when_stamps_are_duplicate_then_they_are_named_with_the_remedies():
    message = refusal(panel(a="2024-01-01", b="2024-01-01"))
    assert "2024-01-01 00:00:00, 2024-01-02 00:00:00, 2024-01-03 00:00:00 and 9 more" in message
    assert "(--id)" in message


def test_when_stamps_are_unsorted_then_the_row_is_named():
    message = refusal(daily().iloc[[0, 1, 3, 2, 4]])
    assert "2024-01-03 00:00:00 in row 4 comes after 2024-01-04" in message
    assert "sort the rows" in message


def test_when_stamps_of_one_series_of_a_panel_are_wrong_then_it_is_named():
    table = panel(a="2024-01-01", b="2024-01-01")
    assert "series 'b': the time stamps are irregular" in refusal(table.drop(index=15), id="store")
    assert "series 'b': found duplicate" in refusal(pd.concat([table, table.tail(1)]), id="store")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("n.a.", "column 'sales', row 6: found 'n.a.', expected a number"),
        ("1,5", "column 'sales', row 6: found '1,5'"),
        (np.inf, "column 'sales', row 6: found an infinite value"),
        (-np.inf, "column 'sales', row 6: found an infinite value"),
    ],
)
def test_when_a_value_is_no_finite_number_then_its_cell_is_named(value, message):
    values = [*range(5), value, *range(6)]
    assert message in refusal(daily(sales=values))


def test_when_a_date_is_broken_then_its_cell_is_named():
    assert "column 'day', row 3: found '2024-02-31'" in refusal(daily().replace("2024-01-03", "2024-02-31"))
    assert "column 'day', row 3: the time stamp is missing" in refusal(daily().replace("2024-01-03", None), time="day")


def test_when_dates_can_be_read_in_two_ways_then_they_are_refused():
    table = pd.DataFrame({"when": ["01/02/2024", "01/03/2024", "01/04/2024"], "x": [1.0, 2.0, 3.0]})
    assert "month first and day first" in refusal(table)


def test_when_a_series_is_all_missing_then_it_is_named():
    assert "column 'sales': all 12 values are missing" in refusal(daily(sales=np.nan))
    table = panel(a="2024-01-01", b="2024-01-01")
    table.loc[table["store"] == "b", "sales"] = np.nan
    assert "series 'b', column 'sales': all 12" in refusal(table, id="store")


def test_when_the_name_of_a_series_is_missing_then_the_row_is_named():
    table = panel(a="2024-01-01")
    table.loc[4, "store"] = None
    assert "column 'store', row 5" in refusal(table, id="store")


def test_when_the_table_has_no_rows_then_it_is_refused():
    assert "0 rows" in refusal(daily().head(0))
    assert "two columns called 'x'" in refusal(pd.DataFrame([[1, 2]], columns=["x", "x"]))


FRIDAYS = pd.date_range("2024-01-01", "2026-12-31", freq="W-FRI")
LAST_FRIDAYS = FRIDAYS[(FRIDAYS + pd.Timedelta("7D")).month != FRIDAYS.month]


@pytest.mark.parametrize(
    "stamps",
    [
        pd.date_range("2024-01-01", periods=36, freq="MS", tz="Europe/Berlin").tz_convert("UTC"),
        pd.DatetimeIndex([pd.Timestamp(2024, 1, 1 + day, hour) for day in range(20) for hour in range(10, 18)]),
        LAST_FRIDAYS,
    ],
    ids=["months of another zone", "opening hours", "last Fridays"],
)
@pytest.mark.parametrize("n_series", [1, 2])
def test_when_stamps_only_resemble_a_calendar_then_no_value_is_lost(stamps, n_series):
    table = pd.concat([pd.DataFrame({"id": name, "time": stamps, "v": 1.0}) for name in "ab"[:n_series]])
    with pytest.raises(DataError, match="the time stamps are irregular"):
        to_series(table, time="time", target="v", id="id" if n_series > 1 else None)


@pytest.mark.parametrize(
    ("digits", "first", "freq"),
    [
        ([202311, 202312, 202401], "2023-11-01", "MS"),
        ([20231230, 20231231, 20240101], "2023-12-30", "D"),
        ([2021, 2022, 2023], 2021, None),
        ([202398, 202399, 202400], 202398, None),
        ([1, 2, 3], 1, None),
    ],
)
def test_when_dates_are_written_in_digits_alone_then_they_are_dates_and_counters_are_not(digits, first, freq):
    series = to_series(pd.DataFrame({"date": digits, "v": [1.0, 2.0, 3.0]}))
    assert series.index[0] == (first if freq is None else pd.Timestamp(first))
    assert getattr(series.index, "freqstr", None) == freq


def test_when_years_have_two_digits_then_dates_are_read(tmp_path):
    (tmp_path / "x.csv").write_text("Datum;Wert\n" + "".join(f"{day}.01.24;{day}\n" for day in range(13, 29)))
    assert to_series(read_table(tmp_path / "x.csv")).index[0] == pd.Timestamp("2024-01-13")


def test_when_ids_begin_with_zeros_then_they_stay_as_they_are_and_apart(tmp_path):
    rows = [f"{name},2024-01-{day:02},{day}" for name in ("007", "7") for day in range(1, 13)]
    (tmp_path / "x.csv").write_text("\n".join(["shop,day,sales", *rows]))
    panel = to_series(read_table(tmp_path / "x.csv"), id="shop", target="sales")
    assert panel.index.unique(0).tolist() == ["007", "7"]
    assert panel["sales"].tolist() == [*range(1, 13)] * 2


def test_when_values_begin_with_zeros_then_they_are_numbers(tmp_path):
    (tmp_path / "x.csv").write_text("day,sales\n2024-01-01,007\n2024-01-02,12\n2024-01-03,9\n")
    assert to_series(read_table(tmp_path / "x.csv"))["sales"].tolist() == [7.0, 12.0, 9.0]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Datum;Strom, kWh\n01.01.2024;250,3\n", ["Datum", "Strom, kWh"]),
        ("sep=;\nday;sales\n2024-01-01;3\n", ["day", "sales"]),
        ("day,sales,\n2024-01-01,3,\n2024-01-02,4,\n", ["day", "sales"]),
        ("day,note; more\n2024-01-01,a; b\n", ["day", "note; more"]),
    ],
    ids=["comma in a name", "Excel's line", "comma at the end", "semicolon in text"],
)
def test_when_separators_mislead_then_columns_are_still_told_apart(tmp_path, text, names):
    (tmp_path / "x.csv").write_text(text)
    assert read_table(tmp_path / "x.csv").columns.tolist() == names


def test_when_columns_are_no_numbers_then_they_are_no_targets():
    table = pd.DataFrame(
        {
            "is_open": [True, None, False],
            "lasts": pd.to_timedelta([1, 2, 3], unit="h"),
            "wave": np.array([1j, 2, 3]),
            "sales": [1.0, 2.0, 3.0],
        }
    )
    assert numeric_columns(table) == ["sales"]
    with pytest.raises(DataError, match="has the type timedelta64.*, expected real numbers"):
        to_series(table, target="lasts")


def test_when_the_index_is_a_column_too_then_it_counts_once():
    days = pd.date_range("2024-01-01", periods=5)
    table = pd.DataFrame({"ds": days, "y": np.arange(5.0)}).set_index("ds", drop=False)
    assert to_series(table)["y"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match="found 'ds' as the index and as a column, with different values"):
        to_series(table.assign(ds=days[::-1]))


def test_when_offsets_are_mixed_and_padded_then_it_is_said_in_words():
    times = ["2024-01-01T00:00:00+01:00 ", "2024-01-02T00:00:00"]
    with pytest.raises(DataError):
        to_series(pd.DataFrame({"time": times, "v": [1.0, 2.0]}))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_when_lines_end_in_any_way_then_the_table_is_the_same(tmp_path, end):
    (tmp_path / "x.csv").write_bytes(end.join(["day,sales", "2024-01-01,3", "2024-01-02,4", ""]).encode())
    assert read_table(tmp_path / "x.csv")["sales"].tolist() == [3, 4]


def test_when_lines_are_scrambled_then_memory_does_not_fill(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"id,day\x0csala0\n1,20\r\r\r\r\r\r\r\r 1 10PAR1,20,0\n00,2\n")
    with pytest.raises(DataError, match="no readable CSV file"):
        read_table(tmp_path / "x.csv")


def test_when_a_name_holds_a_line_break_then_it_becomes_a_space(tmp_path):
    (tmp_path / "x.csv").write_text('day,"Sales\n(EUR)"\n2024-01-01,3\n')
    assert read_table(tmp_path / "x.csv").columns.tolist() == ["day", "Sales (EUR)"]
