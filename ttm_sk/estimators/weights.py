"""The weights behind the estimators: opened once, and one module for all that only forecast."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.checkpoints.hub import bundled_names
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError
from ttm_sk.inference.exported import ENGINES
from ttm_sk.inference.forecasting import as_runner
from ttm_sk.inference.runner import Runner
from ttm_sk.models.ttm import TTM

__all__ = ["check_backend", "open_weights", "own_ttm", "refuse_patch_models", "shared_module", "shared_runner"]

BACKENDS = ("torch", *ENGINES)


def open_weights(model_path: str | Path | Checkpoint) -> Checkpoint:
    """The checkpoint of a name or path; bundled ones are read once."""
    if isinstance(model_path, Checkpoint):
        return model_path
    if isinstance(model_path, str) and model_path in bundled_names():
        return _open_bundled(model_path)
    return load_checkpoint(model_path)


@lru_cache(maxsize=4)
def _open_bundled(name: str) -> Checkpoint:
    return load_checkpoint(name)


def refuse_patch_models(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint, unless a forecaster of its own is there for it.

    Raises
    ------
    ConfigError
        For a Timer-XL, by name.
    """
    if checkpoint.architecture == "timer-xl":
        raise ConfigError("found a checkpoint of 'timer-xl'; TTMForecaster is for TTMs: use TimerXLForecaster")
    return checkpoint


def own_ttm(checkpoint: Checkpoint) -> TTM:
    """A TTM of one's own.

    Raises
    ------
    ConfigError
        If the checkpoint holds another architecture.
    """
    module = checkpoint.build()
    if not isinstance(module, TTM):
        raise ConfigError(f"this estimator reads the features of a TTM, found a {type(module).__name__}; use a TTM's")
    return module


def shared_module(checkpoint: Checkpoint, device: str) -> AnyModule:
    """A module for inference alone; forecasters with the same weights share it, and nothing ever trains it."""
    return _shared_module(checkpoint, str(resolve_device(device)))


@lru_cache(maxsize=4)
def _shared_module(checkpoint: Checkpoint, device: str) -> AnyModule:
    return checkpoint.build().requires_grad_(False).to(device)


def check_backend(backend: str, device: str) -> None:
    """Refuse a backend that does not exist, or a device that it does not run on.

    Raises
    ------
    ConfigError
        With the choices.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"unknown backend {backend!r}; choose one of {', '.join(map(repr, BACKENDS))}")
    if backend != "torch" and device not in ("auto", "cpu"):
        raise ConfigError(f"backend={backend!r} runs on the processor, found device={device!r}; use 'auto' or 'cpu'")


def shared_runner(checkpoint: Checkpoint, device: str, backend: str) -> Runner:
    """What makes the forecasts: :func:`shared_module`, or the checkpoint exported once for another engine.

    Raises
    ------
    ConfigError
        If the model cannot be exported.
    MissingExtraError
        If the engine, or what exporting needs, is not installed.
    """
    if backend == "torch":
        return as_runner(shared_module(checkpoint, device))
    return _shared_export(checkpoint, backend)


@lru_cache(maxsize=4)
def _shared_export(checkpoint: Checkpoint, engine: str) -> Runner:
    from ttm_sk.inference.export import cached_export  # torch.export is slow to import

    return cached_export(checkpoint, engine=engine)
