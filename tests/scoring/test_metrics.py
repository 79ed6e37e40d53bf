"""Metrics against values worked out by hand from GluonTS's definitions."""

import numpy as np
import pytest

from ttm_sk.errors import DataError
from ttm_sk.scoring import metrics

NAN = float("nan")
TARGET = np.array([[1.0, -2.0, NAN], [0.0, 4.0, np.inf]])
FORECAST = np.array([[2.0, -2.0, NAN], [1.0, 1.0, 7.0]])


@pytest.mark.parametrize(
    "metric, expected",
    [
        (metrics.mse, 11 / 4),
        (metrics.rmse, (11 / 4) ** 0.5),
        (metrics.mae, 5 / 4),
        (metrics.nd, 5 / 7),
        (metrics.nrmse, (11 / 4) ** 0.5 / (7 / 4)),
        (metrics.mape, (1 + 0 + 3 / 4) / 3),
        (metrics.smape, (2 / 3 + 0 + 2 + 6 / 5) / 4),
    ],
)
def test_when_target_has_gaps_then_only_observed_entries_count(metric, expected):
    assert metric(target=TARGET, forecast=FORECAST) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", [metrics.mse, metrics.mae, metrics.rmse, metrics.mape, metrics.nd])
def test_when_nothing_is_observed_then_the_score_is_nan(metric):
    assert np.isnan(metric(target=[NAN, NAN], forecast=[1.0, 2.0]))


def test_when_an_items_past_is_constant_then_mase_leaves_it_out():
    scale = metrics.seasonal_error([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]], seasonality=1)
    assert scale.tolist() == [1.5, 0.0]
    assert metrics.mase(target=TARGET, forecast=FORECAST, seasonal_error=scale) == pytest.approx((1 / 1.5 + 0) / 2)


def test_when_history_is_shorter_than_a_season_then_its_error_uses_lag_one():
    assert metrics.seasonal_error([1.0, 2.0, 5.0], seasonality=4) == 2.0


def test_when_history_is_as_long_as_a_season_then_its_error_is_nan():
    assert np.isnan(metrics.seasonal_error([1.0, 2.0, 5.0], seasonality=3))


def test_when_history_has_gaps_then_pairs_with_them_do_not_count():
    assert metrics.seasonal_error([1.0, NAN, 4.0, 6.0, 8.0], seasonality=2) == pytest.approx((3 + 4) / 2)


def test_when_target_leaves_the_interval_then_msis_adds_the_miss():
    score = metrics.msis(
        target=[[0.0, 6.0, NAN]], lower=[[1.0, 1.0, 1.0]], upper=[[5.0, 5.0, 5.0]], seasonal_error=[2.0], alpha=0.1
    )
    assert score == pytest.approx((4 + 20 * 1 + 4 + 20 * 1) / 2 / 2)


def test_when_levels_differ_then_pinball_weighs_the_sides_by_them():
    quantiles = np.array([[1.0, 3.0], [1.0, 3.0]])
    losses = metrics.pinball(target=[0.0, 5.0], quantiles=quantiles, levels=[0.1, 0.9])
    assert losses == pytest.approx([(2 * 0.9 * 1 + 2 * 0.1 * 4) / 2, (2 * 0.1 * 3 + 2 * 0.9 * 2) / 2])


def test_when_level_is_a_half_then_pinball_is_the_absolute_error():
    losses = metrics.pinball(target=TARGET, quantiles=FORECAST[..., None], levels=[0.5])
    assert losses == pytest.approx([metrics.mae(target=TARGET, forecast=FORECAST)])


def test_when_summed_over_levels_then_weighted_quantile_loss_is_the_mean_of_the_ratios():
    quantiles = np.array([[1.0, 3.0], [1.0, 3.0], [NAN, NAN]])
    loss = metrics.weighted_quantile_loss(target=[-1.0, 5.0, NAN], quantiles=quantiles, levels=[0.1, 0.9])
    at_low, at_high = 2 * 0.9 * 2 + 2 * 0.1 * 4, 2 * 0.1 * 4 + 2 * 0.9 * 2
    assert loss == pytest.approx((at_low / 6 + at_high / 6) / 2)


def test_when_target_equals_the_quantile_then_it_is_covered():
    covered = metrics.coverage(target=[1.0, 2.0, NAN, 4.0], quantiles=[[1.0, 4.0]] * 4)
    assert covered == pytest.approx([1 / 3, 1.0])


def test_when_shapes_differ_then_it_raises():
    with pytest.raises(DataError, match="expected one shape"):
        metrics.mae(target=np.zeros((2, 3)), forecast=np.zeros(3))
    with pytest.raises(DataError, match="the quantile, at the end"):
        metrics.coverage(target=np.zeros((2, 3)), quantiles=np.zeros((2, 4, 9)))
    with pytest.raises(DataError, match="one for each item"):
        metrics.mase(target=np.zeros((2, 3)), forecast=np.zeros((2, 3)), seasonal_error=1.0)


def test_when_forecast_is_nan_where_target_is_observed_then_it_raises():
    with pytest.raises(DataError, match="found 1 forecast values that are NaN"):
        metrics.mse(target=[1.0, 2.0], forecast=[1.0, NAN])


@pytest.mark.parametrize("levels", [[0.5], [0.5, 1.0], [0.0, 0.5]])
def test_when_levels_do_not_fit_the_quantiles_then_it_raises(levels):
    with pytest.raises(DataError, match="one probability in"):
        metrics.pinball(target=[1.0], quantiles=[[1.0, 2.0]], levels=levels)


@pytest.mark.parametrize("seasonality", [0, -1])
def test_when_seasonality_is_below_one_then_it_raises(seasonality):
    with pytest.raises(DataError, match="lag of at least 1"):
        metrics.seasonal_error([1.0, 2.0], seasonality=seasonality)


def test_when_alpha_is_no_share_then_msis_raises():
    with pytest.raises(DataError, match="share in"):
        metrics.msis(target=[1.0], lower=[0.0], upper=[2.0], seasonal_error=1.0, alpha=1.5)
