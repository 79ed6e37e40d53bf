"""What a PatchSLSTM learns: every next patch, hidden runs, no peeking, and a loss that falls."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ttm_sk.data.sampling import WindowSampler
from ttm_sk.data.windows import Batch
from ttm_sk.errors import ConfigError
from ttm_sk.layers import slstm
from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig
from ttm_sk.training.loop import LoopSettings
from ttm_sk.training.patch_objective import hidden_futures, hidden_runs, patch_loss
from ttm_sk.training.pretrain import PretrainSettings, pretrain
from ttm_sk.training.recipes import preset_config

CONFIG = PatchSLSTMConfig(
    context_length=64,
    prediction_length=16,
    longest_pass=32,
    patch_length=8,
    width=16,
    n_blocks=1,
    n_heads=2,
    hidden_width=16,
    expanded_width=16,
    levels=(0.1, 0.5, 0.9),
)


def batch(n: int = 8) -> Batch:
    return WindowSampler(64, 16, synthetic_share=1.0, seed=1).batch(0, n)


def module() -> PatchSLSTM:
    torch.manual_seed(0)
    return PatchSLSTM(CONFIG)


def loss(model: PatchSLSTM, windows: Batch, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return patch_loss(model, windows)


def test_when_patches_are_hidden_then_they_come_in_runs_and_rows_differ():
    torch.manual_seed(0)
    hidden = hidden_runs(200, (300,))
    edges = hidden.int().diff(dim=-1)
    n_runs = (edges == 1).sum() + hidden[:, 0].sum()
    assert 1.5 < hidden.sum() / n_runs < 5
    assert hidden.float().mean(-1).std() > 0.02
    assert hidden.float().mean(-1).max() < 0.5


def test_when_futures_are_hidden_then_some_begin_in_the_past_and_half_of_it_always_stays():
    torch.manual_seed(0)
    first = torch.randint(0, 20, (2000, 1))
    hidden = hidden_futures(first, 24, n_ahead=4)
    n_hidden, longest = hidden.sum(-1), 4 + (20 - first[:, 0]) // 2
    assert (hidden.int().diff(dim=-1) >= 0).all()  # up to the end
    assert ((n_hidden == 0) | (n_hidden >= 4)).all()
    assert (n_hidden <= longest).all()
    assert 0.45 < (n_hidden > 0).float().mean() < 0.55
    assert 0.15 < (n_hidden > 4).float().mean() < 0.25
    assert int(n_hidden.max()) == 14


def test_when_the_loss_is_taken_then_every_parameter_learns():
    model = module()
    loss(model, batch()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


def test_when_the_state_of_chance_is_the_same_then_so_is_the_loss():
    model = module()
    assert torch.equal(loss(model, batch()), loss(model, batch()))
    assert not torch.equal(loss(model, batch()), loss(model, batch(), seed=1))


def test_when_the_units_of_a_window_change_then_the_loss_does_not():
    model, windows = module().double(), batch()
    moved = replace(windows, context=windows.context.double() * 30 + 7, target=windows.target.double() * 30 + 7)
    plain = replace(windows, context=windows.context.double(), target=windows.target.double())
    torch.testing.assert_close(loss(model, moved), loss(model, plain))


def test_when_a_target_is_not_observed_then_what_stands_there_changes_nothing():
    model, windows = module(), batch()
    windows.target_observed[:, :, 5:9] = False
    changed = windows.target.clone()
    changed[:, :, 5:9] = 1e6
    assert torch.equal(loss(model, windows), loss(model, replace(windows, target=changed)))


def test_when_a_window_does_not_move_then_it_teaches_nothing():
    model, windows = module(), batch(2)
    still = replace(windows, context=torch.ones_like(windows.context), target=torch.ones_like(windows.target) * 5)
    value = loss(model, still)
    value.backward()
    assert float(value.detach()) == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_when_a_model_is_pretrained_then_its_loss_falls(tmp_path):
    settings = PretrainSettings(n_windows=16 * 60, batch_size=16, peak=5e-3, seed=1)
    trained = pretrain(CONFIG, settings=settings, device="cpu", is_quiet=True)
    held_out = WindowSampler(64, 16, synthetic_share=1.0, seed=99).batch(0, 128)
    losses = [float(loss(model, held_out).detach()) for model in (PatchSLSTM(CONFIG), trained.build())]
    assert losses[1] < 0.9 * losses[0]
    assert trained.architecture == "patch-slstm"


def test_when_a_run_was_interrupted_then_it_goes_on_as_if_it_had_not(tmp_path):
    settings = PretrainSettings(n_windows=48, batch_size=16, seed=3)
    loop = LoopSettings(state_file=tmp_path / "run.state", time_limit=0.0)
    parts = [pretrain(CONFIG, settings=settings, loop=loop, device="cpu", is_quiet=True) for _ in range(3)]
    whole = pretrain(CONFIG, settings=settings, device="cpu", is_quiet=True)
    assert parts[-1].hash == whole.hash


def test_when_training_is_compiled_then_the_steps_are_and_the_module_is_afterwards_what_it_was(monkeypatch):
    compiled = []
    monkeypatch.setattr(slstm, "_compiled", lambda function: compiled.append(function.__name__) or function)
    settings = PretrainSettings(n_windows=32, batch_size=16)
    plain = pretrain(CONFIG, settings=settings, device="cpu", is_quiet=True)
    assert not compiled
    other = pretrain(CONFIG, settings=settings, loop=LoopSettings(is_compiled=True), device="cpu", is_quiet=True)
    assert {"_advance", "_slopes_of_gates"} == set(compiled)
    assert other.hash == plain.hash


@pytest.mark.parametrize(
    ("architecture", "preset", "message"),
    [("lstm", "tiny", "unknown architecture 'lstm'"), ("patch-slstm", "base", "patch-slstm has no size 'base'")],
)
def test_when_there_is_no_such_architecture_or_size_then_it_raises(architecture, preset, message):
    with pytest.raises(ConfigError, match=message):
        preset_config(architecture, preset)
