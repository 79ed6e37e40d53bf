"""Drivers, ``X``, that do not fit the series."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bad_input.cause import Cause, days, panel
from ttm_sk import TTMForecaster
from ttm_sk.errors import ConfigError

__all__ = ["CAUSES"]

N = 60


def _drivers(n: int = N + 5, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"rain": rng.normal(size=n)} | columns, index=days(n).index)


def _spoilt(value, at: int) -> pd.DataFrame:
    X = _drivers()
    X["rain"] = X["rain"].astype(object if isinstance(value, str) else float)
    X.iloc[at, 0] = value
    return X


def _fit(X, **parameters):
    return lambda place: TTMForecaster(place.weights, **parameters).fit(days(N), X=X, fh=[1, 2])


def _predict(X_ahead, X=None, **parameters):
    known = _drivers().iloc[:N] if X is None else X

    def act(place):
        fitted = TTMForecaster(place.weights, **parameters).fit(days(N), X=known, fh=[1, 2])
        return fitted.predict(X=X_ahead)

    return act


AHEAD = _drivers().iloc[N : N + 2]

CAUSES = [
    Cause("X with a missing value in the past", _fit(_spoilt(np.nan, 5)), "rain"),
    Cause("X with an infinite value in the past", _fit(_spoilt(np.inf, 5)), "rain"),
    Cause("X without a row of the past", _fit(_drivers().drop(days(N).index[4])), "2024-01-05"),
    Cause("X that begins too late", _fit(_drivers().iloc[10:]), "2024-01-01"),
    Cause("X that ends too early", _fit(_drivers().iloc[:30]), "2024-01-31"),
    Cause("X with a stamp twice", _fit(pd.concat([_drivers(), _drivers().tail(1)])), "2024-03-05"),
    Cause(
        "X with numbered rows for dates",
        _fit(_drivers().reset_index(drop=True)),
        "[Ii]ndex|row|stamp|2024-01-01",
        Exception,
    ),
    Cause("X is a text", _fit("rain"), "str", TypeError, "sktime"),
    Cause("X is a list", _fit([1, 2, 3]), "list", TypeError, "sktime"),
    Cause("X of a panel for one series", _fit(panel()), "panel|Panel|scitype|level|instance|shop", Exception, "sktime"),
    Cause(
        "X of one series for a panel",
        lambda place: TTMForecaster(place.weights).fit(panel(), X=_drivers(), fh=[1]),
        "[Pp]anel|scitype|level|instance|series",
        Exception,
        "sktime",
    ),
    Cause("X with dates as values", _fit(_drivers(due=days(N + 5).index)), "due|datetime", Exception),
    Cause("X with mixed text and numbers", _fit(_spoilt("wet", 5)), "rain", Exception),
    Cause("no X for the horizon", _predict(None), "X", Exception),
    Cause("X without a row of the horizon", _predict(AHEAD.iloc[:1]), "2024-03-02|2024-02-30|row"),
    Cause("X of the horizon without a column", _predict(AHEAD.rename(columns={"rain": "sun"})), "rain", Exception),
    Cause("X of the horizon with NaN", _predict(AHEAD * np.nan), "rain"),
    Cause("X of the horizon with infinity", _predict(AHEAD * np.inf), "rain"),
    Cause("X of the horizon as text", _predict(AHEAD.assign(rain="wet")), "rain|wet", Exception),
    Cause("a past column that X lacks", _fit(_drivers(), past_columns=("sun",)), "sun", ConfigError),
    Cause("a past column that is no text", _fit(_drivers(), past_columns=(3,)), "3", ConfigError),
    Cause(
        "a category that was never seen",
        _predict(AHEAD.assign(kind="new"), _drivers(kind=["a", "b"] * 32 + ["a"]).iloc[:N]),
        "kind|new",
    ),
    Cause(
        "update with another column",
        lambda place: TTMForecaster(place.weights).fit(days().to_frame("a")).update(days(45).tail(5).to_frame("b")),
        "'b'|'a'",
        Exception,
    ),
    Cause(
        "update with an infinite value",
        lambda place: TTMForecaster(place.weights).fit(days()).update(days(41).tail(1) * np.inf),
        "infinite",
    ),
    Cause(
        "update after a gap", lambda place: TTMForecaster(place.weights).fit(days()).update(days(50).tail(3)), "2024-02"
    ),
    Cause("predict before fit", lambda place: TTMForecaster(place.weights).predict(fh=[1]), "fit", Exception, "sktime"),
    Cause("update before fit", lambda place: TTMForecaster(place.weights).update(days()), "fit", Exception, "sktime"),
    Cause(
        "a parameter that there is not",
        lambda place: TTMForecaster().set_params(efort="best"),
        "efort",
        ValueError,
        "sktime",
    ),
]
