"""Contenders in GluonTS's shape, and a task scored with GluonTS's own metrics, as the benchmark scores."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ttm_sk.errors import DataError, MissingExtraError
from ttm_sk.evaluation.contenders import LEVELS, Contender, History
from ttm_sk.evaluation.gift_eval_storage import Task, history_before_tests

try:
    from gluonts.dataset.split import TestData, split
    from gluonts.dataset.util import forecast_start
    from gluonts.ev.metrics import (
        MAE,
        MAPE,
        MASE,
        MSE,
        MSIS,
        ND,
        NRMSE,
        RMSE,
        SMAPE,
        Coverage,
        MeanWeightedSumQuantileLoss,
    )
    from gluonts.ev.ts_stats import seasonal_error
    from gluonts.itertools import batcher
    from gluonts.model.evaluation import BatchForecast
    from gluonts.model.forecast import QuantileForecast
    from gluonts.model.predictor import RepresentablePredictor
except ImportError as error:
    raise MissingExtraError("gift-eval", package="gluonts") from error

__all__ = ["METRICS", "ContenderPredictor", "score", "test_data"]

METRICS = (
    MSE(forecast_type="mean"),
    MSE(forecast_type=0.5),
    MAE(),
    MASE(),
    MAPE(),
    SMAPE(),
    MSIS(),
    RMSE(),
    NRMSE(),
    ND(),
    MeanWeightedSumQuantileLoss(quantile_levels=list(LEVELS)),
    Coverage(0.1),  # these two for the share inside the 80 % interval
    Coverage(0.9),
)
BATCH = 512  # windows that are scored together


class _Past(NamedTuple):
    start: pd.Period
    values: np.ndarray


class ContenderPredictor(RepresentablePredictor):
    """A contender as GluonTS knows predictors: batches of entries in, ``QuantileForecast`` out, the median as mean.

    Parameters
    ----------
    contender
        A checkpoint, an sktime forecaster or a baseline, from :mod:`ttm_sk.evaluation.contenders`.
    prediction_length
        Steps ahead.
    seasonality
        Steps in a season, for contenders that need it.
    known
        Series that precede every test, on which a contender may choose how to forecast.
    on_forecasts
        Called with the number of forecasts whenever some are ready.

    Raises
    ------
    MissingExtraError
        On import, if GluonTS (extra ``gift-eval``) is not installed.

    Examples
    --------
    >>> from ttm_sk.evaluation.contenders import SeasonalNaiveContender
    >>> predictor = ContenderPredictor(SeasonalNaiveContender(), prediction_length=3, seasonality=2)
    >>> entry = {"item_id": "a", "start": pd.Period("2024-01", "M"), "target": np.array([1.0, 2.0, 3.0])}
    >>> next(predictor.predict([entry])).median.tolist()
    [2.0, 3.0, 2.0]
    """

    def __init__(
        self,
        contender: Contender,
        *,
        prediction_length: int,
        seasonality: int = 1,
        known: Sequence[History] = (),
        on_forecasts: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(prediction_length=prediction_length)
        self._forecast = contender.prepare(known, horizon=prediction_length, seasonality=seasonality)
        self._keys = ["mean", *(f"{level:g}" for level in contender.levels)]
        self._median = contender.levels.index(0.5)
        self._n_together = contender.n_together
        self._on_forecasts = on_forecasts

    def predict(self, dataset: Iterable[dict[str, Any]], **_: Any) -> Iterator[QuantileForecast]:
        """Forecasts of what follows each entry's target, in the entries' order.

        Raises
        ------
        DataError
            If a target has more than one dimension, or the contender's answer is not finite.
        """
        entries = iter(dataset)
        while batch := list(islice(entries, self._n_together)):
            if any(entry["target"].ndim != 1 for entry in batch):
                raise DataError("found a target of several variates, expected one: split it into series first")
            quantiles = self._forecast([_Past(entry["start"], entry["target"]) for entry in batch])
            if not np.isfinite(quantiles).all():
                raise DataError("found forecasts that are not finite numbers, expected numbers for every window")
            for entry, own in zip(batch, quantiles, strict=True):
                arrays = np.concatenate([own[:, [self._median]], own], axis=1).T
                yield QuantileForecast(arrays, forecast_start(entry), self._keys, item_id=entry["item_id"])
            if self._on_forecasts is not None:
                self._on_forecasts(len(batch))


def test_data(task: Task) -> TestData:
    """The task's windows as GluonTS has them: pairs of input (the whole past) and label, series by series."""
    entries = [{"item_id": one.item_id, "start": one.start, "target": one.values} for one in task.series]
    _, template = split(entries, offset=-task.n_tested)
    length = task.configuration.prediction_length
    return template.generate_instances(prediction_length=length, windows=task.n_windows, distance=length)


def score(contender: Contender, task: Task, *, on_forecasts: Callable[[int], None] | None = None) -> dict[str, float]:
    """GluonTS's metrics over all entries of all windows, by their names (``MASE[0.5]``, ...).

    The same as ``gluonts.model.evaluate_model(..., axis=None, mask_invalid_label=True, allow_nan_forecast=False)``,
    which the benchmark asks for, but without the progress bar that it prints.

    Raises
    ------
    DataError
        If the contender's forecasts are not finite.
    """
    configuration = task.configuration
    predictor = ContenderPredictor(
        contender,
        prediction_length=configuration.prediction_length,
        seasonality=configuration.seasonality,
        known=history_before_tests(task),
        on_forecasts=on_forecasts,
    )
    data = test_data(task)
    evaluators = [metric(axis=(0, 1)) for metric in METRICS]
    parts = (data.input, data.label, predictor.predict(data.input))
    for pasts, labels, forecasts in zip(*(batcher(part, BATCH) for part in parts), strict=True):
        batch = _batch(pasts, labels, forecasts, seasonality=configuration.seasonality)
        for evaluator in evaluators:
            evaluator.update(batch)
    return {evaluator.name: float(evaluator.get()) for evaluator in evaluators}


def _batch(
    pasts: list[dict[str, Any]], labels: list[dict[str, Any]], forecasts: list[QuantileForecast], *, seasonality: int
) -> ChainMap:
    """What GluonTS's metrics read: the label, the scale of MASE and MSIS, and any quantile of the forecasts."""
    scales = [seasonal_error(np.ma.masked_invalid(past["target"]), seasonality, time_axis=-1) for past in pasts]
    known = {
        "label": np.ma.masked_invalid(np.stack([label["target"] for label in labels])),
        "seasonal_error": np.array(scales),
    }
    return ChainMap(known, BatchForecast(forecasts))
