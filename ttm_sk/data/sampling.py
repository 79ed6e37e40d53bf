"""Pretraining batches: windows of synthetic and real series, of every length and many resolutions.

Stateless: batch ``i`` depends only on the seed, the rank and ``i``, so that a run that was killed continues
exactly where it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from ttm_sk.data.corpora import Corpus, CorpusGroup, as_float
from ttm_sk.data.synthetic import WEIGHTS, draw
from ttm_sk.data.windows import Batch, batch_from_arrays
from ttm_sk.errors import ConfigError

__all__ = ["WindowSampler", "check_synthetic_share"]

SHORTEST_CONTEXT = 8
CUTS_PER_SERIES = 4


@dataclass(frozen=True)
class WindowSampler:
    """Draws training batches.

    Attributes
    ----------
    context_length, horizon
        Shape of the windows; shorter pasts are padded on the left as unobserved.
    corpus
        Real series, or None for synthetic ones alone.
    synthetic_share
        Share of synthetic windows in a batch.
    seed
        Batches are a function of ``(seed, rank, index)``.
    full_share
        Share of windows that see all the past there is (up to ``context_length``); the others are cut to a
        log-uniform length from 8 steps.
    gap_share
        Share of windows with values missing: half of them single steps, half a contiguous stretch.
    coarse_share
        Share of real windows read at a lower resolution: block means of 2 to 24 steps, one in five decimated.
    reversed_share
        Share of real windows read backwards in time.
    family_weights
        The mix of synthetic families.
    augmentation
        Changes rows ``(window, time)`` with NaN in place, past and future together; None leaves them as they are.
    """

    context_length: int
    horizon: int
    corpus: Corpus | None = None
    synthetic_share: float = 0.5
    seed: int = 0
    full_share: float = 0.5
    gap_share: float = 0.1
    coarse_share: float = 0.5
    reversed_share: float = 0.0
    family_weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    augmentation: Callable[[np.ndarray, np.random.Generator], None] | None = None

    def __post_init__(self) -> None:
        check_synthetic_share(self.synthetic_share, self.corpus)
        check_shares(full_share=self.full_share, gap_share=self.gap_share)
        check_shares(coarse_share=self.coarse_share, reversed_share=self.reversed_share)

    def batch(self, index: int, size: int, *, rank: int = 0) -> Batch:
        """The ``index``-th batch of ``size`` windows for process ``rank``, on the CPU."""
        rng = np.random.default_rng([self.seed, rank, index])
        n_synthetic = round(size * self.synthetic_share)
        rows = np.full((size, self.context_length + self.horizon), np.nan, dtype=np.float32)
        if n_synthetic:
            self._fill_synthetic(rows[:n_synthetic], rng)
        if n_synthetic < size:
            self._fill_real(rows[n_synthetic:], rng)
        if self.augmentation is not None:
            self.augmentation(rows, rng)
        self._shorten(rows, rng)
        _cut_gaps(rows[:, : self.context_length], self.gap_share, rng)
        rows *= rng.choice(np.array([-1, 1], dtype=np.float32), size=(size, 1))
        return batch_from_arrays(rows[:, None, : self.context_length], rows[:, None, self.context_length :])

    def _fill_synthetic(self, rows: np.ndarray, rng: np.random.Generator) -> None:
        """A few windows from each series, at random places: generating is dearer than cutting."""
        length = rows.shape[1]
        n_series = -(-len(rows) // CUTS_PER_SERIES)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        series = draw(n_series, length, generator=generator, weights=self.family_weights).numpy()
        end = np.where(rng.random(len(rows)) < 0.5, length, rng.integers(length // 4, length + 1, len(rows)))
        for i, row in enumerate(rows):
            row[length - end[i] :] = series[i % n_series, : end[i]]

    def _fill_real(self, rows: np.ndarray, rng: np.random.Generator) -> None:
        assert self.corpus is not None
        groups = rng.choice(len(self.corpus.groups), size=len(rows), p=self.corpus.rations())
        for row, group in zip(rows, groups, strict=True):
            self._fill_real_row(row, self.corpus.groups[group], rng)

    def _fill_real_row(self, row: np.ndarray, group: CorpusGroup, rng: np.random.Generator) -> None:
        start, stop = _pick_series(group, rng)
        length = stop - start
        factor = self._resolution(length, rng)
        ahead = min(self.horizon, max(1, length // factor // 3))
        latest = stop - ahead * factor
        earliest = start + min(SHORTEST_CONTEXT * factor, latest - start)
        cut = int(rng.integers(earliest, latest + 1))
        is_decimated = rng.random() < 0.2
        n_past = min((cut - start) // factor, self.context_length)
        n_future = min((stop - cut) // factor, self.horizon)
        block = group.values[cut - n_past * factor : cut + n_future * factor]
        steps = _coarser(as_float(block), factor, is_decimated)
        if self.reversed_share and rng.random() < self.reversed_share:
            steps = steps[::-1]
        row[self.context_length - n_past : self.context_length + n_future] = steps

    def _resolution(self, length: int, rng: np.random.Generator) -> int:
        """By how much a real series is coarsened: 1, or up to 24 where at least 48 steps remain."""
        if rng.random() >= self.coarse_share:
            return 1
        most = min(24, length // 48)
        return int(rng.integers(2, most + 1)) if most >= 2 else 1

    def _shorten(self, rows: np.ndarray, rng: np.random.Generator) -> None:
        is_cut = rng.random(len(rows)) >= self.full_share
        shortest = min(SHORTEST_CONTEXT, self.context_length)
        keep = np.exp(rng.uniform(np.log(shortest), np.log(self.context_length), len(rows))).astype(int)
        for i in np.flatnonzero(is_cut):
            rows[i, : self.context_length - keep[i]] = np.nan


def check_shares(**shares: float) -> None:
    """Raise ``ConfigError`` for one outside [0, 1]."""
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"{name}={value} must be a share from 0 to 1")


def check_synthetic_share(share: float, corpus: Corpus | None) -> None:
    """Raise ``ConfigError`` for a share outside [0, 1], or one that leaves room for real windows without a corpus."""
    if not 0 <= share <= 1:
        raise ConfigError(f"synthetic_share={share} must lie in [0, 1]")
    if corpus is None and share < 1:
        raise ConfigError(
            f"synthetic_share={share} leaves room for real windows, but there is no corpus; give one or 1.0"
        )


def _pick_series(group: CorpusGroup, rng: np.random.Generator) -> tuple[int, int]:
    """Bounds of one series: half of the time every series alike, else in proportion to its length."""
    if rng.random() < 0.5:
        i = int(rng.integers(len(group.offsets) - 1))
    else:
        i = int(np.searchsorted(group.offsets, rng.integers(group.offsets[-1]), side="right")) - 1
    return int(group.offsets[i]), int(group.offsets[i + 1])


def _coarser(values: np.ndarray, factor: int, is_decimated: bool) -> np.ndarray:
    if factor == 1:
        return values
    blocks = values.reshape(-1, factor)
    if is_decimated:
        return blocks[:, -1]
    seen = np.isfinite(blocks)
    count = seen.sum(axis=1)
    total = np.where(seen, blocks, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _cut_gaps(context: np.ndarray, share: float, rng: np.random.Generator) -> None:
    length = context.shape[1]
    for i in np.flatnonzero(rng.random(len(context)) < share):
        if rng.random() < 0.5:
            context[i, rng.random(length) < rng.uniform(0, 0.3)] = np.nan
        else:
            seen = np.flatnonzero(np.isfinite(context[i]))
            if len(seen) > SHORTEST_CONTEXT:
                width = int(rng.integers(1, len(seen) // 2))
                start = int(rng.integers(seen[0], length - width))
                context[i, start : start + width] = np.nan
