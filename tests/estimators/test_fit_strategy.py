"""What fit trains: every strategy forecasts, learns for itself alone, and a failure or a kill leaves nothing behind."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sktime.forecasting.model_selection import ForecastingGridSearchCV
from sktime.split import ExpandingWindowSplitter
from sktime.utils.estimator_checks import check_estimator
from strategies import random_module, small_config

from ttm_sk import TTMForecaster, load_checkpoint, save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.estimators import adaptation
from ttm_sk.estimators.adaptation import STRATEGIES
from ttm_sk.inference.selection import Choice

FH = [1, 2, 3]
TRAINED = [name for name in STRATEGIES if name not in ("zero-shot", "auto")]


@cache
def start() -> Checkpoint:
    config = small_config()
    return Checkpoint(config, random_module(config).state_dict())


def small(strategy: str, **parameters: Any) -> TTMForecaster:
    quick = {"model_path": start(), "fit_strategy": strategy, "fit_steps": 6, "effort": "plain"}
    return TTMForecaster(**quick | parameters)


def wave(n: int = 90, *, shift: float = 0.0) -> pd.Series:
    return pd.Series(10 + np.sin(0.7 * np.arange(n) + shift), name="y")


@pytest.mark.parametrize("strategy", TRAINED)
def test_when_a_strategy_trains_then_the_forecast_changes_and_says_what_was_done(strategy):
    forecaster = small(strategy, random_state=1).fit(wave(), fh=FH)
    assert forecaster.checkpoint_.hash != start().hash
    assert forecaster.strategy_.chosen == strategy
    assert "validation loss" in forecaster.strategy_.reason
    assert not np.allclose(forecaster.predict(), small("zero-shot").fit(wave(), fh=FH).predict())
    again = small(strategy, random_state=1).fit(wave(), fh=FH)
    assert again.checkpoint_.hash == forecaster.checkpoint_.hash


def test_when_a_clone_is_fitted_then_no_other_changes_by_a_bit():
    first = small("full").fit(wave(), fh=FH)
    before = first.predict()
    weights = {name: value.clone() for name, value in first.checkpoint_.weights.items()}
    second = first.clone().fit(wave(shift=2.0) ** 2, fh=FH)
    assert second.checkpoint_.hash != first.checkpoint_.hash
    assert all(torch.equal(first.checkpoint_.weights[name], value) for name, value in weights.items())
    pd.testing.assert_series_equal(first.predict(), before, check_exact=True)


def test_when_a_panel_is_fitted_then_one_model_learns_from_all_of_it():
    frames = {key: wave(60 + 9 * i, shift=i).to_frame() for i, key in enumerate("abc")}
    panel = pd.concat(frames, names=["id", "time"])
    forecaster = small("head").fit(panel)
    alone = small("head").fit(panel.loc["a"])
    assert forecaster.checkpoint_.hash != alone.checkpoint_.hash
    assert len(forecaster.predict(fh=FH)) == 9


def test_when_channels_are_mixed_then_a_change_in_one_column_moves_the_other():
    table = pd.DataFrame({"a": wave(), "b": wave(shift=1.0)})
    forecaster = small("full", mixes_channels=True, fit_steps=30).fit(table, fh=FH)
    other = table.assign(b=-table["b"])
    moved = forecaster.clone().fit(table, fh=FH).update(other.set_axis(range(90, 180)))
    same = forecaster.update(table.set_axis(range(90, 180)))
    assert not np.allclose(moved.predict(FH)["a"], same.predict(FH)["a"])


def test_when_new_data_arrive_then_what_was_trained_is_kept():
    forecaster = small("head").fit(wave(80), fh=FH)
    trained = forecaster.checkpoint_
    forecaster.update(wave(90).iloc[80:])
    assert forecaster.checkpoint_ is trained


def test_when_a_tuned_forecaster_of_bundled_weights_is_pickled_then_its_own_weights_go_with_it():
    forecaster = TTMForecaster(fit_strategy="bias", fit_steps=1, effort="plain").fit(wave(40), fh=FH)
    forecaster.checkpoint_ = Checkpoint(
        forecaster.checkpoint_.config,
        {name: value * 1.01 for name, value in forecaster.checkpoint_.weights.items()},
    )
    stored = io.BytesIO()
    pickle.dump(forecaster, stored)
    copy = pickle.loads(stored.getvalue())  # noqa: S301 (our own)
    assert copy.checkpoint_.hash == forecaster.checkpoint_.hash != load_checkpoint("ttm-tiny").hash
    pd.testing.assert_series_equal(copy.predict(), forecaster.predict())


def test_when_training_is_interrupted_then_the_fitted_forecaster_is_as_before(monkeypatch):
    forecaster = small("head").fit(wave(), fh=FH)
    before, trained = forecaster.predict(), forecaster.checkpoint_

    def killed(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(adaptation, "finetune", killed)
    with pytest.raises(KeyboardInterrupt):
        forecaster.fit(wave(50), fh=FH)
    assert forecaster.checkpoint_ is trained
    pd.testing.assert_series_equal(forecaster.predict(), before)


def test_when_auto_is_asked_for_then_it_says_what_it_compared_and_forecasts_so():
    forecaster = small("auto").fit(wave(120), fh=FH)
    assert set(forecaster.strategy_.scores) == set(adaptation.AUTO_CANDIDATES)
    assert forecaster.strategy_.scores["zero-shot"] == 1
    best = min(forecaster.strategy_.scores, key=forecaster.strategy_.scores.get)
    assert forecaster.strategy_.chosen == best
    assert "better than zero-shot on" in forecaster.strategy_.reason
    same = small(best).fit(wave(120), fh=FH)
    assert same.checkpoint_.hash == forecaster.checkpoint_.hash


def test_when_the_past_is_too_short_for_a_backtest_then_auto_stays_zero_shot():
    forecaster = small("auto").fit(wave(4), fh=FH)
    assert forecaster.strategy_.chosen == "zero-shot"
    assert forecaster.checkpoint_.hash == start().hash


@pytest.mark.parametrize(
    ("length", "n_series", "windows"), [(48, 1, 3), (120, 1, 5), (500, 1, 14), (500, 2, 7), (500, 9, 3)]
)
def test_when_the_past_is_long_then_auto_compares_on_more_windows(monkeypatch, length, n_series, windows):
    asked = []
    monkeypatch.setattr(
        adaptation, "select", lambda *_, n_windows, **__: asked.append(n_windows) or Choice("zero-shot", "")
    )
    index = pd.MultiIndex.from_product([range(n_series), range(length)], names=["series", "step"])
    small("auto").fit(pd.DataFrame({"y": np.arange(len(index)) % 7.0}, index=index), fh=FH)
    assert asked == [windows]


@pytest.mark.parametrize("learns_from_all", [True, False])
def test_when_a_shorter_past_taught_nothing_then_auto_learns_from_all_and_validation_decides(
    monkeypatch, learns_from_all
):
    finetune = adaptation.finetune

    def blank(checkpoint, windows, **options):
        """Learns as ever, but keeps nothing of it: always, or from a shorter past."""
        tuned = finetune(checkpoint, windows, **options)
        if learns_from_all and max(series.shape[1] for series in windows) == 120:
            return tuned
        note = tuned.provenance["finetuning"][-1] | {"blend": 0.0}
        return replace(checkpoint, provenance=tuned.provenance | {"finetuning": [note]})

    monkeypatch.setattr(adaptation, "finetune", blank)
    forecaster = small("auto").fit(wave(120), fh=FH)
    assert set(forecaster.strategy_.scores.values()) == {1.0}
    if learns_from_all:
        assert forecaster.strategy_.chosen == "minimal"
        assert "a shorter past taught nothing, all of it does: kept" in forecaster.strategy_.reason
        assert forecaster.checkpoint_.hash == small("minimal").fit(wave(120), fh=FH).checkpoint_.hash
    else:
        assert forecaster.strategy_.chosen == "zero-shot"
        assert forecaster.checkpoint_.hash == start().hash


def test_when_a_grid_is_searched_over_strategies_then_the_best_forecasts():
    search = ForecastingGridSearchCV(
        small("zero-shot"),
        cv=ExpandingWindowSplitter(initial_window=70, step_length=10, fh=FH),
        param_grid={"fit_strategy": ["zero-shot", "head", "bias"]},
        backend=None,
    ).fit(wave(), fh=FH)
    scores = search.cv_results_.set_index("params")["mean_test_MeanAbsolutePercentageError"]
    assert scores.nunique() == 3
    assert search.best_params_["fit_strategy"] != "zero-shot"


def test_when_it_cannot_be_done_then_the_error_says_why():
    with pytest.raises(ConfigError, match="unknown fit_strategy 'everything'; choose one of 'zero-shot'"):
        small("everything").fit(wave())
    with pytest.raises(ConfigError, match="mixes_channels=True needs training"):
        small("zero-shot", mixes_channels=True).fit(wave())
    with pytest.raises(DataError, match="no window to learn from in 1 series of at most 2 steps"):
        small("head").fit(wave(2))
    with pytest.raises(ConfigError, match="few_shot='many' must be a number"):
        small("head", few_shot="many").fit(wave())
    with pytest.raises(ConfigError, match="fit_steps=0 must be a whole number"):
        small("head", fit_steps=0).fit(wave())


def test_when_sktime_checks_a_strategy_that_trains_then_its_checks_pass(tmp_path, monkeypatch):
    path = save_checkpoint(start(), tmp_path / "small.safetensors")
    parameters = {"model_path": path, "fit_strategy": "head", "fit_steps": 1, "effort": "plain"}
    monkeypatch.setattr(
        TTMForecaster, "get_test_params", classmethod(lambda cls, parameter_set="default": [parameters])
    )
    chosen = ["test_fit_idempotent", "test_fit_does_not_overwrite_hyper_params"]
    results = check_estimator(TTMForecaster, tests_to_run=chosen, raise_exceptions=False, verbose=False)
    failures = [f"{name}: {outcome!r}" for name, outcome in results.items() if outcome != "PASSED"]
    assert results
    assert not failures, "\n".join(failures)


def test_when_auto_compares_then_it_looks_at_as_many_steps_as_the_forecast_does():
    scores = [small("auto", context_length=length).fit(wave(120), fh=FH).strategy_.scores for length in (None, 4)]
    assert scores[0] != scores[1]


def test_when_the_validation_part_is_no_share_then_the_parameter_is_named():
    with pytest.raises(ConfigError, match="validation_split=0 must be a share"):
        small("head", validation_split=0).fit(wave(), fh=FH)


def test_when_parameters_are_numbers_of_numpy_then_what_was_learnt_can_be_saved(tmp_path):
    forecaster = small("head", fit_steps=np.int64(2), few_shot=np.int64(20), random_state=np.int64(1))
    checkpoint = forecaster.fit(wave(), fh=FH).checkpoint_
    again = load_checkpoint(save_checkpoint(checkpoint, tmp_path / "mine.safetensors"))
    assert again == checkpoint
    assert again.provenance["finetuning"][-1]["settings"]["few_shot"] == 20
