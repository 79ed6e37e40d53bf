"""What forecasters of an autoregressive model share: histories in, points or quantiles of draws out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.padding import Padded, pad
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError
from ttm_sk.estimators.frames import Panel, steps_ahead
from ttm_sk.estimators.panel_forecaster import PanelForecaster
from ttm_sk.models.timer_xl import TimerXL, TimerXLConfig
from ttm_sk.training.patch_learning import random_checkpoint

__all__ = ["PatchForecaster", "hashed_checkpoint", "timer_module", "timer_of"]


class PatchForecaster(PanelForecaster):
    """A forecaster by a function from contexts to values, :meth:`_decode`.

    A subclass has the parameters ``context_length``, ``batch_size``, ``device`` and ``random_state``, sets
    ``_n_samples`` in ``__init__`` (draws of each forecast; 0 forecasts points) and ``_seen`` in ``_fit``.
    """

    _tags = {"python_dependencies": ["torch"], "capability:pred_int": False}

    def _decode(
        self, context: torch.Tensor, observed: torch.Tensor, horizon: int, generator: torch.Generator
    ) -> torch.Tensor:
        """``(batch, channel, time)`` to ``(batch, channel, horizon)``."""
        raise NotImplementedError

    def _refuse(self, panel: Panel) -> None:
        panel.refuse_unseen(self._seen)

    def _forecast(self, fh: ForecastingHorizon, *, levels: tuple[float, ...] | list[float]) -> list[np.ndarray]:
        steps = steps_ahead(fh, self._panel)
        horizon = int(max(asked.max() for asked in steps))
        generator = torch.Generator().manual_seed(0 if self.random_state is None else int(self.random_state))
        histories = self._panel.histories
        parts = [
            self._fans(histories[i : i + self.batch_size], horizon, levels, generator)
            for i in range(0, len(histories), self.batch_size)
        ]
        return [fan[:, asked - 1] for fan, asked in zip(np.concatenate(parts), steps, strict=True)]

    def _fans(
        self,
        histories: Sequence[np.ndarray],
        horizon: int,
        levels: tuple[float, ...] | list[float],
        generator: torch.Generator,
    ) -> np.ndarray:
        """``(series, channel, horizon, level)`` in the units of the series."""
        padded, context, observed = self._tensors(histories)
        values = self._decode(context, observed, horizon, generator).double().cpu().numpy()
        drawn = np.moveaxis(values.reshape(len(histories), -1, *values.shape[1:]), 1, -1)
        fans = np.moveaxis(np.quantile(drawn, levels, axis=-1), 0, -1) if self._n_samples else drawn
        return padded.restore(fans)

    def _tensors(self, histories: Sequence[np.ndarray]) -> tuple[Padded, torch.Tensor, torch.Tensor]:
        """The padded histories, and as tensors on the device, once for each draw."""
        padded, device = pad(histories, context_length=self._seen), resolve_device(self.device)
        parts = (torch.from_numpy(part).to(device) for part in (padded.context, padded.observed))
        context, observed = (part.repeat_interleave(self._n_samples or 1, 0) for part in parts)
        return padded, context, observed

    def _check_counts(self, **counts: Any) -> None:
        for name, (value, least) in counts.items():
            is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            is_left_out = value is None and name in ("context_length", "random_state")
            if not is_left_out and not (is_whole and value >= least):
                raise ConfigError(f"{name}={value!r} must be a whole number of at least {least}")
        resolve_device(self.device)


def timer_of(checkpoint: Checkpoint, *, role: str) -> TimerXLConfig:
    """The config of a Timer-XL's checkpoint.

    Raises
    ------
    ConfigError
        For the checkpoint of another architecture, which ``role`` cannot use.
    """
    if not isinstance(checkpoint.config, TimerXLConfig):
        raise ConfigError(
            f"{role} needs a checkpoint of 'timer-xl', found one of {checkpoint.architecture!r};"
            " for a TTM use TTMForecaster"
        )
    return checkpoint.config


def hashed_checkpoint(config: TimerXLConfig, *, seed: int = 0) -> Checkpoint:
    """Random weights whose hash is known, so that fitting changes nothing in a parameter that holds them."""
    checkpoint = random_checkpoint(config, seed=seed)
    assert checkpoint.hash
    return checkpoint


def timer_module(module: Any) -> TimerXL:
    """The module, known to be a Timer-XL."""
    assert isinstance(module, TimerXL)
    return module
