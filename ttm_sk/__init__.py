"""TinyTimeMixer from scratch, as sktime and scikit-learn estimators.

The public names load on first use (PEP 562): ``import ttm_sk`` alone imports nothing but the standard library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttm_sk.checkpoints.open import load_checkpoint
    from ttm_sk.checkpoints.store import save_checkpoint
    from ttm_sk.estimators.features import TTMFeatures
    from ttm_sk.estimators.forecaster import TTMForecaster
    from ttm_sk.estimators.patch_slstm import PatchSLSTMForecaster
    from ttm_sk.estimators.regressor import TTMRegressor
    from ttm_sk.estimators.speculative import SpeculativeForecaster
    from ttm_sk.estimators.tabpfn import TabPFNTSForecaster
    from ttm_sk.estimators.timer_xl import TimerXLForecaster
    from ttm_sk.models.ttm import TTM, TTMConfig
    from ttm_sk.training.finetune import finetune
    from ttm_sk.training.pretrain import pretrain

__version__ = "0.1.0"

__all__ = [
    "PatchSLSTMForecaster",
    "SpeculativeForecaster",
    "TTM",
    "TTMConfig",
    "TTMFeatures",
    "TTMForecaster",
    "TTMRegressor",
    "TabPFNTSForecaster",
    "TimerXLForecaster",
    "finetune",
    "load_checkpoint",
    "pretrain",
    "save_checkpoint",
]

_HOMES = {
    "PatchSLSTMForecaster": "ttm_sk.estimators.patch_slstm",
    "SpeculativeForecaster": "ttm_sk.estimators.speculative",
    "TTM": "ttm_sk.models.ttm",
    "TTMConfig": "ttm_sk.models.ttm",
    "TTMFeatures": "ttm_sk.estimators.features",
    "TTMForecaster": "ttm_sk.estimators.forecaster",
    "TTMRegressor": "ttm_sk.estimators.regressor",
    "TabPFNTSForecaster": "ttm_sk.estimators.tabpfn",
    "TimerXLForecaster": "ttm_sk.estimators.timer_xl",
    "finetune": "ttm_sk.training.finetune",
    "load_checkpoint": "ttm_sk.checkpoints.open",
    "pretrain": "ttm_sk.training.pretrain",
    "save_checkpoint": "ttm_sk.checkpoints.store",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
