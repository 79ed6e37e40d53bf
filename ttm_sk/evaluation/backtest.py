"""A rolling backtest: every method forecasts the same windows of the past, and is scored on what came."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import BaseForecaster

from ttm_sk.errors import ConfigError, DataError
from ttm_sk.estimators.panel_forecaster import PanelForecaster
from ttm_sk.scoring import metrics

__all__ = ["NAIVE", "SCORED_LEVELS", "Backtest", "backtest", "classics"]

SCORED_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
NAIVE = "seasonal naive"
LONGEST_CLASSIC = 600  # newest steps that the classical methods are fitted on; they take minutes on thousands
LONGEST_CLASSIC_SEASON = 24


@dataclass(frozen=True)
class Backtest:
    """What a backtest found.

    Attributes
    ----------
    scores
        A row for each method, window, series and target: mase, mae, wql (weighted quantile loss), coverage (of the
        80 % interval; NaN where all quantiles are the same), and seconds (of the window with all series).
    last
        The newest window's quantiles of each method, as ``predict_quantiles`` gives them.
    failures
        What a classical method said that could not forecast these series; it has no scores.
    """

    scores: pd.DataFrame
    last: Mapping[str, pd.DataFrame]
    failures: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> pd.DataFrame:
        """A row for each method: means over windows, series and targets, and MASE and loss over seasonal naive's."""
        means = self.scores.groupby("method", sort=False)[["mase", "mae", "wql", "coverage"]].mean()
        windows = self.scores.groupby(["method", "window"], sort=False)["seconds"].first()
        means["seconds"] = windows.groupby("method").sum()
        for name in ("mase", "wql"):
            means[f"{name} / naive"] = means[name] / means.loc[NAIVE, name]
        return means.reset_index()


def backtest(
    forecasters: Mapping[str, BaseForecaster],
    y: pd.Series | pd.DataFrame,
    *,
    horizon: int,
    n_windows: int,
    season: int = 1,
    drivers: pd.DataFrame | None = None,
) -> Backtest:
    """Forecast the last ``n_windows`` windows of a series or panel, beside seasonal naive.

    A forecaster of this package is fitted once, on what precedes the first window, and updated with what came before
    each later one. Any other is fitted anew for every window, on the newest 600 steps without gaps and without drivers,
    and scored by its point forecast; one that fails is left out and noted: other packages' errors should not cost the
    whole backtest.

    Parameters
    ----------
    forecasters
        sktime forecasters by name, other than ``"seasonal naive"``; they are cloned.
    y, drivers
        A Series, a DataFrame or a panel, drivers as X with a row for every row of ``y``; windows do not overlap and end
        with the series.
    horizon
        Steps of a window.
    season
        Steps of a season, for seasonal naive and the scale of MASE.

    Raises
    ------
    ConfigError, DataError
        For counts below 1, series too short for the windows, drivers without a row for each of ``y``, or a forecaster
        with the name of the baseline.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> result = backtest({}, load_airline().to_frame(), horizon=12, n_windows=2, season=12)
    >>> result.summary()["method"].tolist(), len(result.scores)
    (['seasonal naive'], 2)
    """
    if horizon < 1 or n_windows < 1 or season < 1:
        raise ConfigError(f"horizon={horizon}, n_windows={n_windows} and season={season} must be at least 1")
    if NAIVE in forecasters:
        raise ConfigError(f"{NAIVE!r} is the name of what all are compared with; call your forecaster something else")
    y = y.to_frame() if isinstance(y, pd.Series) else y
    if drivers is not None and not (has_row := y.index.isin(drivers.index)).all():
        missing = y.index[~has_row]
        raise DataError(
            f"the drivers have no row for {missing[0]} ({len(missing)} of {len(y)} are missing); give one for each of y"
        )
    shortest = int(_sizes(y).min())
    if shortest <= horizon * n_windows:
        raise DataError(
            f"found a series of {shortest} steps, too short for {n_windows} windows of {horizon} steps;"
            " ask for fewer or shorter windows"
        )
    rows: list[dict[str, Any]] = []
    last, failures = {}, {}
    cuts = [(n_windows - window) * horizon for window in range(n_windows)]
    windows = [(past, _head(rest, horizon)) for past, rest in (_ends(y, cut) for cut in cuts)]
    for name, forecaster in {NAIVE: None, **forecasters}.items():
        try:
            found, last[name] = _method(forecaster, windows, drivers, season)
        except Exception as error:
            if forecaster is None or isinstance(forecaster, PanelForecaster):
                raise
            failures[name] = f"{type(error).__name__}: {error}"
            continue
        rows += [{"method": name} | row for row in found]
    return Backtest(pd.DataFrame(rows), last, failures)


def classics(season: int) -> dict[str, BaseForecaster]:
    """AutoETS and AutoTheta, each where its package is installed.

    They are fitted on the newest 600 steps, AutoETS without seasons of more than 24 steps, or they would take minutes;
    scored by their point forecasts.
    """
    found: dict[str, BaseForecaster] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # see _quiet_clone
        if find_spec("statsmodels") is not None:
            from sktime.forecasting.ets import AutoETS

            found["AutoETS"] = AutoETS(auto=True, sp=season if season <= LONGEST_CLASSIC_SEASON else 1)
        if find_spec("statsforecast") is not None:
            from sktime.forecasting.statsforecast import StatsForecastAutoTheta

            found["AutoTheta"] = StatsForecastAutoTheta(season_length=season)
    return found


def _method(
    forecaster: BaseForecaster | None,
    windows: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
    drivers: pd.DataFrame | None,
    season: int,
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """The scores of one method, None for seasonal naive, and its quantiles for the last window."""
    fitted = None if forecaster is None else _quiet_clone(forecaster)
    rows: list[dict[str, Any]] = []
    for window, (past, future) in enumerate(windows):
        began = time.perf_counter()
        if fitted is None:
            quantiles = _seasonal_naive(past, future, season)
        else:
            quantiles = _forecast(fitted, past, future, drivers, is_first=window == 0)
        facts = {"window": window + 1, "seconds": time.perf_counter() - began}
        rows += [facts | row for row in _scores(past, future, quantiles, season)]
    return rows, quantiles


def _quiet_clone(forecaster: BaseForecaster) -> BaseForecaster:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sktime announces a coming change at every construction
        return forecaster.clone()


def _forecast(
    fitted: BaseForecaster, past: pd.DataFrame, future: pd.DataFrame, drivers: pd.DataFrame | None, *, is_first: bool
) -> pd.DataFrame:
    """Quantiles in sktime's layout; of a classical method the point forecast at every level."""
    steps = list(range(1, int(_sizes(future).max()) + 1))
    if isinstance(fitted, PanelForecaster):
        known, ahead = (
            ({}, {}) if drivers is None else ({"X": drivers.loc[past.index]}, {"X": drivers.loc[future.index]})
        )
        fitted.fit(past, fh=steps, **known) if is_first else fitted.update(past, **known)
        return fitted.predict_quantiles(fh=steps, alpha=list(SCORED_LEVELS), **ahead)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the classical methods remark on convergence, dates and pandas
        fitted.fit(_for_classics(past), fh=steps)
        return _at_all_levels(fitted.predict(fh=steps).set_axis(future.index))


def _seasonal_naive(past: pd.DataFrame, future: pd.DataFrame, season: int) -> pd.DataFrame:
    """The newest observed value of the same phase, at every level."""
    parts = []
    for key in _keys(future):
        before, after = (frame if key is None else frame.loc[key] for frame in (past, future))
        values = before.to_numpy(float)
        phases = np.arange(len(values), len(values) + len(after)) % season
        newest = [pd.DataFrame(values[phase::season]).ffill().tail(1).to_numpy() for phase in range(season)]
        known = [row[0] if len(row) else np.full(values.shape[1], np.nan) for row in newest]
        overall = pd.DataFrame(values).ffill().iloc[-1].to_numpy()
        parts.append(np.stack([np.where(np.isfinite(known[phase]), known[phase], overall) for phase in phases]))
    return _at_all_levels(pd.DataFrame(np.concatenate(parts), index=future.index, columns=future.columns))


def _at_all_levels(points: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({(name, level): points[name] for name in points.columns for level in SCORED_LEVELS})


def _for_classics(past: pd.DataFrame) -> pd.DataFrame:
    """The newest steps of every series, without gaps, counted instead of dated: not every date suits every method."""
    parts = []
    for key in _keys(past):
        newest = (past if key is None else past.loc[key]).tail(LONGEST_CLASSIC).interpolate().ffill().bfill()
        parts.append(newest.reset_index(drop=True))
    return parts[0] if past.index.nlevels == 1 else pd.concat(parts, keys=_keys(past), names=past.index.names)


def _scores(past: pd.DataFrame, future: pd.DataFrame, quantiles: pd.DataFrame, season: int) -> list[dict[str, Any]]:
    """A row for each series and target."""
    rows = []
    for key in _keys(future):
        before, came, fan = (frame if key is None else frame.loc[key] for frame in (past, future, quantiles))
        for i, name in enumerate(future.columns):
            target, history = came[name].to_numpy(float), before[name].to_numpy(float)
            values = fan.to_numpy(float)[:, i * len(SCORED_LEVELS) : (i + 1) * len(SCORED_LEVELS)]
            rows.append({"series": key, "target": name} | _score(target, history, values, season))
    return rows


def _score(target: np.ndarray, history: np.ndarray, values: np.ndarray, season: int) -> dict[str, float]:
    median = values[:, SCORED_LEVELS.index(0.5)]
    scale = metrics.seasonal_error(history, seasonality=season)
    seen = np.isfinite(target)
    inside = (target >= values[:, 0]) & (target <= values[:, -1])
    has_interval = bool((values[:, 0] < values[:, -1]).any())
    return {
        "mase": metrics.mase(target=target, forecast=median, seasonal_error=scale),
        "mae": metrics.mae(target=target, forecast=median),
        "wql": metrics.weighted_quantile_loss(target=target, quantiles=values, levels=SCORED_LEVELS),
        "coverage": float(inside[seen].mean()) if seen.any() and has_interval else float("nan"),
    }


def _sizes(y: pd.DataFrame) -> pd.Series:
    return y.groupby(level=list(range(y.index.nlevels - 1))).size() if y.index.nlevels > 1 else pd.Series([len(y)])


def _keys(y: pd.DataFrame) -> list[Any]:
    return list(y.index.droplevel(-1).unique()) if y.index.nlevels > 1 else [None]


def _ends(y: pd.DataFrame, cut: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All but the last ``cut`` rows of every series, and those rows."""
    if y.index.nlevels == 1:
        return y.iloc[:-cut], y.iloc[-cut:]
    later = y.groupby(level=list(range(y.index.nlevels - 1))).cumcount(ascending=False) < cut
    return y[~later], y[later]


def _head(y: pd.DataFrame, n_rows: int) -> pd.DataFrame:
    """The first rows of every series."""
    return y.iloc[:n_rows] if y.index.nlevels == 1 else y.groupby(level=list(range(y.index.nlevels - 1))).head(n_rows)
