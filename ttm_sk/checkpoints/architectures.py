"""Which module a config describes: the architectures that a checkpoint may hold, by name."""

from __future__ import annotations

from typing import Any, NamedTuple

from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig
from ttm_sk.models.timer_xl import TimerXL, TimerXLConfig
from ttm_sk.models.ttm import TTM, TTMConfig
from ttm_sk.models.ttm_r3 import TTMR3, DecomposedTTM, DecomposedTTMConfig, TTMR3Config

__all__ = ["ARCHITECTURES", "AnyConfig", "AnyModule", "Architecture", "architecture_of", "new_module"]

AnyConfig = TTMConfig | TTMR3Config | DecomposedTTMConfig | PatchSLSTMConfig | TimerXLConfig
AnyModule = TTM | TTMR3 | DecomposedTTM | PatchSLSTM | TimerXL


class Architecture(NamedTuple):
    """A kind of model: its name in files, the class of its config, and the class of its module."""

    name: str
    config: Any
    module: Any


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("ttm", TTMConfig, TTM),
        Architecture("ttm-r3", TTMR3Config, TTMR3),
        Architecture("ttm-r3-decomposed", DecomposedTTMConfig, DecomposedTTM),
        Architecture("timer-xl", TimerXLConfig, TimerXL),
        Architecture("patch-slstm", PatchSLSTMConfig, PatchSLSTM),
    )
}


def architecture_of(config: AnyConfig) -> Architecture:
    """The architecture that a config describes.

    Examples
    --------
    >>> architecture_of(TTMConfig.tiny()).name
    'ttm'
    """
    return next(known for known in ARCHITECTURES.values() if type(config) is known.config)


def new_module(config: AnyConfig) -> AnyModule:
    """A module of that config, with random weights."""
    return architecture_of(config).module(config)
