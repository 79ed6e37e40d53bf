"""The smallest autoregressive module: the next patch is normal around a linear map of the last one.

What comes out of speculative decoding with two of them can be compared with direct draws a hundred thousand times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ttm_sk.models.forecast_module import PatchForecast


class Seen(NamedTuple):
    """All patches so far, ``(batch, channel, patch, step)``, and how many of them count in each row."""

    patches: Tensor
    lengths: Tensor


@dataclass
class GaussianPatches:
    """``mean = slope * last patch turned by one step + shift``, deviation ``sigma`` of each step."""

    slope: float
    shift: tuple[float, ...]
    sigma: tuple[float, ...] | None
    has_variance = True
    mixes_channels = False

    @property
    def patch_length(self) -> int:
        return len(self.shift)

    def start(self, context: Tensor, observed: Tensor, *, like: Seen | None = None) -> Seen:
        patches = context.unflatten(-1, (-1, self.patch_length))
        return Seen(patches, torch.full((len(context),), patches.shape[2]))

    def unit(self, state: Seen) -> Tensor:
        return torch.ones(len(state.lengths), 1, 1, 1)

    def ahead(self, state: Seen) -> PatchForecast:
        return self.after(state.patches[torch.arange(len(state.lengths)), :, state.lengths - 1][:, :, None])

    def after(self, patches: Tensor) -> PatchForecast:
        mean = self.slope * patches.roll(1, dims=-1) + torch.tensor(self.shift)
        if self.sigma is None:
            return PatchForecast(mean)
        return PatchForecast(mean, (2 * torch.tensor(self.sigma).log()).expand_as(mean))

    def step(self, state: Seen, patches: Tensor) -> tuple[PatchForecast, Seen]:
        n_new, room = patches.shape[2], int(state.lengths.max()) + patches.shape[2]
        padded = torch.nn.functional.pad(state.patches, (0, 0, 0, room - state.patches.shape[2]))
        rows = torch.arange(len(patches))[:, None]
        longer = padded.movedim(2, 1).clone()
        longer[rows, state.lengths[:, None] + torch.arange(n_new)] = patches.movedim(2, 1)
        return self.after(patches), Seen(longer.movedim(1, 2), state.lengths + n_new)

    def rewind(self, state: Seen, n_patches: int | Tensor) -> Seen:
        return Seen(state.patches, state.lengths - n_patches)

    def select(self, state: Seen, rows: Tensor) -> Seen:
        return Seen(state.patches[rows], state.lengths[rows])
