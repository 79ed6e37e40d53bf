"""X: it moves the forecast where it explains the series, and what is wrong with it is named."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from strategies import random_module, small_config

from ttm_sk import TTMForecaster
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.inference import selection
from ttm_sk.models.ttm import DEFAULT_LEVELS

FH = list(range(1, 13))
HOURS = pd.date_range("2024-01-01", periods=252, freq="h")
PAST, FUTURE = HOURS[:240], HOURS[240:]


def data(*, seed: int = 0) -> tuple[pd.Series, pd.DataFrame]:
    """A daily wave that a promotion lifts by 5 and the temperature by 2 a degree; and their table."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"promotion": rng.random(252) < 0.2, "degrees": rng.normal(size=252)}, index=HOURS)
    wave = 10 + np.sin(np.arange(252) * 2 * np.pi / 24) + 0.2 * rng.normal(size=252)
    return wave + 5 * X["promotion"] + 2 * X["degrees"], X


def fitted(y: pd.Series, X: pd.DataFrame | None, **parameters: Any) -> TTMForecaster:
    return TTMForecaster(effort="plain", **parameters).fit(y.loc[PAST], X=None if X is None else X.loc[PAST], fh=FH)


def test_when_drivers_are_known_ahead_then_the_error_falls_and_intervals_narrow_and_move():
    y, X = data()
    with_drivers, without = fitted(y, X), fitted(y, None)
    errors = [np.abs(f - y.loc[FUTURE]).mean() for f in (with_drivers.predict(X=X.loc[FUTURE]), without.predict())]
    assert errors[0] < 0.6 * errors[1]
    narrow = with_drivers.predict_interval(coverage=0.8, X=X.loc[FUTURE]).droplevel([0, 1], axis=1)
    wide = without.predict_interval(coverage=0.8).droplevel([0, 1], axis=1)
    assert (narrow["upper"] - narrow["lower"]).mean() < 0.6 * (wide["upper"] - wide["lower"]).mean()
    other = with_drivers.predict_interval(coverage=0.8, X=X.loc[FUTURE].assign(degrees=9.0)).droplevel([0, 1], axis=1)
    assert (other["lower"] > narrow["lower"]).mean() > 0.8
    assert with_drivers.effects_[0].gain > 0.3


def test_when_a_column_is_text_then_its_categories_count():
    y, X = data()
    words = X.assign(promotion=np.where(X["promotion"], "yes", "no"))
    np.testing.assert_allclose(
        fitted(y, words).predict(X=words.loc[FUTURE]), fitted(y, X).predict(X=X.loc[FUTURE]), atol=0.3
    )


def test_when_a_driver_is_known_for_the_past_alone_then_it_counts_with_a_lag():
    y, X = data()
    later = y.shift(12, fill_value=10.0)  # what X says now, y does twelve hours from now
    forecaster = fitted(later, X, past_columns=["promotion", "degrees"])
    error = np.abs(forecaster.predict() - later.loc[FUTURE]).mean()
    assert error < 0.6 * np.abs(fitted(later, None).predict() - later.loc[FUTURE]).mean()


def test_when_a_panel_has_drivers_then_each_series_has_its_own_effect():
    parts = {"a": data(seed=1), "b": data(seed=2)}
    parts["b"] = (20 - parts["b"][0], parts["b"][1])
    y = pd.concat({key: part[0].rename("y").to_frame() for key, part in parts.items()}, names=["id", "time"])
    X = pd.concat({key: part[1] for key, part in parts.items()}, names=["id", "time"])
    past, future = y.index.get_level_values(1).isin(PAST), y.index.get_level_values(1).isin(FUTURE)
    forecaster = TTMForecaster(effort="plain").fit(y[past], X=X[past], fh=FH)
    together = forecaster.predict(X=X[future])
    alone = fitted(parts["b"][0].rename("y"), parts["b"][1]).predict(X=parts["b"][1].loc[FUTURE])
    np.testing.assert_allclose(together.loc["b", "y"], alone, rtol=1e-5)


def test_when_new_rows_arrive_then_their_drivers_count():
    y, X = data()
    forecaster = TTMForecaster(effort="plain").fit(y.iloc[:228], X=X.iloc[:228], fh=FH)
    forecaster.update(y.iloc[228:240], X=X.iloc[228:240])
    error = np.abs(forecaster.predict(X=X.loc[FUTURE]) - y.loc[FUTURE]).mean()
    assert error < 0.6 * np.abs(fitted(y, None).predict() - y.loc[FUTURE]).mean()


def test_when_a_strategy_trains_then_drivers_count_as_well():
    y, X = data()
    forecaster = fitted(y, X, model_path=start(), fit_strategy="head", fit_steps=2)
    error = np.abs(forecaster.predict(X=X.loc[FUTURE]) - y.loc[FUTURE]).mean()
    assert error < 0.6 * np.abs(fitted(y, None, model_path=start()).predict() - y.loc[FUTURE]).mean()


@cache
def start() -> Checkpoint:
    config = small_config(levels=DEFAULT_LEVELS)
    return Checkpoint(config, random_module(config).state_dict())


def test_when_a_strategy_trains_then_what_did_best_with_drivers_on_the_past_is_used():
    y, X = data()
    y = y + 3 * X["degrees"].shift(1, fill_value=0.0)  # a step sees its neighbours' drivers in the mixer alone
    forecaster = fitted(y, X, model_path=start(), fit_strategy="full", fit_steps=60)
    scores = forecaster.drivers_.scores
    assert set(scores) == {"ridge, zero-shot", "ridge", "mixer", "ridge and mixer"}
    assert forecaster.drivers_.chosen == min(scores, key=scores.get)
    assert "mixer" in forecaster.drivers_.chosen
    assert forecaster.checkpoint_.config.covariate_channels == (1, 2)
    other = X.loc[FUTURE].assign(degrees=4.0)
    assert (forecaster.predict(X=other) > forecaster.predict(X=X.loc[FUTURE])).mean() > 0.5
    some = forecaster.predict(fh=[2, 5], X=X.loc[FUTURE].iloc[[1, 4]])
    assert len(some) == 2
    assert np.isfinite(forecaster.predict(fh=[2, 30], X=X.set_axis(HOURS + pd.Timedelta(hours=240)))).all()


def test_when_the_bundled_weights_are_trained_with_drivers_then_they_forecast_beyond_one_pass():
    y, X = data()
    ahead = range(1, 111)
    forecaster = TTMForecaster(fit_strategy="head", fit_steps=2, effort="plain", random_state=0)
    forecaster.fit(y.iloc[:140], X=X.iloc[:140], fh=ahead)
    assert set(forecaster.drivers_.scores) >= {"mixer", "ridge and mixer"}
    assert np.isfinite(forecaster.predict(X=X.iloc[140:250])).all()


def test_when_nothing_that_trains_is_better_then_the_regression_stays_and_says_so(monkeypatch):
    monkeypatch.setattr(selection, "MARGIN", 1.0)  # so that nothing can be better enough
    y, X = data()
    forecaster = fitted(y, X, model_path=start(), fit_strategy="bias", fit_steps=1)
    assert forecaster.drivers_.chosen == "ridge, zero-shot"
    assert forecaster.strategy_.chosen == "zero-shot"
    assert "bias was not better" in forecaster.strategy_.reason
    zero_shot = fitted(y, X, model_path=start())
    pd.testing.assert_series_equal(forecaster.predict(X=X.loc[FUTURE]), zero_shot.predict(X=X.loc[FUTURE]))


def shops(n: int = 6, *, weeks: int = 6) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shops of two regions, which the first week of a fortnight does not tell apart, but the second does."""
    frames, tables = {}, {}
    for i in range(n):
        days = pd.date_range("2024-01-01", periods=14 * weeks, freq="D")
        lift = np.where(np.arange(len(days)) % 14 < 7, 0.0, 4.0 * (i % 2) - 2.0)
        frames[i] = pd.DataFrame({"y": lift + 0.1 * np.random.default_rng(i).normal(size=len(days))}, index=days)
        tables[i] = pd.DataFrame({"region": ["north", "south"][i % 2]}, index=days)
    return pd.concat(frames, names=["id", "time"]), pd.concat(tables, names=["id", "time"])


def test_when_text_differs_between_series_alone_then_training_embeds_it():
    y, X = shops()
    forecaster = TTMForecaster(start(), fit_strategy="full", effort="plain", fit_steps=20).fit(y, X=X, fh=FH)
    assert forecaster.checkpoint_.config.static_sizes == (2,)
    assert forecaster.drivers_ is None
    forecast = forecaster.predict()
    turned = X.assign(region=X["region"].map({"north": "south", "south": "north"}))
    other = TTMForecaster(start(), fit_strategy="full", effort="plain", fit_steps=20).fit(y, X=turned, fh=FH)
    assert forecast.shape == other.predict().shape == (72, 1)
    forecaster.update(y.groupby("id").tail(3), X=X.groupby("id").tail(3))
    assert np.isfinite(forecaster.predict()).all(axis=None)
    zero_shot = TTMForecaster(start(), effort="plain").fit(y, X=X, fh=FH)
    pd.testing.assert_frame_equal(zero_shot.predict(), TTMForecaster(start(), effort="plain").fit(y, fh=FH).predict())


def test_when_a_static_column_changes_then_the_error_says_so():
    y, X = shops(n=2)
    forecaster = TTMForecaster(start(), effort="plain").fit(y, X=X, fh=FH)
    days = pd.date_range("2024-03-25", periods=12, freq="D")
    ahead = pd.concat({i: pd.DataFrame({"region": "north"}, index=days) for i in range(2)}, names=["id", "time"])
    with pytest.raises(DataError, match="'region'. is not what it was in fit"):
        forecaster.predict(X=ahead)
    new = y.groupby("id").tail(12).rename(index=dict(zip(y.loc[0].index[-12:], days, strict=True)), level=1)
    with pytest.raises(DataError, match="changes within a series"):
        forecaster.update(new, X=ahead)


def test_when_x_is_wrong_then_the_error_says_what_and_where():
    y, X = data()
    forecaster = fitted(y, X)
    future = X.loc[FUTURE]
    gap = future.assign(degrees=future["degrees"].where(future.index != FUTURE[2]))
    later = future.set_axis(future.index + pd.Timedelta(days=30))
    wrong = {
        "found no X, but this forecaster was fitted with the column": None,
        "X lacks the column 'degrees', which fit had; found 'promotion'": future[["promotion"]],
        "no row for 2024-01-11 05:00:00; it must have one for every row of the horizon": future.drop(FUTURE[5]),
        "column 'degrees' of X has no finite value at 2024-01-11 02:00:00": gap,
        "column 'degrees' of X has the type .*, in fit it held numbers": future.assign(degrees="warm"),
        "no row for 2024-01-11 00:00:00; .* its own rows go from 2024-02-10": later,
    }
    for message, table in wrong.items():
        with pytest.raises(DataError, match=message):
            forecaster.predict(X=table)
    with pytest.raises(DataError, match="every row of y"):
        TTMForecaster().fit(y.loc[PAST], X=X.loc[PAST[5:]])
    with pytest.raises(ConfigError, match="past_columns names 'rain', which X does not have"):
        TTMForecaster(past_columns=["rain"]).fit(y.loc[PAST], X=X.loc[PAST])
    with pytest.raises(ConfigError, match="there is no X"):
        TTMForecaster(past_columns=["rain"]).fit(y.loc[PAST])


def test_when_readings_are_chosen_then_training_does_without_categories():
    y, X = shops(n=2)
    forecaster = TTMForecaster(start(), fit_strategy="head", effort="best", fit_steps=2).fit(y, X=X, fh=FH)
    assert forecaster.checkpoint_.config.static_sizes == ()
    assert np.isfinite(forecaster.predict()).all(axis=None)


@pytest.mark.parametrize("strategy", ["zero-shot", "auto"])
def test_when_a_gap_is_longer_than_what_is_looked_at_then_windows_behind_it_do_not_count(strategy):
    y, X = data()
    y.iloc[100:150] = np.nan
    forecaster = fitted(y, X, model_path=start(), context_length=16, fit_strategy=strategy, fit_steps=1)
    assert np.isfinite(forecaster.predict(X=X.loc[FUTURE])).all()
    alone = fitted(y, None, model_path=start(), context_length=16, fit_strategy=strategy, fit_steps=1)
    assert np.isfinite(alone.predict()).all()


def test_when_values_are_huge_then_drivers_count_as_ever():
    y, X = data()
    usual, huge = fitted(y, X), fitted(y * 1e200, X)
    np.testing.assert_allclose(huge.predict(X=X.loc[FUTURE]) / 1e200, usual.predict(X=X.loc[FUTURE]), rtol=1e-3)


def test_when_x_holds_dates_then_they_are_named():
    y, X = data()
    with pytest.raises(DataError, match="column 'since' of X holds dates; convert it to numbers"):
        fitted(y, X.assign(since=HOURS))


def test_when_past_columns_is_one_word_then_a_list_is_asked_for():
    y, X = data()
    with pytest.raises(ConfigError, match=r"past_columns='degrees' must be a list of names: \['degrees'\]"):
        fitted(y, X, past_columns="degrees")
