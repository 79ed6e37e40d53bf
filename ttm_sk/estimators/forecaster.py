"""TTMForecaster: a pretrained TinyTimeMixer in the sktime contract."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon

from ttm_sk.checkpoints.hub import bundled_names
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.corpora import Corpus
from ttm_sk.device import resolve_device
from ttm_sk.errors import CheckpointError, ConfigError, DataError, HorizonError
from ttm_sk.estimators.adaptation import STRATEGIES, adapt
from ttm_sk.estimators.frames import (
    from_forecast,
    refuse_disorder,
    shown_frequency,
    steps_ahead,
    text_columns,
    to_panel,
)
from ttm_sk.inference.forecasting import check_effort, forecast_series
from ttm_sk.models.ttm import TTM
from ttm_sk.training.finetune import FineTuneSettings
from ttm_sk.training.pretrain import PretrainSettings, pretrain

__all__ = ["TTMForecaster"]


class TTMForecaster(BaseForecaster):
    """Forecasts of any series by a pretrained TinyTimeMixer, with quantiles; zero-shot, or fine-tuned.

    By default nothing is trained in ``fit``: the weights (under one million parameters, inside this package) were
    pretrained on other series. Any history from one point and any horizon work; missing values are read as missing;
    series of a panel or hierarchy may differ in length and are forecast in one batch; each column of a multivariate
    series is forecast by itself unless ``mixes_channels``.

    Parameters
    ----------
    model_path : str, path or Checkpoint, default="ttm-tiny"
        Bundled weights by name, a checkpoint file, or a :class:`~ttm_sk.checkpoints.store.Checkpoint`.
    fit_strategy : str, default="zero-shot"
        What ``fit`` trains: ``"zero-shot"`` nothing, ``"head"``, ``"minimal"`` decoder and head, ``"bias"``,
        ``"adapter"`` low-rank adapters, ``"full"`` everything; ``"auto"`` compares some of them on the past and takes
        the best. All series of a panel train one model. On the last part of the series, which is kept aside, what was
        learnt is never worse than zero-shot; see :func:`ttm_sk.finetune`.
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
        Seed of ``fit`` and :meth:`pretrain`; forecasts are deterministic.
    fit_steps : int, default=200
        At most so many steps of fine-tuning, 64 windows each.
    few_shot : float or int, optional
        Newest training windows to fine-tune on: a share below 1, or a count; None uses all.
    validation_split : float, default=0.2
        Last part of every series on which fine-tuning is examined and from which it does not learn.
    mixes_channels : bool, default=False
        Let the columns of a multivariate series inform each other, by channel mixing in the decoder; needs a
        ``fit_strategy`` that trains.

    Attributes
    ----------
    checkpoint_ : Checkpoint
        What was used.
    strategy_ : Choice
        What ``fit`` trained (``strategy_.chosen``), why (``strategy_.reason``), and, of ``"auto"``, the losses of what
        it compared, relative to zero-shot (``strategy_.scores``). ``update`` keeps what was trained.

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

    _tags = {
        "authors": ["ttm_sk developers"],
        "maintainers": ["ttm_sk developers"],
        "python_dependencies": ["torch"],
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "capability:multivariate": True,
        "capability:exogenous": False,
        "capability:missing_values": True,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "capability:pretrain": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
        "requires-fh-in-fit": False,
        "X-y-must-have-same-index": False,
        "enforce_index_type": None,
    }
    # What was fitted is needed to predict, so it is remembered whatever sktime's default; sktime 1.2 warns of a coming
    # change of that default on every construction unless warnings are off.
    _config = {"remember_data": True, "warnings": "off"}

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
        fit_steps: int = 200,
        few_shot: float | None = None,
        validation_split: float = 0.2,
        mixes_channels: bool = False,
    ) -> None:
        self.model_path = model_path
        self.fit_strategy = fit_strategy
        self.effort = effort
        self.context_length = context_length
        self.device = device
        self.batch_size = batch_size
        self.pretrain_windows = pretrain_windows
        self.random_state = random_state
        self.fit_steps = fit_steps
        self.few_shot = few_shot
        self.validation_split = validation_split
        self.mixes_channels = mixes_channels
        super().__init__()

    def fit(self, y: Any, X: Any = None, fh: Any = None) -> TTMForecaster:
        """Remember ``y`` and open the weights; see :meth:`sktime.forecasting.base.BaseForecaster.fit`.

        A fit that fails leaves the forecaster as it was, and so do ``update`` and ``pretrain``.
        """
        with self._unchanged_by_failure(y):
            refuse_disorder(y)
            return super().fit(y, X=X, fh=fh)

    def update(self, y: Any, X: Any = None, update_params: bool = True) -> TTMForecaster:
        with self._unchanged_by_failure(y):
            refuse_disorder(y)
            return super().update(y, X=X, update_params=update_params)

    def pretrain(self, y: Any, X: Any = None, fh: Any = None) -> TTMForecaster:
        with self._unchanged_by_failure(y):
            refuse_disorder(y)
            return super().pretrain(y, X=X, fh=fh)

    @contextmanager
    def _unchanged_by_failure(self, y: Any) -> Iterator[None]:
        # sktime changes some of its dictionaries in place, for example the one that keeps the name of a series
        before = {name: value.copy() if isinstance(value, dict) else value for name, value in self.__dict__.items()}
        try:
            yield
        except BaseException as error:
            self.__dict__.clear()
            self.__dict__.update(before)
            if isinstance(error, TypeError) and (names := text_columns(y)):
                found = ", ".join(map(repr, names))
                error.add_note(f"text in column {found}: convert it to numbers, for example with pd.to_numeric")
            raise

    def _check_fh(self, fh: Any, pred_int: bool = False) -> ForecastingHorizon:
        # sktime compares dates with the cutoff as periods, which have no time zone; pandas warns of that.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Converting to PeriodArray/Index representation will drop timezone")
            try:
                return super()._check_fh(fh, pred_int)
            except AssertionError as error:  # all that sktime says of dates where periods are needed, or the reverse
                raise HorizonError(
                    "the horizon has other time stamps than the series, which ends with a"
                    f" {type(self.cutoff).__name__}; give both the same kind, or ask for numbers of steps"
                ) from error

    def _set_cutoff_from_y(self, y: pd.DataFrame) -> None:
        # The dates of a panel do not carry their frequency; without it sktime refuses dates as a horizon.
        before = self.cutoff
        super()._set_cutoff_from_y(y)
        cutoff = self.cutoff
        if isinstance(cutoff, pd.DatetimeIndex) and cutoff.freq is None:
            frequency = shown_frequency(y) or getattr(before, "freq", None)
            if frequency is not None and frequency.is_on_offset(cutoff[0]):
                self._set_cutoff(pd.DatetimeIndex(cutoff, freq=frequency))

    def _fit(self, y: pd.DataFrame, X: Any, fh: ForecastingHorizon | None) -> TTMForecaster:
        self._check_parameters()
        self.checkpoint_ = getattr(self, "pretrained_checkpoint_", None) or _open(self.model_path)
        self._remember(y)
        self.checkpoint_, self.strategy_ = adapt(
            self.checkpoint_,
            self._panel.histories,
            strategy=self.fit_strategy,
            settings=self._fit_settings(),
            horizon=self._longest_horizon(fh),
            effort=self.effort,
            device=self.device,
        )
        return self

    def _longest_horizon(self, fh: ForecastingHorizon | None) -> int:
        """Steps ahead that fine-tuning should care for: those asked for in ``fit``, else the model's own."""
        if fh is None or self.fit_strategy == "zero-shot":
            return self.checkpoint_.config.prediction_length
        return int(max(steps.max() for steps in steps_ahead(fh, self._panel)))

    def _fit_settings(self) -> FineTuneSettings:
        return FineTuneSettings(
            most_steps=int(self.fit_steps),
            few_shot=self.few_shot,
            validation_share=self.validation_split,
            mixes_channels=self.mixes_channels,
            seed=0 if self.random_state is None else int(self.random_state),
        )

    def _update(self, y: pd.DataFrame, X: Any = None, update_params: bool = True) -> TTMForecaster:
        if self._y is None:
            raise ConfigError("update needs what fit has seen; fit with set_config(remember_data=True), the default")
        fitted = self._panel.columns.tolist()
        if others := [name for name in self._y.columns.tolist() if name not in fitted]:  # sktime adds them to the past
            raise DataError(
                f"update found the column {others[0]!r}, expected {', '.join(map(repr, fitted))}; name it as in fit"
            )
        self._remember(self._y)
        return self

    def _remember(self, y: pd.DataFrame) -> None:
        panel = to_panel(y)
        seen = self.checkpoint_.config.context_length
        panel.refuse_unseen(min(seen, self.context_length or seen))
        self._panel = panel

    def _predict(self, fh: ForecastingHorizon, X: Any) -> pd.DataFrame:
        forecast = self._forecast(fh, levels=(0.5,))
        return from_forecast([part[..., 0].T for part in forecast], self._panel, fh, self._panel.columns)

    def _predict_quantiles(self, fh: ForecastingHorizon, X: Any, alpha: list[float]) -> pd.DataFrame:
        forecast = self._forecast(fh, levels=alpha)
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        rows = [part.transpose(1, 0, 2).reshape(part.shape[1], -1) for part in forecast]
        return from_forecast(rows, self._panel, fh, columns)

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
        )
        return [part[:, asked - 1] for part, asked in zip(quantiles, steps, strict=True)]

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
        if self.fit_strategy not in STRATEGIES:
            raise ConfigError(
                f"unknown fit_strategy {self.fit_strategy!r}; choose one of {', '.join(map(repr, STRATEGIES))}"
            )
        if self.mixes_channels and self.fit_strategy == "zero-shot":
            raise ConfigError("mixes_channels=True needs training; choose another fit_strategy than 'zero-shot'")
        check_effort(self.effort)
        for name in ("context_length", "batch_size", "pretrain_windows", "fit_steps"):
            value = getattr(self, name)
            if value is None and name == "context_length":
                continue
            if not _is_count(value, at_least=1):
                raise ConfigError(f"{name}={value!r} must be a whole number of at least 1")
        if not isinstance(self.model_path, (str, Path, Checkpoint)):
            raise ConfigError(f"model_path={self.model_path!r} must be a name, a path or a Checkpoint")
        if self.random_state is not None and not _is_count(self.random_state, at_least=0):
            raise ConfigError(f"random_state={self.random_state!r} must be None or a whole number of at least 0")
        self._fit_settings()
        resolve_device(self.device)

    def __getstate__(self) -> dict[str, Any]:
        """What pickle keeps: bundled weights by name and hash, all others by value."""
        state = self.__dict__.copy()
        checkpoint = state.get("checkpoint_")
        is_bundled = isinstance(self.model_path, str) and self.model_path in bundled_names()
        if is_bundled and checkpoint is not None and checkpoint.hash == _open(self.model_path).hash:  # nothing learnt
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


def _open(model_path: str | Path | Checkpoint) -> Checkpoint:
    if isinstance(model_path, Checkpoint):
        return model_path
    if isinstance(model_path, str) and model_path in bundled_names():
        return _open_bundled(model_path)
    return load_checkpoint(model_path)


@lru_cache(maxsize=4)
def _open_bundled(name: str) -> Checkpoint:
    return load_checkpoint(name)


def shared_module(checkpoint: Checkpoint, device: str) -> TTM:
    """A module for inference alone; forecasters with the same weights share it, and nothing ever trains it."""
    return _shared_module(checkpoint, str(resolve_device(device)))


@lru_cache(maxsize=4)
def _shared_module(checkpoint: Checkpoint, device: str) -> TTM:
    return checkpoint.build().requires_grad_(False).to(device)
