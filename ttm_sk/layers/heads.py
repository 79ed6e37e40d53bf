"""From the decoder's patches to a forecast: a point, or a fan of quantiles that never cross."""

from __future__ import annotations

import math
from statistics import NormalDist

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.layers.cycles import CycleHead
from ttm_sk.layers.precision import at_least_single
from ttm_sk.layers.seasonal import CLUES, Seasons

__all__ = ["PointHead", "QuantileHead", "monotone_quantiles"]


BOTTLENECK = 12  # features through which the hidden layer speaks to the cycle head


class PointHead(nn.Module):
    """All patches of a channel, flattened, to its ``horizon`` next steps.

    ``forward``: ``(batch, channel, patch, feature)`` -> ``(batch, channel, horizon)``.
    """

    def __init__(self, *, n_features: int, horizon: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(n_features, horizon)

    def forward(self, features: Tensor) -> Tensor:
        return self.projection(self.dropout(features.flatten(-2)))


class QuantileHead(nn.Module):
    """All patches of a channel to a fan of quantiles, through one hidden layer.

    The median is predicted directly (with a linear shortcut around the activation); every other quantile is its
    neighbour towards the median plus or minus a positive step, so they cannot cross. The last value and how rough the
    series is (its anchor) and seasonal templates (:mod:`ttm_sk.layers.seasonal`) enter the hidden layer and, through
    learnt gates of their own, the median. With ``cycle_width`` a :class:`~ttm_sk.layers.cycles.CycleHead` corrects what
    comes out.

    ``forward``: features ``(batch, channel, patch, feature)``, anchor ``(batch, channel, 2)``, and
    :class:`~ttm_sk.layers.seasonal.Seasons` where there are templates -> ``(batch, channel, horizon, quantile)``.
    """

    def __init__(
        self,
        *,
        n_features: int,
        width: int,
        horizon: int,
        levels: tuple[float, ...],
        dropout: float,
        n_templates: int,
        cycle_width: int = 0,
    ) -> None:
        super().__init__()
        self.horizon, self.levels, self.median = horizon, levels, levels.index(0.5)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(n_features, width)
        self.output = nn.Linear(width, horizon * len(levels))
        self.skip = nn.Linear(width, horizon, bias=False)
        self.anchor = nn.Linear(2, width, bias=False)
        self.anchor_gate = nn.Linear(width, 2)
        self.template = nn.Linear(n_templates * (horizon + len(CLUES)), width, bias=False) if n_templates else None
        self.gate = nn.Linear(width, n_templates) if n_templates else None
        self.cycles = (
            CycleHead(
                n_templates=n_templates,
                n_features=width,
                width=cycle_width,
                bottleneck=BOTTLENECK,
                n_levels=len(levels),
            )
            if cycle_width
            else None
        )
        self._start_as_a_normal_fan()

    def _start_as_a_normal_fan(self) -> None:
        """At the start the bias alone gives the quantiles of a standard normal, which is what scaled data look like."""
        at = [NormalDist().inv_cdf(level) for level in self.levels]
        steps = [
            abs(at[i] - at[i + (1 if i < self.median else -1)]) if i != self.median else 0.0 for i in range(len(at))
        ]
        bias = [step if i == self.median else _inverse_softplus(step) for i, step in enumerate(steps)]
        with torch.no_grad():
            self.output.weight.mul_(0.3)
            self.output.bias.copy_(torch.tensor(bias).repeat(self.horizon))

    def forward(self, features: Tensor, anchor: Tensor, seasons: Seasons | None = None) -> Tensor:
        hidden = self.hidden(self.dropout(features.flatten(-2))) + self.anchor(anchor.to(features.dtype))
        if self.template is not None and seasons is not None:
            seen = torch.cat([seasons.templates.flatten(-2), seasons.clues.flatten(-2)], dim=-1)
            hidden = hidden + self.template(seen.to(features.dtype))
        centre = at_least_single(self.skip(hidden))
        hidden = functional.gelu(hidden)
        raw = at_least_single(self.output(hidden).unflatten(-1, (self.horizon, len(self.levels))))
        centre = centre + self._anchor_trust(hidden) * at_least_single(anchor[..., :1])
        if self.gate is not None and seasons is not None:
            trust = at_least_single(torch.sigmoid(self.gate(hidden))) * at_least_single(seasons.clues[..., 0])
            centre = centre + (trust[..., None] * at_least_single(seasons.templates)).sum(-2)
        if self.cycles is not None and seasons is not None:
            raw = raw + self.cycles(seasons.cycles, seasons.templates, hidden)
        return monotone_quantiles(raw, centre, median=self.median)

    def _anchor_trust(self, hidden: Tensor) -> Tensor:
        """In (0, 1) per step, ``(batch, channel, horizon)``: how far the median starts from the last value."""
        now, later = at_least_single(self.anchor_gate(hidden)).chunk(2, dim=-1)
        ahead = torch.linspace(0, 1, self.horizon, device=hidden.device)
        return torch.sigmoid(now + later * ahead)


def monotone_quantiles(raw: Tensor, centre: Tensor, *, median: int, minimum_step: float = 0.0) -> Tensor:
    """Quantiles that never cross, from unconstrained numbers ``(..., quantile)`` and a centre ``(...)`` for the median.

    Neighbours are at least ``minimum_step`` apart.

    Examples
    --------
    >>> monotone_quantiles(torch.zeros(3), torch.tensor(1.0), median=1)
    tensor([0.3069, 1.0000, 1.6931])
    """
    middle = raw[..., median : median + 1] + centre[..., None]
    steps = functional.softplus(raw) + minimum_step if minimum_step else functional.softplus(raw)
    up = _running_sums(steps[..., median + 1 :])
    down = _running_sums(steps[..., :median].flip(-1)).flip(-1)
    return torch.cat([middle - down, middle, middle + up], dim=-1)


def _running_sums(x: Tensor) -> Tensor:
    """``x.cumsum(-1)`` of a short axis, as a product: a tenth of the time."""
    if torch.is_autocast_enabled(x.device.type):  # which would round the terms of a product
        return x.cumsum(-1)
    return x @ torch.ones(x.shape[-1], x.shape[-1], dtype=x.dtype, device=x.device).triu()


def _inverse_softplus(y: float) -> float:
    return math.log(math.expm1(y))
