"""The loop: it learns, it stops when told to, and it continues as if nothing had happened."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from strategies import random_module, small_config

from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.data.windows import Batch, batch_from_arrays
from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.training import loop
from ttm_sk.training.loop import LoopSettings, TrainingResult, train
from ttm_sk.training.objectives import scaled_loss
from ttm_sk.training.schedule import Schedule

SETTINGS = LoopSettings(batch_size=8, average=0.9)
N_STEPS = 11


class KilledError(Exception):
    """Stands for the end of the process."""


def waves(index: int, size: int, rank: int = 0) -> Batch:
    """Sine waves of random period and phase."""
    rng = np.random.default_rng([index, rank])
    time = np.arange(40) / rng.uniform(4, 12, (size, 1)) + rng.random((size, 1))
    values = np.sin(2 * np.pi * time)[:, None].astype(np.float32)
    return batch_from_arrays(values[..., :32], values[..., 32:])


def run(settings: LoopSettings, *, batches=waves, n_steps: int = N_STEPS, seed: int = 0, **changes) -> TrainingResult:
    module = random_module(small_config(n_templates=1, **changes), seed=seed)
    schedule = Schedule(3e-3, n_steps, n_warmup=2, n_decay=n_steps // 4)
    return train(module, batches, scaled_loss, schedule, settings, is_quiet=True)


def kill_at(step: int):
    def batches(index: int, size: int, rank: int) -> Batch:
        if index == step:
            raise KilledError
        return waves(index, size, rank)

    return batches


def save_sometimes(monkeypatch: pytest.MonkeyPatch, *, every: int) -> None:
    """Let the loop save the run only after each ``every``-th step."""
    save = loop.save_run_state

    def sometimes(path, state, *parts):
        if state.step % every == 0:
            save(path, state, *parts)

    monkeypatch.setattr(loop, "save_run_state", sometimes)


def assert_same(first: TrainingResult, second: TrainingResult) -> None:
    assert first.step == second.step
    assert first.history == second.history
    assert first.averaged.keys() == second.averaged.keys()
    assert all(torch.equal(first.averaged[name], value) for name, value in second.averaged.items())


def test_when_trained_on_waves_then_the_loss_falls():
    module = random_module(small_config(n_templates=1))
    unseen = waves(10_000, 64)
    with torch.no_grad():
        before = float(scaled_loss(module, unseen))
    result = train(module, waves, scaled_loss, Schedule(2e-2, 100, n_decay=40), SETTINGS, is_quiet=True)
    module.load_state_dict(result.averaged)
    with torch.no_grad():
        after = float(scaled_loss(module, unseen))
    assert after < 0.5 * before
    assert [entry["step"] for entry in result.history] == [50, 100]
    assert result.history[-1]["loss"] < result.history[0]["loss"]


def test_when_run_twice_then_both_are_identical():
    assert_same(run(SETTINGS), run(SETTINGS))


@pytest.mark.parametrize("n_parts", [2, 8])
def test_when_a_step_is_made_of_parts_then_it_is_that_of_the_whole_batch(n_parts):
    sizes = []

    def objective(module, batch):
        sizes.append(len(batch))
        return scaled_loss(module, batch)

    module = random_module(small_config(n_templates=1))
    schedule = Schedule(3e-3, N_STEPS, n_warmup=2, n_decay=N_STEPS // 4)
    parts = train(module, waves, objective, schedule, replace(SETTINGS, n_parts=n_parts), is_quiet=True)
    assert sizes == [8 // n_parts] * (n_parts * N_STEPS)
    whole = run(SETTINGS)
    for name, value in whole.averaged.items():
        torch.testing.assert_close(parts.averaged[name], value, rtol=1e-3, atol=1e-5)


def test_when_a_batch_has_no_such_parts_then_the_error_names_a_multiple():
    with pytest.raises(ConfigError, match="1 processes with 3 parts each; choose a multiple of 3"):
        run(replace(SETTINGS, n_parts=3))
    with pytest.raises(ConfigError, match="n_parts=0 must be at least 1"):
        replace(SETTINGS, n_parts=0)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("killed_at", [4, 8, 10])
def test_when_killed_between_saves_and_resumed_then_it_equals_an_uninterrupted_run(
    tmp_path, monkeypatch, killed_at, dropout
):
    settings = replace(SETTINGS, state_file=tmp_path / "run.safetensors", save_every=0.0)
    save_sometimes(monkeypatch, every=3)
    with pytest.raises(KilledError):
        run(settings, batches=kill_at(killed_at), dropout=dropout, head_dropout=dropout)
    torch.manual_seed(99)
    resumed = run(settings, seed=1, dropout=dropout, head_dropout=dropout)  # other first weights: all is in the file
    torch.manual_seed(0)
    assert_same(resumed, run(SETTINGS, dropout=dropout, head_dropout=dropout))


def test_when_stopped_by_the_time_limit_again_and_again_then_it_equals_an_uninterrupted_run(tmp_path):
    settings = replace(SETTINGS, state_file=tmp_path / "run.safetensors", time_limit=0.0)
    results = [run(settings) for _ in range(N_STEPS)]
    assert [result.step for result in results] == list(range(1, N_STEPS + 1))
    assert_same(results[-1], run(SETTINGS))


def test_when_resumed_then_seconds_add_up(tmp_path):
    settings = replace(SETTINGS, state_file=tmp_path / "run.safetensors", time_limit=0.0)
    first, second = run(settings), run(settings)
    assert second.seconds > first.seconds > 0


def test_when_the_history_spans_an_interruption_then_it_is_complete(tmp_path, monkeypatch):
    save_sometimes(monkeypatch, every=20)
    settings = replace(SETTINGS, state_file=tmp_path / "run.safetensors", save_every=0.0)
    with pytest.raises(KilledError):
        run(settings, batches=kill_at(30), n_steps=55)
    assert_same(run(settings, n_steps=55), run(SETTINGS, n_steps=55))


def test_when_the_run_is_over_then_another_call_changes_nothing(tmp_path):
    settings = replace(SETTINGS, state_file=tmp_path / "run.safetensors")
    assert_same(run(settings), run(settings, batches=kill_at(N_STEPS - 1)))


def test_when_the_average_is_zero_then_the_last_weights_are_returned():
    module = random_module(small_config())
    result = train(module, waves, scaled_loss, Schedule(1e-3, 3), replace(SETTINGS, average=0.0), is_quiet=True)
    assert all(torch.equal(result.averaged[name], value) for name, value in module.state_dict().items())


def test_when_weights_stand_still_then_the_average_is_theirs():
    module = random_module(small_config())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    result = train(module, waves, scaled_loss, Schedule(1e-12, 5), SETTINGS, is_quiet=True)
    for name, value in before.items():
        torch.testing.assert_close(result.averaged[name], value)


def test_when_the_schedule_asks_for_a_rate_then_the_optimiser_has_it(monkeypatch):
    rates = []
    plain = torch.optim.AdamW.step

    def noted(optimiser, *arguments, **named):
        rates.append(optimiser.param_groups[0]["lr"])
        return plain(optimiser, *arguments, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    run(SETTINGS)
    schedule = Schedule(3e-3, N_STEPS, n_warmup=2, n_decay=N_STEPS // 4)
    assert rates == [schedule.rate(step) for step in range(N_STEPS)]


def test_when_gradients_are_huge_then_they_are_clipped():
    module = random_module(small_config())

    def steep(module, batch):
        return 1e6 * scaled_loss(module, batch)

    settings = replace(SETTINGS, clip=0.5)
    train(module, waves, steep, Schedule(1e-3, 1), settings, is_quiet=True)
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in module.parameters()))
    assert norm == pytest.approx(0.5, rel=1e-3)


def test_when_weights_decay_then_only_matrices_do():
    module = random_module(small_config())
    before = {name: value.clone() for name, value in module.named_parameters()}

    def no_slope(module, batch):
        return 0.0 * scaled_loss(module, batch)

    settings = replace(SETTINGS, weight_decay=0.5)
    train(module, waves, no_slope, Schedule(0.1, 1), settings, is_quiet=True)
    for name, value in module.named_parameters():
        torch.testing.assert_close(value.data, before[name] * (0.95 if value.dim() > 1 else 1.0))


def test_when_trained_then_the_module_ends_in_evaluation_mode():
    module = random_module(small_config())
    train(module, waves, scaled_loss, Schedule(1e-3, 1), SETTINGS, is_quiet=True)
    assert not module.training


def test_when_bfloat16_is_on_then_weights_stay_float32_and_finite():
    result = run(replace(SETTINGS, is_bfloat16=True), n_steps=4)
    assert {value.dtype for value in result.averaged.values()} == {torch.float32}
    assert all(value.isfinite().all() for value in result.averaged.values())


def test_when_the_state_file_is_of_another_architecture_then_it_is_refused_and_kept(tmp_path):
    path = tmp_path / "run.safetensors"
    run(replace(SETTINGS, state_file=path))
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="another architecture"):
        run(replace(SETTINGS, state_file=path), width=24)
    assert path.read_bytes() == before


def test_when_the_state_file_is_a_checkpoint_then_it_is_refused(tmp_path):
    path: Path = tmp_path / "weights.safetensors"
    config = small_config()
    save_checkpoint(Checkpoint(config, random_module(config).state_dict()), path)
    with pytest.raises(CheckpointError, match="holds no training run"):
        run(replace(SETTINGS, state_file=path))


def test_when_the_state_file_is_damaged_then_it_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    run(replace(SETTINGS, state_file=path))
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="were changed"):
        run(replace(SETTINGS, state_file=path))


@pytest.mark.gpu
def test_when_trained_on_cuda_then_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    schedule = Schedule(1e-3, 6)
    settings = replace(SETTINGS, state_file=tmp_path / "run.safetensors", save_every=0.0)
    modules = [random_module(small_config()).cuda() for _ in range(3)]
    with pytest.raises(KilledError):
        train(modules[0], kill_at(3), scaled_loss, schedule, settings, is_quiet=True)
    resumed = train(modules[1], waves, scaled_loss, schedule, settings, is_quiet=True)
    expected = train(modules[2], waves, scaled_loss, schedule, SETTINGS, is_quiet=True)
    for name, value in expected.averaged.items():
        torch.testing.assert_close(resumed.averaged[name], value)


@pytest.mark.parametrize("changes", [{"clip": 0.0}, {"clip": -1.0}, {"clip": float("nan")}, {"batch_size": 0}])
def test_when_a_setting_would_train_nothing_or_harm_then_it_is_refused(changes):
    with pytest.raises(ConfigError, match="must be"):
        LoopSettings(**changes)
