"""PatchSLSTMForecaster: the recurrent model in the sktime contract, which goes on from what it knows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.device import resolve_device
from ttm_sk.errors import CheckpointError, ConfigError, UntrainedWarning
from ttm_sk.estimators.adaptation import STRATEGIES, adapt
from ttm_sk.estimators.frames import Panel, steps_ahead
from ttm_sk.estimators.panel_forecaster import PanelForecaster
from ttm_sk.estimators.weights import open_weights, shared_module
from ttm_sk.inference.forecasting import check_effort, forecast_series, select_readings
from ttm_sk.inference.streaming import Stream, begin_stream, forecast_stream, read_on
from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig
from ttm_sk.training.finetune import FineTuneSettings
from ttm_sk.training.recipes import preset_config

__all__ = ["PatchSLSTMForecaster"]

ARCHITECTURE = "patch-slstm"
FARTHEST = 0.5  # of its deviation, that a series may leave the units of its stream


class PatchSLSTMForecaster(PanelForecaster):
    """Forecasts by a PatchSLSTM, the recurrent architecture of TiRex, with quantiles; zero-shot or fine-tuned.

    The package ships no weights of this architecture: give a checkpoint (your own, trained by ``ttm-sk pretrain
    --architecture patch-slstm``, or a TiRex ``model.ckpt`` that you have), or a configuration, which starts from random
    weights that ``fit`` has to train.

    Parameters
    ----------
    model_path : str, path or Checkpoint, optional
        Weights, in any format that :func:`ttm_sk.load_checkpoint` opens.
    config : {"tiny", "small", "full"} or PatchSLSTMConfig, optional
        A new model, seeded by ``random_state``, with a warning. One of ``model_path`` and ``config`` is needed.
    fit_strategy : str, default="zero-shot"
        What ``fit`` trains: ``"zero-shot"`` nothing, ``"head"``, ``"bias"``, ``"adapter"``, ``"full"`` everything,
        ``"minimal"`` (the head and the norm before it), ``"auto"`` the best of some; see :class:`ttm_sk.TTMForecaster`.
    effort : {"fast", "plain", "best"}, default="fast"
        As in :class:`ttm_sk.TTMForecaster`.
    context_length : int, optional
        Newest steps of the history that ``fit`` reads; None reads as many as the model may.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one), ``"cpu"``, ``"cuda"``.
    batch_size : int, default=256
        Series in one pass.
    random_state : int, optional
        Seed of ``fit``; forecasts are deterministic.
    fit_steps : int, default=200
        At most so many steps of fine-tuning, 64 windows each.
    few_shot : float or int, optional
        Newest training windows to fine-tune on: a share below 1, or a count; None uses all.
    validation_split : float, default=0.2
        Last part of every series on which fine-tuning is examined and from which it does not learn.

    Attributes
    ----------
    checkpoint_ : Checkpoint
        What was used.
    strategy_ : Choice
        What ``fit`` trained, and why.
    readings_ : ReadingMixture or None
        What ``effort="best"`` mixes.

    Notes
    -----
    ``update`` reads only what is new, in whole patches of 32 steps, at a cost that does not depend on the length of the
    past; the unit of a series stays that of ``fit``, and nothing falls out of the memory. Between two patches, and
    where new values change old ones or series grow by different numbers of steps, the newest ``context_length`` steps
    are read again.

    References
    ----------
    .. [1] Auer et al. (2025), TiRex, arXiv:2505.23719. .. [2] Beck et al. (2024), xLSTM, arXiv:2405.04517.

    Examples
    --------
    >>> import warnings
    >>> from sktime.datasets import load_airline
    >>> from ttm_sk import PatchSLSTMForecaster
    >>> forecaster = PatchSLSTMForecaster(config="tiny", random_state=0)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # the weights are random
    ...     forecaster = forecaster.fit(load_airline())
    >>> forecaster.predict(fh=[1, 2, 3]).shape
    (3,)
    """

    _tags = {"python_dependencies": ["torch"]}

    def __init__(
        self,
        model_path: str | Path | Checkpoint | None = None,
        config: str | PatchSLSTMConfig | None = None,
        fit_strategy: str = "zero-shot",
        effort: str = "fast",
        context_length: int | None = None,
        device: str = "auto",
        batch_size: int = 256,
        random_state: int | None = None,
        fit_steps: int = 200,
        few_shot: float | None = None,
        validation_split: float = 0.2,
    ) -> None:
        self.model_path = model_path
        self.config = config
        self.fit_strategy = fit_strategy
        self.effort = effort
        self.context_length = context_length
        self.device = device
        self.batch_size = batch_size
        self.random_state = random_state
        self.fit_steps = fit_steps
        self.few_shot = few_shot
        self.validation_split = validation_split
        super().__init__()

    def _fit(self, y: pd.DataFrame, X: Any, fh: ForecastingHorizon | None) -> PatchSLSTMForecaster:
        settings = self._check_parameters()
        self.checkpoint_ = self._open()
        self._stream: Stream | None = None
        self._remember(y)
        horizon = self.checkpoint_.config.horizon
        if fh is not None:
            horizon = int(max(steps.max() for steps in steps_ahead(fh, self._panel)))
        self.checkpoint_, self.strategy_ = adapt(
            self.checkpoint_,
            self._panel.histories,
            strategy=self.fit_strategy,
            settings=settings,
            horizon=horizon,
            effort=self.effort,
            device=self.device,
            how=self._how(),
        )
        self.readings_ = None
        if self.effort == "best":
            self.readings_ = select_readings(self._module(), self._panel.histories, horizon, **self._how())
        else:
            self._begin()
        return self

    def _begin(self) -> None:
        is_symmetric = self.effort == "fast"
        self._stream = begin_stream(self._module(), self._panel.histories, is_symmetric=is_symmetric, **self._how())
        self._n_read = [history.shape[1] for history in self._panel.histories]
        self._units = self._newest_units()

    def _update(self, y: pd.DataFrame, X: Any = None, update_params: bool = True) -> PatchSLSTMForecaster:
        before = self._panel.histories
        super()._update(y, X, update_params)
        if self._stream is None:
            return self
        after, patch_length = self._panel.histories, self._module().config.patch_length
        n_new = {len_after - n_read for len_after, n_read in zip(map(_length, after), self._n_read, strict=False)}
        if not _goes_on(before, after) or len(n_new) > 1 or _is_elsewhere(self._newest_units(), self._units):
            self._begin()
        elif n_whole := n_new.pop() // patch_length * patch_length:
            values = np.stack([a[:, n : n + n_whole] for a, n in zip(after, self._n_read, strict=True)])
            self._stream = read_on(self._module(), self._stream, values)
            self._n_read = [n_read + n_whole for n_read in self._n_read]
        return self

    def _newest_units(self) -> np.ndarray:
        """Mean and deviation of what a reading of the past sees, ``(series and channel, 2)``."""
        length = self.checkpoint_.config.context_length
        length = min(length, self.context_length or length)
        seen = [row[-length:] for history in self._panel.histories for row in history]
        return np.array([(row.mean(), row.std()) for row in (row[np.isfinite(row)] for row in seen)])

    def _forecast(self, fh: ForecastingHorizon, *, levels: tuple[float, ...] | list[float]) -> list[np.ndarray]:
        """For each instance an array ``(channel, step, level)``, the steps of ``fh`` in its order."""
        steps, wanted = steps_ahead(fh, self._panel), [*levels, 0.5]
        horizon = int(max(asked.max() for asked in steps))
        module, histories = self._module(), self._panel.histories
        is_up_to_date = self._stream is not None and self._n_read == [_length(history) for history in histories]
        if self._stream is not None and is_up_to_date and horizon <= module.longest_pass:
            quantiles = forecast_stream(module, self._stream, horizon, levels=wanted)
        else:
            quantiles = forecast_series(
                module, histories, horizon, levels=wanted, effort=self.effort, readings=self.readings_, **self._how()
            )
        return [part[:, asked - 1, :-1] for part, asked in zip(quantiles, steps, strict=True)]

    def _module(self) -> PatchSLSTM:
        module = shared_module(self.checkpoint_, self.device)
        assert isinstance(module, PatchSLSTM)  # _open has looked
        return module

    def _how(self) -> dict[str, Any]:
        return {"batch_size": self.batch_size, "context_length": self.context_length}

    def _refuse(self, panel: Panel) -> None:
        seen = self.checkpoint_.config.context_length
        panel.refuse_unseen(min(seen, self.context_length or seen))

    def _open(self) -> Checkpoint:
        """The weights, or random ones with a warning."""
        if self.model_path is not None:
            checkpoint = open_weights(self.model_path)
            if checkpoint.architecture != ARCHITECTURE:
                raise CheckpointError(
                    f"found a {checkpoint.architecture} in {self.model_path!s:.80}, expected a {ARCHITECTURE};"
                    " TTMForecaster opens the others"
                )
            return checkpoint
        config = preset_config(ARCHITECTURE, self.config) if isinstance(self.config, str) else self.config
        assert config is not None  # one of the two is given
        if self.fit_strategy == "zero-shot":
            warnings.warn(
                "the weights are random and fit trains nothing: the forecasts mean nothing; use"
                " fit_strategy='full', or weights of `ttm-sk pretrain --architecture patch-slstm`",
                UntrainedWarning,
                stacklevel=2,
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state or 0)
            return Checkpoint(config, new_module(config).state_dict())

    def _check_parameters(self) -> FineTuneSettings:
        if (self.model_path is None) == (self.config is None):
            found = "neither" if self.config is None else "both"
            raise ConfigError(
                f"found {found} of model_path and config; give one: weights, or a config for random ones ('tiny')"
            )
        if not isinstance(self.model_path, (str, Path, Checkpoint, type(None))):
            raise ConfigError(f"model_path={self.model_path!r} must be a name, a path or a Checkpoint")
        if not isinstance(self.config, (str, PatchSLSTMConfig, type(None))):
            raise ConfigError(f"config={self.config!r} must be 'tiny', 'small', 'full' or a PatchSLSTMConfig")
        if self.fit_strategy not in STRATEGIES:
            known = ", ".join(map(repr, STRATEGIES))
            raise ConfigError(f"unknown fit_strategy {self.fit_strategy!r}; choose one of {known}")
        check_effort(self.effort)
        resolve_device(self.device)
        least = {"context_length": 1, "batch_size": 1, "fit_steps": 1, "random_state": 0}
        for name, value in ((name, getattr(self, name)) for name in least):
            is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            is_left_out = value is None and name in ("context_length", "random_state")
            if not is_left_out and not (is_whole and value >= least[name]):
                raise ConfigError(f"{name}={value!r} must be a whole number of at least {least[name]}")
        return FineTuneSettings(
            most_steps=int(self.fit_steps),
            few_shot=self.few_shot,
            validation_share=self.validation_split,
            seed=int(self.random_state or 0),
        )

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Parameters for sktime's own checks: quick ones."""
        small = PatchSLSTMConfig(
            context_length=64,
            prediction_length=8,
            longest_pass=16,
            patch_length=8,
            width=8,
            n_blocks=1,
            n_heads=2,
            hidden_width=8,
            expanded_width=8,
            levels=(0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99),
        )
        return [
            {"config": small, "effort": "plain"},
            {"config": small, "effort": "fast", "context_length": 32, "batch_size": 2, "random_state": 3},
        ]


def _length(history: np.ndarray) -> int:
    return history.shape[1]


def _is_elsewhere(now: np.ndarray, begun: np.ndarray) -> bool:
    """Whether a series has left the units in which its stream reads it: its level, or its spread, also from none."""
    level, spread = np.abs(now[:, 0] - begun[:, 0]), begun[:, 1]
    size = 1e-6 * np.abs(begun[:, 0])  # a spread below it is rounding
    is_flat = spread <= size
    has_moved = (level > FARTHEST * spread) | (np.abs(now[:, 1] - spread) > FARTHEST * spread)
    return bool(np.where(is_flat, (now[:, 1] > size) | (level > size), has_moved).any())


def _goes_on(before: tuple[np.ndarray, ...], after: tuple[np.ndarray, ...]) -> bool:
    """Whether the histories are the old ones with something behind them."""
    return len(before) == len(after) and all(
        len(old) == len(new) and np.array_equal(old, new[:, : old.shape[1]], equal_nan=True)
        for old, new in zip(before, after, strict=True)
    )
