"""The same numbers as GluonTS and sktime, to nine digits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sktime.performance_metrics import forecasting as sktime_metrics
from sktime.performance_metrics.forecasting import probabilistic

from ttm_sk.scoring import metrics

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
SEASON = 4
RNG = np.random.default_rng(7)
HISTORY = RNG.normal(size=(5, 40)).cumsum(axis=1) + 20
TARGET = RNG.normal(size=(5, 12)) * 3 + 20
QUANTILES = np.sort(TARGET[..., None] + RNG.normal(size=(5, 12, len(LEVELS))) * 2, axis=-1)
MEDIAN = QUANTILES[..., LEVELS.index(0.5)]


def close(ours: float, theirs: float) -> None:
    assert ours == pytest.approx(theirs, rel=1e-9)


def seasonal_errors(history: np.ndarray) -> np.ndarray:
    return metrics.seasonal_error(history, seasonality=SEASON)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (metrics.mse, sktime_metrics.MeanSquaredError()),
        (metrics.rmse, sktime_metrics.MeanSquaredError(square_root=True)),
        (metrics.mae, sktime_metrics.MeanAbsoluteError()),
        (metrics.mape, sktime_metrics.MeanAbsolutePercentageError(symmetric=False)),
        (metrics.smape, sktime_metrics.MeanAbsolutePercentageError(symmetric=True)),
    ],
    ids=["mse", "rmse", "mae", "mape", "smape"],
)
def test_when_a_series_is_scored_then_the_error_is_sktimes(ours, theirs):
    for target, forecast in zip(TARGET, MEDIAN, strict=True):
        close(ours(target=target, forecast=forecast), theirs(pd.Series(target), pd.Series(forecast)))


def test_when_a_series_has_a_past_then_mase_is_sktimes():
    theirs = sktime_metrics.MeanAbsoluteScaledError(sp=SEASON)
    for history, target, forecast in zip(HISTORY, TARGET, MEDIAN, strict=True):
        ours = metrics.mase(target=target, forecast=forecast, seasonal_error=float(seasonal_errors(history)))
        close(ours, theirs(pd.Series(target), pd.Series(forecast), y_train=pd.Series(history)))


def test_when_quantiles_are_scored_then_pinball_is_twice_sktimes_and_coverage_the_same():
    fan = pd.DataFrame(QUANTILES[0], columns=pd.MultiIndex.from_product([["y"], LEVELS]))
    truth = pd.DataFrame({"y": TARGET[0]})
    ours = metrics.pinball(target=TARGET[0], quantiles=QUANTILES[0], levels=LEVELS)
    theirs = probabilistic.PinballLoss(score_average=False, alpha=list(LEVELS))(truth, fan)
    np.testing.assert_allclose(ours, 2 * np.ravel(theirs), rtol=1e-9)
    interval = fan.iloc[:, [1, 3]].set_axis(
        pd.MultiIndex.from_tuples([("y", 0.8, "lower"), ("y", 0.8, "upper")]), axis=1
    )
    low, high = metrics.coverage(target=TARGET[0], quantiles=QUANTILES[0][:, [1, 3]])
    close(high - low, float(probabilistic.EmpiricalCoverage()(truth, interval)))


def test_when_items_are_scored_together_then_every_number_is_gluonts():
    pytest.importorskip("gluonts")
    from gluonts.ev import metrics as theirs

    data = {
        "label": TARGET,
        "mean": MEDIAN,
        "0.5": MEDIAN,
        "seasonal_error": seasonal_errors(HISTORY)[:, None],
        **{str(level): QUANTILES[..., i] for i, level in enumerate(LEVELS)},
    }

    def score(definition) -> float:
        evaluator = definition(axis=None)
        evaluator.update(data)
        return float(np.ravel(evaluator.get())[0])

    pair = {"target": TARGET, "forecast": MEDIAN}
    close(metrics.mse(**pair), score(theirs.MSE()))
    close(metrics.mae(**pair), score(theirs.MAE()))
    close(metrics.rmse(**pair), score(theirs.RMSE()))
    close(metrics.mape(**pair), score(theirs.MAPE()))
    close(metrics.smape(**pair), score(theirs.SMAPE()))
    close(metrics.nd(**pair), score(theirs.ND()))
    close(metrics.nrmse(**pair), score(theirs.NRMSE()))
    close(metrics.mase(**pair, seasonal_error=seasonal_errors(HISTORY)), score(theirs.MASE()))
    bounds = {"lower": QUANTILES[..., 0], "upper": QUANTILES[..., -1]}
    close(metrics.msis(target=TARGET, **bounds, seasonal_error=seasonal_errors(HISTORY)), score(theirs.MSIS()))
    ours = metrics.weighted_quantile_loss(target=TARGET, quantiles=QUANTILES, levels=LEVELS)
    close(ours, score(theirs.MeanWeightedSumQuantileLoss(list(LEVELS))))
    covered = metrics.coverage(target=TARGET, quantiles=QUANTILES)
    close(covered[1], score(theirs.Coverage(0.1)))
    losses = metrics.pinball(target=TARGET, quantiles=QUANTILES, levels=LEVELS)
    close(losses[1] * TARGET.size, score(theirs.SumQuantileLoss(0.1)))
