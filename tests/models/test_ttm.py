"""TinyTimeMixer: its published sizes, and the properties that hold whatever the weights are."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import EQUIVARIANT_SCALINGS, cases, configs, few, random_module, seeds, small_config

from ttm_sk.errors import ConfigError
from ttm_sk.models.forecast_module import ForecastModule
from ttm_sk.models.ttm import DEFAULT_LEVELS, TTM, TTMConfig

EXACT = {"rtol": 1e-6, "atol": 1e-6}  # float32 corners inside a model that otherwise runs in double precision


def n_parameters(config: TTMConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in TTM(config).parameters())


def series_scale(context: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """The size of each row and channel, ``(batch, channel, 1, 1)``, for tolerances and shifts in its units."""
    values = torch.where(observed, context, 0.0)
    return values.abs().amax(-1)[..., None, None]


def assert_equal_in_scale(found: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor) -> None:
    unit = torch.where(scale == 0, 1.0, scale)
    torch.testing.assert_close(found / unit, expected / unit, **EXACT)


@pytest.mark.parametrize(
    ("context_length", "prediction_length", "patch_length", "expected"),
    [
        (512, 96, 64, 805_280),
        (512, 192, 64, 903_680),
        (512, 336, 64, 1_051_280),
        (512, 720, 64, 1_444_880),
        (1024, 96, 64, 946_336),
        (1024, 96, 128, 2_964_960),
    ],
)
def test_when_built_as_granite_then_the_size_is_the_published_one(
    context_length, prediction_length, patch_length, expected
):
    assert n_parameters(TTMConfig.granite(context_length, prediction_length, patch_length)) == expected


def test_when_granite_has_six_levels_then_its_size_is_that_of_the_first_draft():
    assert n_parameters(TTMConfig.granite(n_levels=6)) == 1_677_256


def test_when_granite_has_six_levels_then_it_forecasts():
    module = random_module(TTMConfig.granite(n_levels=6))
    context = torch.randn(2, 1, 512)
    assert module(context, torch.ones_like(context, dtype=torch.bool)).mean.shape == (2, 1, 96)


def test_when_tiny_then_it_has_under_a_million_parameters_with_its_quantile_head():
    assert TTMConfig.tiny().levels == DEFAULT_LEVELS
    assert n_parameters(TTMConfig.tiny()) < 1_000_000


def test_when_small_then_it_has_about_five_million_parameters():
    assert n_parameters(TTMConfig.small()) == pytest.approx(5e6, rel=0.2)


def test_when_base_then_it_has_about_fifteen_million_parameters():
    assert n_parameters(TTMConfig.base()) == pytest.approx(15e6, rel=0.2)


def test_when_built_then_it_is_a_forecast_module():
    assert isinstance(TTM(small_config()), ForecastModule)


@pytest.mark.parametrize("name", ["covariates", "covariates_observed", "static"])
def test_when_given_an_argument_without_a_use_then_it_raises_by_name(name):
    context = torch.zeros(1, 1, 32)
    with pytest.raises(ConfigError, match=f"without a use for {name}"):
        TTM(small_config())(context, context == 0, **{name: torch.zeros(1, 1, 40)})


def test_when_the_prefix_is_on_and_resolution_is_missing_then_it_raises():
    context = torch.zeros(1, 1, 32)
    with pytest.raises(ConfigError, match="pass resolution"):
        TTM(small_config(n_resolutions=3))(context, context == 0)


def test_when_the_prefix_is_off_and_resolution_is_given_then_it_raises():
    context = torch.zeros(1, 1, 32)
    with pytest.raises(ConfigError, match="leave resolution out"):
        TTM(small_config())(context, context == 0, resolution=torch.zeros(1, dtype=torch.long))


@pytest.mark.parametrize("option", ["mixes_channels", "decoder_mixes_channels"])
def test_when_channels_are_mixed_and_their_number_differs_then_it_raises(option):
    module = TTM(small_config(n_channels=2, **{option: True}))
    context = torch.zeros(1, 3, 32)
    with pytest.raises(ConfigError, match="found 3 channels, but this TTM mixes exactly 2"):
        module(context, context == 0)


@few
@given(case=cases())
def test_when_forecasting_then_shapes_are_those_of_the_config(case):
    with torch.no_grad():
        forecast = case.module(case.context, case.observed, resolution=case.resolution)
    config, (batch, channel, _) = case.module.config, case.context.shape
    assert forecast.mean.shape == (batch, channel, config.prediction_length)
    assert forecast.levels == config.levels
    if config.levels:
        assert forecast.quantiles.shape == (*forecast.mean.shape, len(config.levels))
        assert torch.equal(forecast.mean, forecast.quantiles[..., config.levels.index(0.5)])
    else:
        assert forecast.quantiles is None


@few
@given(case=cases())
def test_when_forecasting_then_values_are_finite_and_quantiles_never_cross(case):
    quantiles = case.forecast()
    assert quantiles.isfinite().all()
    assert (quantiles.diff(dim=-1) >= 0).all()


@few
@given(
    case=cases(scalings=EQUIVARIANT_SCALINGS, minimum_variances=(0.0,), with_offset=False),
    factor=st.sampled_from([0.01, 0.7, 1.0, 3.0, 250.0]),
    shift=st.sampled_from([-20.0, 0.0, 1.0, 50.0]),
)
def test_when_the_series_is_stretched_and_shifted_then_so_is_the_forecast(case, factor, shift):
    shift = shift * series_scale(case.context, case.observed)
    expected = factor * case.forecast() + shift
    found = case.forecast(factor * case.context + shift[..., 0])
    assert_equal_in_scale(found, expected, factor * series_scale(case.context, case.observed) + shift.abs())


@few
@given(case=cases(with_mixing=False), seed=seeds)
def test_when_channels_are_not_mixed_then_they_permute_with_the_forecast(case, seed):
    n_channels = case.context.shape[1]
    assume(n_channels > 1)
    order = torch.randperm(n_channels, generator=torch.Generator().manual_seed(seed))
    found = case.forecast(case.context[:, order], case.observed[:, order])
    assert_equal_in_scale(found, case.forecast()[:, order], series_scale(case.context, case.observed)[:, order])


@few
@given(case=cases())
def test_when_a_row_stands_alone_then_its_forecast_is_that_of_the_batch(case):
    together = case.forecast()[:1]
    alone = case.forecast(case.context[:1], case.observed[:1])
    assert_equal_in_scale(alone, together, series_scale(case.context, case.observed)[:1])


@few
@given(case=cases(), other=st.sampled_from([0.0, 1e9, float("nan"), float("inf")]))
def test_when_unobserved_values_change_then_the_forecast_does_not(case, other):
    changed = torch.where(case.observed, case.context, other)
    assert torch.equal(case.forecast(changed), case.forecast())


@few
@given(case=cases(), n_pads=st.integers(1, 40))
def test_when_padded_on_the_left_then_the_forecast_does_not_change(case, n_pads):
    padded = torch.nn.functional.pad(case.context, (n_pads, 0), value=7.0)
    observed = torch.nn.functional.pad(case.observed, (n_pads, 0))
    # What the pad pushes beyond the context is not the pad's doing: forecast the same newest values.
    length = case.module.context_length
    assert torch.equal(case.forecast(padded, observed), case.forecast(padded[..., -length:], observed[..., -length:]))
    assume(case.context.shape[-1] <= length)
    assert torch.equal(case.forecast(padded, observed), case.forecast())


@few
@given(case=cases(kinds=("noise", "walk")))
def test_when_values_before_the_context_change_then_the_forecast_does_not(case):
    length = case.module.context_length
    older = torch.randn(*case.context.shape[:2], length, dtype=torch.float64)
    newest = torch.cat([older, case.context], dim=-1)[..., -length:]
    longer = torch.cat([older, newest], dim=-1)
    seen = torch.cat([torch.ones_like(older, dtype=torch.bool), ~newest.isnan()], dim=-1)
    assert torch.equal(case.forecast(longer, seen), case.forecast(newest, ~newest.isnan()))


@few
@given(case=cases(n_rows=2, kinds=("wave",), scalings=("std", "asinh", "none")))
def test_when_an_observed_value_changes_then_the_forecast_does(case):
    changed = case.context.clone()
    last = case.observed.flatten(0, 1).float().cumsum(-1).argmax(-1).reshape(case.observed.shape[:2])
    changed.scatter_add_(-1, last[..., None], torch.full((*last.shape, 1), 1.5, dtype=torch.float64))
    assert not torch.equal(case.forecast(changed), case.forecast())


@few
@given(config=configs(), seed=seeds)
def test_when_trained_then_gradients_flow_to_every_parameter(config, seed):
    module = random_module(config, seed=seed).train(False).double()
    time = torch.arange(config.context_length + 4, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(4, max(config.n_channels, 2), len(time), generator=generator, dtype=torch.float64)
    noise = noise[:, : config.n_channels] if config.n_channels > 1 else noise
    context = torch.sin(2 * torch.pi * time / 4) + 0.3 * noise  # a cycle short enough for every context
    observed = torch.rand(context.shape, generator=generator) > 0.1
    resolution = torch.arange(4) % config.n_resolutions if config.n_resolutions else None
    output, _ = module.forecast_scaled(context, observed, resolution=resolution)
    (output * torch.randn(output.shape, generator=generator)).sum().backward()
    without = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


def test_when_gaps_are_nan_then_gradients_are_finite():
    module = TTM(small_config(n_templates=1, with_flags=True))
    context = torch.randn(3, 1, 32)
    context[:, :, 5:9] = float("nan")
    output, _ = module.forecast_scaled(context, ~context.isnan())
    output.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


def test_when_the_scaling_window_is_short_then_only_it_is_measured():
    module = random_module(small_config(scaling="std", scaling_length=8))
    context = torch.randn(1, 1, 32)
    context[..., :24] += 100
    _, _, state = module.scale(context, torch.ones_like(context, dtype=torch.bool))
    torch.testing.assert_close(state.loc[0, 0, 0], context[..., 24:].mean())


def test_when_nothing_in_the_scaling_window_is_observed_then_all_the_rest_is_measured():
    module = random_module(small_config(scaling="std", scaling_length=8))
    context = torch.randn(1, 1, 32)
    observed = torch.ones_like(context, dtype=torch.bool)
    observed[..., 24:] = False
    _, _, state = module.scale(context, observed)
    torch.testing.assert_close(state.loc[0, 0, 0], context[..., :24].mean())


def test_when_flags_are_on_then_a_gap_differs_from_a_value_at_the_mean():
    context = torch.randn(1, 1, 32)
    context[..., 10] = 0.0
    observed = torch.ones_like(context, dtype=torch.bool)
    with_gap = observed.clone()
    with_gap[..., 10] = False
    for with_flags in (False, True):
        module = random_module(small_config(scaling="none", levels=(), with_flags=with_flags))
        is_same = torch.equal(module(context, observed).mean, module(context, with_gap).mean)
        assert is_same is not with_flags


def test_when_there_are_coarse_views_then_the_oldest_values_count():
    module = random_module(small_config(context_length=64, views=(1, 2), scaling="none", levels=()))
    context = torch.randn(1, 1, 64)
    changed = context.clone()
    changed[..., :4] += 1
    observed = torch.ones_like(context, dtype=torch.bool)
    assert not torch.equal(module(context, observed).mean, module(changed, observed).mean)


def test_when_outputs_explode_then_the_forecast_stays_finite():
    module = random_module(small_config())
    with torch.no_grad():
        module.head.output.bias.fill_(1e4)
        context = torch.randn(1, 1, 32)
        assert module(context, torch.ones_like(context, dtype=torch.bool)).quantiles.isfinite().all()


@pytest.mark.gpu
@pytest.mark.parametrize(
    "config", [small_config(n_templates=2, with_flags=True), TTMConfig.tiny()], ids=["small", "tiny"]
)
def test_when_on_cuda_then_the_forecast_equals_the_cpus(config):
    module = random_module(config)
    context = torch.randn(4, 2, config.context_length).cumsum(-1)
    observed = torch.rand(context.shape) > 0.1
    with torch.no_grad():
        expected = module(context, observed).quantiles
        found = module.cuda()(context.cuda(), observed.cuda()).quantiles.cpu()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(context.std()))


COVARIATES = {
    "levels": (),
    "head_width": 0,
    "scaling": "std",
    "n_channels": 3,
    "target_channels": (0, 2),
    "covariate_channels": (1,),
    "mixes_forecasts": True,
}


@pytest.mark.parametrize("reach_layers", [0, 1])
def test_when_series_and_covariates_are_in_other_units_then_so_is_the_forecast(reach_layers):
    module = random_module(small_config(**COVARIATES, reach_layers=reach_layers))
    context, covariates = torch.randn(4, 2, 32), torch.randn(4, 1, 40)
    observed = torch.ones_like(context, dtype=torch.bool)
    plain = module(context, observed, covariates=covariates).mean
    moved = module(100 * context + 7, observed, covariates=0.01 * covariates - 3).mean
    assert plain.shape == (4, 2, 8)
    torch.testing.assert_close(moved, 100 * plain + 7, rtol=1e-4, atol=1e-3)
    assert not torch.equal(plain, module(context, observed, covariates=covariates + torch.randn(4, 1, 40)).mean)


def test_when_covariates_are_not_observed_then_their_values_do_not_matter():
    module = random_module(small_config(**COVARIATES))
    context, covariates = torch.randn(4, 2, 32), torch.randn(4, 1, 40)
    observed, known = torch.ones_like(context, dtype=torch.bool), torch.rand(4, 1, 40) < 0.6
    one = module(context, observed, covariates=covariates, covariates_observed=known).mean
    other = module(context, observed, covariates=torch.where(known, covariates, torch.nan)).mean
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        (COVARIATES, {}, r"needs covariates, \(batch, covariate, time \+ horizon\), for 1 channel"),
        (COVARIATES, {"covariates": torch.zeros(2, 1, 32)}, r"covariates of shape \(2, 1, 32\), expected \(2, 1, 40\)"),
        (
            {"n_channels": 2, "decoder_mixes_channels": True, "static_sizes": (3,)},
            {},
            "1 static categories: pass static",
        ),
    ],
    ids=["no covariates", "short covariates", "no static"],
)
def test_when_an_argument_is_missing_or_misshapen_then_it_raises(changes, arguments, message):
    context = torch.randn(2, 2, 32)
    with pytest.raises(ConfigError, match=message):
        random_module(small_config(**changes))(context, torch.ones_like(context, dtype=torch.bool), **arguments)


MARKED = {"with_flags": True, "fed_back_weight": 0.5, "n_templates": 2, "cycle_width": 4, "views": (1, 4)}


def test_when_steps_are_marked_as_fed_back_then_only_their_flags_differ():
    module = random_module(small_config(context_length=64, scaling_length=32, **MARKED))
    context = torch.randn(3, 1, 64, generator=torch.Generator().manual_seed(0))
    observed = torch.ones(3, 1, 64)
    observed[..., :20] = 0
    marked = observed.clone()
    marked[..., -8:] = 0.5
    plain = module(context, observed.bool())
    assert torch.equal(module(context, observed).quantiles, plain.quantiles)
    assert not torch.allclose(module(context, marked).quantiles, plain.quantiles)
    values, weight, state = module.scale(context, marked)
    expected_values, _, expected_state = module.scale(context, observed.bool())
    assert torch.equal(values, expected_values)
    assert torch.equal(weight, marked)
    assert torch.equal(state.scale, expected_state.scale)


def test_when_nothing_marks_steps_then_the_head_sees_them_as_observed():
    module = random_module(small_config(context_length=64, scaling_length=32, **MARKED))
    context, marked = torch.randn(2, 1, 64), torch.full((2, 1, 64), 0.5)
    values, weight, state = module.scale(context, marked)
    features = module.decode(module.encode(values, weight), values)
    read = module.read_out(features, values, weight, state)
    assert torch.equal(read, module.read_out(features, values, torch.ones_like(weight), state))
