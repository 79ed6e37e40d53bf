"""Patch models on the series of one data set: what training a target and distilling a draft have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from ttm_sk import __version__
from ttm_sk.checkpoints.architectures import AnyConfig, new_module
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.window_dataset import WindowDataset
from ttm_sk.data.windows import Batch
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.loop import LoopSettings, train
from ttm_sk.training.next_patch import next_patch_loss
from ttm_sk.training.objectives import Objective
from ttm_sk.training.schedule import OneCycle

__all__ = ["PatchLearning", "learn", "learn_patches", "random_checkpoint"]


@dataclass(frozen=True)
class PatchLearning:
    """How long and how to learn from the windows of some series.

    Attributes
    ----------
    n_steps, batch_size
        Steps, and windows in a step.
    peak
        Highest learning rate, of a cosine that rises for a twentieth of the steps and then falls to nearly nothing.
    weight_decay
        Of AdamW.
    seed
        Of first weights and of the windows.
    time_limit
        Seconds after which to stop; None has no limit.
    """

    n_steps: int = 1000
    batch_size: int = 64
    peak: float = 1e-3
    weight_decay: float = 0.01
    seed: int = 0
    time_limit: float | None = None

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")

    def loop(self) -> LoopSettings:
        """The settings of the loop."""
        return LoopSettings(
            batch_size=self.batch_size, weight_decay=self.weight_decay, average=0.99, time_limit=self.time_limit
        )

    def schedule(self) -> OneCycle:
        """The learning rate, step by step."""
        return OneCycle(self.peak, self.n_steps, rising_share=0.05)


def random_checkpoint(config: AnyConfig, *, seed: int = 0) -> Checkpoint:
    """First weights, the same for the same seed.

    Examples
    --------
    >>> random_checkpoint(TimerXLConfig.tiny()).n_parameters
    2536
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = {name: value.clone() for name, value in new_module(config).state_dict().items()}
    return Checkpoint(config, weights, {"random": {"seed": seed}})


def learn_patches(
    start: TimerXLConfig | Checkpoint,
    series: Sequence[np.ndarray],
    *,
    settings: PatchLearning | None = None,
    device: str = "auto",
    is_quiet: bool = False,
) -> Checkpoint:
    """A Timer-XL that has learnt from some series to forecast the next patch; ``start`` is left as it is.

    Parameters
    ----------
    start
        A config, whose weights begin random, or a checkpoint to go on from.
    series
        Arrays ``(time,)`` or ``(channel, time)``, NaN = not observed.

    Raises
    ------
    ConfigError, DataError
        For another architecture, or series without a window.

    Examples
    --------
    >>> wave = np.sin(np.arange(400.0) / 3)
    >>> tuned = learn_patches(TimerXLConfig.tiny(), [wave], settings=PatchLearning(n_steps=2, batch_size=4))
    >>> tuned.provenance["learning"][-1]["steps"]
    2
    """
    settings = settings or PatchLearning()
    config = start.config if isinstance(start, Checkpoint) else start
    if not isinstance(config, TimerXLConfig):
        raise ConfigError(f"learn_patches is for Timer-XL, found {type(config).__name__}; use finetune for a TTM")
    windows = WindowDataset.from_series(
        series,
        context_length=config.context_length,
        prediction_length=config.patch_length,
        is_univariate=not config.mixes_channels,
    )
    first = start if isinstance(start, Checkpoint) else random_checkpoint(config, seed=settings.seed)
    return learn(
        first, windows, next_patch_loss, settings=settings, device=device, is_quiet=is_quiet, how={"aim": "next patch"}
    )


def learn(
    start: Checkpoint,
    windows: WindowDataset,
    objective: Objective,
    *,
    settings: PatchLearning,
    device: str = "auto",
    is_quiet: bool = False,
    how: dict[str, Any] | None = None,
    change: Callable[[Batch], Batch] | None = None,
) -> Checkpoint:
    """The one loop over random windows; a new checkpoint that says what was done.

    Parameters
    ----------
    how
        What else the provenance should say.
    change
        What to make of a batch before it is learnt from.
    """
    if not len(windows):
        raise DataError("found no window with a past and a future to learn from; give longer series")

    def batch_at(index: int, size: int, rank: int) -> Batch:
        chosen = np.random.default_rng([settings.seed, rank, index]).integers(len(windows), size=size)
        batch = windows.batch(chosen)
        return batch if change is None else change(batch)

    module: Any = start.build().to(resolve_device(device))
    result = train(module, batch_at, objective, settings.schedule(), settings.loop(), is_quiet=is_quiet)
    note = {**(how or {}), **asdict(settings), "steps": result.step, "seconds": round(result.seconds, 1)}
    provenance = {
        **start.provenance,
        "learning": [*start.provenance.get("learning", []), note | {"version": __version__}],
    }
    return Checkpoint(start.config, {name: value.cpu() for name, value in result.averaged.items()}, provenance)
