"""A table and a person's choices in, a forecast and its backtest out."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass

import pandas as pd

from ttm_sk.app.choices import Choices
from ttm_sk.data.tables import to_series
from ttm_sk.errors import DataError
from ttm_sk.estimators.forecast_table import forecast_quantiles, long_table
from ttm_sk.estimators.forecaster import TTMForecaster
from ttm_sk.evaluation.backtest import SCORED_LEVELS, Backtest, backtest
from ttm_sk.evaluation.seasons import season_of

__all__ = ["OURS", "Analysis", "analyse"]

OURS = "ttm_sk"  # what the backtest calls our forecaster


@dataclass(frozen=True)
class Analysis:
    """What the page shows of one forecast.

    Attributes
    ----------
    series
        The history in sktime's layout.
    quantiles
        Columns (target, level), the levels .1 to .9.
    backtest
        Ours beside seasonal naive on the last windows; None where there is none, and then ``no_backtest`` says why.
    season
        Steps that seasonal naive repeats.
    trained
        What was trained and why; empty for zero-shot.
    seconds
        That all of it took.
    """

    choices: Choices
    series: pd.DataFrame
    quantiles: pd.DataFrame
    backtest: Backtest | None
    no_backtest: str
    season: int
    trained: str
    seconds: float

    def parts(self) -> list[tuple[Hashable | None, str]]:
        """Every series (None where there is only one) with every target: what one picture shows."""
        keys = list(self.series.index.droplevel(-1).unique()) if self.series.index.nlevels > 1 else [None]
        return [(key, str(name)) for key in keys for name in self.series.columns]

    def table(self) -> pd.DataFrame:
        """One row for each series, target and step, with the levels .1 to .9."""
        return long_table(self.quantiles, SCORED_LEVELS)

    def part_table(self, position: int) -> pd.DataFrame:
        """The rows of one picture, with the interval that it draws outermost."""
        key, name = self.parts()[position]
        quantiles = self.quantiles[[name]]
        table = long_table(quantiles if key is None else quantiles.loc[key], (SCORED_LEVELS[0], SCORED_LEVELS[-1]))
        return table.drop(columns="target")


def analyse(table: pd.DataFrame, choices: Choices, *, model: str = "ttm-tiny", device: str = "auto") -> Analysis:
    """The forecast of a table's series, and a backtest of the same forecaster on their past.

    Parameters
    ----------
    table
        As :func:`~ttm_sk.data.tables.read_table` gives it.
    model
        Name or path of weights.

    Raises
    ------
    DataError, ConfigError
        Where the columns are none that can be forecast so. A past too short for the backtest is no error: the forecast
        comes without it, and ``no_backtest`` says so.

    Examples
    --------
    >>> from ttm_sk.data.tables import load_example
    >>> analysis = analyse(load_example("airline").reset_index(), Choices(horizon=12, windows=1, effort="plain"))
    >>> len(analysis.table()), analysis.season
    (12, 12)
    """
    began = time.perf_counter()
    y = to_series(table, time=choices.time, target=list(choices.targets), id=choices.id, freq=choices.freq)
    season = choices.season or season_of(y)
    forecaster = TTMForecaster(
        model, fit_strategy=choices.strategy, effort=choices.effort, device=device, random_state=0
    )
    quantiles = forecast_quantiles(forecaster, y, choices.horizon, levels=SCORED_LEVELS)
    found, reason = _backtest(forecaster, y, choices, season)
    trained = "" if choices.strategy == "zero-shot" else f"{forecaster.strategy_.chosen}: {forecaster.strategy_.reason}"
    return Analysis(choices, y, quantiles, found, reason, season, trained, time.perf_counter() - began)


def _backtest(forecaster: TTMForecaster, y: pd.DataFrame, choices: Choices, season: int) -> tuple[Backtest | None, str]:
    if not choices.windows:
        return None, "none was asked for"
    try:
        return backtest({OURS: forecaster}, y, horizon=choices.horizon, n_windows=choices.windows, season=season), ""
    except DataError as error:
        return None, str(error)
