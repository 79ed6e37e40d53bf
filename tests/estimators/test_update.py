"""``update`` goes on from what ``fit`` saw, in whatever order it comes, and refuses what cannot go on from there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from strategies import random_module, small_config

from ttm_sk import TTMForecaster
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import DataError, HorizonError

DAYS = pd.date_range("2024-01-01", periods=110, freq="D")
FH = [1, 2, 3]


def quick(**parameters) -> TTMForecaster:
    return TTMForecaster(effort="plain", **parameters)


def shops(order: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Promotions lift the shop ``a`` by 50 and lower ``b`` by as much; the shops stand in this order."""
    sales, tables = {}, {}
    for name in order:
        rng = np.random.default_rng(ord(name))
        promotion = (rng.random(110) < 0.3).astype(float)
        lift = {"a": 50.0, "b": -50.0}[name]
        sales[name] = pd.DataFrame({"y": 100 + lift * promotion + rng.normal(size=110)}, index=DAYS)
        tables[name] = pd.DataFrame({"promotion": promotion}, index=DAYS)
    return pd.concat(sales, names=["id", "time"]), pd.concat(tables, names=["id", "time"])


def between(frame: pd.DataFrame, start: int, stop: int) -> pd.DataFrame:
    return frame[frame.index.get_level_values(-1).isin(DAYS[start:stop])]


def two_columns() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"b": 1000 + rng.random(60), "a": 1 + 0.01 * rng.random(60)}, index=DAYS[:60])


def test_when_series_are_in_no_sorted_order_then_each_keeps_the_effects_of_its_own_drivers():
    found = {}
    for order in ("ab", "ba"):
        y, X = shops(order)
        forecaster = quick().fit(between(y, 0, 100), X=between(X, 0, 100), fh=FH)
        forecaster.update(between(y, 100, 107), X=between(X, 100, 107))
        forecast = forecaster.predict(X=between(X, 107, 110))
        assert list(forecast.index.unique(0)) == list(order)
        assert np.abs(forecast["y"] - between(y, 107, 110)["y"]).max() < 10
        found[order] = forecast.sort_index()
    pd.testing.assert_frame_equal(found["ab"], found["ba"], atol=1e-3)


def test_when_a_series_is_new_then_it_stands_behind_those_of_fit():
    y, _ = shops("ba")
    forecaster = quick().fit(between(y.loc[["b"]], 0, 100), fh=FH)
    forecaster.update(pd.concat([between(y.loc[["a"]], 0, 100), between(y.loc[["b"]], 100, 107)]))
    assert list(forecaster.predict().index.unique(0)) == ["b", "a"]


def test_when_columns_come_in_another_order_then_names_and_values_stay_together():
    y = two_columns()
    same, turned = (quick().fit(y.iloc[:50], fh=FH) for _ in range(2))
    same.update(y.iloc[50:])
    turned.update(y[["a", "b"]].iloc[50:])
    pd.testing.assert_frame_equal(turned.predict(), same.predict())
    pd.testing.assert_frame_equal(turned.predict_interval(coverage=0.8), same.predict_interval(coverage=0.8))
    assert (turned.predict_quantiles(alpha=[0.5])["a"] < 2).all(axis=None)


def test_when_channels_are_mixed_then_their_order_is_that_of_fit():
    config = small_config(n_channels=2, mixes_channels=True)
    model = Checkpoint(config, random_module(config).state_dict())
    y = two_columns()
    same, turned = (quick(model_path=model).fit(y.iloc[:50], fh=FH) for _ in range(2))
    same.update(y.iloc[50:])
    turned.update(y[["a", "b"]].iloc[50:])
    pd.testing.assert_frame_equal(turned.predict(), same.predict())


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (lambda y: y[["a"]], "update lacks the column 'b', which fit had"),
        (lambda y: y.assign(c=1.0), "update found the column 'c'"),
        (lambda y: pd.concat({"x": y}), "found a panel, expected a single series as in fit"),
        (lambda y: y.tz_localize("UTC"), "found time stamps that are dates with a time zone, expected dates as in fit"),
        (lambda y: y.to_period("D"), "found time stamps that are periods of D, expected dates"),
        (lambda y: y.reset_index(drop=True), "found time stamps that are whole numbers, expected dates"),
    ],
    ids=["fewer", "more", "panel", "zone", "periods", "numbers"],
)
def test_when_it_cannot_go_on_then_it_is_said_and_nothing_changes(turn, words):
    y = two_columns()
    forecaster = quick().fit(y.iloc[:50], fh=FH)
    before = forecaster.predict()
    with pytest.raises(DataError, match=words):
        forecaster.update(turn(y.iloc[50:]))
    pd.testing.assert_frame_equal(forecaster.predict(), before)


def test_when_a_single_series_should_go_on_a_panel_then_it_is_refused():
    y, _ = shops("ab")
    with pytest.raises(DataError, match="found a single series, expected a panel as in fit"):
        quick().fit(y, fh=FH).update(y.loc["a"])


@pytest.mark.parametrize(
    "horizon", [[0], pd.PeriodIndex(["2024-03-05"], freq="D"), pd.DatetimeIndex(["2024-03-05 12:00"])]
)
def test_when_a_horizon_fails_then_the_one_of_fit_stays(horizon):
    forecaster = quick().fit(two_columns(), fh=FH)
    before = forecaster.predict()
    with pytest.raises((HorizonError, NotImplementedError)):
        forecaster.predict(fh=horizon)
    pd.testing.assert_frame_equal(forecaster.predict(), before)


def test_when_an_array_is_given_then_it_is_refused_as_it_has_no_time_stamps():
    forecaster = quick().fit(np.arange(50.0), fh=FH)
    with pytest.raises(DataError, match="found an array, which has no time stamps"):
        forecaster.update(np.array([50.0, 51.0]))
    forecaster.update(pd.Series([50.0, 51.0], index=[50, 51]))
    assert forecaster.cutoff[0] == 51
