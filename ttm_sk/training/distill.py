"""Distillation: a small draft learns to forecast what a target forecasts, so that more of what it proposes is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ttm_sk.checkpoints.architectures import AnyConfig
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.window_dataset import WindowDataset
from ttm_sk.data.windows import Batch
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError
from ttm_sk.models.timer_xl import TimerXL, TimerXLConfig
from ttm_sk.models.ttm import TTMConfig
from ttm_sk.scoring.losses import gaussian, mse
from ttm_sk.training.next_patch import scaled_patches
from ttm_sk.training.objectives import Objective, scaled_loss
from ttm_sk.training.patch_learning import PatchLearning, learn, random_checkpoint

__all__ = ["DistillSettings", "Distillation", "distill"]

LEAST_LOG_VARIANCE = -5.0  # below it, the regulariser pulls


@dataclass(frozen=True)
class DistillSettings(PatchLearning):
    """How to distil, besides how long; see :class:`~ttm_sk.training.patch_learning.PatchLearning`.

    Attributes
    ----------
    noise
        Standard deviation of what is added to the target's forecasts, in units of the context's, so that the draft
        learns a variance.
    variance_weight
        Of the regulariser: the mean of ``max(0, -5 - log variance)``.
    n_rollout
        Patches of the target's own forecast that follow each window, so that the draft meets while it learns what it
        will meet when it proposes; at least 1.
    """

    noise: float = 0.05
    variance_weight: float = 0.01
    n_rollout: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.noise < float("inf") and self.variance_weight >= 0 and self.n_rollout >= 1):
            raise ConfigError(
                f"found noise={self.noise}, variance_weight={self.variance_weight}, n_rollout={self.n_rollout};"
                " expected at least 0, 0 and 1"
            )


@dataclass(frozen=True, eq=False)
class Distillation:
    """The objective of an autoregressive draft: the target's forecast after every patch of a window.

    A stochastic draft pays the negative log-likelihood of that forecast, another one its squared error.

    Attributes
    ----------
    target
        The module to learn from, in evaluation mode; it is not changed.
    """

    target: TimerXL
    noise: float = 0.05
    variance_weight: float = 0.01

    def __call__(self, module: TimerXL, batch: Batch) -> Tensor:
        """One number."""
        patches, observed, first = scaled_patches(module, batch)
        with torch.no_grad():
            wanted = self.target.forecast_scaled(patches, first)[0].float()
            wanted = wanted + self.noise * torch.randn_like(wanted)
        counts = observed.any(-1, keepdim=True).expand_as(observed)
        mean, log_variance = module.forecast_scaled(patches, first)
        if log_variance is None:
            return mse(forecast=mean.float(), target=wanted, observed=counts)
        spread = functional.relu(LEAST_LOG_VARIANCE - log_variance.float()).mean()
        likelihood = gaussian(mean=mean.float(), log_variance=log_variance.float(), target=wanted, observed=counts)
        return likelihood + self.variance_weight * spread


def distill(
    target: Checkpoint,
    draft: Checkpoint | AnyConfig,
    series: Sequence[np.ndarray],
    *,
    settings: DistillSettings | None = None,
    device: str = "auto",
    is_quiet: bool = False,
) -> Checkpoint:
    """A draft that has learnt from a target on some series; both are left as they are.

    Parameters
    ----------
    target
        A Timer-XL.
    draft
        A Timer-XL of the same patches, or a TTM, which learns to forecast in one pass what the target forecasts patch
        after patch. A config begins with random weights.
    series
        Arrays ``(time,)`` or ``(channel, time)``, NaN = not observed; what the target was trained on will do.

    Raises
    ------
    ConfigError, DataError
        If the target is no Timer-XL, the draft's patches do not fit, or there is no window to learn from.

    Examples
    --------
    >>> target = random_checkpoint(TimerXLConfig.tiny())
    >>> settings = DistillSettings(n_steps=2, batch_size=4)
    >>> wave = np.sin(np.arange(300.0) / 3)
    >>> draft = distill(target, target.config.draft(0.5, is_stochastic=True), [wave], settings=settings)
    >>> draft.config.is_stochastic, draft.provenance["learning"][-1]["aim"]
    (True, 'distillation')
    """
    settings = settings or DistillSettings()
    teacher = target.build()
    if not isinstance(teacher, TimerXL):
        raise ConfigError(f"a target is a Timer-XL, found {type(teacher).__name__}")
    teacher = teacher.requires_grad_(False).to(resolve_device(device))
    first = draft if isinstance(draft, Checkpoint) else random_checkpoint(draft, seed=settings.seed)
    horizon, objective = _task(teacher, first.config, settings)
    windows = WindowDataset.from_series(
        series,
        context_length=max(teacher.context_length, first.config.context_length),
        prediction_length=teacher.patch_length,
        is_univariate=not teacher.mixes_channels,
    )
    return learn(
        first,
        windows,
        objective,
        settings=settings,
        device=device,
        is_quiet=is_quiet,
        how={"aim": "distillation", "target": target.hash},
        change=_continued(teacher, horizon),
    )


def _task(teacher: TimerXL, config: AnyConfig, settings: DistillSettings) -> tuple[int, Objective]:
    """How far the target's own forecast follows each window, and what the draft is to make of it."""
    if isinstance(config, TimerXLConfig):
        if config.patch_length != teacher.patch_length or config.mixes_channels != teacher.mixes_channels:
            raise ConfigError(
                f"the draft has patches of {config.patch_length} steps and attends={config.attends!r}, the target"
                f" {teacher.patch_length} and {teacher.config.attends!r}; make it with target.config.draft(...)"
            )
        aim: Any = Distillation(teacher, settings.noise, settings.variance_weight)
        return settings.n_rollout * teacher.patch_length, aim
    if not isinstance(config, TTMConfig) or config.horizon < teacher.patch_length or config.is_fixed:
        raise ConfigError(
            f"a draft is a Timer-XL, or a TTM without channel mixing of a horizon of at least {teacher.patch_length}"
            f" steps, found {type(config).__name__} with a horizon of {config.horizon}"
        )
    return config.prediction_length, scaled_loss


def _continued(teacher: TimerXL, horizon: int) -> Callable[[Batch], Batch]:
    """Windows of which the future is the target's own forecast."""
    device = next(teacher.parameters()).device

    def change(batch: Batch) -> Batch:
        n_seen = min(teacher.context_length, batch.context.shape[-1])
        past, observed = (part[..., -n_seen:].to(device) for part in (batch.context, batch.observed))
        future = _own_future(teacher, past, observed, horizon).cpu()
        return replace(batch, target=future, target_observed=torch.ones_like(future, dtype=torch.bool), weight=None)

    return change


@torch.no_grad()
def _own_future(teacher: TimerXL, context: Tensor, observed: Tensor, horizon: int) -> Tensor:
    """What the target itself forecasts after a context, patch after patch: ``(batch, channel, horizon)``."""
    state = teacher.start(context, observed)
    parts = [teacher.ahead(state).mean]
    while len(parts) * teacher.patch_length < horizon:
        after, state = teacher.step(state, parts[-1])
        parts.append(after.mean)
    return torch.cat(parts, dim=2).flatten(-2)[..., :horizon]
