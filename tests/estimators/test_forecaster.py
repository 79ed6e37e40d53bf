"""TTMForecaster: what may go in, what comes out, what is kept and what is refused."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sktime.base import load
from sktime.forecasting.base import ForecastingHorizon
from sktime.split import ExpandingWindowSplitter
from strategies import random_module, small_config

from ttm_sk import TTMForecaster, load_checkpoint, save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import CheckpointError, ConfigError, DataError, HorizonError
from ttm_sk.estimators import weights as weights_module
from ttm_sk.estimators.weights import shared_module
from ttm_sk.models.ttm import DEFAULT_LEVELS

FH = [1, 2, 3]
DAYS = pd.date_range("2024-01-01", periods=60, freq="D")


@cache
def small_checkpoint(*, seed: int = 0, levels: tuple[float, ...] = DEFAULT_LEVELS) -> Checkpoint:
    changes: dict[str, Any] = {"levels": levels} if levels else {"levels": (), "head_width": 0}
    config = small_config(**changes)
    return Checkpoint(config, random_module(config, seed=seed).state_dict())


def small(**parameters: Any) -> TTMForecaster:
    return TTMForecaster(**({"model_path": small_checkpoint()} | parameters))


def wave(index: Any = 60, *, shift: float = 0.0, name: str | None = None) -> pd.Series:
    index = pd.RangeIndex(index) if isinstance(index, int) else index
    steps = np.arange(len(index))
    return pd.Series(10 + np.sin(0.7 * steps + shift) + 0.05 * steps, index=index, name=name)


def table(n: int = 60) -> pd.DataFrame:
    return pd.DataFrame({"a": wave(n), "b": wave(n, shift=1.0) ** 2})


def panel(**indices: Any) -> pd.DataFrame:
    """A panel with the column y, one series for each index (or length)."""
    frames = {key: wave(index, shift=i).to_frame("y") for i, (key, index) in enumerate(indices.items())}
    return pd.concat(frames, names=["id", "time"])


def hierarchy() -> pd.DataFrame:
    """Two levels, unequal lengths and unequal ends."""
    keys = {("x", "a"): DAYS, ("x", "b"): DAYS[:25], ("y", "c"): DAYS[5:6], ("y", "d"): DAYS[30:]}
    frames = {key: wave(index, shift=i).to_frame("y") for i, (key, index) in enumerate(keys.items())}
    return pd.concat(frames, names=["top", "low", "time"])


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-4, atol=1e-4)


@contextmanager
def counted_passes(fitted: TTMForecaster) -> Iterator[list[torch.Size]]:
    """The shapes of the contexts that the module is called with."""
    shapes: list[torch.Size] = []
    module = shared_module(fitted.checkpoint_, fitted.device)
    handle = module.register_forward_hook(lambda module, inputs, output: shapes.append(inputs[0].shape))
    try:
        yield shapes
    finally:
        handle.remove()


# --- histories, horizons and indices


@pytest.mark.parametrize("n", [1, 2, 3, 31, 32, 33, 500])
def test_when_the_history_has_any_length_then_a_forecast_comes_out(n):
    forecast = small().fit(wave(n)).predict(fh=FH)
    assert forecast.index.tolist() == [n, n + 1, n + 2]
    assert np.isfinite(forecast).all()


def test_when_the_horizon_is_beyond_the_head_then_the_beginning_stays_the_same():
    fitted = small().fit(wave())
    long = fitted.predict(fh=np.arange(1, 51))
    assert np.isfinite(long).all()
    assert len(long) == 50
    close(long.iloc[:8], fitted.predict(fh=np.arange(1, 9)))


def test_when_the_bundled_model_forecasts_further_than_it_sees_ahead_then_it_feeds_itself():
    forecast = TTMForecaster().fit(wave(DAYS)).predict(fh=[1, 96, 97, 200])
    assert forecast.index.tolist() == [DAYS[-1] + pd.Timedelta(days=n) for n in (1, 96, 97, 200)]
    assert np.isfinite(forecast).all()


@pytest.mark.parametrize(
    "y",
    [
        wave().where(lambda y: y.index % 3 > 0),
        wave().where(lambda y: y.index < 50),
        wave().where(lambda y: y.index == 33),
        wave().where(lambda y: y.index > 40),
    ],
    ids=["inside", "at the end", "all but one", "at the beginning"],
)
def test_when_values_are_missing_then_the_forecast_is_finite(y):
    assert np.isfinite(small().fit(y).predict(fh=[1, 20])).all()
    assert np.isfinite(small().fit(y).predict_interval(fh=[1, 20])).all(axis=None)


def test_when_no_value_is_as_new_as_the_model_looks_back_then_it_says_so():
    y = table()
    y.iloc[20:] = np.nan
    with pytest.raises(DataError, match="y, column 'a': no value among the newest 32 steps.*fill the gap"):
        small().fit(y)
    with pytest.raises(DataError, match="no value among the newest 5 steps"):
        small(context_length=5).fit(wave().where(lambda y: y.index < 54))


@pytest.mark.parametrize("value", [0.0, -3.5, 1e9])
def test_when_a_series_is_constant_then_its_forecast_is_that_constant(value):
    fitted = small().fit(pd.Series([value] * 20))
    close(fitted.predict(fh=[1, 30]), value)
    close(fitted.predict_quantiles(fh=[1, 30], alpha=[0.01, 0.99]), value)


INDICES = {
    "range": pd.RangeIndex(60),
    "range from 5": pd.RangeIndex(5, 65),
    "integers": pd.Index(np.arange(-3, 57)),
    "months": pd.period_range("2000-01", periods=60, freq="M"),
    "quarters": pd.period_range("2000Q1", periods=60, freq="Q-JAN"),
    "hours": pd.period_range("2000-01-01", periods=60, freq="h"),
    "two months": pd.period_range("2000-01", periods=60, freq="2M"),
    **{f"dates {f}": pd.date_range("2000-01-01", periods=60, freq=f) for f in ("D", "15min", "MS", "ME", "W-TUE", "B")},
    "dates with a zone": pd.date_range("2000-03-01", periods=60, freq="D", tz="Europe/Berlin"),
    **{f"unnamed {f}": pd.DatetimeIndex(pd.date_range("2000", periods=60, freq=f).tolist()) for f in ("h", "QS", "B")},
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
def test_when_time_is_of_any_kind_then_stamps_go_on_and_values_do_not_depend_on_them(index):
    y = wave(index)
    fitted = small().fit(y.iloc[:50])
    forecast = fitted.predict(fh=[1, 4, 10])
    assert forecast.index.tolist() == index[[50, 53, 59]].tolist()
    close(forecast, small().fit(wave().iloc[:50]).predict(fh=[1, 4, 10]))


@pytest.mark.parametrize("steps", [range(1, 8), range(3, 9), [1], [2, 5, 6]])
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
def test_when_steps_become_stamps_then_they_are_those_of_sktime(index, steps):
    y = wave(index).iloc[:50]
    fitted = small().fit(y)
    expected = ForecastingHorizon(steps, freq=fitted._cutoff).to_absolute(fitted.cutoff).to_pandas()
    found = fitted.predict(fh=steps).index
    pd.testing.assert_index_equal(found, expected, exact="equiv", check_names=False)
    assert getattr(expected, "freq", None) in (None, getattr(found, "freq", None))


@pytest.mark.parametrize(
    "kind", ["range", "integers", "months", "two months", "dates D", "dates ME", "dates with a zone"]
)
def test_when_the_horizon_is_absolute_then_it_is_the_relative_one(kind):
    index = INDICES[kind]
    fitted = small().fit(wave(index).iloc[:50])
    absolute = fitted.predict(fh=ForecastingHorizon(index[[50, 53, 59]], is_relative=False))
    pd.testing.assert_series_equal(absolute, fitted.predict(fh=[1, 4, 10]), check_freq=False)


def test_when_the_horizon_has_holes_and_no_order_then_it_is_read_as_sktime_reads_it():
    fitted = small().fit(wave())
    whole = fitted.predict(fh=np.arange(1, 21))
    pd.testing.assert_series_equal(fitted.predict(fh=[17, 2, 9]), whole.iloc[[1, 8, 16]])


def test_when_the_horizon_is_a_duration_then_it_is_counted_in_steps():
    fitted = small().fit(wave(DAYS))
    close(fitted.predict(fh=pd.to_timedelta(["2D", "5D"])), fitted.predict(fh=[2, 5]))


# --- shapes of data


def test_when_a_table_is_forecast_then_each_column_is_by_itself():
    y = table()
    fitted = small().fit(y)
    for name in y.columns:
        alone = small().fit(y[name])
        close(fitted.predict(fh=FH)[name], alone.predict(fh=FH))
        quantiles = fitted.predict_quantiles(fh=FH, alpha=[0.9, 0.1])
        close(quantiles[name], alone.predict_quantiles(fh=FH, alpha=[0.9, 0.1]))
    assert quantiles.columns.tolist() == [("a", 0.9), ("a", 0.1), ("b", 0.9), ("b", 0.1)]


@pytest.mark.parametrize(
    "y",
    [
        panel(one=60, two=7, three=1),
        panel(late=DAYS, early=DAYS[:20], inside=DAYS[10:40], point=DAYS[33:34]),
        panel(a=pd.period_range("2000-01", periods=60, freq="M"), b=pd.period_range("1999-01", periods=9, freq="M")),
        panel(weekly=pd.date_range("2024", periods=20, freq="W"), hourly=pd.date_range("2024", periods=20, freq="h")),
        hierarchy(),
    ],
    ids=["integers", "dates", "periods", "frequencies", "hierarchy"],
)
@pytest.mark.parametrize("effort", ["plain", "fast"])
def test_when_series_differ_in_length_and_end_then_one_pass_gives_what_each_gives_alone(y, effort):
    fitted = small(effort=effort).fit(y)
    with counted_passes(fitted) as passes:
        together = fitted.predict(fh=[1, 5])
        spread = fitted.predict_quantiles(fh=[1, 5], alpha=[0.1, 0.9])
    n_series = y.index.droplevel(-1).nunique()
    assert [shape[0] for shape in passes] == [n_series * (2 if effort == "fast" else 1)] * 2
    for key in y.index.droplevel(-1).unique():
        history = y.loc[key]["y"]
        if isinstance(history.index, pd.DatetimeIndex):
            history = history.set_axis(pd.date_range(history.index[0], periods=len(history), freq=_step_of(y, key)))
        alone = small(effort=effort).fit(history)
        assert together.loc[key].index.tolist() == alone.predict(fh=[1, 5]).index.tolist()
        close(together.loc[key]["y"], alone.predict(fh=[1, 5]))
        close(spread.loc[key], alone.predict_quantiles(fh=[1, 5], alpha=[0.1, 0.9]))


def _step_of(y: pd.DataFrame, key: Any) -> str:
    return {"weekly": "W", "hourly": "h"}.get(key, "D")


def test_when_a_panel_has_an_absolute_horizon_then_every_series_is_forecast_at_those_stamps():
    y = panel(late=DAYS[:40], early=DAYS[:20])
    fitted = small().fit(y)
    forecast = fitted.predict(fh=DAYS[[44, 50]])
    pd.testing.assert_frame_equal(small().fit(y, fh=DAYS[[44, 50]]).predict(), forecast)
    close(forecast.loc["late"]["y"], fitted.predict(fh=[5, 11]).loc["late"]["y"])
    close(forecast.loc["early"]["y"], fitted.predict(fh=[25, 31]).loc["early"]["y"])
    assert forecast.loc["early"].index.tolist() == DAYS[[44, 50]].tolist()


def test_when_there_are_more_rows_than_a_batch_then_the_passes_are_shared_out():
    y = panel(**{f"s{i}": 20 + i for i in range(7)})
    fitted = small(effort="plain", batch_size=3).fit(y)
    with counted_passes(fitted) as passes:
        in_parts = fitted.predict(fh=FH)
    assert [shape[0] for shape in passes] == [3, 3, 1]
    close(in_parts, small(effort="plain").fit(y).predict(fh=FH))


def test_when_the_context_is_shortened_then_older_values_do_not_matter():
    y = wave()
    forecast = small(context_length=16).fit(y).predict(fh=FH)
    close(forecast, small().fit(y.iloc[-16:]).predict(fh=FH))
    assert not np.allclose(forecast, small().fit(y).predict(fh=FH))


def test_when_arrays_are_given_then_arrays_come_back():
    assert small().fit(wave().to_numpy()).predict(fh=FH).shape == (3, 1)
    assert small().fit(np.ones((4, 2, 30))).predict(fh=FH).shape == (4, 2, 3)


def test_when_a_series_has_a_name_then_its_forecast_has_it():
    assert small().fit(wave(name="sales")).predict(fh=FH).name == "sales"


# --- probabilities


def test_when_quantiles_are_asked_for_then_they_never_cross_and_the_median_is_the_prediction():
    levels = [0.01, 0.03, 0.1, 0.25, 0.5, 0.77, 0.99]
    for y in (wave(), table(), panel(a=40, b=7)):
        fitted = small().fit(y)
        quantiles = fitted.predict_quantiles(fh=np.arange(1, 21), alpha=levels)
        for name in quantiles.columns.get_level_values(0).unique():
            assert (np.diff(quantiles[name].to_numpy(), axis=1) >= 0).all()
        median = quantiles.xs(0.5, axis=1, level=1).to_numpy().squeeze()
        np.testing.assert_array_equal(median, fitted.predict(fh=np.arange(1, 21)).to_numpy().squeeze())


def test_when_an_interval_is_asked_for_then_it_lies_between_its_quantiles():
    fitted = small().fit(wave())
    interval = fitted.predict_interval(fh=FH, coverage=[0.8, 0.98])
    close(interval[(0, 0.8)], fitted.predict_quantiles(fh=FH, alpha=[0.1, 0.9]))
    close(interval[(0, 0.98)], fitted.predict_quantiles(fh=FH, alpha=[0.01, 0.99]))


def test_when_a_distribution_is_asked_for_then_it_centres_on_the_prediction():
    fitted = small().fit(wave())
    distribution = fitted.predict_proba(fh=FH)
    close(distribution.mean().to_numpy().ravel(), fitted.predict(fh=FH))
    assert (fitted.predict_var(fh=FH) > 0).all(axis=None)


@pytest.mark.parametrize("level", [0.001, 0.999])
def test_when_a_level_is_beyond_the_outermost_then_it_is_refused(level):
    with pytest.raises(ConfigError, match=f"found level {level:g}.*from 0.01 to 0.99"):
        small().fit(wave()).predict_quantiles(fh=FH, alpha=[level])


def test_when_the_checkpoint_forecasts_points_then_quantiles_are_refused():
    fitted = small(model_path=small_checkpoint(levels=())).fit(wave())
    assert np.isfinite(fitted.predict(fh=FH)).all()
    close(fitted.predict_quantiles(fh=FH, alpha=[0.5]), fitted.predict(fh=FH).to_frame())
    with pytest.raises(ConfigError, match="forecasts points only"):
        fitted.predict_quantiles(fh=FH, alpha=[0.1, 0.9])
    with pytest.raises(ConfigError, match="forecasts points only"):
        fitted.predict_interval(fh=FH)


# --- time goes on


@pytest.mark.parametrize("update_params", [True, False])
def test_when_data_arrive_then_the_forecast_is_that_of_all_data(update_params):
    y = wave(DAYS)
    updated = small().fit(y.iloc[:40]).update(y.iloc[40:], update_params=update_params)
    pd.testing.assert_series_equal(updated.predict(fh=FH), small().fit(y).predict(fh=FH))


def test_when_a_panel_is_updated_then_new_rows_and_new_series_count():
    y = panel(a=DAYS, b=DAYS[:50])
    old = y[y.index.get_level_values("time") < DAYS[30]].loc[["a"]]
    new = y.drop(old.index)
    updated = small().fit(old).update(new)
    close(updated.predict(fh=FH), small().fit(y).predict(fh=FH))
    updated.update(panel(a=DAYS[-1:] + pd.Timedelta(days=1)))
    assert len(updated.predict(fh=DAYS[-1:] + pd.Timedelta(days=3))) == 2


def test_when_forecasts_move_over_the_future_then_each_knows_what_came_before():
    y = wave(DAYS)
    moved = (
        small()
        .fit(y.iloc[:40])
        .update_predict(y.iloc[40:], cv=ExpandingWindowSplitter(fh=[1], initial_window=1, step_length=1))
    )
    expected = [small().fit(y.iloc[:n]).predict(fh=[1]).iloc[0] for n in range(41, 60)]
    close(moved, expected)


def test_when_an_update_fails_then_the_forecaster_is_as_before():
    y = wave(DAYS)
    fitted = small().fit(y.iloc[:40])
    before = fitted.predict(fh=FH)
    with pytest.raises(DataError, match="irregular"):
        fitted.update(y.iloc[43:50])
    pd.testing.assert_series_equal(fitted.predict(fh=FH), before)
    fitted.update(y.iloc[40:])


def test_when_an_update_has_another_column_then_it_is_named_and_nothing_changes():
    y = wave(DAYS, name="sales")
    fitted = small().fit(y.iloc[:40])
    before = fitted.predict(fh=FH)
    with pytest.raises(DataError, match=r"found the column 0, expected 'sales'; name it as in fit"):
        fitted.update(wave(DAYS).iloc[40:])
    pd.testing.assert_series_equal(fitted.predict(fh=FH), before)


@pytest.mark.parametrize("kinds", [(pd.DatetimeIndex, pd.PeriodIndex), (pd.PeriodIndex, pd.DatetimeIndex)])
def test_when_the_horizon_has_another_kind_of_stamps_then_both_are_named(kinds):
    y = wave(kinds[0](DAYS.astype(str), freq="D"))
    with pytest.raises(HorizonError, match=f"ends with a {kinds[0].__name__}; give both the same kind"):
        small().fit(y).predict(fh=kinds[1](["2024-03-05"], freq="D"))


def test_when_data_are_not_remembered_then_an_update_says_what_it_needs():
    forgetful = small().set_config(remember_data=False).fit(wave().iloc[:40])
    assert len(forgetful.predict(fh=FH)) == 3
    with pytest.raises(ConfigError, match="remember_data=True"):
        forgetful.update(wave().iloc[40:])


# --- pretraining on one's own panel


@cache
def pretrained() -> TTMForecaster:
    return small(pretrain_windows=64, random_state=1).pretrain(panel(a=60, b=45, c=50))


def test_when_it_was_pretrained_then_fit_uses_the_new_weights_and_others_keep_the_old():
    plain = small().fit(wave())
    before = plain.predict(fh=FH)
    shared_before = copy.deepcopy(shared_module(small_checkpoint(), "cpu").state_dict())
    trained = pretrained().clone().fit(wave())
    assert trained.checkpoint_.hash != plain.checkpoint_.hash
    assert trained.checkpoint_.provenance["runs"][-1]["windows"] == 64
    assert not np.allclose(trained.predict(fh=FH), before)
    pd.testing.assert_series_equal(plain.predict(fh=FH), before)
    for name, value in shared_module(small_checkpoint(), "cpu").state_dict().items():
        assert torch.equal(value, shared_before[name])


def test_when_a_pretrained_one_is_cloned_or_pickled_then_it_keeps_its_weights():
    expected = pretrained().pretrained_checkpoint_.hash
    assert pretrained().clone().fit(wave()).checkpoint_.hash == expected
    thawed = pickle.loads(pickle.dumps(pretrained().clone().fit(wave())))  # noqa: S301
    assert thawed.checkpoint_.hash == expected
    assert pretrained().state == "pretrained"


def test_when_it_is_pretrained_twice_then_it_goes_on_from_the_first_time():
    twice = pretrained().clone().pretrain(panel(a=30, b=30))
    assert twice.pretrained_checkpoint_.provenance["windows"] == 128
    assert len(twice.pretrained_checkpoint_.provenance["runs"]) == 2


def test_when_pretraining_repeats_with_its_seed_then_the_weights_are_the_same():
    again = small(pretrain_windows=64, random_state=1).pretrain(panel(a=60, b=45, c=50))
    assert again.pretrained_checkpoint_.hash == pretrained().pretrained_checkpoint_.hash


def test_when_bundled_weights_were_pretrained_then_a_pickle_holds_the_new_ones():
    fitted = TTMForecaster(pretrain_windows=4, effort="plain").pretrain(panel(a=60, b=60)).fit(wave())
    thawed = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert thawed.checkpoint_.hash == fitted.checkpoint_.hash != load_checkpoint("ttm-tiny").hash


def test_when_pretraining_fails_then_the_forecaster_is_as_before():
    fitted = small().fit(wave())
    with pytest.raises(DataError, match="at least 4"):
        fitted.pretrain(panel(a=3, b=2))
    assert fitted.state == "fitted"
    assert fitted.checkpoint_ is small_checkpoint()


def test_when_weights_are_shared_then_they_cannot_be_trained():
    module = shared_module(small_checkpoint(), "cpu")
    assert module is shared_module(copy.deepcopy(small_checkpoint()), "cpu")
    assert module is not shared_module(small_checkpoint(seed=1), "cpu")
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert not module.training


# --- copies


def _through_pickle(fitted: TTMForecaster) -> TTMForecaster:
    return pickle.loads(pickle.dumps(fitted))  # noqa: S301


def _through_joblib(fitted: TTMForecaster) -> TTMForecaster:
    stream = io.BytesIO()
    joblib.dump(fitted, stream)
    stream.seek(0)
    return joblib.load(stream)


def _through_sktime(fitted: TTMForecaster) -> TTMForecaster:
    return load(fitted.save())


COPIES = (copy.deepcopy, _through_pickle, _through_joblib, _through_sktime)


@pytest.mark.parametrize("copied", COPIES, ids=lambda copied: copied.__name__)
@pytest.mark.parametrize("make", [small, TTMForecaster], ids=["by value", "by name"])
def test_when_a_fitted_forecaster_is_copied_then_the_copy_forecasts_the_same(copied: Callable, make: Callable):
    fitted = make().fit(panel(a=DAYS, b=DAYS[:9]))
    twin = copied(fitted)
    pd.testing.assert_frame_equal(twin.predict(fh=FH), fitted.predict(fh=FH))
    assert twin.get_params()["effort"] == "fast"
    twin.update(panel(a=pd.date_range(DAYS[-1], periods=5, freq="D")[1:]))
    assert twin.cutoff != fitted.cutoff


def test_when_it_is_cloned_then_the_clone_is_unfitted_and_has_the_parameters():
    twin = small(effort="plain", context_length=24, random_state=5).fit(wave()).clone()
    assert not twin.is_fitted
    assert (twin.effort, twin.context_length, twin.random_state) == ("plain", 24, 5)
    assert twin.model_path.hash == small_checkpoint().hash


def test_when_it_is_saved_to_a_file_then_sktime_loads_it(tmp_path):
    fitted = small().fit(wave())
    fitted.save(tmp_path / "forecaster")
    pd.testing.assert_series_equal(load(tmp_path / "forecaster.zip").predict(fh=FH), fitted.predict(fh=FH))


def test_when_the_weights_are_bundled_then_a_pickle_refers_to_them_by_name():
    assert len(pickle.dumps(TTMForecaster().fit(wave()))) < 30_000
    weights = sum(value.nbytes for value in small_checkpoint().weights.values())
    assert len(pickle.dumps(small().fit(wave()))) > weights


def test_when_the_weights_came_from_a_file_then_a_pickle_works_without_it(tmp_path):
    path = save_checkpoint(small_checkpoint(seed=3), tmp_path / "mine.safetensors")
    fitted = small(model_path=path).fit(wave())
    expected, frozen = fitted.predict(fh=FH), pickle.dumps(fitted)
    path.unlink()
    weights_module._shared_module.cache_clear()
    pd.testing.assert_series_equal(pickle.loads(frozen).predict(fh=FH), expected)  # noqa: S301


def test_when_other_weights_are_bundled_by_now_then_a_pickle_refuses(monkeypatch):
    frozen = pickle.dumps(TTMForecaster().fit(wave()))
    monkeypatch.setattr(weights_module, "_open_bundled", lambda name: small_checkpoint())
    with pytest.raises(CheckpointError, match="fitted with other weights called 'ttm-tiny'.*fit it again"):
        pickle.loads(frozen)  # noqa: S301


# --- manners


def test_when_nothing_is_wrong_then_nothing_is_warned_of_or_printed(capsys):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for y in (wave(DAYS), table(), panel(a=DAYS, b=DAYS[:9]), wave(INDICES["dates with a zone"])):
            fitted = small().fit(y)
            fitted.predict(fh=FH)
            fitted.predict_interval(fh=FH)
            fitted.predict_proba(fh=FH)
        fitted.predict(fh=INDICES["dates with a zone"][-1:] + pd.Timedelta(days=1))
        small(pretrain_windows=4).pretrain(panel(a=20, b=20))
    assert [str(warning.message) for warning in caught] == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "y", [wave(DAYS), table(), panel(a=DAYS, b=DAYS[:9]), wave().where(lambda y: y.index != 5)], ids=type
)
def test_when_it_fits_and_predicts_then_the_users_frame_is_not_changed(y):
    before = y.copy(deep=True)
    fitted = small().fit(y)
    fitted.predict_quantiles(fh=FH, alpha=[0.1])
    (pd.testing.assert_frame_equal if y.ndim == 2 else pd.testing.assert_series_equal)(y, before)
    assert y.index.equals(before.index)


def test_when_the_user_changes_the_frame_later_then_the_forecast_does_not_change():
    y = table()
    fitted = small().fit(y)
    expected = fitted.predict(fh=FH)
    y.iloc[:] = 0.0
    pd.testing.assert_frame_equal(fitted.predict(fh=FH), expected)


@pytest.mark.parametrize("how", [{"y": wave() * np.nan}, {"y": wave(), "X": "not a frame"}], ids=["data", "sktime"])
def test_when_a_fit_fails_then_the_fitted_forecaster_is_as_before(how):
    fitted = small().fit(wave(DAYS))
    before, cutoff = fitted.predict(fh=FH), fitted.cutoff
    with pytest.raises((DataError, TypeError)):
        fitted.fit(**how)
    assert fitted.is_fitted
    assert fitted.cutoff.equals(cutoff)
    pd.testing.assert_series_equal(fitted.predict(fh=FH), before)


def test_when_tags_promise_something_then_other_tests_here_hold_it():
    promised = {name: value for name, value in small().get_tags().items() if name.startswith("capability:")}
    assert {name for name, value in promised.items() if value} >= {
        "capability:categorical_in_X",
        "capability:exogenous",
        "capability:missing_values",
        "capability:multivariate",
        "capability:pred_int",
        "capability:pretrain",
        "capability:random_state",
        "capability:unequal_length",
        "capability:update",
    }
    assert not promised["capability:insample"]


# --- what is refused


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fit_strategy": "magic"}, "unknown fit_strategy 'magic'"),
        ({"effort": "quick"}, "unknown effort 'quick'; choose one of 'plain', 'fast', 'best'"),
        ({"effort": "none"}, "unknown effort 'none'"),
        ({"context_length": 0}, "context_length=0 must be a whole number"),
        ({"batch_size": 2.5}, "batch_size=2.5 must be a whole number"),
        ({"pretrain_windows": True}, "pretrain_windows=True must be a whole number"),
        ({"random_state": -1}, "random_state=-1 must be None or a whole number"),
        ({"model_path": 3}, "model_path=3 must be a name, a path or a Checkpoint"),
        ({"device": "abacus"}, "abacus"),
    ],
    ids=str,
)
def test_when_a_parameter_is_impossible_then_fit_and_pretrain_name_it(parameters, message):
    with pytest.raises(ConfigError, match=message):
        small(**parameters).fit(wave())
    with pytest.raises(ConfigError, match=message):
        small(**parameters).pretrain(panel(a=20, b=20))


def test_when_a_parameter_is_unknown_then_it_is_refused():
    with pytest.raises(TypeError, match="contextlength"):
        TTMForecaster(contextlength=3)
    with pytest.raises(ValueError, match="contextlength"):
        TTMForecaster().set_params(contextlength=3)


@pytest.mark.parametrize("name", ["ttm-tyni", Path("nowhere.safetensors")])
def test_when_the_checkpoint_is_unknown_then_it_is_named(name):
    with pytest.raises(CheckpointError, match=str(name)):
        TTMForecaster(model_path=name).fit(wave())


BAD = {
    "irregular": (wave(DAYS.delete(20)), DataError, "2024-01-20 00:00:00 is followed by 2024-01-22"),
    "irregular months": (
        wave(INDICES["dates MS"].delete(20)),
        DataError,
        "2001-08-01 00:00:00 is followed by 2001-10-01",
    ),
    "duplicate": (wave(DAYS[[0, 1, 1, 2]]), DataError, "2024-01-02 00:00:00 is a duplicate"),
    "unsorted": (wave(DAYS[[0, 2, 1]]), DataError, "2024-01-02 00:00:00 comes after 2024-01-03"),
    "unsorted integers": (wave(pd.Index([3, 1, 2])), DataError, "1 comes after 3.*sort_index"),
    "gaps in integers": (wave(pd.Index([0, 1, 3])), DataError, "gaps \\(1 is followed by 3\\).*reindex"),
    "gaps in periods": (wave(INDICES["months"].delete(3)), DataError, "gaps \\(2000-03 is followed by 2000-05\\)"),
    "durations": (wave(pd.timedelta_range("1D", periods=5)), DataError, "timedelta64.*expected dates"),
    "too few dates": (wave(pd.DatetimeIndex(["2024-01-01"])), DataError, "1 time stamp.*y.index.freq"),
    "empty": (pd.Series([], dtype=float), DataError, "0 rows"),
    "empty frame": (pd.DataFrame({"a": []}, dtype=float), DataError, "0 rows"),
    "no columns": (pd.DataFrame(index=DAYS), DataError, "0 columns"),
    "all NaN": (wave() * np.nan, DataError, "all values are missing"),
    "all-NaN column": (table().assign(b=np.nan), DataError, "column 'b': all values are missing"),
    "all-NaN series of a panel": (panel(a=9, b=9).mul([1.0] * 9 + [np.nan] * 9, axis=0), DataError, "series 'b'"),
    "infinite": (wave().replace(10.0, np.inf), DataError, "row 1 is infinite"),
    "infinite in a panel": (panel(a=9, b=9).mul([1.0] * 17 + [np.inf], axis=0), DataError, "series 'b'.*row 9"),
    "irregular in a panel": (panel(a=DAYS, b=DAYS.delete(7)), DataError, "series 'b'.*2024-01-09"),
    "text": (pd.Series(["1.5", "x", "2"]), TypeError, "do not support categorical"),
    "object": (pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, "x"]}), TypeError, "do not support categorical"),
}


@pytest.mark.parametrize(("y", "error", "message"), BAD.values(), ids=BAD.keys())
def test_when_data_cannot_be_forecast_then_the_error_says_why(y, error, message):
    with pytest.raises(error, match=message):
        small().fit(y)


@pytest.mark.parametrize("dtype", [object, "string"])
def test_when_a_column_holds_text_then_the_error_adds_which_and_what_to_do(dtype):
    y = pd.DataFrame({"a": [1.0, 2.0], "b": pd.Series(["1", "x"], dtype=dtype)})
    with pytest.raises(TypeError) as caught:
        small().fit(y)
    assert caught.value.__notes__ == ["text in column 'b': convert it to numbers, for example with pd.to_numeric"]


@pytest.mark.parametrize("fh", [0, -1, [0, 1], [-2, 3]])
def test_when_the_horizon_is_not_ahead_then_it_is_refused(fh):
    fitted = small().fit(wave())
    with pytest.raises(NotImplementedError, match="can not perform in-sample prediction"):
        fitted.predict(fh=fh)


def test_when_a_panel_has_a_stamp_before_the_end_of_a_series_then_it_is_refused():
    fitted = small().fit(panel(early=DAYS[:20], late=DAYS))
    with pytest.raises(NotImplementedError, match="can not perform in-sample prediction"):
        fitted.predict(fh=DAYS[[30]])


def test_when_effort_is_best_then_fit_chooses_readings_and_update_keeps_them():
    y = pd.Series(np.tile([1.0, 2.0, 4.0, 8.0, 4.0, 2.0, 0.0], 20), index=pd.period_range("2024-01-01", periods=140))
    fitted = small(effort="best").fit(y[:-7], fh=[1, 2, 3])
    assert any(reading.period == 7 for reading in fitted.readings_.readings)
    before = fitted.readings_
    forecast = fitted.predict()
    assert not np.allclose(forecast, small(effort="fast").fit(y[:-7]).predict(fh=[1, 2, 3]))
    assert fitted.update(y[-7:]).readings_ is before
    assert copy.deepcopy(fitted).readings_ == before
    assert small(effort="fast").fit(y).readings_ is None
