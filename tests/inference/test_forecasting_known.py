"""Forecasts of a model that uses drivers and static categories: any horizon, any batch, both efforts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from strategies import random_module, small_config

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.known import Known
from ttm_sk.errors import ConfigError
from ttm_sk.inference.forecasting import forecast_known, forecast_series
from ttm_sk.training.extension import with_drivers

LEVELS = (0.1, 0.5, 0.9)
rng = np.random.default_rng(0)


def module(static_sizes: tuple[int, ...] = ()) -> torch.nn.Module:
    """Random weights in every part, those of the drivers large."""
    config = small_config()
    grown = with_drivers(
        Checkpoint(config, random_module(config).state_dict()), 2, horizon=5, static_sizes=static_sizes
    ).config
    made = random_module(grown, seed=1)
    with torch.no_grad():
        made.forecast_mixing.projection.weight.normal_(generator=torch.Generator().manual_seed(2))
    return made


def history(n: int) -> np.ndarray:
    return np.cumsum(rng.normal(size=(1, n)), axis=1)


def drivers(n: int) -> np.ndarray:
    return rng.normal(size=(2, n))


def test_when_drivers_change_ahead_then_the_forecast_moves_from_there_on():
    past, known = history(40), drivers(45)
    other = known.copy()
    other[:, 43:] += 3
    before, after = (forecast_series(module(), [past], 5, known=[Known(part)])[0, 0, :, 0] for part in (known, other))
    np.testing.assert_array_equal(before[:2], after[:2])
    assert (before[2:] != after[2:]).all()  # a step sees the one after it


def test_when_the_horizon_is_longer_than_one_pass_then_later_drivers_count():
    past, known = history(40), drivers(53)
    other = known.copy()
    other[:, 50:] += 3
    options = {"levels": LEVELS, "effort": "fast"}
    before, after = (
        forecast_series(module(), [past], 13, known=[Known(part)], **options)[0, 0] for part in (known, other)
    )
    assert before.shape == (13, 3)
    np.testing.assert_array_equal(before[:10], after[:10])
    assert (before[10:, 1] != after[10:, 1]).all()


@pytest.mark.parametrize("effort", ["plain", "fast"])
def test_when_series_share_a_batch_then_none_changes_another(effort):
    pasts, known = [history(40), history(13)], [Known(drivers(50)), Known(drivers(23))]
    together = forecast_series(module(), pasts, 10, levels=LEVELS, effort=effort, known=known)
    for i in range(2):
        alone = forecast_series(module(), [pasts[i]], 10, levels=LEVELS, effort=effort, known=[known[i]])
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-4, atol=1e-5)


def test_when_series_and_drivers_are_turned_upside_down_then_the_fast_forecast_is():
    past, known = history(40), drivers(50)
    options = {"levels": LEVELS, "effort": "fast"}
    upright = forecast_series(module(), [past], 10, known=[Known(known)], **options)
    turned = forecast_series(module(), [-past], 10, known=[Known(-known)], **options)
    np.testing.assert_allclose(turned, -upright[..., ::-1], rtol=1e-4, atol=1e-4)


def test_when_columns_are_not_mixed_then_each_is_forecast_by_itself():
    table, known = np.concatenate([history(40), history(40)]), [Known(drivers(45))]
    found = forecast_known(module(), [table], 5, known=known, levels=LEVELS)
    assert found.shape == (1, 2, 5, 3)
    alone = forecast_known(module(), [table[1:]], 5, known=known, levels=LEVELS)
    np.testing.assert_allclose(found[:, 1:], alone, rtol=1e-4, atol=1e-5)


def test_when_a_category_changes_then_the_forecast_does():
    past, known, made = history(40), drivers(45), module(static_sizes=(3,))
    found = [forecast_series(made, [past], 5, known=[Known(known, np.array([i]))]) for i in range(3)]
    assert not np.allclose(found[0], found[1])
    assert not np.allclose(found[1], found[2])


def test_when_a_model_has_no_use_for_it_then_what_is_known_is_left_out():
    plain = random_module(small_config())
    found = forecast_known(plain, [history(20)], 4, known=[Known(drivers(24))])
    assert found.shape == (1, 1, 4, 1)
    with pytest.raises(ConfigError, match="in ways that have no drivers"):
        forecast_series(module(), [history(20)], 4, known=[Known(drivers(24))], effort="best")
