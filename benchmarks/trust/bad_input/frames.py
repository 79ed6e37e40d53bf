"""Series, panels and hierarchies that cannot be forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bad_input.cause import Cause, days, panel
from ttm_sk import TTMForecaster, forecast
from ttm_sk.distributed import forecast_frame

__all__ = ["CAUSES"]


def _fit(y):
    return lambda place: TTMForecaster(place.weights).fit(y, fh=[1]).predict()


def _changed(value, at: int = 3) -> pd.Series:
    y = days().astype(object) if isinstance(value, str) else days()
    y.iloc[at] = value
    return y


def _without(*rows: int) -> pd.Series:
    return days().drop(days().index[list(rows)])


def _long(**columns) -> pd.DataFrame:
    plain = {"unique_id": "shop", "ds": pd.date_range("2024-01-01", periods=20), "y": np.arange(20.0)}
    return pd.DataFrame(plain | columns)


def _map(frame: pd.DataFrame, **options):
    return lambda place: forecast_frame(frame, **({"horizon": 2, "freq": "D", "model_path": place.model} | options))


def _arrays(values, horizon=3, **options):
    return lambda place: forecast(values, horizon, **({"model_path": place.model} | options))


def _gap_at_the_end() -> pd.Series:
    y = days(200)
    y.iloc[-100:] = np.nan
    return y


CAUSES = [
    Cause("an infinite value", _fit(_changed(np.inf)), r"'y'.*infinite|infinite.*'y'"),
    Cause("a negative infinite value", _fit(_changed(-np.inf)), "infinite"),
    Cause("a series of nothing but NaN", _fit(days() * np.nan), "'y'"),
    Cause("no value among the newest that the model sees", _fit(_gap_at_the_end()), "newest 64"),
    Cause("a frame without rows", _fit(days().iloc[:0].to_frame()), "0|empty", ValueError, "sktime"),
    Cause("a frame without columns", _fit(pd.DataFrame(index=days().index)), "0 columns|empty|no columns", ValueError),
    Cause("y is None", _fit(None), "None", AssertionError, "sktime"),
    Cause("y is text", _fit("sales"), "str", TypeError, "sktime"),
    Cause("y is a number", _fit(3.5), "float", TypeError, "sktime"),
    Cause("y is a dict", _fit({"a": 1}), "dict", TypeError, "sktime"),
    Cause("y is a set of values", _fit({1.0, 2.0}), "set", TypeError, "sktime"),
    Cause("y is an array of four dimensions", _fit(np.zeros((2, 2, 2, 2))), "ndarray", TypeError, "sktime"),
    Cause("text among the values", _fit(_changed("many").rename("sold")), "sold|str|object", TypeError, "sktime"),
    Cause("a column of text", _fit(days().to_frame().assign(place="x")), "place", TypeError, "sktime"),
    Cause("complex numbers", _fit((days() + 1j).rename("wave")), "complex", TypeError, "sktime"),
    Cause("dates as values", _fit(pd.Series(days().index, index=days().index)), "endogeneous y", TypeError, "sktime"),
    Cause("a categorical column", _fit(days().round().astype("category")), "categor", TypeError, "sktime"),
    Cause("two columns of one name", _fit(pd.concat([days(), days()], axis=1)), "y|unique", Exception, "sktime"),
    Cause("a time stamp twice", _fit(pd.concat([days(), days().tail(1)])), "2024-02-09"),
    Cause("time stamps that are not sorted", _fit(days().iloc[[1, 0, *range(2, 40)]]), "2024-01-01"),
    Cause("time stamps in reverse", _fit(days().iloc[::-1]), "2024-0"),
    Cause("a missing time stamp", _fit(days().set_axis([pd.NaT, *days().index[1:]])), "NaT|missing"),
    Cause("a day that is missing", _fit(_without(10)), "2024-01-1"),
    Cause("two days that are missing", _fit(_without(5, 20)), "2024-01-0"),
    Cause(
        "irregular minutes", _fit(days().set_axis(days().index + pd.to_timedelta(np.arange(40) ** 2, "min"))), "2024"
    ),
    Cause("an index of text", _fit(days().set_axis([f"day {i}" for i in range(40)])), "[Ii]ndex", TypeError, "sktime"),
    Cause("an index of floats", _fit(days().set_axis(np.arange(40) / 2)), "[Ii]ndex", TypeError, "sktime"),
    Cause("numbers as an index with a gap", _fit(days().set_axis([*range(39), 50])), "50|38|39"),
    Cause("numbers as an index, one twice", _fit(days().set_axis([*range(39), 38])), "38"),
    Cause("numbers as an index that go down", _fit(days().set_axis(range(40, 0, -1))), "39|40"),
    Cause(
        "months with one missing",
        _fit(days(9).set_axis(pd.PeriodIndex([f"2024-0{m}" for m in range(1, 10)], freq="M")).drop("2024-04")),
        "2024-0[35]",
    ),
    Cause("a panel with an infinite value", _fit(panel().replace(3.0, np.inf)), "s0"),
    Cause("a panel with an empty series", _fit(panel().mask(panel() >= 20)), "s1"),
    Cause("a panel with a stamp twice", _fit(pd.concat([panel(), panel().tail(1)])), "s1|2024-01-20"),
    Cause("a panel with a day missing", _fit(panel().drop(("s1", pd.Timestamp("2024-01-05")))), "s1"),
    Cause("a panel whose rows are mixed", _fit(panel().iloc[[0, 20, 1, 21, *range(2, 20), *range(22, 40)]]), "s0|s1"),
    Cause("a panel with unsorted stamps", _fit(panel().iloc[[1, 0, *range(2, 40)]]), "s0"),
    Cause("a panel of text", _fit(panel().astype(str)), "'y'", TypeError, "sktime"),
    Cause("a long frame without its target", _map(_long().drop(columns="y")), "'y'"),
    Cause("a long frame without its stamps", _map(_long().drop(columns="ds")), "'ds'"),
    Cause("a long frame without ids", _map(_long().drop(columns="unique_id")), "'unique_id'"),
    Cause("a long frame with a row missing", _map(_long().drop(index=4)), "2024-01-0[46]"),
    Cause("a long frame with a stamp twice", _map(pd.concat([_long(), _long().tail(1)])), "2024-01-20"),
    Cause("a long frame of an unknown frequency", _map(_long(), freq="often"), "often", ValueError),
    Cause("a long frame with numbers as stamps and freq in words", _map(_long(ds=np.arange(20))), "'D'", ValueError),
    Cause("a long frame with a horizon of 0", _map(_long(), horizon=0), "0", ValueError),
    Cause("a long frame without values", _map(_long(y=np.nan)), "0|shop|value"),
    Cause("a long frame of text", _map(_long(y="many")), "many"),
    Cause("a long frame of dates that are none", _map(_long(ds="soon")), "soon"),
    Cause("a long frame without an id in a row", _map(_long(unique_id=["a"] * 19 + [None])), "missing|None|id"),
    Cause("an array of text", _arrays(["a", "b"]), "str|'a'|text"),
    Cause("an array without a value", _arrays(np.array([np.nan, np.nan])), "no observed value"),
    Cause("an empty array", _arrays(np.array([])), "no|empty|0"),
    Cause("no array at all", _arrays([]), "no|empty|0"),
    Cause("an array with infinity", _arrays(np.array([1.0, np.inf, 2.0])), "infinite"),
    Cause(
        "arrays with other numbers of channels", _arrays([np.zeros((2, 9)), np.zeros((3, 9))]), r"history 1.*\(3, 9\)"
    ),
    Cause("an array of four dimensions", _arrays(np.zeros((2, 2, 2, 9))), r"\(2, 2, 9\)"),
    Cause("values are None", _arrays(None), "None"),
    Cause("values are a number", _arrays(3.0), "3.0|float"),
    Cause("complex values", _arrays(np.arange(9) + 1j), "complex"),
]
