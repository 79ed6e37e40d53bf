"""The training loss: in scaled units, over what can be learnt from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from strategies import random_module, small_config

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.windows import Batch, batch_from_arrays
from ttm_sk.errors import ConfigError
from ttm_sk.scoring.losses import pinball
from ttm_sk.training.objectives import FedBackLoss, UnscaledLoss, rolled_loss, scaled_loss

POINT = {"levels": ()}


def make_batch(n: int = 6) -> Batch:
    values = np.random.default_rng(0).normal(size=(n, 1, 40)).astype(np.float32)
    return batch_from_arrays(values[..., :32], values[..., 32:])


@pytest.mark.parametrize("changes", [{}, POINT], ids=["quantile", "point"])
def test_when_windows_are_in_other_units_then_the_loss_is_the_same(changes):
    module, batch = random_module(small_config(**changes)), make_batch()
    moved = replace(batch, context=1000 * batch.context + 50, target=1000 * batch.target + 50)
    torch.testing.assert_close(scaled_loss(module, moved), scaled_loss(module, batch), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, POINT], ids=["quantile", "point"])
@pytest.mark.parametrize("value", [0.0, 1e9, float("nan")])
def test_when_an_unobserved_target_changes_then_the_loss_does_not(changes, value):
    module, batch = random_module(small_config(**changes)), make_batch()
    observed = batch.target_observed.clone()
    observed[..., 3:] = False
    one = replace(batch, target_observed=observed)
    other = replace(one, target=torch.where(observed, batch.target, value))
    assert torch.equal(scaled_loss(module, one), scaled_loss(module, other))


def test_when_a_history_never_moves_then_it_is_left_out():
    module, batch = random_module(small_config()), make_batch(2)
    context = batch.context.clone()
    context[1] = 3.0
    expected = scaled_loss(module, Batch(*(part[:1] for part in (batch.context, *list(vars(batch).values())[1:4]))))
    torch.testing.assert_close(scaled_loss(module, replace(batch, context=context)), expected)


def test_when_a_target_is_absurdly_far_then_it_is_left_out():
    module, batch = random_module(small_config(scaling="std")), make_batch()
    target = batch.target.clone()
    target[0, 0, 0] = 1e12
    assert scaled_loss(module, replace(batch, target=target)).item() < 100


def test_when_nothing_can_be_learnt_from_then_loss_and_gradients_are_zero():
    module, batch = random_module(small_config()), make_batch()
    loss = scaled_loss(module, replace(batch, context=torch.ones_like(batch.context)))
    loss.backward()
    assert loss == 0
    assert all(p.grad is None or (p.grad == 0).all() for p in module.parameters())


def test_when_the_forecast_is_right_then_the_squared_error_is_zero():
    module, batch = random_module(small_config(levels=(), scaling="none")), make_batch()
    with torch.no_grad():
        target = module(batch.context, batch.observed).mean
    torch.testing.assert_close(scaled_loss(module, replace(batch, target=target)), torch.tensor(0.0))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (UnscaledLoss("mse"), lambda e: e.square()),
        (UnscaledLoss("mae"), lambda e: e.abs()),
        (UnscaledLoss("pinball", level=0.8), lambda e: torch.maximum(0.8 * e, -0.2 * e)),
        (UnscaledLoss("huber", delta=0.5), lambda e: torch.where(e.abs() <= 0.5, e**2 / 2, 0.5 * (e.abs() - 0.25))),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_when_the_loss_is_unscaled_then_it_is_the_mean_over_observed_errors_in_the_series_units(loss, expected):
    module, batch = random_module(small_config(**POINT)), make_batch()
    observed = torch.rand(batch.target.shape) < 0.5
    batch = replace(batch, context=100 * batch.context, target_observed=observed)
    errors = (batch.target - module(batch.context, batch.observed).mean)[observed]
    torch.testing.assert_close(loss(module, batch), expected(errors).mean())


def test_when_a_checkpoint_names_its_loss_then_that_is_used():
    config = small_config(**POINT)
    values = {"loss": "huber", "huber_delta": 2, "quantile": 0.3}
    checkpoint = Checkpoint(config, random_module(config).state_dict(), {"granite": values})
    assert UnscaledLoss.of(checkpoint) == UnscaledLoss("huber", level=0.3, delta=2)


def test_when_there_is_no_such_loss_then_it_raises():
    with pytest.raises(ConfigError, match="unknown loss 'nll'"):
        UnscaledLoss("nll")
    config = small_config(**POINT)
    with pytest.raises(ConfigError, match="names no loss"):
        UnscaledLoss.of(Checkpoint(config, random_module(config).state_dict()))


def test_when_the_target_is_longer_than_one_pass_then_the_median_is_fed_back():
    module = random_module(small_config())
    time = torch.arange(60.0)
    values = torch.sin(time / 3).reshape(1, 1, 60)
    batch = batch_from_arrays(values[..., :32].numpy(), values[..., 32:52].numpy())
    state = module.scale(batch.context, batch.observed)[2]
    context, parts = batch.context, []
    for _ in range(3):
        forecast = module(context, torch.ones_like(context, dtype=torch.bool))
        parts.append(forecast.quantiles)
        context = torch.cat([context, forecast.mean], dim=-1)[..., -32:]
    scaled = torch.stack([state.apply(part) for part in torch.cat(parts, dim=2)[:, :, :20].unbind(-1)], dim=-1)
    by_hand = pinball(
        quantiles=scaled, target=state.apply(batch.target), levels=module.levels, observed=batch.target_observed
    )
    torch.testing.assert_close(rolled_loss(module, batch), by_hand)


def test_when_the_target_is_one_pass_or_less_then_rolled_and_scaled_loss_are_one():
    module = random_module(small_config())
    values = torch.sin(torch.arange(36.0) / 3).reshape(1, 1, 36).numpy()
    batch = batch_from_arrays(values[..., :32], values[..., 32:])
    torch.testing.assert_close(rolled_loss(module, batch), scaled_loss(module, batch))


@pytest.mark.parametrize("changes", [{}, POINT], ids=["quantile", "point"])
def test_when_windows_have_weights_then_errors_count_in_units_of_the_series(changes):
    module, batch = random_module(small_config(**changes)), make_batch(1)
    state = module.scale(batch.context, batch.observed)[2]
    weighted = scaled_loss(module, replace(batch, weight=torch.full((1, 1), 2.0)))
    factor = 2 * state.scale.squeeze() if module.levels else (2 * state.scale.squeeze()) ** 2
    torch.testing.assert_close(weighted, factor * scaled_loss(module, batch))


def seen_by(objective: FedBackLoss, module, batch: Batch, *, seed: int = 0) -> Batch:
    """The batch that the loss is taken of."""
    seen = []
    module.forecast_scaled, plain = (
        lambda *args, **kw: (seen.append(args), plain(*args, **kw))[1],
        module.forecast_scaled,
    )
    torch.manual_seed(seed)
    objective(module, batch)
    del module.forecast_scaled
    return replace(batch, context=seen[-1][0], observed=seen[-1][1])


def test_when_no_window_is_fed_back_then_the_loss_is_the_scaled_one():
    module, batch = random_module(small_config()), make_batch()
    assert torch.equal(FedBackLoss(share=0.0)(module, batch), scaled_loss(module, batch))


def test_when_windows_are_fed_back_then_their_newest_steps_are_the_modules_own_median():
    module, batch = random_module(small_config()), make_batch()
    seen = seen_by(FedBackLoss(share=1.0, most=1, levels=(0.5,)), module, batch)
    past, observed = batch.context[..., :-8], batch.observed[..., :-8]
    with torch.no_grad():
        median = module(past, observed).mean
    torch.testing.assert_close(seen.context[..., -8:], median)
    assert torch.equal(seen.context[..., :-8], past)
    assert torch.equal(seen.observed, torch.ones_like(seen.observed))


def test_when_more_is_fed_back_than_the_context_holds_then_nothing_changes():
    module, batch = random_module(small_config()), make_batch()
    torch.manual_seed(1)
    fed = FedBackLoss(share=1.0, most=40)
    assert torch.equal(seen_by(fed, module, batch, seed=1).context, batch.context)


def test_when_a_history_is_short_then_it_is_not_fed_back():
    module, batch = random_module(small_config()), make_batch()
    observed = batch.observed.clone()
    observed[0, :, :20] = False
    seen = seen_by(FedBackLoss(share=1.0, most=1), module, replace(batch, observed=observed))
    assert torch.equal(seen.context[0], batch.context[0])
    assert not torch.equal(seen.context[1], batch.context[1])
    assert torch.equal(seen.observed[0], observed[0])


def test_when_forecasts_are_fed_back_then_nothing_is_learnt_through_them():
    module, batch = random_module(small_config()), make_batch()
    torch.manual_seed(0)
    loss = FedBackLoss(share=0.5, most=2)(module, batch)
    torch.manual_seed(0)
    same = FedBackLoss(share=0.5, most=2)(module, batch)
    assert torch.equal(loss, same)
    seen = seen_by(FedBackLoss(share=0.5, most=2), module, batch)
    assert not seen.context.requires_grad
    loss.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in module.parameters())


def test_when_the_model_marks_what_is_fed_back_then_the_loss_does_too():
    module, batch = random_module(small_config(with_flags=True, fed_back_weight=0.5)), make_batch()
    seen = seen_by(FedBackLoss(share=1.0, most=1), module, batch)
    assert seen.observed.unique().tolist() == [0.5, 1.0]
    assert (seen.observed[..., -8:] == 0.5).all()
    longer = replace(batch, target=torch.cat([batch.target] * 2, -1), target_observed=torch.ones(6, 1, 16) > 0)
    unmarked = random_module(small_config(with_flags=True))
    assert not torch.equal(rolled_loss(module, longer), rolled_loss(unmarked, longer))


@pytest.mark.parametrize("changes", [{"level": 1.5}, {"level": 0.0}, {"delta": 0.0}])
def test_when_a_loss_would_have_no_bottom_then_it_is_refused(changes):
    with pytest.raises(ConfigError, match="must lie inside"):
        UnscaledLoss("pinball", **changes)
