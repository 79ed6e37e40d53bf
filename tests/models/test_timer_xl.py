"""Timer-XL: the published sizes, the paper's equations in float64, and what holds for random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.timer_xl_reference import after_each_patch

from ttm_sk import load_checkpoint, save_checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.models.forecast_module import ForecastModule
from ttm_sk.models.timer_xl import TimerXL, TimerXLConfig
from ttm_sk.training.patch_learning import random_checkpoint

SMALL = {"context_length": 40, "patch_length": 8, "width": 24, "heads": 2, "n_layers": 3, "feedforward_width": 20}


def random_timer(*, seed: int = 0, **changes) -> TimerXL:
    """A module whose every parameter is random, norms and biases too."""
    module = random_checkpoint(TimerXLConfig(**SMALL | changes), seed=seed).build()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module


def count(config: TimerXLConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in TimerXL(config).parameters())


def test_when_the_published_sizes_are_built_then_they_have_as_many_parameters():
    attention, norms = 4 * 1024 * 1024 + 3 * 1024, 4 * 1024
    gated = 8 * (attention + 3 * 1024 * 2048 + norms) + 2 * 96 * 1024 + 2 * 1024
    assert count(TimerXLConfig.base_84m()) == gated == 84_142_080
    plain = attention + 1024 + 2 * 1024 * 2048 + 1024 + 2048 + norms + 2 * 96 * 1024 + 1024 + 96 + 2 * 1024
    assert count(TimerXLConfig.paper()) == plain + 2 * 8  # the channels' bias of each head
    assert count(TimerXLConfig.timer()) > 8 * attention


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"feedforward": "gated", "rotary_share": 1.0},
        {"attends": "all", "minimum_variance": 1e-5},
        {"attends": "target", "rotary_share": 0.0},
    ],
)
def test_when_it_is_written_a_second_time_in_float64_then_both_agree(changes, n_channels):
    module = random_timer(**changes).double()
    context = np.random.default_rng(1).normal(size=(n_channels, 56)).cumsum(1)  # two patches more than one sees
    with torch.inference_mode():
        values = torch.from_numpy(context)[None]
        state = module.start(values, torch.ones_like(values, dtype=torch.bool))
        ours = module._forecast(state.output, state.scale).mean[0].numpy()
    np.testing.assert_allclose(
        ours, after_each_patch(module.config, module.state_dict(), context), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("attends", ["own", "all", "target"])
def test_when_later_patches_change_then_earlier_forecasts_do_not(attends):
    module, values = random_timer(attends=attends, is_stochastic=True), torch.randn(2, 3, 40)
    observed = torch.ones_like(values, dtype=torch.bool)
    state = module.start(values, observed)
    patches = torch.randn(2, 3, 3, 8)
    changed = patches.clone()
    changed[:, :, 2] += 5
    one, other = (module.step(state, part)[0] for part in (patches, changed))
    torch.testing.assert_close(one.mean[:, :, :2], other.mean[:, :, :2])
    assert not torch.allclose(one.mean[:, :, 2], other.mean[:, :, 2])
    assert one.log_variance.shape == one.mean.shape


def test_when_channels_are_apart_then_each_is_forecast_as_if_alone():
    module, values = random_timer(), torch.randn(2, 3, 40)
    observed = torch.ones_like(values, dtype=torch.bool)
    together = module(values, observed).mean
    for i in range(3):
        alone = module(values[:, i : i + 1], observed[:, i : i + 1]).mean
        torch.testing.assert_close(together[:, i : i + 1], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("attends", ["all", "target"])
def test_when_another_channel_changes_then_only_those_that_see_it_do(attends):
    module, values = random_timer(attends=attends), torch.randn(1, 3, 40)
    observed = torch.ones_like(values, dtype=torch.bool)
    changed = values.clone()
    changed[:, 0] = torch.randn(40)
    one, other = (module(part, observed).mean[0] for part in (values, changed))
    differs = [not torch.allclose(a, b) for a, b in zip(one, other, strict=True)]
    assert differs == ([True] * 3 if attends == "all" else [True, False, True])


def test_when_a_history_is_padded_then_the_forecast_does_not_change():
    module, values = random_timer(), torch.randn(1, 1, 24)
    observed = torch.ones_like(values, dtype=torch.bool)
    plain = module(values, observed).mean
    padded = module(
        torch.cat([torch.full((1, 1, 16), 9.0), values], -1), torch.cat([~observed[..., :16], observed], -1)
    )
    torch.testing.assert_close(padded.mean, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factor", [1e-3, 7.0])
def test_when_a_series_is_stretched_and_moved_then_so_is_its_forecast(factor):
    module, values = random_timer(is_stochastic=True), torch.randn(2, 1, 40, dtype=torch.float64)
    module = module.double()
    observed = torch.ones_like(values, dtype=torch.bool)
    plain, moved = (module.ahead(module.start(part, observed)) for part in (values, factor * values - 5))
    torch.testing.assert_close(moved.mean, factor * plain.mean - 5)
    torch.testing.assert_close(moved.log_variance, plain.log_variance + 2 * np.log(factor))


def test_when_patches_are_taken_back_row_by_row_then_each_row_goes_on_from_its_own_place():
    module, values = random_timer(), torch.randn(3, 1, 40)
    state = module.start(values, torch.ones_like(values, dtype=torch.bool))
    patches = torch.randn(3, 1, 4, 8)
    after, longer = module.step(state, patches)
    n_back = torch.tensor([0, 2, 4])
    back = module.rewind(longer, n_back)
    expected = torch.cat([module.ahead(state).mean, after.mean], dim=2)
    rows = torch.arange(3)
    torch.testing.assert_close(module.ahead(back).mean[:, :, 0], expected[rows, :, 4 - n_back])
    again, _ = module.step(back, patches[rows, :, (4 - n_back).clamp(max=3)][:, :, None])
    torch.testing.assert_close(
        again.mean[1:], expected[rows, :, (5 - n_back).clamp(max=4)][1:, :, None], rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(module.ahead(module.select(back, torch.tensor([2]))).mean, module.ahead(back).mean[2:])


def test_when_a_checkpoint_is_saved_then_it_opens_bit_for_bit(tmp_path):
    checkpoint = random_checkpoint(TimerXLConfig(**SMALL, attends="all", is_stochastic=True))
    path = save_checkpoint(checkpoint, tmp_path / "timer.safetensors")
    assert load_checkpoint(path) == checkpoint
    assert load_checkpoint(path).architecture == "timer-xl"
    assert isinstance(checkpoint.build(), ForecastModule)


def test_when_a_draft_is_asked_for_then_its_sizes_are_the_share_of_the_targets():
    target = TimerXLConfig.base_84m()
    quarter, hundredth = target.draft(0.25), target.draft(0.01, is_stochastic=True)
    assert (quarter.width, quarter.heads, quarter.feedforward_width, quarter.n_layers) == (256, 2, 512, 2)
    assert (hundredth.width, hundredth.heads, hundredth.feedforward_width, hundredth.n_layers) == (10, 1, 20, 1)
    assert hundredth.is_stochastic
    assert target.draft(1.0, layers=0.5).n_layers == 4
    assert target.draft(1.0, layers=0.5).width == 1024
    assert count(hundredth) < count(quarter) < count(target) / 50


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context_length": 41}, "multiple of patch_length"),
        ({"heads": 5}, "must divide"),
        ({"attends": "some"}, "unknown attends"),
        ({"feedforward": "tanh"}, "unknown feedforward"),
        ({"rotary_share": 1.5}, "rotary_share"),
        ({"n_layers": 0}, "at least 1"),
        ({"width": "wide"}, "no int"),
    ],
)
def test_when_a_configuration_is_impossible_then_it_says_why(changes, message):
    with pytest.raises(ConfigError, match=message):
        TimerXLConfig(**SMALL | changes)
    with pytest.raises(ConfigError, match="expected one in"):
        TimerXLConfig.tiny().draft(0.0)


def test_when_something_is_given_that_it_cannot_use_then_it_says_so():
    module, values = random_timer(), torch.randn(1, 1, 24)
    with pytest.raises(ConfigError, match="no use for resolution"):
        module(values, values > -9, resolution=torch.zeros(1, dtype=torch.long))
    with pytest.raises(ConfigError, match="at least one must remain"):
        module.rewind(module.start(values, values > -9), 3)
