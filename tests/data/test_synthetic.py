"""Synthetic families: finite, seeded, of the right shape, and worth learning from."""

from __future__ import annotations

import pytest
import torch

from ttm_sk.data import components
from ttm_sk.data.synthetic import FAMILIES, WEIGHTS, draw
from ttm_sk.errors import ConfigError


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("length", [2, 17, 600])
@pytest.mark.parametrize("family", FAMILIES)
def test_when_a_family_is_drawn_then_it_is_finite_float32_of_the_shape(family, length):
    series = FAMILIES[family](30, length, seeded(1))
    assert series.shape == (30, length)
    assert series.dtype == torch.float32
    assert series.isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_when_the_seed_is_the_same_then_the_family_is(family):
    first, second, other = (FAMILIES[family](5, 200, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("family", FAMILIES)
def test_when_a_family_is_drawn_then_nearly_every_row_moves(family):
    series = FAMILIES[family](200, 400, seeded(3))
    moves = series.std(-1) > 1e-6 * series.abs().amax(-1)
    assert moves.float().mean() > 0.95


@pytest.mark.parametrize("family", FAMILIES)
def test_when_a_family_is_drawn_then_its_rows_differ(family):
    series = FAMILIES[family](50, 300, seeded(4))
    assert len(series.unique(dim=0)) >= 45


@pytest.mark.parametrize("family", FAMILIES)
def test_when_drawn_then_the_global_random_state_is_left_alone(family):
    before = torch.random.get_rng_state()
    FAMILIES[family](3, 50, seeded(0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_when_weights_are_read_then_every_family_has_one():
    assert set(WEIGHTS) == set(FAMILIES)
    assert all(weight > 0 for weight in WEIGHTS.values())


def test_when_a_mix_is_drawn_then_it_is_deterministic():
    first, second, other = (draw(20, 100, generator=seeded(seed)) for seed in (5, 5, 6))
    assert first.shape == (20, 100)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_when_one_family_is_asked_for_then_only_it_is_drawn():
    series = draw(40, 200, generator=seeded(0), weights={"intermittent": 1.0})
    assert (series == 0).float().mean() > 0.3
    assert (series >= 0).all()


def test_when_counts_are_drawn_then_they_are_whole_and_not_negative():
    series = draw(40, 200, generator=seeded(0), weights={"counts": 1.0})
    assert torch.equal(series, series.round())
    assert (series >= 0).all()


def test_when_a_family_is_unknown_then_the_error_lists_the_names():
    with pytest.raises(ConfigError, match=r"'prophecy'; known are composed, "):
        draw(2, 10, generator=seeded(0), weights={"prophecy": 1.0})


def test_when_noise_is_drawn_then_it_has_unit_variance():
    noise = components.noise(50, 500, generator=seeded(0))
    torch.testing.assert_close(noise.square().mean(-1), torch.ones(50))
    torch.testing.assert_close(noise.mean(-1), torch.zeros(50), atol=1e-5, rtol=0)


def test_when_a_cycle_is_drawn_without_wandering_then_it_repeats():
    phase = (torch.arange(120.0) / 12).expand(8, 120)
    wave = components.harmonic_profile(phase, generator=seeded(0))
    torch.testing.assert_close(wave[:, :60], wave[:, 60:], atol=1e-4, rtol=0)


def test_when_periods_are_drawn_then_none_is_longer_than_asked_for():
    periods = components.periods(500, longest=50.0, generator=seeded(0))
    assert periods.max() <= 50.01
    assert periods.min() >= 3


def test_when_causes_are_drawn_then_what_is_seen_hangs_on_them_with_a_lag(monkeypatch):
    rows = {}

    def remembered(name):
        family = getattr(components, name)

        def drawn(n, length, *, generator, **options):
            rows.setdefault(name, family(n, length, generator=generator, **options))
            return rows[name]

        return drawn

    for name in ("cycles", "smooth", "noise", "levels"):
        monkeypatch.setattr(f"ttm_sk.data.synthetic.{name}", remembered(name))
    seen = FAMILIES["causal"](200, 600, seeded(8))
    roots = torch.stack([rows[name] for name in ("cycles", "smooth", "noise", "levels")])
    best = torch.zeros(200)
    for lag in (0, *range(1, 49, 3)):
        cause, effect = roots[..., : 600 - lag], seen[None, :, lag:]
        cause, effect = (x - x.mean(-1, keepdim=True) for x in (cause, effect))
        alike = (cause * effect).sum(-1) / (cause.norm(dim=-1) * effect.norm(dim=-1)).clamp(min=1e-6)
        best = torch.maximum(best, alike.abs().amax(0))
    assert (best > 0.3).float().mean() > 0.8  # most follow one of their roots
    assert (best < 0.99).float().mean() > 0.6  # and most are more than a copy of it
