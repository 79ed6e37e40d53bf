"""A checkpoint that grew forecasts as before."""

from __future__ import annotations

import pytest
import torch
from strategies import random_module, small_config

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.training.extension import new_parts, with_channel_mixing, with_drivers, with_static

MARKED = {"with_flags": True, "fed_back_weight": 0.5}  # as in the bundled weights


@pytest.mark.parametrize("marks", [{}, MARKED], ids=["plain", "marked"])
def test_when_channel_mixing_is_added_then_forecasts_stay_and_the_new_parts_are_named(marks):
    config = small_config(gate="softmax", **marks)
    source = Checkpoint(config, random_module(config).state_dict())
    grown = with_channel_mixing(source, 3)
    context = torch.randn(2, 3, 32)
    observed = torch.ones_like(context, dtype=torch.bool)
    with torch.no_grad():
        before, after = (part.build()(context, observed).quantiles for part in (source, grown))
    torch.testing.assert_close(before, after)
    assert new_parts(source, grown)
    assert all(".channels." in name for name in new_parts(source, grown))
    assert with_channel_mixing(grown, 3) is grown


def test_when_channels_cannot_be_mixed_then_an_error_says_why():
    config = small_config()
    source = Checkpoint(config, random_module(config).state_dict())
    with pytest.raises(ConfigError, match="at least two channels"):
        with_channel_mixing(source, 1)
    with pytest.raises(ConfigError, match="found 4 channels, but this checkpoint mixes exactly 2"):
        with_channel_mixing(with_channel_mixing(source, 2), 4)


@pytest.mark.parametrize("marks", [{}, MARKED], ids=["plain", "marked"])
def test_when_drivers_are_added_then_forecasts_stay_until_the_mixer_learns(marks):
    config = small_config(**marks)
    source = Checkpoint(config, random_module(config).state_dict())
    grown = with_drivers(source, 2, horizon=5)
    context, covariates = torch.randn(3, 1, 32), torch.randn(3, 2, 37)
    observed = torch.ones_like(context, dtype=torch.bool)
    with torch.no_grad():
        before = source.build()(context, observed).quantiles
        module = grown.build()
        torch.testing.assert_close(module(context, observed, covariates=covariates).quantiles, before[:, :, :5])
        module.forecast_mixing.projection.weight.normal_()
        after = module(context, observed, covariates=covariates).quantiles
        moved = module(context, observed, covariates=covariates.flip(-1)).quantiles
    assert not torch.allclose(after, moved)
    assert (after.diff(dim=-1) >= 0).all()
    assert all(name.startswith("forecast_mixing.") for name in new_parts(source, grown))


def test_when_drivers_cannot_be_added_then_an_error_says_why():
    config = small_config()
    source = Checkpoint(config, random_module(config).state_dict())
    with pytest.raises(ConfigError, match=r"found 0 driver\(s\) for 1 target"):
        with_drivers(source, 0)
    with pytest.raises(ConfigError, match="mixes no channels yet"):
        with_drivers(with_drivers(source, 1), 1)


@pytest.mark.parametrize("marks", [{}, MARKED], ids=["plain", "marked"])
@pytest.mark.parametrize("n_drivers", [0, 2])
def test_when_static_categories_are_added_then_forecasts_stay_until_the_embedding_learns(n_drivers, marks):
    config = small_config(**marks)
    source = Checkpoint(config, random_module(config).state_dict())
    grown = with_drivers(source, 2, static_sizes=(3, 2)) if n_drivers else with_static(source, (3, 2))
    context = torch.randn(3, 1, 32)
    observed = torch.ones_like(context, dtype=torch.bool)
    given = {"covariates": torch.randn(3, 2, 40)} if n_drivers else {}
    one, other = torch.tensor([[0, 0]] * 3), torch.tensor([[2, 1]] * 3)
    with torch.no_grad():
        before = source.build()(context, observed).quantiles
        module = grown.build()
        torch.testing.assert_close(module(context, observed, static=one, **given).quantiles, before)
        for layer in module.decoder:
            layer.channels.mlp.contract.weight.normal_()
        found = [module(context, observed, static=codes, **given).quantiles for codes in (one, other)]
    assert not torch.allclose(*found)
    with pytest.raises(ConfigError, match="static categories can be added to a TTM with a decoder"):
        with_static(grown, (2,))
