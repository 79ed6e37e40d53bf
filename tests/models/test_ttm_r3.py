"""TTM-R3: the properties that hold whatever the weights are, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from granite_r3_cases import ARCHITECTURES, PAIR_QUANTILES, POOLED, TREND

from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.granite_r3 import ttm_r3_config
from ttm_sk.errors import ConfigError
from ttm_sk.models.forecast_module import ForecastModule
from ttm_sk.models.ttm_r3 import TTMR3, DecomposedTTM, DecomposedTTMConfig, TTMR3Config

SINGLE = TTMR3Config(
    context_length=48,
    prediction_length=8,
    patch_length=8,
    width=16,
    n_levels=2,
    n_layers=1,
    decoder_width=8,
    decoder_layers=1,
    levels=(0.1, 0.5, 0.9),
)
PART = replace(SINGLE, scaling="none", minimum_variance=0.0)
PAIR = DecomposedTTMConfig(trend=PART, residual=replace(PART, context_length=24))


def make(config: TTMR3Config | DecomposedTTMConfig) -> TTMR3 | DecomposedTTM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = new_module(config)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    return module.eval().double()


def past(n_steps: int = 48, n_channels: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    context = torch.randn(3, n_channels, n_steps, generator=generator, dtype=torch.float64).cumsum(-1)
    observed = torch.rand(context.shape, generator=generator) > 0.2
    observed[..., -1] = True
    return context, observed


models = pytest.mark.parametrize("config", [SINGLE, PAIR], ids=["single", "pair"])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_when_a_config_is_written_and_read_then_it_is_the_same(name):
    config = ttm_r3_config(ARCHITECTURES[name].values)
    assert type(config).from_dict(config.to_dict()) == config


@models
def test_when_a_model_is_built_then_it_is_a_forecast_module(config):
    module = make(config)
    assert isinstance(module, ForecastModule)
    found = (module.context_length, module.prediction_length, module.levels)
    assert found == (48, 8, (0.1, 0.5, 0.9))


@models
def test_when_a_model_forecasts_then_quantiles_ascend_around_the_mean(config):
    forecast = make(config)(*past())
    assert (forecast.quantiles.diff(dim=-1) > 0).all()
    assert torch.equal(forecast.mean, forecast.quantiles[..., 1])


@models
def test_when_rows_are_forecast_alone_then_they_are_as_in_the_batch(config):
    module, (context, observed) = make(config), past()
    together = module(context, observed).mean
    alone = torch.cat([module(context[i : i + 1], observed[i : i + 1]).mean for i in range(3)])
    torch.testing.assert_close(together, alone)


@models
def test_when_channels_change_places_then_so_do_their_forecasts(config):
    module, (context, observed) = make(config), past()
    torch.testing.assert_close(module(context.flip(1), observed.flip(1)).mean, module(context, observed).mean.flip(1))


@models
def test_when_a_level_is_added_then_it_is_added_to_the_forecast(config):
    module, (context, observed) = make(config), past()
    torch.testing.assert_close(module(context + 100, observed).quantiles, module(context, observed).quantiles + 100)


@models
def test_when_a_value_is_missing_then_the_last_one_is_read_and_the_scale_ignores_it(config):
    module, (context, observed) = make(config), past()
    observed[..., 20] = True
    observed[..., 21:24] = False
    gaps = torch.where(observed, context, torch.nan)
    filled = torch.where(observed, context, 0.0)
    for step in range(48):  # the same by hand
        filled[..., step] = torch.where(observed[..., step], context[..., step], filled[..., step - 1] if step else 0.0)
    torch.testing.assert_close(module(gaps, observed).mean, module(filled, observed).mean)


def test_when_a_single_model_sees_more_than_its_context_then_the_rest_is_cut():
    module, (context, observed) = make(SINGLE), past(70)
    assert torch.equal(module(context, observed).mean, module(context[..., -48:], observed[..., -48:]).mean)


@models
def test_when_a_gradient_flows_then_it_reaches_every_parameter(config):
    module = make(config)
    (module(*past()).quantiles ** 2).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in module.parameters())


@pytest.mark.parametrize("name", ["covariates", "covariates_observed", "static"])
def test_when_an_argument_has_no_use_then_it_raises(name):
    with pytest.raises(ConfigError, match=f"no use for {name}"):
        make(SINGLE)(*past(), **{name: torch.zeros(3, 1, 56)})


def test_when_the_resolution_is_missing_or_too_much_then_it_raises():
    with pytest.raises(ConfigError, match="leave resolution out"):
        make(SINGLE)(*past(), resolution=torch.zeros(3, dtype=torch.long))
    with pytest.raises(ConfigError, match="integers below 4"):
        make(replace(SINGLE, n_resolutions=4))(*past())


def test_when_a_model_mixes_channels_then_another_number_raises():
    with pytest.raises(ConfigError, match="found 2 channels, but this TTM mixes exactly 3"):
        make(replace(SINGLE, n_channels=3, mixes_channels=True))(*past())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": "16"}, "width='16' is no int"),
        ({"prediction_length": 0}, "prediction_length=0 must be at least 1"),
        ({"n_registers": -1}, "n_registers=-1 must not be negative"),
        ({"dropout": 1.0}, "dropout=1.0 must lie in"),
        ({"forecast_length": 9}, "forecast_length=9 must lie in 1..prediction_length=8"),
        ({"forecast_length": 1}, "a horizon of 1 step"),
        ({"gate": "relu"}, "unknown gate 'relu'"),
        ({"condition": "mean"}, "unknown condition 'mean'"),
        ({"scaling": "asinh"}, "scaling='asinh' is not part"),
        ({"context_length": 8}, "patch_length=8 must be below context_length=8"),
        ({"n_frequencies": 26}, "have 25 frequencies"),
        ({"width": 21}, "adaptive levels split a patch into 2 parts"),
        ({"attention_heads": 3}, "attention_heads=3 does not divide"),
        ({"positions": "sincos", "width": 15, "n_levels": 0}, "needs an even width"),
        ({"levels": (0.1, 0.5)}, "must ascend inside"),
        ({"levels": (0.1, 0.2, 0.5)}, "0.5 in the middle"),
        ({"spread_kernel": 4}, "spread_kernel=4 must be odd"),
    ],
)
def test_when_a_config_contradicts_itself_then_the_rule_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(SINGLE, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"residual": replace(PART, context_length=56)}, "56 steps is longer than the trend's, 48"),
        ({"residual": replace(PART, prediction_length=9)}, "differ in horizon: 8 and 9"),
        ({"residual": replace(PART, levels=())}, "differ in levels"),
        ({"trend": SINGLE, "residual": SINGLE}, "scale again"),
        ({"scaling": "asinh"}, "found scaling 'asinh'"),
        ({"minimum_variance": -1.0}, "minimum_variance=-1.0"),
        ({"trend": "large"}, "is no TTMR3Config"),
    ],
)
def test_when_trend_and_residual_do_not_fit_then_it_raises(changes: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        replace(PAIR, **changes)


def test_when_a_pair_is_given_fewer_than_three_steps_then_it_raises():
    with pytest.raises(ValueError, match="at least 3"):
        make(PAIR)(*past(2))


def test_when_the_pair_adds_up_then_its_forecast_is_that_of_its_parts():
    module, (context, observed) = make(PAIR), past()
    values, state = module.scale(context, observed)
    trend, residual = module.forecast_parts(values, observed)
    torch.testing.assert_close(module(context, observed).quantiles, state.inverse(trend + residual))


def test_when_extra_patches_are_asked_for_then_they_are_counted():
    config = ttm_r3_config(PAIR_QUANTILES | TREND)
    assert (config.trend.n_patches, config.residual.n_patches) == (6 + 1 + 2, 6 + 3 + 1)
    assert ttm_r3_config(POOLED).n_patches == 12 + 6 + 3 + 1
