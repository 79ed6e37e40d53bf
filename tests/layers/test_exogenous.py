"""Mixing forecasts: what each step may see, and what it may not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ttm_sk.layers.exogenous import ForecastMixing

HORIZON, REACH = 9, 2


def make(**changes: object) -> ForecastMixing:
    torch.manual_seed(0)
    options = {"n_targets": 2, "n_covariates": 1, "reach": REACH, "n_layers": 1, "gate": "softmax"}
    return ForecastMixing(**options | {"expansion": 2, "dropout": 0.0} | changes).eval()  # type: ignore[arg-type]


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(3, 2, HORIZON), torch.randn(3, 1, HORIZON), torch.randn(3, 3, REACH)


@pytest.mark.parametrize("n_layers", [0, 2])
def test_when_a_covariate_changes_at_a_step_then_only_steps_within_reach_do(n_layers):
    mixing, (forecast, future, past) = make(n_layers=n_layers), inputs()
    moved = future.clone()
    moved[..., 4] += 1
    change = (mixing(forecast, future=moved, past=past) - mixing(forecast, future=future, past=past)).abs()
    assert (change[..., 2:7] > 0).all()
    assert (change[..., :2] == 0).all()
    assert (change[..., 7:] == 0).all()


def test_when_no_past_is_given_then_zeros_stand_for_it():
    mixing, (forecast, future, past) = make(), inputs()
    without = mixing(forecast, future=future)
    assert torch.equal(without, mixing(forecast, future=future, past=torch.zeros_like(past)))
    assert not torch.equal(without, mixing(forecast, future=future, past=past))


def test_when_the_last_map_is_zero_then_the_forecast_stays():
    mixing, (forecast, future, past) = make(), inputs()
    torch.nn.init.zeros_(mixing.projection.weight)
    torch.nn.init.zeros_(mixing.projection.bias)
    assert torch.equal(mixing(forecast, future=future, past=past), forecast)


def test_when_the_reach_is_zero_then_each_step_stands_alone():
    mixing, (forecast, future, _) = make(reach=0, n_layers=0), inputs()
    mixed = mixing(forecast, future=future)
    alone = torch.cat([mixing(forecast[..., [i]], future=future[..., [i]]) for i in range(HORIZON)], dim=-1)
    torch.testing.assert_close(mixed, alone)
