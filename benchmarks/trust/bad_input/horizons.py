"""Horizons and levels that cannot be met."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from bad_input.cause import Cause, days, panel
from ttm_sk import TTMForecaster, forecast
from ttm_sk.errors import ConfigError, HorizonError

__all__ = ["CAUSES"]


def _predict(fh, y=None):
    return lambda place: TTMForecaster(place.weights).fit(days() if y is None else y).predict(fh=fh)


def _quantiles(alpha):
    return lambda place: TTMForecaster(place.weights).fit(days()).predict_quantiles(fh=[1], alpha=alpha)


def _interval(coverage):
    return lambda place: TTMForecaster(place.weights).fit(days()).predict_interval(fh=[1], coverage=coverage)


def _array(horizon=3, **options):
    return lambda place: forecast(np.arange(30.0), horizon, **({"model_path": place.model} | options))


CAUSES = [
    Cause("no horizon at all", _predict(None), "fh", ValueError, "sktime"),
    Cause("a horizon of text", _predict("next week"), "str|next week", Exception, "sktime"),
    Cause("a horizon of half a step", _predict([0.5]), "0.5|float|type", Exception, "sktime"),
    Cause("an empty horizon", _predict([]), "empty|\\[\\]|length|not supported", Exception, "sktime"),
    Cause("a horizon with a step twice", _predict([1, 1]), "duplicate|unique", ValueError, "sktime"),
    Cause("the present as horizon", _predict([0]), "in-sample.*0", NotImplementedError, "sktime"),
    Cause("the past as horizon", _predict([-3]), "in-sample.*-3", NotImplementedError, "sktime"),
    Cause(
        "a horizon of dates that have passed",
        _predict(pd.DatetimeIndex(["2024-01-05"])),
        "in-sample.*2024",
        NotImplementedError,
        "sktime",
    ),
    Cause("a horizon off the grid", _predict(pd.DatetimeIndex(["2024-02-15 12:00"])), "2024-02-15 12:00", HorizonError),
    Cause(
        "a horizon of dates for numbered rows",
        _predict(pd.DatetimeIndex(["2024-02-15"]), days().reset_index(drop=True)),
        "kind|type|Datetime",
        Exception,
    ),
    Cause(
        "a horizon of periods for dates",
        _predict(ForecastingHorizon(pd.PeriodIndex(["2024-03"], freq="M"), is_relative=False)),
        "MonthEnd",
        ValueError,
        "sktime",
    ),
    Cause(
        "a panel's horizon in the past of one series",
        _predict(
            ForecastingHorizon(pd.DatetimeIndex(["2024-01-18"]), is_relative=False),
            panel().drop(index=[("s0", d) for d in days(20).index[15:]]),
        ),
        "in-sample.*2024-01-18",
        NotImplementedError,
        "sktime",
    ),
    Cause("a level of 0", _quantiles([0.0]), "0.0", ValueError, "sktime"),
    Cause("a level of 1", _quantiles([1.0]), "1.0", ValueError, "sktime"),
    Cause("a level of 1.5", _quantiles([1.5]), "1.5|alpha", ValueError, "sktime"),
    Cause("a negative level", _quantiles([-0.1]), "-0.1|alpha", ValueError, "sktime"),
    Cause("a level beyond those learnt", _quantiles([0.999]), "0.999", ConfigError),
    Cause("a level of text", _quantiles(["median"]), "median|float|number", Exception, "sktime"),
    Cause("a coverage of 120 %", _interval(1.2), "1.2|coverage", ValueError, "sktime"),
    Cause("a coverage beyond the levels", _interval(0.999), "0.0005|0.9995", ConfigError),
    Cause("a horizon of 0 for an array", _array(0), "0", HorizonError),
    Cause("a negative horizon for an array", _array(-2), "-2", HorizonError),
    Cause("a broken horizon for an array", _array(2.5), "2.5", HorizonError),
    Cause("a horizon of text for an array", _array("7"), "'7'", HorizonError),
    Cause("a horizon of None for an array", _array(None), "None", HorizonError),
    Cause("a horizon of NaN for an array", _array(float("nan")), "nan", HorizonError),
    Cause("a true horizon for an array", _array(True), "True", HorizonError),
    Cause("a level of 2 for an array", _array(levels=[2.0]), "2", ConfigError),
    Cause("a level of NaN for an array", _array(levels=[float("nan")]), "nan", ConfigError),
    Cause("levels of text for an array", _array(levels=["median"]), "median", ConfigError),
    Cause("an effort for an array that is none", _array(effort="quick"), "quick", ConfigError),
    Cause("a backend that is none", _array(backend="abacus"), "abacus", ConfigError),
    Cause("a context of 0 steps", _array(context_length=0), "0", ConfigError),
    Cause("a context of half a step", _array(context_length=2.5), "2.5", ConfigError),
    Cause("a context in words", _array(context_length="all"), "all", ConfigError),
]
