"""Losses against small values, and what an unobserved entry must not do."""

import numpy as np
import pytest
import torch

from ttm_sk.errors import DataError
from ttm_sk.scoring import losses, metrics

LEVELS = [0.1, 0.5, 0.9]
TARGET = torch.tensor([[[1.0, float("nan"), -2.0]], [[0.0, 4.0, float("nan")]]])
OBSERVED = ~TARGET.isnan()
FORECAST = torch.tensor([[[2.0, 9.0, -2.0]], [[1.0, 1.0, 9.0]]])
QUANTILES = torch.stack([FORECAST - 1, FORECAST, FORECAST + 1], dim=-1)


def losses_of(forecast, quantiles, *, target=TARGET, observed=OBSERVED):
    """Every loss of one forecast, by name."""
    points = {name: getattr(losses, name) for name in ("mse", "mae", "huber")}
    values = {name: loss(forecast=forecast, target=target, observed=observed) for name, loss in points.items()}
    return values | {
        "pinball": losses.pinball(quantiles=quantiles, target=target, observed=observed, levels=LEVELS),
    }


def test_when_target_has_gaps_then_the_mean_is_over_observed_entries():
    values = losses_of(FORECAST, QUANTILES)
    assert values["mse"] == pytest.approx(11 / 4)
    assert values["mae"] == pytest.approx(5 / 4)
    assert values["huber"] == pytest.approx((0.5 + 0 + 0.5 + 2.5) / 4)


def test_when_measured_on_the_same_forecast_then_losses_equal_the_metrics():
    values = losses_of(FORECAST, QUANTILES)
    expected = metrics.pinball(target=TARGET.numpy(), quantiles=QUANTILES.numpy(), levels=LEVELS)
    assert float(values["pinball"]) == pytest.approx(expected.mean(), rel=1e-6)
    assert float(values["mae"]) == pytest.approx(metrics.mae(target=TARGET.numpy(), forecast=FORECAST.numpy()))


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "pinball"])
def test_when_nothing_is_observed_then_loss_is_zero_with_zero_gradients(loss):
    forecast, quantiles = FORECAST.clone().requires_grad_(), QUANTILES.clone().requires_grad_()
    value = losses_of(forecast, quantiles, observed=torch.zeros_like(OBSERVED))[loss]
    value.backward()
    used = quantiles if loss == "pinball" else forecast
    assert value == 0
    assert torch.equal(used.grad, torch.zeros_like(used))


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "pinball"])
def test_when_an_entry_is_unobserved_then_its_gradient_is_zero_and_others_are_finite(loss):
    forecast, quantiles = FORECAST.clone().requires_grad_(), QUANTILES.clone().requires_grad_()
    losses_of(forecast, quantiles)[loss].backward()
    gradient = quantiles.grad if loss == "pinball" else forecast.grad
    assert torch.isfinite(gradient).all()
    assert (gradient[~OBSERVED] == 0).all()
    assert (gradient[OBSERVED] != 0).any()


def test_when_minimised_then_pinball_finds_the_quantiles_of_the_sample():
    sample = torch.arange(1.0, 102.0).reshape(101, 1, 1)
    grid = torch.linspace(1, 101, 1001)
    at = [
        losses.pinball(
            quantiles=value.expand(101, 1, 1, 1), target=sample, observed=torch.ones_like(sample).bool(), levels=[0.9]
        )
        for value in grid
    ]
    assert float(grid[int(np.argmin(at))]) == pytest.approx(91, abs=0.11)


def test_when_levels_are_a_tensor_then_the_loss_is_the_same():
    kinds = [LEVELS, torch.tensor(LEVELS)]
    first, second = (
        losses.pinball(quantiles=QUANTILES, target=TARGET, observed=OBSERVED, levels=levels) for levels in kinds
    )
    assert torch.equal(first, second)


def test_when_forecast_is_bfloat16_then_the_loss_keeps_the_targets_precision():
    value = losses.mae(forecast=FORECAST.bfloat16(), target=TARGET, observed=OBSERVED)
    assert value.dtype == torch.float32
    assert value == pytest.approx(5 / 4)


def test_when_shapes_differ_then_it_raises_instead_of_broadcasting():
    with pytest.raises(DataError, match="expected one shape"):
        losses.mse(forecast=FORECAST[:1], target=TARGET, observed=OBSERVED)
    with pytest.raises(DataError, match="one level for each"):
        losses.pinball(quantiles=QUANTILES, target=TARGET, observed=OBSERVED, levels=[0.5])


def test_when_observed_is_not_boolean_then_it_raises():
    with pytest.raises(DataError, match=r"torch\.bool"):
        losses.mae(forecast=FORECAST, target=TARGET, observed=OBSERVED.float())


def test_when_delta_is_not_positive_then_huber_raises():
    with pytest.raises(DataError, match="positive"):
        losses.huber(forecast=FORECAST, target=TARGET, observed=OBSERVED, delta=0.0)
