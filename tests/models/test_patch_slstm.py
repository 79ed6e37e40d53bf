"""PatchSLSTM: the properties that hold whatever the weights are, its states, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ttm_sk.checkpoints.store import Checkpoint, read_checkpoint, save_checkpoint
from ttm_sk.errors import ConfigError, HorizonError
from ttm_sk.models.forecast_module import ForecastModule
from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig

SMALL = PatchSLSTMConfig(
    context_length=64,
    prediction_length=12,
    longest_pass=40,
    patch_length=8,
    width=16,
    n_blocks=2,
    n_heads=2,
    hidden_width=24,
    expanded_width=20,
    levels=(0.1, 0.5, 0.9),
)
ASINH = replace(SMALL, scaling="asinh")
PADDED = replace(SMALL, pads_context=True, scales_constants=True)


def make(config: PatchSLSTMConfig = SMALL) -> PatchSLSTM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = PatchSLSTM(config)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    return module.eval().double().requires_grad_(False)


def past(n_steps: int = 60, n_channels: int = 2, *, with_gaps: bool = True) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    context = torch.randn(3, n_channels, n_steps, generator=generator, dtype=torch.float64).cumsum(-1)
    observed = torch.rand(context.shape, generator=generator) > (0.2 if with_gaps else -1)
    observed[..., -1] = True
    return context, observed


models = pytest.mark.parametrize("config", [SMALL, ASINH, PADDED], ids=["std", "asinh", "padded"])


@pytest.mark.parametrize(("preset", "n_parameters"), [("full", 35_291_200), ("small", 1_906_048), ("tiny", 926_912)])
def test_when_a_preset_is_built_then_it_has_so_many_parameters(preset, n_parameters):
    with torch.device("meta"):
        module = PatchSLSTM(getattr(PatchSLSTMConfig, preset)())
    assert sum(parameter.numel() for parameter in module.parameters()) == n_parameters


@models
def test_when_a_config_is_written_and_read_then_it_is_the_same(config):
    assert PatchSLSTMConfig.from_dict(config.to_dict()) == config


@models
def test_when_a_model_is_built_then_it_is_a_forecast_module(config):
    module = make(config)
    assert isinstance(module, ForecastModule)
    assert (module.context_length, module.prediction_length, module.levels) == (64, 12, (0.1, 0.5, 0.9))
    assert module(*past()).mean.shape == (3, 2, 12)


@models
def test_when_quantiles_are_forecast_then_they_never_cross_and_the_median_is_the_mean(config):
    forecast = make(config).forecast(*past(), horizon=50)
    assert forecast.quantiles.shape == (3, 2, 50, 3)
    assert (forecast.quantiles.diff(dim=-1) >= 0).all()
    assert torch.equal(forecast.mean, forecast.quantiles[..., 1])


@models
def test_when_series_are_shifted_and_stretched_then_so_is_their_forecast(config):
    module, (context, observed) = make(config), past()
    plain, moved = module(context, observed), module(40 * context - 1000, observed)
    torch.testing.assert_close(moved.quantiles, 40 * plain.quantiles - 1000)


@models
def test_when_rows_are_forecast_alone_then_they_are_as_in_the_batch(config):
    module, (context, observed) = make(config), past()
    observed[0, :, :30] = False  # begins three patches later than the others
    together = module.forecast(context, observed, horizon=20).mean
    alone = [module.forecast(context[i : i + 1], observed[i : i + 1], horizon=20).mean for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


@models
def test_when_nothing_is_observed_in_front_then_it_does_not_count(config):
    module, (context, observed) = make(config), past(29)
    longer = torch.cat([torch.full((3, 2, 21), torch.nan, dtype=torch.float64), context], dim=-1)
    flags = torch.cat([torch.zeros(3, 2, 21, dtype=torch.bool), observed], dim=-1)
    torch.testing.assert_close(module(longer, flags).quantiles, module(context, observed).quantiles)


@models
def test_when_a_value_is_not_observed_then_what_stands_there_changes_nothing(config):
    module, (context, observed) = make(config), past()
    changed = torch.where(observed, context, torch.nan)
    assert torch.equal(module(changed, observed).quantiles, module(context, observed).quantiles)


@models
def test_when_a_horizon_is_longer_then_it_begins_with_the_shorter_one(config):
    module = make(config)
    long = module.forecast(*past(), horizon=100).quantiles
    for horizon in (1, 8, 9, 40):
        torch.testing.assert_close(module.forecast(*past(), horizon=horizon).quantiles, long[:, :, :horizon])


def test_when_the_past_is_longer_than_the_context_then_the_rest_is_cut():
    module, (context, observed) = make(), past(90)
    assert torch.equal(module(context, observed).mean, module(context[..., -64:], observed[..., -64:]).mean)


def test_when_a_short_past_is_padded_then_that_is_what_it_is_called():
    context, observed = past(20)
    longer = [torch.nn.functional.pad(part, (44, 0)) for part in (context, observed)]
    padded, plain = make(PADDED), make(SMALL)
    torch.testing.assert_close(padded(context, observed).mean, padded(*longer).mean)
    assert not torch.allclose(padded(context, observed).mean, plain(context, observed).mean)


def test_when_a_series_is_constant_then_so_is_its_forecast():
    context = torch.full((1, 1, 30), 7.5, dtype=torch.float64)
    assert (make()(context, torch.ones(1, 1, 30, dtype=torch.bool)).quantiles == 7.5).all()


@models
def test_when_nothing_at_all_is_observed_then_the_forecast_is_finite(config):
    context = torch.full((2, 1, 30), torch.nan, dtype=torch.float64)
    assert torch.isfinite(make(config)(context, torch.zeros(2, 1, 30, dtype=torch.bool)).quantiles).all()


@models
def test_when_a_state_reads_fifty_patches_then_it_forecasts_as_the_whole_past_would(config):
    n_patches = 50
    context, observed = past(24 + 8 * n_patches)
    module = make(replace(config, context_length=24))
    state = module.start(context[..., :24], observed[..., :24])
    whole = make(replace(config, context_length=24 + 8 * n_patches))
    for i in range(n_patches):
        part = slice(24 + 8 * i, 32 + 8 * i)
        state = module.step(state, context[..., part], observed[..., part])
    values = torch.where(observed, state.scale.apply(context), 0.0)
    values = torch.where(state.scale.scale == 0, 0.0, values)
    if config.pads_context:
        features, _ = whole_past(module, values, observed.double())
    else:
        features, _ = whole._read_past(values, observed.double(), n_ahead=3, n_last=4)
    expected = whole._unscaled(whole._quantiles(features, context.shape[:2]), state.scale)
    torch.testing.assert_close(module.continued(state, horizon=32).quantiles, expected.quantiles, atol=1e-5, rtol=0)


def whole_past(module: PatchSLSTM, values: Tensor, weight: Tensor) -> tuple[Tensor, object]:
    """All patches in one pass, whatever the padding of the first 24 steps was: none, as they fill the context."""
    x = torch.cat([module.embeddings(module._tokens(values, weight)), module._blank(3, values.shape[0] * 2)])
    return module._read(x, None, n_last=4)


def test_when_several_patches_are_read_at_once_then_the_state_is_that_of_one_by_one():
    module, (context, observed) = make(), past(56)
    start = module.start(context[..., :16], observed[..., :16])
    at_once = module.step(start, context[..., 16:], observed[..., 16:])
    one_by_one = start
    for first in range(16, 56, 8):
        part = slice(first, first + 8)
        one_by_one = module.step(one_by_one, context[..., part], observed[..., part])
    forecasts = [module.continued(state, horizon=20).quantiles for state in (at_once, one_by_one)]
    torch.testing.assert_close(*forecasts)
    untouched = module.forecast(context[..., :16], observed[..., :16], horizon=8).mean
    torch.testing.assert_close(module.continued(start, horizon=8).mean, untouched)


def test_when_a_gradient_flows_then_it_reaches_every_parameter():
    module = make().requires_grad_()
    module.forecast_scaled(*past())[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in module.parameters())


def test_when_a_checkpoint_is_saved_then_it_comes_back_bit_for_bit(tmp_path):
    checkpoint = Checkpoint(SMALL, make().float().state_dict())
    assert read_checkpoint(save_checkpoint(checkpoint, tmp_path / "m.safetensors")) == checkpoint


@pytest.mark.parametrize("name", ["resolution", "covariates", "covariates_observed", "static"])
def test_when_an_argument_has_no_use_then_it_raises(name):
    with pytest.raises(ConfigError, match=f"PatchSLSTM has no use for {name}"):
        make()(*past(), **{name: torch.zeros(3, 1, 72)})


def test_when_the_horizon_is_below_one_then_it_raises():
    with pytest.raises(HorizonError, match="a horizon of 0 steps"):
        make().forecast(*past(), horizon=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": "16"}, "width='16' is no int"),
        ({"n_blocks": 0}, "n_blocks=0 must be at least 1"),
        ({"context_length": 65}, "context_length=65 is no multiple of patch_length=8"),
        ({"n_heads": 3}, "n_heads=3 does not divide width=16"),
        ({"longest_pass": 11}, "longest_pass=11 must be at least prediction_length=12"),
        ({"levels": (0.5, 0.1)}, "must ascend"),
        ({"levels": (0.1, 0.9)}, "with 0.5 among them"),
        ({"levels": (0.0, 0.5)}, "must lie inside"),
        ({"scaling": "mean"}, "choose 'std' or 'asinh'"),
        ({"norm_epsilon": 0.0}, "must be above 0"),
    ],
)
def test_when_a_config_contradicts_itself_then_the_rule_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **changes)
