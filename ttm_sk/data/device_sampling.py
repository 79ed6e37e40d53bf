"""Pretraining batches drawn on the training device: what a GPU needs so that drawing does not hold it back.

The windows are those of :class:`~ttm_sk.data.sampling.WindowSampler`, drawn by tensors for the whole batch. Real
series lie on the device as running sums, so that a block mean of any width is one difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Generator, Tensor

from ttm_sk.data.corpora import MISSING, Corpus
from ttm_sk.data.sampling import SHORTEST_CONTEXT, check_shares, check_synthetic_share
from ttm_sk.data.synthetic import draw
from ttm_sk.data.windows import Batch

__all__ = ["DeviceWindowSampler"]

LARGEST_FACTOR = 24


@dataclass(frozen=True)
class DeviceWindowSampler:
    """Draws training batches on ``device``; a batch is a function of the seed and its number alone.

    Attributes
    ----------
    context_length, horizon
        Shape of the windows; shorter pasts are padded on the left as unobserved.
    corpus
        Real series, or None for synthetic ones alone.
    device
        Where to draw.
    seed
        Batches are a function of ``(seed, rank, index)``.
    synthetic_share, full_share, gap_share, coarse_share, reversed_share
        As in :class:`~ttm_sk.data.sampling.WindowSampler`.
    changed_share
        Share of windows whose movement is multiplied by a slowly changing size; half as many are mixed with another
        window, a quarter are cut off at one of their values.
    pool_size, pool_batches
        Synthetic series are drawn so many at a time, and serve so many batches.
    """

    context_length: int
    horizon: int
    corpus: Corpus | None
    device: torch.device
    seed: int = 0
    synthetic_share: float = 0.5
    full_share: float = 0.5
    gap_share: float = 0.1
    coarse_share: float = 0.5
    reversed_share: float = 0.0
    changed_share: float = 0.2
    pool_size: int = 8192
    pool_batches: int = 32
    _pool: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_synthetic_share(self.synthetic_share, self.corpus)
        check_shares(full_share=self.full_share, gap_share=self.gap_share)
        check_shares(coarse_share=self.coarse_share, reversed_share=self.reversed_share)

    @cached_property
    def _series(self) -> dict[str, Tensor]:
        assert self.corpus is not None  # a batch without real windows does not come here
        groups = self.corpus.groups
        values = torch.from_numpy(np.concatenate([group.values for group in groups])).to(self.device)
        starts = np.concatenate([[0], np.cumsum([group.offsets[-1] for group in groups])])
        offsets = np.concatenate([group.offsets[:-1] + at for group, at in zip(groups, starts[:-1], strict=True)])
        counts = np.array([len(group.offsets) - 1 for group in groups])
        is_whole = not values.is_floating_point()  # sums of integers are exact, and so are their differences
        is_seen = values != int(MISSING) if is_whole else values.isfinite()
        kept = torch.where(is_seen, values, torch.zeros_like(values))
        total = kept.cumsum(0, dtype=torch.int64 if is_whole else torch.float64)
        zero = torch.zeros_like(total[:1])
        seen = torch.cat([zero.to(torch.int64), is_seen.cumsum(0, dtype=torch.int64)]).to(torch.int32)
        return {
            "total": torch.cat([zero, total]),
            "seen": seen,
            "bounds": torch.from_numpy(np.concatenate([offsets, starts[-1:]])).to(self.device),
            "first": torch.from_numpy(np.concatenate([[0], np.cumsum(counts)])).to(self.device),
            "begins": torch.from_numpy(starts).to(self.device),
            "rations": torch.from_numpy(self.corpus.rations()).to(self.device),
        }

    def batch(self, index: int, size: int, *, rank: int = 0) -> Batch:
        """The ``index``-th batch of ``size`` windows for process ``rank``, on the device."""
        generator = self._generator(rank, index, 0)
        n_synthetic = round(size * self.synthetic_share)
        rows = self._synthetic(n_synthetic, index, rank, generator)
        if n_synthetic < size:
            rows = torch.cat([rows, self._real(size - n_synthetic, generator)])
        rows = self._changed(rows, generator)
        sign = torch.randint(2, (size, 1), generator=generator, device=self.device) * 2 - 1
        rows = rows * sign
        seen = ~rows.isnan() & self._kept(size, generator)
        rows = torch.where(seen, rows, torch.zeros_like(rows))[:, None]
        past = self.context_length
        return Batch(rows[..., :past], seen[:, None, :past], rows[..., past:], seen[:, None, past:])

    def _generator(self, *numbers: int) -> Generator:
        state = np.random.SeedSequence([self.seed, *numbers]).generate_state(1, np.uint64)
        return Generator(self.device).manual_seed(int(state[0] >> np.uint64(1)))

    def _rand(self, *shape: int, generator: Generator) -> Tensor:
        return torch.rand(shape, generator=generator, device=self.device)

    def _synthetic(self, n: int, index: int, rank: int, generator: Generator) -> Tensor:
        length = self.context_length + self.horizon
        number = rank, index // self.pool_batches
        if number not in self._pool:
            self._pool.clear()
            self._pool[number] = draw(self.pool_size, length, generator=self._generator(*number, 1))
        chosen = torch.randint(self.pool_size, (n,), generator=generator, device=self.device)
        end = length // 4 + (self._rand(n, generator=generator) * (length - length // 4 + 1)).long()
        end = torch.where(self._rand(n, generator=generator) < 0.5, torch.full_like(end, length), end).clamp(max=length)
        at = torch.arange(length, device=self.device)[None] - (length - end)[:, None]
        rows = self._pool[number][chosen].gather(1, at.clamp(min=0))
        return torch.where(at >= 0, rows, torch.nan)

    def _real(self, n: int, generator: Generator) -> Tensor:
        s = self._series
        group = torch.multinomial(s["rations"], n, replacement=True, generator=generator)
        low, high = s["first"][group], s["first"][group + 1]
        alike = low + (self._rand(n, generator=generator).double() * (high - low)).long()
        begin, over = s["begins"][group], s["begins"][group + 1]
        point = begin + (self._rand(n, generator=generator).double() * (over - begin)).long()
        by_length = torch.searchsorted(s["bounds"], point, right=True) - 1
        chosen = torch.where(self._rand(n, generator=generator) < 0.5, alike.clamp(max=high - 1), by_length)
        start, stop = s["bounds"][chosen], s["bounds"][chosen + 1]
        length = stop - start
        most = (length // 48).clamp(max=LARGEST_FACTOR)
        factor = 2 + (self._rand(n, generator=generator) * (most - 1).clamp(min=0)).long()
        is_coarse = (self._rand(n, generator=generator) < self.coarse_share) & (most >= 2)
        factor = torch.where(is_coarse, torch.minimum(factor, most), torch.ones_like(factor))
        ahead = (length // factor // 3).clamp(min=1, max=self.horizon)
        latest = stop - ahead * factor
        earliest = start + torch.minimum(SHORTEST_CONTEXT * factor, latest - start)
        cut = earliest + (self._rand(n, generator=generator).double() * (latest - earliest + 1)).long()
        cut = torch.minimum(cut, latest)
        width = torch.where(self._rand(n, generator=generator) < 0.2, torch.ones_like(factor), factor)
        steps = torch.arange(-self.context_length, self.horizon, device=self.device)[None]
        first = cut[:, None] + steps * factor[:, None]
        inside = (first >= start[:, None]) & (first + factor[:, None] <= stop[:, None])
        if self.reversed_share:  # the steps that are inside, the newest first
            at = torch.arange(first.shape[1], device=self.device)
            ends = inside.byte().argmax(-1) + first.shape[1] - 1 - inside.flip(-1).byte().argmax(-1)
            mirrored = (ends[:, None] - at).clamp(0, first.shape[1] - 1)
            turns = self._rand(n, 1, generator=generator) < self.reversed_share
            first = torch.where(turns & inside, first.gather(1, mirrored), first)
        upper = (first + factor[:, None]).clamp(0, len(s["total"]) - 1)
        lower = (upper - width[:, None]).clamp(min=0)
        count = s["seen"][upper] - s["seen"][lower]
        total = s["total"][upper] - s["total"][lower]
        return torch.where(inside & (count > 0), total / count.clamp(min=1), torch.nan).float()

    def _changed(self, rows: Tensor, generator: Generator) -> Tensor:
        """Some rows modulated, mixed or censored, in their own units, past and future together."""
        n, length = rows.shape
        seen = ~rows.isnan()
        count = seen.sum(-1, keepdim=True).clamp(min=1)
        loc = torch.where(seen, rows, 0).sum(-1, keepdim=True) / count
        centred = rows - loc
        scale = (torch.where(seen, centred, 0).square().sum(-1, keepdim=True) / count).sqrt()
        x = centred / torch.where(scale > 0, scale, torch.ones_like(scale))
        knots = (torch.randn((n, 1, 5), generator=generator, device=self.device) * 0.7 + 1).abs() + 0.05
        size = torch.nn.functional.interpolate(knots, length, mode="linear", align_corners=True)[:, 0]
        x = torch.where(self._rand(n, 1, generator=generator) < self.changed_share, x * size, x)
        share = 0.2 + 0.6 * self._rand(n, 1, generator=generator)
        other = x[torch.randperm(n, generator=generator, device=self.device)]
        mixed = share * x + (1 - share) * other
        does_mix = (self._rand(n, 1, generator=generator) < self.changed_share / 2) & (
            (~mixed.isnan()).sum(-1, keepdim=True) > 64
        )
        x = torch.where(does_mix, mixed, x)
        edge = torch.randn((n, 1), generator=generator, device=self.device) * 0.7
        is_capped = self._rand(n, 1, generator=generator) < self.changed_share / 4
        return torch.where(is_capped, torch.minimum(x, edge), x)

    def _kept(self, n: int, generator: Generator) -> Tensor:
        """Which steps are left: histories cut to a log-uniform length, some with single steps or a stretch missing."""
        past = self.context_length
        age = torch.arange(past, 0, -1, device=self.device)[None]
        shortest = math.log(min(SHORTEST_CONTEXT, past))
        keep = torch.exp(shortest + (math.log(past) - shortest) * self._rand(n, 1, generator=generator))
        is_full = self._rand(n, 1, generator=generator) < self.full_share
        keep = torch.where(is_full, torch.full_like(keep, past), keep).floor()
        kept = age <= keep
        has_gaps = self._rand(n, 1, generator=generator) < self.gap_share
        is_single = self._rand(n, 1, generator=generator) < 0.5
        single = self._rand(n, past, generator=generator) >= 0.3 * self._rand(n, 1, generator=generator)
        width = keep / 2 * self._rand(n, 1, generator=generator)
        newest = (keep - width) * self._rand(n, 1, generator=generator)
        stretch = (age <= newest) | (age > newest + width) | (keep <= SHORTEST_CONTEXT)
        kept = kept & (~has_gaps | torch.where(is_single, single, stretch))
        return torch.nn.functional.pad(kept, (0, self.horizon), value=True)
