"""TTMForecaster: a pretrained TinyTimeMixer in the sktime contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.checkpoints.hub import bundled_names
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.corpora import Corpus
from ttm_sk.data.known import Known
from ttm_sk.device import resolve_device
from ttm_sk.errors import CheckpointError, ConfigError, DataError
from ttm_sk.estimators.adaptation import STRATEGIES, adapt
from ttm_sk.estimators.driven import DrivenFit, forecast_driven, without_effects
from ttm_sk.estimators.drivers import Drivers, future_rows
from ttm_sk.estimators.frames import Panel, steps_ahead, to_panel
from ttm_sk.estimators.panel_forecaster import PanelForecaster
from ttm_sk.estimators.weights import check_backend, open_weights, refuse_patch_models, shared_runner
from ttm_sk.inference.covariates import DriverEffect
from ttm_sk.inference.forecasting import check_effort, select_readings
from ttm_sk.inference.runner import Runner
from ttm_sk.inference.selection import Choice
from ttm_sk.training.finetune import FineTuneSettings
from ttm_sk.training.pretrain import PretrainSettings, pretrain

__all__ = ["TTMForecaster"]


class TTMForecaster(PanelForecaster):
    """Forecasts of any series by a pretrained TinyTimeMixer, with quantiles; zero-shot, or fine-tuned.

    By default nothing is trained in ``fit``: the weights (under one million parameters, inside this package) were
    pretrained on other series. Any history from one point and any horizon work; missing values are read as missing;
    series of a panel or hierarchy may differ in length and are forecast in one batch; each column of a multivariate
    series is forecast by itself unless ``mixes_channels``.

    Parameters
    ----------
    model_path : str, path or Checkpoint, default="ttm-tiny"
        Bundled weights by name, a checkpoint file, the folder of an IBM Granite checkpoint or its hub name with a
        revision, or a :class:`~ttm_sk.checkpoints.store.Checkpoint`.
    fit_strategy : str, default="zero-shot"
        What ``fit`` trains: ``"zero-shot"`` nothing, ``"head"``, ``"minimal"`` decoder and head, ``"bias"``,
        ``"adapter"`` low-rank adapters, ``"full"`` everything; ``"auto"`` compares some of them on the past and takes
        the best. All series of a panel train one model. On the last part of the series, which is kept aside, what was
        learnt is never worse than zero-shot; see :func:`ttm_sk.finetune`.
    effort : {"fast", "plain", "best"}, default="fast"
        ``"plain"`` is one pass; ``"fast"`` averages it with the pass over the negated series, and beyond the model's
        own horizon of 96 steps follows five possible futures instead of one: better, at two (ten) times the cost.
        ``"best"`` lets ``fit`` choose by a backtest how the series are read (coarser, one series for each hour of the
        day, a shorter past, beside the theta method): better still, at ten to hundreds of times the cost.
    context_length : int, optional
        Newest steps of the history to forecast from; None uses as many as the model can see, as fine-tuning does.
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
    past_columns : sequence of str, default=()
        Columns of ``X`` of which the future is not known; they count with a lag of the horizon. All other columns are
        known ahead: ``predict`` needs their rows for the horizon.
    backend : {"torch", "onnx", "openvino"}, default="torch"
        What runs the model. The others take the model exported to ONNX, the bundled one as it comes and any other once
        in ``fit`` (kept in ``~/.cache/ttm_sk``; needs the extra ``onnx``), on the processor: faster, above all for few
        series, with forecasts that differ by less than 1e-4 deviations of the series (in one pass of the model; more
        where forecasts are fed back).

    Attributes
    ----------
    checkpoint_ : Checkpoint
        What was used.
    strategy_ : Choice
        What ``fit`` trained (``strategy_.chosen``), why (``strategy_.reason``), and, of ``"auto"``, the losses of what
        it compared, relative to zero-shot (``strategy_.scores``). ``update`` keeps what was trained.
    readings_ : ReadingMixture or None
        What ``effort="best"`` mixes; ``update`` keeps it.
    effects_ : tuple of DriverEffect
        For each series, what the columns of ``X`` do to it, and the share by which they lower the loss
        (``effects_[0].gain``); empty without ``X``, and where the mixer does without the regression.
    drivers_ : Choice or None
        How the columns of ``X`` enter: ``"ridge, zero-shot"``, ``"ridge"``, ``"mixer"`` or ``"ridge and mixer"``, why,
        and the losses of what was compared; None without them.

    Notes
    -----
    Values are floats of any scale; a forecast has the units of the series. NaN are unobserved; infinities, and series
    without any value, raise ``DataError``. Quantile levels reach from .01 to .99; others raise ``ConfigError``.
    Columns of ``X`` (numbers, or categories as text) explain what the past of the series does not: their effect is
    measured on the past by a ridge regression on surprises (:mod:`ttm_sk.inference.covariates`), taken out of the
    history and put back for the known future. Where they do not help on windows that the regression had not seen, they
    count for nothing. A ``fit_strategy`` that trains is compared on the last windows of the past with that regression,
    with an exogenous mixer that learns in its place, and with both together; what was best is used, and the zero-shot
    regression where nothing was better. Text that differs between the series of a panel and never changes within one
    is a static category, which training embeds (not with ``effort="best"``). ``X`` must have a row for every row of
    ``y`` and of the horizon, without missing values.

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
        "python_dependencies": ["torch"],
        "capability:pretrain": True,
        "capability:exogenous": True,
        "capability:categorical_in_X": True,
    }

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
        past_columns: Sequence[str] = (),
        backend: str = "torch",
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
        self.past_columns = past_columns
        self.backend = backend
        super().__init__()

    def _fit(self, y: pd.DataFrame, X: Any, fh: ForecastingHorizon | None) -> TTMForecaster:
        self._check_parameters()
        self.checkpoint_ = getattr(self, "pretrained_checkpoint_", None) or open_weights(self.model_path)
        _check_channels(refuse_patch_models(self.checkpoint_), y.shape[1])
        self.effects_: tuple[DriverEffect, ...] = ()
        self.drivers_: Choice | None = None
        self._drivers: Drivers | None = None
        self._remember(y)
        horizon = self._longest_horizon(fh)
        if X is not None:
            self._drivers = Drivers.of(X, past_columns=self.past_columns, lag=horizon)
            self._remember(y)
        elif self.past_columns:
            raise ConfigError(f"past_columns={self.past_columns!r} were named, but there is no X; pass it to fit")
        self._train(horizon)
        self._runner()  # what cannot run should fail here
        self.readings_ = select_readings(*self._known(), horizon, **self._how()) if self.effort == "best" else None
        return self

    def _train(self, horizon: int) -> None:
        settings, histories, beside = self._fit_settings(), self._panel.histories, self._beside
        options: dict[str, Any] = {"horizon": horizon, "effort": self.effort, "device": self.device, "how": self._how()}
        if beside is not None and self.effort == "best":  # which reads series in ways that categories cannot follow
            beside = [Known(series.drivers, None) for series in beside]
        if beside is None or beside[0].drivers is None:
            options |= {"known": None if self.effort == "best" else beside, "settings": settings}
            found = adapt(self.checkpoint_, histories, strategy=self.fit_strategy, **options)
            self.checkpoint_, self.strategy_ = found
            return
        driven = DrivenFit(self.checkpoint_, settings, **options).fit(self.fit_strategy, histories, beside)
        self.checkpoint_, self.strategy_ = driven.checkpoint, driven.strategy
        self.effects_, self.drivers_ = driven.effects, driven.way

    def _remember(self, y: pd.DataFrame) -> None:
        super()._remember(y)
        self._beside: list[Known] | None = None
        if self._drivers is not None:
            if self.effects_ and len(self.effects_) != len(self._panel.histories):
                raise DataError(
                    f"found {len(self._panel.histories)} series, but the effects of X were measured for"
                    f" {len(self.effects_)}; fit again with all of them"
                )
            self._beside = self._drivers.beside(self._X, y)
            self._unlagged = self._drivers.unlagged(self._X, y)

    def _longest_horizon(self, fh: ForecastingHorizon | None) -> int:
        """Steps ahead that fine-tuning should care for: those asked for in ``fit``, else the model's own."""
        if fh is None:
            return self.checkpoint_.config.horizon
        return int(max(steps.max() for steps in steps_ahead(fh, self._panel)))

    def _fit_settings(self) -> FineTuneSettings:
        return FineTuneSettings(
            most_steps=int(self.fit_steps),
            few_shot=self.few_shot,
            validation_share=self.validation_split,
            mixes_channels=self.mixes_channels,
            seed=0 if self.random_state is None else int(self.random_state),
        )

    def _refuse(self, panel: Panel) -> None:
        seen = self.checkpoint_.config.context_length
        panel.refuse_unseen(min(seen, self.context_length or seen))

    def _known_ahead(self, fh: ForecastingHorizon, X: Any) -> dict[str, Any]:
        if self._drivers is None:
            return {}
        rows, steps = future_rows(self._panel, fh), steps_ahead(fh, self._panel)
        return {"known": self._drivers.ahead(X, rows, steps, known=self._beside or (), unlagged=self._unlagged)}

    def _forecast(
        self,
        fh: ForecastingHorizon,
        *,
        levels: tuple[float, ...] | list[float],
        known: Sequence[Known] | None = None,
    ) -> list[np.ndarray]:
        """For each instance an array ``(channel, step, level)``, the steps of ``fh`` in its order."""
        steps = steps_ahead(fh, self._panel)
        quantiles = forecast_driven(
            self._runner(),
            self._panel.histories,
            int(max(asked.max() for asked in steps)),
            effects=self.effects_,
            known=known,
            levels=levels,
            effort=self.effort,
            readings=self.readings_,
            **self._how(),
        )
        return [part[:, asked - 1] for part, asked in zip(quantiles, steps, strict=True)]

    def _known(self) -> tuple[Runner, Sequence[np.ndarray]]:
        """The model, and what it continues."""
        rests = without_effects(self._panel.histories, self.effects_, self._beside)
        return self._runner(), rests

    def _runner(self) -> Runner:
        return shared_runner(self.checkpoint_, self.device, self.backend)

    def _how(self) -> dict[str, Any]:
        """What every forecast of this forecaster is made with."""
        return {
            "batch_size": self.batch_size,
            "context_length": self.context_length,
            "resolution": self._panel.resolution(self.checkpoint_.config.n_resolutions),
        }

    def _pretrain(self, y: pd.DataFrame, X: Any = None, fh: Any = None) -> TTMForecaster:
        """Train the weights on the user's own panel, all columns of all instances; ``fit`` then uses the result."""
        self._check_parameters()
        start = getattr(self, "pretrained_checkpoint_", None) or open_weights(self.model_path)
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
        check_backend(self.backend, self.device)
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
        share: Any = self.validation_split
        if not (isinstance(share, (int, float, np.number)) and 0 < share < 1):
            raise ConfigError(f"validation_split={share!r} must be a share inside (0, 1)")
        if isinstance(self.past_columns, str):
            raise ConfigError(f"past_columns={self.past_columns!r} must be a list of names: [{self.past_columns!r}]")
        self._fit_settings()
        resolve_device(self.device)

    def __getstate__(self) -> dict[str, Any]:
        """What pickle keeps: bundled weights by name and hash, all others by value."""
        state = self.__dict__.copy()
        checkpoint = state.get("checkpoint_")
        is_bundled = isinstance(self.model_path, str) and self.model_path in bundled_names()
        if (
            is_bundled and checkpoint is not None and checkpoint.hash == open_weights(self.model_path).hash
        ):  # nothing learnt
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
            self.checkpoint_ = open_weights(name)
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
