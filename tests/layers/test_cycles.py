"""The cycle head: nothing at the start, then what past cycles had at each step's own phase."""

from __future__ import annotations

import torch

from ttm_sk.layers.cycles import CycleHead
from ttm_sk.layers.heads import QuantileHead
from ttm_sk.layers.seasonal import N_CYCLES, Seasons

HORIZON = 6


def cycle_head(**changes) -> CycleHead:
    head = CycleHead(**{"n_templates": 2, "n_features": 5, "width": 8, "bottleneck": 3, "n_levels": 3} | changes)
    torch.nn.init.normal_(head.output.weight, generator=torch.Generator().manual_seed(1))
    return head


def inputs(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = (2, 1, 2, N_CYCLES, HORIZON), (2, 1, 2, HORIZON), (2, 1, 5)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


def test_when_it_is_new_then_it_adds_nothing():
    head = CycleHead(n_templates=2, n_features=5, width=8, bottleneck=3, n_levels=3)
    assert torch.equal(head(*inputs()), torch.zeros(2, 1, HORIZON, 3))


def test_when_one_step_of_the_cycles_changes_then_only_that_step_of_the_forecast_does():
    head, (cycles, templates, hidden) = cycle_head(), inputs()
    before = head(cycles, templates, hidden)
    cycles[..., 3, 2] += 1.0
    has_changed = (head(cycles, templates, hidden) - before).abs().amax(dim=(0, 1, 3)) > 1e-6
    assert has_changed.tolist() == [False, False, True, False, False, False]


def test_when_the_series_or_the_step_differ_then_so_does_the_correction():
    head, (cycles, templates, hidden) = cycle_head(), inputs()
    same_phase = head(torch.zeros_like(cycles), torch.zeros_like(templates), hidden)
    assert not torch.allclose(same_phase[..., 0, :], same_phase[..., -1, :])
    assert not torch.allclose(head(cycles, templates, hidden), head(cycles, templates, hidden + 1))


def test_when_it_trains_then_it_learns_which_cycle_to_follow():
    """The future repeats the cycle seven back, as a weekly pattern in daily cycles does."""
    torch.manual_seed(0)
    cycles = torch.randn(512, 1, 1, N_CYCLES, HORIZON)
    templates, target = torch.zeros(512, 1, 1, HORIZON), cycles[:, :, 0, 6]
    head = CycleHead(n_templates=1, n_features=2, width=16, bottleneck=2, n_levels=1)
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    for _ in range(300):
        loss = (head(cycles, templates, torch.zeros(512, 1, 2))[..., 0] - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.05  # 1 without the cycles


def test_when_the_quantile_head_has_one_then_cycles_move_its_quantiles_and_none_crosses():
    head = QuantileHead(
        n_features=12, width=7, horizon=HORIZON, levels=(0.1, 0.5, 0.9), dropout=0.0, n_templates=2, cycle_width=4
    )
    torch.nn.init.normal_(head.cycles.output.weight)
    cycles, templates, _ = inputs()
    seasons = Seasons(templates, torch.rand(2, 1, 2, 4), cycles)
    seen = torch.randn(2, 1, 4, 3), torch.randn(2, 1, 2)
    moved = head(*seen, seasons)
    assert not torch.allclose(moved, head(*seen, seasons._replace(cycles=cycles * 2)))
    assert (moved.diff(dim=-1) >= 0).all()
