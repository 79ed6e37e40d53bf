"""A forecast as a table: quantiles of a fitted forecaster, one row a step, and numbers that people can read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from ttm_sk.estimators.panel_forecaster import PanelForecaster

__all__ = ["forecast_quantiles", "long_table", "readable"]

MOST_DECIMALS = 8
NAMES = ("id", "time", "target")  # columns that are no measurements


def forecast_quantiles(
    forecaster: PanelForecaster, series: pd.DataFrame, horizon: int, *, levels: Sequence[float]
) -> pd.DataFrame:
    """Columns (target, level), the median always among them; rows as sktime lays them out.

    Parameters
    ----------
    forecaster
        It is fitted to ``series`` here.
    series
        In sktime's layout, a single series or a panel.
    horizon
        Steps ahead, at least 1.
    levels
        In (0, 1).

    Examples
    --------
    >>> from ttm_sk import TTMForecaster
    >>> from ttm_sk.data.tables import load_example
    >>> forecast_quantiles(TTMForecaster(effort="plain"), load_example("airline"), 12, levels=[0.1, 0.9]).shape
    (12, 3)
    """
    fitted = forecaster.fit(series, fh=list(range(1, horizon + 1)))
    return fitted.predict_quantiles(alpha=sorted({0.5, *levels}))


def long_table(quantiles: pd.DataFrame, levels: Sequence[float]) -> pd.DataFrame:
    """One row for each series, target and step: id (of a panel), time, target, forecast, and a column a level.

    Examples
    --------
    >>> columns = pd.MultiIndex.from_tuples([("sales", 0.1), ("sales", 0.5)])
    >>> long_table(pd.DataFrame([[1.0, 2.0]], index=[7], columns=columns), [0.1])
       time target  forecast  0.1
    0     7  sales       2.0  1.0
    """
    parts = []
    for name in quantiles.columns.get_level_values(0).unique():
        part = quantiles[name]
        columns = {"target": str(name), "forecast": part[0.5]} | {f"{level:g}": part[level] for level in levels}
        parts.append(pd.DataFrame(columns, index=part.index))
    table = pd.concat(parts)
    return table.rename_axis(["id", "time"] if table.index.nlevels > 1 else "time").reset_index()


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text: numbers with four digits or more and equally many decimals, stamps without empty parts.

    Stamps that know their time zone carry their offset from UTC.

    Examples
    --------
    >>> readable(pd.DataFrame({"time": pd.to_datetime(["2024-01-31"]), "forecast": [1234.567]})).iloc[0].tolist()
    ['2024-01-31', '1,235']
    """
    text = table.astype(str)
    for name in table.select_dtypes(["datetime", "datetimetz"]).columns:
        is_day = bool((table[name] == table[name].dt.normalize()).all())
        stamps = table[name].dt
        offset = stamps.strftime("%z") if stamps.tz is not None else ""
        text[name] = stamps.strftime("%Y-%m-%d" if is_day else "%Y-%m-%d %H:%M:%S").str.removesuffix(":00") + offset
    numbers = [name for name in table.select_dtypes("number").columns if name not in NAMES]
    largest = max((abs(x) for x in table[numbers].to_numpy().ravel() if math.isfinite(x)), default=0.0)
    decimals = max(0, 3 - math.floor(math.log10(largest))) if largest > 0 else 1
    form = f"z,.{decimals}f" if decimals <= MOST_DECIMALS else "z.3e"  # z: no minus before what rounds to 0
    for name in numbers:
        text[name] = [format(value, form) for value in table[name]]
    return text
