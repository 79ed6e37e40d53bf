"""How each architecture is pretrained, by its name: sizes to choose from, windows to draw, and what to minimise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch

from ttm_sk.checkpoints.architectures import ARCHITECTURES, AnyConfig, architecture_of
from ttm_sk.data.augmentation import Augmentation
from ttm_sk.data.curriculum import CurriculumSampler
from ttm_sk.data.device_sampling import DeviceWindowSampler
from ttm_sk.data.sampling import WindowSampler
from ttm_sk.data.windows import Batch
from ttm_sk.errors import ConfigError
from ttm_sk.models.patch_slstm import PatchSLSTMConfig
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.models.ttm import TTMConfig
from ttm_sk.training.next_patch import next_patch_loss
from ttm_sk.training.objectives import scaled_loss
from ttm_sk.training.patch_objective import patch_loss

__all__ = ["RECIPES", "Recipe", "preset_config", "recipe_of"]


class Sampler(Protocol):
    """What draws the batches of a run."""

    def batch(self, index: int, size: int, *, rank: int = 0) -> Batch:
        """Batch ``index``, a function of nothing but the arguments."""
        ...


class Recipe(NamedTuple):
    """How to pretrain an architecture.

    Attributes
    ----------
    presets
        Configs of new models, by the name of their size.
    sampler
        ``(config, n_steps=, device=, **windows)`` -> what draws the batches: on the device where that is a GPU and the
        architecture's windows can be drawn there, else on the CPU. ``windows`` (corpus, shares, seed) are attributes of
        :class:`~ttm_sk.data.sampling.WindowSampler`, and ``changed_share`` as
        :class:`~ttm_sk.training.pretrain.PretrainSettings` has it.
    objective
        What is minimised.
    can_compile
        Whether the loop has something to compile: ``forecast_scaled`` where the objective goes through it, or the steps
        of a recurrence.
    """

    presets: Mapping[str, Callable[[], AnyConfig]]
    sampler: Callable[..., Sampler]
    objective: Callable[[Any, Batch], Any]
    can_compile: bool = True


def _changes(share: float | None, usual: Augmentation | None = None) -> Augmentation | None:
    """What :class:`DeviceWindowSampler` does of itself, on the CPU."""
    if share is None:
        return usual
    return Augmentation(share / 2, share, share / 4, spiked_share=0.0) if share else None


def _plain_windows(
    config: TTMConfig, *, n_steps: int, device: torch.device, changed_share: float | None = None, **windows: Any
) -> Sampler:
    if config.n_resolutions or config.is_fixed:
        raise ConfigError(
            "pretraining draws univariate windows without resolution tokens;"
            " use a config without prefix and channel mixing"
        )
    shape = config.context_length, config.prediction_length
    if device.type == "cuda":
        if changed_share is not None:
            windows["changed_share"] = changed_share
        return DeviceWindowSampler(*shape, device=device, **windows)
    return WindowSampler(*shape, augmentation=_changes(changed_share), **windows)


def _growing_windows(
    config: PatchSLSTMConfig, *, n_steps: int, device: torch.device, changed_share: float | None = None, **windows: Any
) -> CurriculumSampler:
    changes = _changes(changed_share, usual=Augmentation())
    whole = WindowSampler(config.context_length, config.prediction_length, augmentation=changes, **windows)
    return CurriculumSampler(whole, n_steps=n_steps, unit=config.patch_length)


def _whole_windows(
    config: TimerXLConfig, *, n_steps: int, device: torch.device, changed_share: float | None = None, **windows: Any
) -> WindowSampler:
    if config.mixes_channels:
        raise ConfigError(f"pretraining draws univariate windows; use attends='own', found {config.attends!r}")
    return WindowSampler(config.context_length, config.patch_length, augmentation=_changes(changed_share), **windows)


RECIPES: Mapping[str, Recipe] = {
    "ttm": Recipe(
        {"tiny": TTMConfig.tiny, "small": TTMConfig.small, "base": TTMConfig.base}, _plain_windows, scaled_loss
    ),
    "patch-slstm": Recipe(
        {"tiny": PatchSLSTMConfig.tiny, "small": PatchSLSTMConfig.small, "full": PatchSLSTMConfig.full},
        _growing_windows,
        patch_loss,
    ),
    "timer-xl": Recipe(
        {
            "tiny": TimerXLConfig.tiny,
            "small": TimerXLConfig.small,
            "base": TimerXLConfig.base_84m,
            "timer": TimerXLConfig.timer,
        },
        _whole_windows,
        next_patch_loss,
        can_compile=False,
    ),
}


def recipe_of(config: AnyConfig) -> Recipe:
    """The recipe of a config's architecture.

    Raises
    ------
    ConfigError
        If that architecture is not trained from the beginning here.
    """
    name = architecture_of(config).name
    if name not in RECIPES:
        known = ", ".join(ARCHITECTURES[known].config.__name__ for known in RECIPES)
        raise ConfigError(f"pretraining is for {known}, found {type(config).__name__}; start from one of them")
    return RECIPES[name]


def preset_config(architecture: str, preset: str) -> AnyConfig:
    """The config of a new model.

    Raises
    ------
    ConfigError
        For an unknown architecture or size.

    Examples
    --------
    >>> preset_config("patch-slstm", "full").width
    512
    """
    if architecture not in RECIPES:
        raise ConfigError(f"unknown architecture {architecture!r}; choose one of {', '.join(map(repr, RECIPES))}")
    presets = RECIPES[architecture].presets
    if preset not in presets:
        raise ConfigError(f"{architecture} has no size {preset!r}; choose one of {', '.join(map(repr, presets))}")
    return presets[preset]()
