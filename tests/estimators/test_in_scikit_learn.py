"""TTMRegressor inside scikit-learn's and sktime's own tools, on a real series."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, StackingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sktime.datasets import load_airline
from sktime.forecasting.compose import make_reduction
from strategies import small_config

from ttm_sk import TTMRegressor


def airline_lags(n_lags: int = 24, n_steps: int = 1) -> tuple[np.ndarray, np.ndarray]:
    windows = np.lib.stride_tricks.sliding_window_view(load_airline().to_numpy(), n_lags + n_steps)
    return windows[:, :n_lags], windows[:, n_lags:] if n_steps > 1 else windows[:, -1]


def regressor(**changes) -> TTMRegressor:
    """The smallest network: these tests ask whether the tools and the estimator meet, and the closed form forecasts."""
    return TTMRegressor(**{"model_path": small_config(), "max_epochs": 2, "random_state": 0} | changes)


def error_of(model, n_steps: int = 1) -> float:
    X, y = airline_lags(n_steps=n_steps)
    return float(np.abs(model.fit(X[:90], y[:90]).predict(X[90:]) - y[90:]).mean())


MONTH_BEFORE = 45.0  # error of last month's value on these rows, rounded down


def test_when_scikit_learn_dispatches_arrays_then_the_check_that_is_skipped_elsewhere_passes():
    here = [str(Path(__file__).with_name(name)) for name in ("test_regressor.py", "test_features.py")]
    command = [sys.executable, "-m", "pytest", "-q", *here, "-k", "scikit_learn_checks and array_api"]
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}  # read when SciPy is imported
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert "2 passed" in done.stdout, done.stdout


def test_when_it_ends_a_pipeline_then_it_forecasts():
    assert error_of(make_pipeline(StandardScaler(), regressor())) < MONTH_BEFORE


def test_when_searched_over_then_parameters_of_scikit_learn_and_skorch_are_set():
    grid = {"lr": [1e-3, 1e-2], "module__width": [2, 4], "target_scale": ["series"]}
    search = GridSearchCV(regressor(), grid, cv=TimeSeriesSplit(2), error_score="raise")
    assert error_of(search) < MONTH_BEFORE
    assert set(search.best_params_) == set(grid)


def test_when_scored_in_time_order_then_every_fold_has_a_score():
    X, y = airline_lags()
    scores = cross_val_score(regressor(), X, y, cv=TimeSeriesSplit(3), scoring="neg_mean_absolute_error")
    assert (scores > -100).all()


def test_when_the_target_is_transformed_then_predictions_come_back_in_its_units():
    logs = make_pipeline(FunctionTransformer(np.log), regressor(target_scale="series"))
    assert error_of(TransformedTargetRegressor(logs, func=np.log, inverse_func=np.exp)) < MONTH_BEFORE


def test_when_each_output_has_its_own_then_two_steps_are_forecast():
    assert error_of(MultiOutputRegressor(regressor()), n_steps=2) < MONTH_BEFORE


def test_when_bagged_then_weights_are_passed_on():
    assert error_of(BaggingRegressor(regressor(), n_estimators=2, random_state=0)) < MONTH_BEFORE


def test_when_stacked_then_it_is_one_of_the_voices():
    stack = StackingRegressor([("ttm", regressor()), ("ridge", Ridge())], cv=2)
    assert error_of(stack) < MONTH_BEFORE


@pytest.mark.parametrize("strategy", ["recursive", "direct", "multioutput", "dirrec"])
def test_when_reduced_to_by_sktime_then_a_year_is_forecast(strategy):
    y = load_airline()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # sktime's own, about itself
        forecaster = make_reduction(regressor(), window_length=24, strategy=strategy)
        found = forecaster.fit(y[:-12], fh=range(1, 13)).predict()
    assert found.shape == (12,)
    assert (np.abs(found - y[-12:]) / y[-12:]).mean() < 0.12
