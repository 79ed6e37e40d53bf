"""Series made of other series: modulated, censored, with spikes, mixed. Rows of windows in, changed in place.

Rows are ``(window, time)`` float32, past and future together, NaN = not observed. Which augmentations, and how often:
Auer et al. (2025), TiRex, arXiv:2505.23719; mixing: Ansari et al. (2024), Chronos, arXiv:2403.07815.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ttm_sk.errors import ConfigError

__all__ = ["Augmentation", "censor", "mix_rows", "modulate", "put_spikes"]

MOST_BENDS = 5
MOST_MIXED = 4
CONCENTRATION = 1.5  # of the Dirichlet distribution of the shares in a mixture


@dataclass(frozen=True)
class Augmentation:
    """Which share of the rows is changed, and how; a row may be changed in several ways.

    Attributes
    ----------
    mixed_share, modulated_share, censored_share, spiked_share
        Of :func:`mix_rows`, :func:`modulate`, :func:`censor` and :func:`put_spikes`, in this order.

    Examples
    --------
    >>> rows = np.sin(np.arange(200, dtype=np.float32) / 5)[None].repeat(8, axis=0)
    >>> Augmentation()(rows, np.random.default_rng(0))
    >>> np.isfinite(rows).all(), len(np.unique(rows, axis=0)) > 1
    (np.True_, True)
    """

    mixed_share: float = 0.2
    modulated_share: float = 0.5
    censored_share: float = 0.3
    spiked_share: float = 0.05

    def __post_init__(self) -> None:
        for name, share in vars(self).items():
            if not 0 <= share <= 1:
                raise ConfigError(f"{name}={share} must lie in [0, 1]")

    def __call__(self, rows: np.ndarray, rng: np.random.Generator) -> None:
        """Change ``rows`` in place."""
        mix_rows(rows, np.flatnonzero(rng.random(len(rows)) < self.mixed_share), rng)
        ways = (modulate, self.modulated_share), (censor, self.censored_share), (put_spikes, self.spiked_share)
        for way, share in ways:
            for i in np.flatnonzero(rng.random(len(rows)) < share):
                way(rows[i], rng)


def modulate(row: np.ndarray, rng: np.random.Generator) -> None:
    """Multiply the movement of a row by a size that changes along straight lines, with up to five bends."""
    n_bends = int(rng.integers(0, MOST_BENDS + 1))
    places = np.concatenate([[0], np.sort(rng.uniform(0, len(row) - 1, n_bends)), [len(row) - 1]])
    sizes = np.abs(rng.normal(1.0, 0.7, len(places))) + 0.05
    level = _over_seen(np.mean, row)
    row[:] = (row - level) * np.interp(np.arange(len(row)), places, sizes) + level


def censor(row: np.ndarray, rng: np.random.Generator) -> None:
    """Cut a row off above or below one of its own quantiles: a capacity, or a floor such as 0."""
    level = rng.uniform(0.0, 0.5)
    if rng.random() < 0.5:
        np.minimum(row, _over_seen(np.quantile, row, 1 - level), out=row)
    else:
        np.maximum(row, _over_seen(np.quantile, row, level), out=row)


def put_spikes(row: np.ndarray, rng: np.random.Generator) -> None:
    """Add spikes of one size and shape at a regular distance."""
    period = int(rng.integers(8, max(9, len(row) // 8)))
    width = int(rng.integers(1, max(2, period // 8) + 1))
    size = rng.uniform(1.0, 6.0) * rng.choice([-1, 1]) * (_over_seen(np.std, row) or 1.0)
    shape = np.hanning(width + 2)[1:-1] * size
    for start in range(int(rng.integers(period)), len(row), period):
        part = row[start : start + width]
        part += (shape * rng.uniform(0.7, 1.3))[: len(part)].astype(row.dtype)


def mix_rows(rows: np.ndarray, chosen: np.ndarray, rng: np.random.Generator) -> None:
    """Replace the chosen rows by weighted sums of up to four rows, each in units of its own spread (TSMixup).

    A step is observed where all of them are.
    """
    if not len(chosen):
        return
    units = np.array([[_over_seen(np.mean, row), _over_seen(np.std, row)] for row in rows], dtype=rows.dtype)
    scaled = (rows - units[:, :1]) / np.where(units[:, 1:] > 0, units[:, 1:], 1)
    for i in chosen:
        n_mixed = int(rng.integers(2, MOST_MIXED + 1))
        others = np.concatenate([[i], rng.integers(0, len(rows), n_mixed - 1)])
        shares = rng.dirichlet(np.full(n_mixed, CONCENTRATION)).astype(rows.dtype)
        mixed = (scaled[others] * shares[:, None]).sum(axis=0)
        if np.isfinite(mixed).any():
            rows[i] = mixed


def _over_seen(measure: Callable[..., float], row: np.ndarray, *arguments: float) -> float:
    """A measure of the observed values, 0 where there is none."""
    seen = row[np.isfinite(row)]
    return float(measure(seen, *arguments)) if len(seen) else 0.0
