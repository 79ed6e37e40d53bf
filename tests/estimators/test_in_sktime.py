"""The forecaster inside sktime's tools, on series that ship with sktime."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sktime.datasets import (
    load_airline,
    load_hierarchical_sales_toydata,
    load_lynx,
    load_PBS_dataset,
    load_shampoo_sales,
    load_uschange,
)
from sktime.forecasting.compose import (
    EnsembleForecaster,
    ForecastingPipeline,
    TransformedTargetForecaster,
    make_reduction,
)
from sktime.forecasting.model_evaluation import evaluate
from sktime.forecasting.model_selection import ForecastingGridSearchCV
from sktime.performance_metrics.forecasting import MeanAbsoluteError
from sktime.performance_metrics.forecasting.probabilistic import PinballLoss
from sktime.split import ExpandingWindowSplitter
from sktime.transformations.hierarchical.aggregate import Aggregator
from sktime.transformations.hierarchical.reconcile import Reconciler
from sktime.transformations.series.boxcox import LogTransformer
from sktime.transformations.series.detrend import Detrender
from sktime.transformations.series.impute import Imputer

from ttm_sk import TTMForecaster

YEAR = list(range(1, 13))


def test_when_a_grid_is_searched_over_context_length_and_effort_then_the_best_pair_forecasts():
    y = load_airline()
    search = ForecastingGridSearchCV(
        TTMForecaster(),
        cv=ExpandingWindowSplitter(initial_window=120, step_length=12, fh=YEAR),
        param_grid={"context_length": [48, 96], "effort": ["plain", "fast"]},
        scoring=MeanAbsoluteError(),
        backend=None,  # in this process: the default starts others, which takes longer than the search
    ).fit(y, fh=YEAR)
    scores = search.cv_results_["mean_test_MeanAbsoluteError"]
    assert len(scores) == 4
    assert np.isfinite(scores).all()
    assert scores.nunique() == 4
    alone = TTMForecaster(**search.best_params_).fit(y).predict(fh=YEAR)
    pd.testing.assert_series_equal(search.predict(fh=YEAR), alone)


def test_when_it_is_evaluated_with_a_pinball_loss_then_every_fold_has_a_score():
    folds = evaluate(
        TTMForecaster(),
        y=load_lynx(),
        cv=ExpandingWindowSplitter(initial_window=90, step_length=8, fh=list(range(1, 9))),
        scoring=PinballLoss(alpha=[0.1, 0.5, 0.9]),
        error_score="raise",
    )
    assert len(folds) == 3
    assert (folds["test_PinballLoss"] > 0).all()


def test_when_the_target_is_transformed_then_forecasts_are_transformed_back():
    y = load_shampoo_sales()
    forecast = TransformedTargetForecaster(
        [("log", LogTransformer()), ("trend", Detrender()), ("ttm", TTMForecaster())]
    ).fit(y)
    by_hand = LogTransformer() * Detrender() * TTMForecaster()
    pd.testing.assert_series_equal(forecast.predict(fh=YEAR), by_hand.fit(y).predict(fh=YEAR))
    assert (forecast.predict_quantiles(fh=YEAR, alpha=[0.05, 0.95]) > 0).all(axis=None)


def test_when_it_ends_a_pipeline_over_exogenous_columns_then_it_forecasts_as_alone():
    table = load_uschange()[1]
    y, X = load_uschange()[0], table[["Income", "Savings"]]
    pipeline = ForecastingPipeline([("impute", Imputer()), ("ttm", TTMForecaster())])
    pipeline.fit(y.iloc[:-8], X=X.iloc[:-8])
    forecast = pipeline.predict(fh=list(range(1, 9)), X=X.iloc[-8:])
    pd.testing.assert_index_equal(forecast.index, y.index[-8:], exact="equiv")
    alone = TTMForecaster().fit(y.iloc[:-8], X=X.iloc[:-8])
    np.testing.assert_allclose(forecast, alone.predict(fh=list(range(1, 9)), X=X.iloc[-8:]))


def test_when_it_is_averaged_with_a_reduction_then_the_ensemble_lies_between_them():
    y = load_PBS_dataset()
    reduction = make_reduction(LinearRegression(), window_length=24, strategy="recursive")
    ensemble = EnsembleForecaster([("ttm", TTMForecaster()), ("reduction", reduction)]).fit(y, fh=YEAR)
    parts = [TTMForecaster().fit(y).predict(fh=YEAR), reduction.clone().fit(y, fh=YEAR).predict(fh=YEAR)]
    np.testing.assert_allclose(ensemble.predict(), np.mean(parts, axis=0))


# The reconciler remarks on totals that are there, and on totals that are not.
@pytest.mark.filterwarnings("ignore:(Found|No) elements .* named '__total':UserWarning")
def test_when_a_hierarchy_is_aggregated_and_reconciled_then_its_levels_add_up():
    y = load_hierarchical_sales_toydata()
    reconciled = (Aggregator() * TTMForecaster() * Reconciler("ols")).fit(y)
    forecast = reconciled.predict(fh=[1, 2, 3])["Sales"].unstack()
    bottom = [key for key in forecast.index if "__total" not in key]
    np.testing.assert_allclose(forecast.loc[("__total", "__total")], forecast.loc[bottom].sum(), rtol=1e-6)
    assert len(forecast) == 7
