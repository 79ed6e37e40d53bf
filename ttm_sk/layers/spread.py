"""From a point forecast to quantiles: a small network reads the forecast itself and says how wide it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.layers.heads import monotone_quantiles

__all__ = ["CONDITIONS", "QuantileSpread", "add_quantiles"]

# How the decoder's patches reach the spread: not at all, their mean, or all of them through a narrow map.
CONDITIONS = ("none", "pool", "flatten")
SMALL = 1e-8


class QuantileSpread(nn.Module):
    """Quantiles around a point forecast, which never cross.

    The point forecast of a channel is read as a sequence over the horizon: a short convolution, normalised over the
    horizon, and two layers that every step shares. Out come, step by step, what to add to the median and the distances
    from each quantile to the next, farther from the median.

    Parameters
    ----------
    n_levels
        How many quantiles; odd, the middle one is the median.
    width
        Features of the hidden layer.
    kernel_size
        Steps that the convolution sees; odd.
    minimum_step
        Least distance between neighbouring quantiles, in scaled units.
    moves_median
        Whether the network corrects the median, or leaves it on the point forecast.
    condition
        One of :data:`CONDITIONS`: what of the decoder's features ``(batch, channel, patch, feature)`` joins the hidden
        layer.
    n_patches, n_features, condition_width
        Sizes of the decoder's features, and of each patch behind the narrow map of ``"flatten"``.
    is_concatenated
        Whether the condition stands beside the hidden features, or is added to them.

    Notes
    -----
    ``forward``: point forecast ``(batch, channel, horizon)`` and decoder features ->
    ``(batch, channel, horizon, quantile)``. ``horizon`` must be at least 2: one step cannot be normalised.

    Examples
    --------
    >>> spread = QuantileSpread(n_levels=9, width=8)
    >>> spread(torch.randn(2, 1, 16), torch.zeros(2, 1, 4, 8)).shape
    torch.Size([2, 1, 16, 9])
    """

    def __init__(
        self,
        *,
        n_levels: int,
        width: int,
        kernel_size: int = 3,
        minimum_step: float = 1e-6,
        moves_median: bool = True,
        condition: str = "none",
        n_patches: int = 1,
        n_features: int = 1,
        condition_width: int = 1,
        is_concatenated: bool = False,
    ) -> None:
        super().__init__()
        self.median, self.minimum_step, self.moves_median = n_levels // 2, minimum_step, moves_median
        self.is_concatenated = is_concatenated
        self.smoothing = nn.Conv1d(1, 1, kernel_size=kernel_size, padding=kernel_size // 2)
        self.norm = nn.InstanceNorm1d(1, affine=True)
        self.hidden = nn.Conv1d(1, width, kernel_size=1)
        self.pooled = nn.Linear(n_features, width) if condition == "pool" else None
        self.narrow = nn.Linear(n_features, condition_width) if condition == "flatten" else None
        self.flattened = nn.Linear(n_patches * condition_width, width) if condition == "flatten" else None
        is_wider = condition != "none" and is_concatenated
        self.output = nn.Conv1d(width * (2 if is_wider else 1), n_levels, kernel_size=1)

    def forward(self, point: Tensor, features: Tensor) -> Tensor:
        sequence = point.flatten(0, 1).unsqueeze(1)
        hidden = functional.gelu(self.hidden(self.norm(self.smoothing(sequence))))
        condition = self._condition(features)
        if condition is not None:
            condition = condition.flatten(0, 1).unsqueeze(-1).expand(-1, -1, point.shape[-1])
            hidden = torch.cat([hidden, condition], dim=1) if self.is_concatenated else hidden + condition
        raw = self.output(hidden).mT.unflatten(0, point.shape[:2])
        return self._around(point, raw)

    def _condition(self, features: Tensor) -> Tensor | None:
        """``(batch, channel, width)``, or None."""
        if self.pooled is not None:
            return self.pooled(features.mean(dim=2))
        if self.narrow is not None and self.flattened is not None:
            return self.flattened(self.narrow(features).flatten(-2))
        return None

    def _around(self, point: Tensor, raw: Tensor) -> Tensor:
        """``raw`` ``(..., 1 + below + above)``, both counted away from the median, as quantiles around ``point``."""
        shift, below, above = raw[..., :1], raw[..., 1 : 1 + self.median], raw[..., 1 + self.median :]
        if not self.moves_median:
            shift = torch.zeros_like(shift)
        ascending = torch.cat([below.flip(-1), shift, above], dim=-1)
        return monotone_quantiles(ascending, point, median=self.median, minimum_step=self.minimum_step)


def add_quantiles(first: Tensor, second: Tensor, *, is_independent: bool) -> Tensor:
    """Quantiles of the sum of two forecasts, ``(..., quantile)`` each, the median in the middle.

    Added up, which is right where both err together; or, where they err independently, the distances from the median
    as the root of the sum of their squares (exact for normal distributions).

    Examples
    --------
    >>> fan = torch.tensor([-3.0, 0.0, 3.0]), torch.tensor([-4.0, 0.0, 4.0])
    >>> add_quantiles(*fan, is_independent=False), add_quantiles(*fan, is_independent=True)
    (tensor([-7.,  0.,  7.]), tensor([-5.,  0.,  5.]))
    """
    if not is_independent:
        return first + second
    median = first.shape[-1] // 2
    widths = [part - part[..., median : median + 1] for part in (first, second)]
    size = (widths[0].square() + widths[1].square() + SMALL).sqrt()  # the root has no slope at 0
    size = torch.where(torch.arange(first.shape[-1], device=first.device) == median, torch.zeros_like(size), size)
    middle = first[..., median : median + 1] + second[..., median : median + 1]
    return middle + torch.sign(widths[0] + widths[1]) * size
