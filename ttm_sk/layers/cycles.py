"""What the head reads off the newest cycles, step by step: the same small network at every future step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.layers.precision import at_least_single
from ttm_sk.layers.seasonal import N_CYCLES

__all__ = ["CycleHead"]


class CycleHead(nn.Module):
    """A correction of the quantile head's raw output from the values that past cycles had at each step's phase.

    A template is one average of the newest cycles; whether a Monday follows Mondays, or yesterday, or a trend from
    cycle to cycle, only the cycles themselves can tell. One hidden layer, shared by all steps, sees them beside what
    the hidden layer of the quantile head says of the series. It starts at zero, so that it can be added to trained
    weights.

    ``forward``: cycles ``(batch, channel, template, cycle, horizon)``, templates
    ``(batch, channel, template, horizon)``, hidden ``(batch, channel, feature)`` ->
    ``(batch, channel, horizon, quantile)``.

    Examples
    --------
    >>> head = CycleHead(n_templates=2, n_features=5, width=4, bottleneck=3, n_levels=13)
    >>> head(torch.ones(1, 1, 2, 8, 24), torch.ones(1, 1, 2, 24), torch.ones(1, 1, 5)).shape
    torch.Size([1, 1, 24, 13])
    """

    def __init__(self, *, n_templates: int, n_features: int, width: int, bottleneck: int, n_levels: int) -> None:
        super().__init__()
        self.phases = nn.Linear(n_templates * (N_CYCLES + 1), width, bias=False)
        self.summary = nn.Linear(n_features, bottleneck, bias=False)
        self.series = nn.Linear(bottleneck, width)
        self.steps = nn.Linear(2, width, bias=False)
        self.output = nn.Linear(width, n_levels, bias=False)
        nn.init.zeros_(self.output.weight)

    def forward(self, cycles: Tensor, templates: Tensor, hidden: Tensor) -> Tensor:
        at_phase = torch.cat([templates[..., None, :], cycles], dim=-2).flatten(-3, -2).transpose(-1, -2)
        ahead = torch.linspace(0, 1, at_phase.shape[-2], device=at_phase.device, dtype=at_phase.dtype)
        position = torch.stack([ahead, torch.exp(-8 * ahead)], dim=-1).to(hidden.dtype)
        series = self.series(self.summary(hidden))[..., None, :]
        mixed = self.phases(at_phase.to(hidden.dtype)) + series + self.steps(position)
        return at_least_single(self.output(functional.gelu(mixed)))
