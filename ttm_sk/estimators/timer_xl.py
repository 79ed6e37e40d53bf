"""TimerXLForecaster: a Timer-XL in the sktime contract."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.estimators.patch_forecaster import PatchForecaster, hashed_checkpoint, timer_module, timer_of
from ttm_sk.estimators.weights import open_weights, shared_module
from ttm_sk.inference.decoding import decode
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.training.patch_learning import PatchLearning, learn_patches, random_checkpoint

__all__ = ["TimerXLForecaster"]


class TimerXLForecaster(PatchForecaster):
    """Forecasts by a Timer-XL, patch after patch, with what was computed kept; zero-shot, or trained on the series.

    No weights are part of this package. Any history from one point and any horizon work; gaps are read as the mean of
    the past, what is missing before the first value not at all; series of a panel are forecast in one batch.

    Parameters
    ----------
    model_path : str, path or Checkpoint, optional
        A Timer-XL: a file of ours, a ``checkpoint.pth`` of OpenLTM, the folder of a released Timer, or a
        :class:`~ttm_sk.checkpoints.store.Checkpoint`.
    config : TimerXLConfig, optional
        Instead of ``model_path``: begin with random weights, which is warned of unless ``fit_steps`` trains them.
    fit_steps : int, default=0
        Steps of training on the series in ``fit``; 0 trains nothing.
    n_samples : int, default=0
        Draws of each forecast, of which quantiles are taken; 0 forecasts points, without quantiles. Draws need a model
        with variances, or ``sigma``.
    sigma : float, optional
        Standard deviation of a model without variances, in units of the series' own deviation.
    context_length : int, optional
        Newest steps of the history to use; None uses all that the model was trained to see.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one), ``"cpu"``, ``"cuda"``.
    batch_size : int, default=256
        Series in one pass.
    random_state : int, optional
        Seed of random weights, training and draws; None is 0.

    Attributes
    ----------
    checkpoint_ : Checkpoint
        What was used.

    References
    ----------
    .. [1] Liu et al. (2024), Timer-XL, arXiv:2410.04803.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from ttm_sk import TimerXLForecaster
    >>> from ttm_sk.models.timer_xl import TimerXLConfig
    >>> forecaster = TimerXLForecaster(config=TimerXLConfig.tiny(), fit_steps=2).fit(load_airline())
    >>> forecaster.predict(fh=[1, 2, 3]).shape
    (3,)
    """

    def __init__(
        self,
        model_path: str | Path | Checkpoint | None = None,
        config: TimerXLConfig | None = None,
        fit_steps: int = 0,
        n_samples: int = 0,
        sigma: float | None = None,
        context_length: int | None = None,
        device: str = "auto",
        batch_size: int = 256,
        random_state: int | None = None,
    ) -> None:
        self.model_path = model_path
        self.config = config
        self.fit_steps = fit_steps
        self.n_samples = n_samples
        self.sigma = sigma
        self.context_length = context_length
        self.device = device
        self.batch_size = batch_size
        self.random_state = random_state
        super().__init__()
        self._n_samples = n_samples
        if n_samples:
            self.set_tags(**{"capability:pred_int": True})

    def _fit(self, y: pd.DataFrame, X: Any, fh: ForecastingHorizon | None) -> TimerXLForecaster:
        self._check_counts(
            fit_steps=(self.fit_steps, 0),
            n_samples=(self.n_samples, 0),
            context_length=(self.context_length, 1),
            batch_size=(self.batch_size, 1),
            random_state=(self.random_state, 0),
        )
        self.checkpoint_ = self._first_checkpoint()
        config = timer_of(self.checkpoint_, role=type(self).__name__)
        if self.sigma is not None and not (isinstance(self.sigma, (int, float)) and 0 < self.sigma < float("inf")):
            raise ConfigError(f"sigma={self.sigma!r} must be None, or a number above 0 that is finite")
        if self.n_samples and not config.is_stochastic and not (self.sigma or 0) > 0:
            raise ConfigError(f"n_samples={self.n_samples} needs a model with variances, or sigma above 0")
        self._seen = min(config.context_length, self.context_length or config.context_length)
        self._remember(y)
        if self.fit_steps:
            settings = PatchLearning(n_steps=int(self.fit_steps), batch_size=32, seed=int(self.random_state or 0))
            self.checkpoint_ = learn_patches(
                self.checkpoint_, self._panel.histories, settings=settings, device=self.device, is_quiet=True
            )
        return self

    def _first_checkpoint(self) -> Checkpoint:
        if (self.model_path is None) == (self.config is None):
            raise ConfigError(
                f"found model_path={self.model_path!r} and config={self.config!r}; give exactly one of them: weights,"
                " or a TimerXLConfig to begin with random ones"
            )
        if self.model_path is not None:
            return open_weights(self.model_path)
        if not isinstance(self.config, TimerXLConfig):
            raise ConfigError(f"config={self.config!r} must be a TimerXLConfig, for example TimerXLConfig.tiny()")
        if not self.fit_steps:
            warnings.warn(
                "these weights are random, so the forecasts mean nothing; give model_path, or fit_steps to train",
                UserWarning,
                stacklevel=3,
            )
        return random_checkpoint(self.config, seed=int(self.random_state or 0))

    def _decode(
        self, context: torch.Tensor, observed: torch.Tensor, horizon: int, generator: torch.Generator
    ) -> torch.Tensor:
        module = timer_module(shared_module(self.checkpoint_, self.device))
        is_random = bool(self.n_samples)
        return decode(
            module, context, observed, horizon=horizon, is_random=is_random, sigma=self.sigma, generator=generator
        )

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Parameters for sktime's own checks: a tiny model of random weights."""
        tiny = hashed_checkpoint(TimerXLConfig.tiny())
        return [{"model_path": tiny}, {"model_path": tiny, "n_samples": 5, "sigma": 0.5, "random_state": 3}]
