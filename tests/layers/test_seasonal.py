"""Seasonal templates: the right cycle, the right phase, and nothing where there is no cycle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from strategies import few, series

from ttm_sk.layers.seasonal import CLUES, last_value_and_roughness, seasonal_templates

STRENGTH, LOG_PERIOD, N_CYCLES, IS_FOUND = range(len(CLUES))


def wave(period: int, length: int, *, noise: float = 0.0, seed: int = 0) -> torch.Tensor:
    """A wave with two harmonics of unit size, ``(1, 1, time)``."""
    phase = 2 * np.pi * np.arange(length) / period
    values = np.sin(phase) + 0.5 * np.cos(2 * phase) + noise * np.random.default_rng(seed).normal(size=length)
    return torch.tensor(values / 0.79, dtype=torch.float32)[None, None]


def period_of(clues: torch.Tensor) -> int:
    return round(2 ** (5 * float(clues[0, 0, 0, LOG_PERIOD])))


@pytest.mark.parametrize("period", [7, 12, 24])
@pytest.mark.parametrize("seed", range(4))
def test_when_a_noisy_wave_repeats_then_its_period_is_found(period, seed):
    values = wave(period, 300, noise=0.3, seed=seed)
    _, clues, _ = seasonal_templates(values, torch.ones_like(values), horizon=5, n_templates=1)
    assert period_of(clues) == period


@pytest.mark.parametrize("period", [7, 12, 24])
def test_when_a_wave_repeats_then_its_template_reads_it_on(period):
    values = wave(period, 200 + 40)
    past, future = values[..., :200], values[..., 200:]
    template, _, _ = seasonal_templates(past, torch.ones_like(past), horizon=40, n_templates=1)
    torch.testing.assert_close(template[:, :, 0], future, rtol=0, atol=1e-3)


def test_when_the_wave_has_a_trend_then_its_period_is_found():
    values = wave(12, 240, noise=0.1) + torch.linspace(0, 8, 240)
    _, clues, _ = seasonal_templates(values, torch.ones_like(values), horizon=5, n_templates=1)
    assert period_of(clues) == 12


@pytest.mark.parametrize("period", [7, 12, 24])
def test_when_values_are_missing_then_whole_cycles_are_found_and_gaps_are_not_read(period):
    values = wave(period, 300, noise=0.2)
    weight = (torch.rand(values.shape, generator=torch.Generator().manual_seed(1)) > 0.25).float()
    template, clues, _ = seasonal_templates(values * weight, weight, horizon=24, n_templates=1)
    full, _, _ = seasonal_templates(values, torch.ones_like(values), horizon=24, n_templates=1)
    assert period_of(clues) % period == 0  # random gaps can make two or three cycles look like the better one
    assert (template - full).abs().mean() < 0.3


def test_when_the_past_is_a_left_pad_then_it_is_not_read():
    values = wave(7, 100, noise=0.1)
    padded = torch.nn.functional.pad(values, (200, 0))
    weight = torch.nn.functional.pad(torch.ones_like(values), (200, 0))
    template, clues, _ = seasonal_templates(padded, weight, horizon=14, n_templates=1)
    plain, _, _ = seasonal_templates(values, torch.ones_like(values), horizon=14, n_templates=1)
    assert period_of(clues) == 7
    torch.testing.assert_close(template, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("length", [1, 2, 3, 50])
def test_when_the_series_is_constant_then_template_and_clues_are_zero(value, length):
    values = torch.full((1, 1, length), value)
    template, clues, _ = seasonal_templates(values, torch.ones_like(values), horizon=6, n_templates=2)
    assert template.shape == (1, 1, 2, 6)
    assert (template == 0).all()
    assert (clues == 0).all()


def test_when_nothing_is_observed_then_template_and_clues_are_zero():
    values = torch.zeros(1, 1, 40)
    template, clues, _ = seasonal_templates(values, torch.zeros_like(values), horizon=6, n_templates=1)
    assert (template == 0).all()
    assert (clues == 0).all()


def test_when_a_day_lies_inside_a_week_then_the_second_template_is_longer():
    time = np.arange(24 * 7 * 4)
    day = np.sin(2 * np.pi * time / 24)
    week = np.where((time // 24) % 7 >= 5, 0.3, 1.0)
    values = torch.tensor(day * week, dtype=torch.float32)[None, None]
    _, clues, _ = seasonal_templates(values / values.std(), torch.ones_like(values), horizon=24, n_templates=2)
    first, second = (round(2 ** (5 * float(clue))) for clue in clues[0, 0, :, LOG_PERIOD])
    assert first == 24
    assert second == 168


def test_when_cycles_change_then_newer_ones_count_more():
    values = wave(12, 96)
    values[..., 48:] *= 2
    template, _, _ = seasonal_templates(values, torch.ones_like(values), horizon=12, n_templates=1)
    share = float(template.abs().sum() / values[..., :12].abs().sum())
    assert 1.5 < share < 2


@few
@given(values=series(min_length=4, max_length=120, with_offset=False))
def test_when_a_series_is_anything_then_templates_lie_within_it_and_clues_are_bounded(values):
    known = torch.tensor(values, dtype=torch.float32)[None, None]
    weight = (~known.isnan()).float()
    known = known.nan_to_num()
    template, clues, _ = seasonal_templates(known, weight, horizon=9, n_templates=2)
    assert template.abs().max() <= known.abs().max() * 1.0001
    assert ((clues[..., STRENGTH] >= 0) & (clues[..., STRENGTH] <= 1)).all()
    assert clues.isfinite().all()
    assert torch.equal(clues[..., IS_FOUND] == 1, clues[..., STRENGTH] > 0)


@few
@given(values=series(min_length=30, max_length=60, kinds=("wave", "noise"), with_offset=False, with_gaps=False))
def test_when_the_series_is_one_of_a_batch_then_its_template_is_the_same(values):
    known = torch.tensor(values, dtype=torch.float32)[None, None]
    batch = torch.cat([torch.randn_like(known), known, torch.zeros_like(known)])
    alone, _, _ = seasonal_templates(known, torch.ones_like(known), horizon=9, n_templates=2)
    together, _, _ = seasonal_templates(batch, torch.ones_like(batch), horizon=9, n_templates=2)
    torch.testing.assert_close(together[1], alone[0], rtol=1e-4, atol=1e-4)


def test_when_the_newest_value_is_missing_then_the_last_observed_one_is_the_anchor():
    values = torch.tensor([[[5.0, 1.0, 3.0, 99.0]]])
    anchor = last_value_and_roughness(values, torch.tensor([[[1.0, 1.0, 1.0, 0.0]]]))
    torch.testing.assert_close(anchor, torch.tensor([[[3.0, np.log(3.0) / 3]]]).float())


def test_when_a_step_touches_a_gap_then_it_is_no_roughness():
    values = torch.tensor([[[1.0, 50.0, 2.0, 4.0, 5.0]]])
    anchor = last_value_and_roughness(values, torch.tensor([[[1.0, 0.0, 1.0, 1.0, 1.0]]]))
    assert float(anchor[..., 1]) == pytest.approx(np.log(1.5) / 3)


@pytest.mark.parametrize("length", [1, 2, 400])
def test_when_the_series_never_moves_then_its_roughness_is_the_floor(length):
    anchor = last_value_and_roughness(torch.zeros(1, 1, length), torch.ones(1, 1, length))
    assert anchor.flatten().tolist() == pytest.approx([0, -2])
