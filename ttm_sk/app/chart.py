"""The numbers that the page's chart draws, for one series and target."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from ttm_sk.app.analysis import OURS, Analysis
from ttm_sk.estimators.forecast_table import readable
from ttm_sk.evaluation.backtest import NAIVE, SCORED_LEVELS

__all__ = ["chart_of"]

MOST_POINTS = 3_000  # newest steps of the history; more than a screen has pixels
PAIRS = [(level, round(1 - level, 1)) for level in SCORED_LEVELS if level < 0.5]  # the bands, outermost first


def chart_of(analysis: Analysis, position: int) -> dict[str, Any]:
    """History, fan and the backtest's newest window; lists of equal pace, None where a value is missing.

    ``times`` are the labels of all steps, those of the history first; ``backtest`` (None without one) begins at the
    step ``start``.

    Examples
    --------
    >>> from ttm_sk.app.analysis import analyse
    >>> from ttm_sk.app.choices import Choices
    >>> from ttm_sk.data.tables import load_example
    >>> airline = load_example("airline").reset_index()
    >>> chart = chart_of(analyse(airline, Choices(horizon=2, windows=0, effort="plain")), 0)
    >>> len(chart["history"]), chart["times"][-2:], len(chart["bands"])
    (144, ['1961-01-01', '1961-02-01'], 4)
    """
    key, name = analysis.parts()[position]
    past = _part(analysis.series, key)[name]
    past = past.loc[past.first_valid_index() :].tail(MOST_POINTS)
    fan = _part(analysis.quantiles, key)[name]
    return {
        "name": name if key is None else f"{key}: {name}",
        "times": _labels(past.index.append(fan.index)),
        "history": _numbers(past),
        "backtest": _newest_window(analysis, position, n_history=len(past)),
        **_fan(fan),
    }


def _newest_window(analysis: Analysis, position: int, *, n_history: int) -> dict[str, Any] | None:
    if analysis.backtest is None or analysis.choices.horizon > n_history:
        return None
    key, name = analysis.parts()[position]
    fan, naive = (_part(analysis.backtest.last[method], key)[name] for method in (OURS, NAIVE))
    return {"start": n_history - len(fan), "naive": _numbers(naive[0.5]), **_fan(fan)}


def _fan(quantiles: pd.DataFrame) -> dict[str, Any]:
    bands = [
        {"share": round(high - low, 1), "low": _numbers(quantiles[low]), "high": _numbers(quantiles[high])}
        for low, high in PAIRS
    ]
    return {"median": _numbers(quantiles[0.5]), "bands": bands}


def _part(frame: pd.DataFrame, key: Any) -> pd.DataFrame:
    return frame if key is None else frame.loc[key]


def _labels(index: pd.Index) -> list[str]:
    return readable(pd.DataFrame({"time": index}))["time"].tolist()


def _numbers(values: pd.Series) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]
