"""TTMForecaster: a pretrained TinyTimeMixer in the sktime contract."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.checkpoints.hub import bundled_names
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.corpora import Corpus
from ttm_sk.data.frequency import resolution_token
from ttm_sk.device import resolve_device
from ttm_sk.errors import CheckpointError, ConfigError, DataError
from ttm_sk.estimators.frames import Panel, steps_ahead, to_panel
from ttm_sk.estimators.panel_forecaster import PanelForecaster
from ttm_sk.inference.forecasting import check_effort, forecast_series
from ttm_sk.training.pretrain import PretrainSettings, pretrain

__all__ = ["TTMForecaster"]

LATER_STRATEGIES = ("head", "minimal", "bias", "adapter", "full", "auto")


class TTMForecaster(PanelForecaster):
    """Zero-shot forecasts of any series by a pretrained TinyTimeMixer, with quantiles.

    Nothing is trained in ``fit``: the weights (under one million parameters, inside this package) were pretrained on
    other series. Any history from one point and any horizon work; missing values are read as missing; series of a
    panel or hierarchy may differ in length and are forecast in one batch; each column of a multivariate series is
    forecast by itself.

    Parameters
    ----------
    model_path : str, path or Checkpoint, default="ttm-tiny"
        Bundled weights by name, a checkpoint file, the folder of an IBM Granite checkpoint or its hub name with a
        revision, or a :class:`~ttm_sk.checkpoints.store.Checkpoint`.
    fit_strategy : str, default="zero-shot"
        What ``fit`` trains: nothing. Other strategies are not part of this version and raise.
    effort : {"fast", "plain"}, default="fast"
        ``"plain"`` is one pass; ``"fast"`` averages it with the pass over the negated series, and beyond the model's
        own horizon of 96 steps follows five possible futures instead of one: better, at two (ten) times the cost.
    context_length : int, optional
        Newest steps of the history to use; None uses as many as the model can see.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one), ``"cpu"``, ``"cuda"``.
    batch_size : int, default=256
        Series in one pass; lower it where memory is short.
    pretrain_windows : int, default=20000
        Windows that :meth:`pretrain` trains on. Note that sktime's ``set_params`` forgets what ``pretrain`` learnt.
    random_state : int, optional
        Seed of :meth:`pretrain`; forecasts are deterministic.

    Attributes
    ----------
    checkpoint_ : Checkpoint
        What was used.

    Notes
    -----
    Values are floats of any scale; a forecast has the units of the series. NaN are unobserved; infinities, and series
    without any value, raise ``DataError``. Quantile levels reach from .01 to .99; others raise ``ConfigError``.
    Exogenous variables ``X`` are not used, as the tag ``capability:exogenous`` says.

    References
    ----------
    .. [1] Ekambaram et al. (2024), Tiny Time Mixers, arXiv:2401.03955.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from ttm_sk import TTMForecaster
    >>> forecaster = TTMForecaster().fit(load_airline())
    >>> forecaster.predict(fh=[1, 2, 3]).shape
    (3,)
    >>> forecaster.predict_interval(fh=[1, 2, 3], coverage=0.8).shape
    (3, 2)
    """

    _tags = {"python_dependencies": ["torch"], "capability:pretrain": True}

    def __init__(
        self,
        model_path: str | Path | Checkpoint = "ttm-tiny",
        fit_strategy: str = "zero-shot",
        effort: str = "fast",
        context_length: int | None = None,
        device: str = "auto",
        batch_size: int = 256,
        pretrain_windows: int = 20_000,
        random_state: int | None = None,
    ) -> None:
        self.model_path = model_path
        self.fit_strategy = fit_strategy
        self.effort = effort
        self.context_length = context_length
        self.device = device
        self.batch_size = batch_size
        self.pretrain_windows = pretrain_windows
        self.random_state = random_state
        super().__init__()

    def _fit(self, y: pd.DataFrame, X: Any, fh: ForecastingHorizon | None) -> TTMForecaster:
        self._check_parameters()
        self.checkpoint_ = getattr(self, "pretrained_checkpoint_", None) or _open(self.model_path)
        _check_channels(self.checkpoint_, y.shape[1])
        self._remember(y)
        return self

    def _refuse(self, panel: Panel) -> None:
        seen = self.checkpoint_.config.context_length
        panel.refuse_unseen(min(seen, self.context_length or seen))

    def _forecast(self, fh: ForecastingHorizon, *, levels: tuple[float, ...] | list[float]) -> list[np.ndarray]:
        """For each instance an array ``(channel, step, level)``, the steps of ``fh`` in its order."""
        steps = steps_ahead(fh, self._panel)
        quantiles = forecast_series(
            shared_module(self.checkpoint_, self.device),
            self._panel.histories,
            int(max(asked.max() for asked in steps)),
            levels=levels,
            effort=self.effort,
            batch_size=self.batch_size,
            context_length=self.context_length,
            resolution=self._resolution(),
        )
        return [part[:, asked - 1] for part, asked in zip(quantiles, steps, strict=True)]

    def _resolution(self) -> int | None:
        n_resolutions = self.checkpoint_.config.n_resolutions
        if not n_resolutions:
            return None
        frequency = next((offset for offset in self._panel.frequencies if offset is not None), None)
        return resolution_token(getattr(frequency, "freqstr", None), n_resolutions=n_resolutions)

    def _pretrain(self, y: pd.DataFrame, X: Any = None, fh: Any = None) -> TTMForecaster:
        """Train the weights on the user's own panel, all columns of all instances; ``fit`` then uses the result."""
        self._check_parameters()
        start = getattr(self, "pretrained_checkpoint_", None) or _open(self.model_path)
        panel = to_panel(y)
        corpus = Corpus.from_series(channel for history in panel.histories for channel in history)
        settings = PretrainSettings(
            n_windows=self.pretrain_windows,
            batch_size=min(64, self.pretrain_windows),
            peak=3e-4,
            synthetic_share=0.0,
            seed=0 if self.random_state is None else self.random_state,
        )
        self.pretrained_checkpoint_ = pretrain(start, corpus, settings=settings, device=self.device, is_quiet=True)
        return self

    def _check_parameters(self) -> None:
        if self.fit_strategy in LATER_STRATEGIES:
            raise ConfigError(
                f"fit_strategy={self.fit_strategy!r} is not in this version; use fit_strategy='zero-shot'"
            )
        if self.fit_strategy != "zero-shot":
            raise ConfigError(f"unknown fit_strategy {self.fit_strategy!r}; use fit_strategy='zero-shot'")
        check_effort(self.effort)
        for name in ("context_length", "batch_size", "pretrain_windows"):
            value = getattr(self, name)
            if value is None and name == "context_length":
                continue
            if not _is_count(value, at_least=1):
                raise ConfigError(f"{name}={value!r} must be a whole number of at least 1")
        if not isinstance(self.model_path, (str, Path, Checkpoint)):
            raise ConfigError(f"model_path={self.model_path!r} must be a name, a path or a Checkpoint")
        if self.random_state is not None and not _is_count(self.random_state, at_least=0):
            raise ConfigError(f"random_state={self.random_state!r} must be None or a whole number of at least 0")
        resolve_device(self.device)

    def __getstate__(self) -> dict[str, Any]:
        """What pickle keeps: bundled weights by name and hash, all others by value."""
        state = self.__dict__.copy()
        checkpoint = state.get("checkpoint_")
        is_bundled = isinstance(self.model_path, str) and self.model_path in bundled_names()
        if checkpoint is not None and is_bundled and "pretrained_checkpoint_" not in state:
            state["checkpoint_"] = (self.model_path, checkpoint.hash)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The fitted forecaster again.

        Raises
        ------
        CheckpointError
            If this version of the package bundles other weights than those that it was fitted with.
        """
        self.__dict__.update(state)
        if isinstance(state.get("checkpoint_"), tuple):
            name, expected = state["checkpoint_"]
            self.checkpoint_ = _open(name)
            if self.checkpoint_.hash != expected:
                raise CheckpointError(
                    f"this forecaster was fitted with other weights called {name!r} (hash {expected[:12]}, here"
                    f" {self.checkpoint_.hash[:12]}); fit it again, or install the version of ttm-sk that it was made"
                    " with"
                )

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Parameters for sktime's own checks: quick ones."""
        return [
            {"effort": "plain", "pretrain_windows": 8},
            {"effort": "fast", "context_length": 64, "batch_size": 2, "pretrain_windows": 8, "random_state": 3},
        ]


def _is_count(value: Any, *, at_least: int) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= at_least


def _check_channels(checkpoint: Checkpoint, n_columns: int) -> None:
    """Refuse a checkpoint that needs what a plain frame does not give."""
    config = checkpoint.config
    if config.covariate_channels or config.static_sizes:
        raise ConfigError(
            f"this checkpoint needs {len(config.covariate_channels)} covariate(s) and {len(config.static_sizes)} static"
            " category(ies), which TTMForecaster does not pass in this version; call its module:"
            " load_checkpoint(path).build()"
        )
    if config.target_channels and len(config.target_channels) < config.n_channels:
        raise ConfigError(
            f"this checkpoint forecasts only the channels {config.target_channels} of {config.n_channels}, and"
            " TTMForecaster every column; call its module: load_checkpoint(path).build()"
        )
    if config.is_fixed and n_columns != config.n_channels:
        raise DataError(
            f"found {n_columns} column(s), but this checkpoint mixes exactly {config.n_channels} channels;"
            " give as many, in the order of its training"
        )


def _open(model_path: str | Path | Checkpoint) -> Checkpoint:
    if isinstance(model_path, Checkpoint):
        return model_path
    if isinstance(model_path, str) and model_path in bundled_names():
        return _open_bundled(model_path)
    return load_checkpoint(model_path)


@lru_cache(maxsize=4)
def _open_bundled(name: str) -> Checkpoint:
    return load_checkpoint(name)


def shared_module(checkpoint: Checkpoint, device: str) -> AnyModule:
    """A module for inference alone; forecasters with the same weights share it, and nothing ever trains it."""
    return _shared_module(checkpoint, str(resolve_device(device)))


@lru_cache(maxsize=4)
def _shared_module(checkpoint: Checkpoint, device: str) -> AnyModule:
    return checkpoint.build().requires_grad_(False).to(device)
