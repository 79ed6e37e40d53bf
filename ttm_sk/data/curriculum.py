"""Training batches whose past grows: short windows are cheap, and teach most of what long ones do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ttm_sk.data.sampling import WindowSampler
from ttm_sk.data.windows import Batch
from ttm_sk.errors import ConfigError

__all__ = ["STAGES", "CurriculumSampler"]

# Up to this share of the steps the past is at most this part of the longest one.
STAGES = ((0.4, 0.25), (0.7, 0.5), (1.0, 1.0))


@dataclass(frozen=True)
class CurriculumSampler:
    """A :class:`~ttm_sk.data.sampling.WindowSampler` whose context length depends on how far training is.

    Batch ``i`` depends on the seed, the rank and ``i`` alone, as there.

    Attributes
    ----------
    sampler
        With the longest past.
    n_steps
        Of the whole run.
    unit
        The past is cut to multiples of so many steps.
    stages
        ``(share of the steps, part of the longest past)``, ascending; the last share is 1.

    Examples
    --------
    >>> windows = WindowSampler(256, 32, synthetic_share=1.0)
    >>> growing = CurriculumSampler(windows, n_steps=100, unit=32)
    >>> [growing.context_length_at(step) for step in (0, 39, 40, 99)]
    [64, 64, 128, 256]
    """

    sampler: WindowSampler
    n_steps: int
    unit: int = 1
    stages: tuple[tuple[float, float], ...] = STAGES

    def __post_init__(self) -> None:
        shares = [share for share, _ in self.stages]
        if not shares or shares != sorted(shares) or shares[-1] != 1 or self.n_steps < 1:
            raise ConfigError(f"stages={self.stages} must ascend to the share 1, over at least one step")
        if not all(0 < part <= 1 for _, part in self.stages) or not 1 <= self.unit <= self.sampler.context_length:
            raise ConfigError(
                f"stages={self.stages} and unit={self.unit} must be parts of the longest past,"
                f" {self.sampler.context_length} steps"
            )

    def context_length_at(self, step: int) -> int:
        """Steps of the past in the batch of a step."""
        part = next((part for share, part in self.stages if step < share * self.n_steps), self.stages[-1][1])
        return max(self.unit, int(self.sampler.context_length * part) // self.unit * self.unit)

    def batch(self, index: int, size: int, *, rank: int = 0) -> Batch:
        """The ``index``-th batch of ``size`` windows for process ``rank``, on the CPU."""
        windows = replace(self.sampler, context_length=self.context_length_at(index))
        return windows.batch(index, size, rank=rank)
