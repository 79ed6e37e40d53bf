"""What can be measured: a checkpoint, any sktime forecaster, seasonal naive; each turns histories into quantiles."""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.inference.forecasting import EFFORTS, check_effort, forecast_series, select_readings
from ttm_sk.inference.resolution import ReadingMixture

__all__ = [
    "LEVELS",
    "CheckpointContender",
    "Contender",
    "Forecast",
    "ForecasterContender",
    "History",
    "SeasonalNaiveContender",
    "strongest_effort",
]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # those that the benchmark's CRPS is made of
OUTER_LEVELS = (0.025, 0.975)  # the interval that its MSIS scores; where they lack, GluonTS extrapolates

log = logging.getLogger(__name__)


class History(Protocol):
    """Values ``(time,)`` of a series from its first period on, NaN where nothing was observed."""

    @property
    def start(self) -> pd.Period:
        """The first period."""

    @property
    def values(self) -> np.ndarray:
        """All values."""


Forecast = Callable[[Sequence[History]], np.ndarray]  # -> (history, horizon, level)


class Contender(Protocol):
    """Something that forecasts, with what a reader of its results must know."""

    @property
    def name(self) -> str:
        """What the rows of results are called."""

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels that it gives; :data:`LEVELS` among them."""

    @property
    def n_together(self) -> int:
        """How many histories are worth forecasting in one call."""

    @property
    def settings(self) -> dict[str, Any]:
        """What its forecasts depend on besides the weights; JSON types."""

    @property
    def weights(self) -> str:
        """Hash of the weights, empty without any."""

    @property
    def trained_on(self) -> Sequence[str] | None:
        """Names of the data sets that the weights saw; None where nobody knows."""

    @property
    def kind(self) -> str:
        """The leaderboard's ``model_type``."""

    def prepare(self, known: Sequence[History], *, horizon: int, seasonality: int) -> Forecast:
        """The forecast function for one task; ``known`` (what precedes all tests) is all that may choose how."""


@dataclass(frozen=True)
class CheckpointContender:
    """Pretrained weights, zero-shot.

    A history without a value among the newest steps that the model can see is forecast as its last value, and as 0
    where it has none at all: the benchmark asks for every window. How many there were is logged.

    Parameters
    ----------
    model_path
        Name of bundled weights, or a checkpoint file.
    effort
        One of ``ttm_sk.inference.forecasting.EFFORTS``; None takes the strongest.
    batch_size
        Rows in one forward pass.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ConfigError, CheckpointError
        For an effort, device or file that does not exist.

    Examples
    --------
    >>> from ttm_sk.evaluation.gift_eval_storage import Series
    >>> contender = CheckpointContender("ttm-tiny", effort="plain")
    >>> forecast = contender.prepare([], horizon=12, seasonality=12)
    >>> forecast([Series("a", pd.Period("2024-01", "M"), np.arange(40.0))]).shape
    (1, 12, 11)
    """

    model_path: str | Path
    effort: str | None = None
    batch_size: int = 256
    device: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "effort", self.effort or strongest_effort())
        check_effort(str(self.effort))
        resolve_device(self.device)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The weights with all that is known of them."""
        return load_checkpoint(self.model_path)

    @cached_property
    def module(self) -> AnyModule:
        """The model, on its device."""
        return self.checkpoint.build().to(resolve_device(self.device))

    @property
    def name(self) -> str:
        """File name and effort: ``ttm-tiny-fast``."""
        return f"{Path(self.model_path).stem}-{self.effort}"

    @property
    def levels(self) -> tuple[float, ...]:
        """The benchmark's, and the ends of its interval where the model reaches so far."""
        known = self.module.levels
        reached = [level for level in OUTER_LEVELS if known and known[0] <= level <= known[-1]]
        return tuple(sorted({*LEVELS, *reached}))

    @property
    def n_together(self) -> int:
        """Enough for full batches."""
        return max(512, self.batch_size)

    @property
    def settings(self) -> dict[str, Any]:
        """Model and effort."""
        return {"model": str(self.model_path), "effort": self.effort}

    @property
    def weights(self) -> str:
        """SHA-256 of the weights."""
        return self.checkpoint.hash

    @property
    def trained_on(self) -> Sequence[str] | None:
        """The data sets of the checkpoint's provenance."""
        return self.checkpoint.provenance.get("datasets")

    @property
    def kind(self) -> str:
        """The leaderboard's word for weights that saw nothing of the task."""
        return "zero-shot"

    def prepare(self, known: Sequence[History], *, horizon: int, seasonality: int) -> Forecast:
        """The forecast function; effort ``"best"`` selects its readings on ``known``, once for the whole task."""
        readings = self._select(known, horizon) if self.effort == "best" and known else None

        def forecast(histories: Sequence[History]) -> np.ndarray:
            pasts = self._visible([history.values for history in histories])
            known_levels = self.module.levels or (0.5,)
            points_only = known_levels == (0.5,)
            quantiles = forecast_series(
                self.module,
                pasts,
                horizon,
                levels=(0.5,) if points_only else self.levels,
                effort=str(self.effort),
                readings=readings,
                batch_size=self.batch_size,
            )
            return np.repeat(quantiles, len(self.levels), axis=-1) if points_only else quantiles

        return forecast

    def _select(self, known: Sequence[History], horizon: int) -> ReadingMixture | None:
        """What did best on the known past; None (each batch for itself) where no series has any value."""
        pasts = [history.values for history in known if not np.isnan(history.values).all()]
        return select_readings(self.module, pasts, horizon, batch_size=self.batch_size) if pasts else None

    def _visible(self, pasts: list[np.ndarray]) -> list[np.ndarray]:
        """The histories, those without a visible value replaced by their last one, or 0."""
        blank = [i for i, past in enumerate(pasts) if np.isnan(past[-self.module.context_length :]).all()]
        for i in blank:
            seen = pasts[i][~np.isnan(pasts[i])]
            pasts[i] = seen[-1:] if len(seen) else np.zeros(1)
        if blank:
            log.warning(
                "%d histories hold no value that the model can see; forecast as their last value, or 0", len(blank)
            )
        return pasts


@dataclass(frozen=True)
class ForecasterContender:
    """Any sktime forecaster, cloned and fitted to each window's past by itself.

    ``sp``, where the forecaster has such a parameter and ``parameters`` does not give it, is the task's season. One
    without quantiles (tag ``capability:pred_int``) is scored with its points as all quantiles; one that cannot take
    missing values (``capability:missing_values``) gets the last value in their place, as the benchmark's baselines do.
    A history without any value is passed as zeros.

    Parameters
    ----------
    path
        ``"module:Class"``, or a function of that name that returns a forecaster.
    parameters
        Keyword arguments for it.

    Raises
    ------
    ConfigError
        If there is no such class, or it does not take the parameters.

    Examples
    --------
    >>> from ttm_sk.evaluation.gift_eval_storage import Series
    >>> contender = ForecasterContender("sktime.forecasting.naive:NaiveForecaster", {"strategy": "last"})
    >>> forecast = contender.prepare([], horizon=3, seasonality=2)
    >>> forecast([Series("a", pd.Period("2024-01", "M"), np.arange(8.0))])[0, :, 5].tolist()
    [6.0, 7.0, 6.0]
    """

    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._make(seasonality=1)

    @cached_property
    def maker(self) -> Callable[..., Any]:
        """The class or function that ``path`` names."""
        module, _, attribute = self.path.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"found the forecaster {self.path!r} ({error}); expected module:Class, such as"
                " sktime.forecasting.theta:ThetaForecaster, that this Python can import"
            ) from error

    @property
    def name(self) -> str:
        """The class's name."""
        return self.path.partition(":")[2]

    @property
    def levels(self) -> tuple[float, ...]:
        """The benchmark's, and the ends of its interval."""
        return tuple(sorted({*LEVELS, *OUTER_LEVELS}))

    @property
    def n_together(self) -> int:
        """One: each is fitted by itself, and a progress bar may say so."""
        return 1

    @property
    def settings(self) -> dict[str, Any]:
        """Class and parameters."""
        return {"forecaster": self.path, "parameters": dict(self.parameters)}

    @property
    def weights(self) -> str:
        """None that we know of."""
        return ""

    @property
    def trained_on(self) -> Sequence[str] | None:
        """Unknown: a forecaster may bring weights."""
        return None

    @property
    def kind(self) -> str:
        """Most often right; the user edits ``config.json`` where it is not."""
        return "statistical"

    def prepare(self, known: Sequence[History], *, horizon: int, seasonality: int) -> Forecast:
        """The forecast function; nothing is chosen on ``known``, each window's past is what its clone is fitted to."""
        forecaster = self._make(seasonality=seasonality)
        steps = np.arange(1, horizon + 1)

        def forecast(histories: Sequence[History]) -> np.ndarray:
            return np.stack([self._quantiles(forecaster.clone(), history, steps) for history in histories])

        return forecast

    def _quantiles(self, forecaster: Any, history: History, steps: np.ndarray) -> np.ndarray:
        values = np.asarray(history.values, dtype=np.float64)
        if not forecaster.get_tag("capability:missing_values") or np.isnan(values).all():
            values = _filled(values)
        # periods: dates end in the year 2262, and some series of the benchmark end later
        y = pd.Series(values, index=pd.period_range(history.start, periods=len(values)))
        forecaster.fit(y, fh=steps)
        if forecaster.get_tag("capability:pred_int"):
            return forecaster.predict_quantiles(fh=steps, alpha=list(self.levels)).to_numpy()
        points = np.asarray(forecaster.predict(fh=steps), dtype=np.float64).reshape(-1, 1)
        return np.repeat(points, len(self.levels), axis=1)

    def _make(self, *, seasonality: int) -> Any:
        parameters = dict(self.parameters)
        maker = self.maker
        try:
            if "sp" in inspect.signature(maker).parameters:
                parameters.setdefault("sp", seasonality)
            made = maker(**parameters)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{self.path} does not take {parameters} ({error}); correct --set") from error
        if not hasattr(made, "get_tag") or not hasattr(made, "predict"):
            raise ConfigError(f"{self.path} makes a {type(made).__name__}, expected an sktime forecaster")
        return made


@dataclass(frozen=True)
class SeasonalNaiveContender:
    """The leaderboard's baseline: the last season again, with statsforecast's normal intervals around it.

    The spread at step k is the root mean square of the one-season-ahead errors times the root of the number of seasons
    until k; gaps take the value before them.

    Examples
    --------
    >>> from ttm_sk.evaluation.gift_eval_storage import Series
    >>> forecast = SeasonalNaiveContender().prepare([], horizon=3, seasonality=2)
    >>> forecast([Series("a", pd.Period("2024-01", "M"), np.array([1.0, 5.0, 1.0, np.nan]))])[0, :, 4].tolist()
    [1.0, 1.0, 1.0]
    """

    name: str = "seasonal_naive"
    levels: tuple[float, ...] = LEVELS  # without the outer ones, as the leaderboard's
    n_together: int = 512
    weights: str = ""
    trained_on: Sequence[str] | None = ()
    kind: str = "statistical"

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing to set."""
        return {"baseline": "seasonal-naive"}

    def prepare(self, known: Sequence[History], *, horizon: int, seasonality: int) -> Forecast:
        """The forecast function; nothing is chosen."""
        normal = np.array([NormalDist().inv_cdf(level) for level in self.levels])

        def forecast(histories: Sequence[History]) -> np.ndarray:
            pasts = [_filled(np.asarray(history.values, dtype=np.float64)) for history in histories]
            pairs = [_naive_mean_and_spread(past, horizon, season=seasonality) for past in pasts]
            mean, spread = (np.stack(each) for each in zip(*pairs, strict=True))
            return mean[..., None] + spread[..., None] * normal

        return forecast


def strongest_effort() -> str:
    """What a benchmark is run with unless told otherwise: the last of the efforts, which stand in rising order."""
    return EFFORTS[-1]


def _naive_mean_and_spread(values: np.ndarray, horizon: int, *, season: int) -> tuple[np.ndarray, np.ndarray]:
    if len(values) < season:
        raise DataError(f"found a past of {len(values)} points, expected a season, {season}: leave the task out")
    errors = values[season:] - values[:-season]
    deviation = np.sqrt(np.mean(np.square(errors))) if len(errors) else 0.0
    steps = np.arange(horizon)
    return values[len(values) - season + steps % season], deviation * np.sqrt(steps // season + 1)


def _filled(values: np.ndarray) -> np.ndarray:
    """Gaps take the value before them, those at the beginning the first one; all gaps, 0 (as GluonTS imputes)."""
    return pd.Series(values).ffill().bfill().fillna(0.0).to_numpy()
