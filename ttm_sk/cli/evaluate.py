"""``ttm-sk evaluate``: how good forecasts of a file's own past are, beside seasonal naive and classical methods."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ttm_sk.cli.output import (
    PLOT_ENDINGS,
    TABLE_ENDINGS,
    check_ending,
    print_rows,
    refuse_the_data,
    table_content,
    write_file,
)
from ttm_sk.data.tables import read_table, to_series
from ttm_sk.errors import ConfigError
from ttm_sk.estimators.forecaster import TTMForecaster
from ttm_sk.evaluation.backtest import Backtest, backtest, classics
from ttm_sk.evaluation.seasons import season_of

__all__ = ["run"]

BAND = (0.1, 0.3, 0.7, 0.9)
LONGEST_TITLE = 48


def run(arguments: argparse.Namespace) -> int:
    """Read, hold back window after window, forecast, score, print, write."""
    table_ending = check_ending(arguments.output, TABLE_ENDINGS, option="--output")
    plot_ending = check_ending(arguments.plot, PLOT_ENDINGS, option="--plot")
    refuse_the_data(arguments.output, arguments.data)
    if plot_ending:
        import ttm_sk.plotting  # noqa: F401 (without it, nothing is done in vain)
    y, drivers = _read(arguments)
    season = arguments.season or season_of(y)
    ours = {
        f"{arguments.model} {strategy}": TTMForecaster(
            arguments.model, fit_strategy=strategy, effort=arguments.effort, device=arguments.device, random_state=0
        )
        for strategy in arguments.strategy
    }
    peers = {} if arguments.without_classics else classics(season)
    result = backtest(
        ours | peers, y, drivers=drivers, horizon=arguments.horizon, n_windows=arguments.windows, season=season
    )
    content = table_content(result.scores, table_ending) if table_ending else b""
    image = (
        _picture(y, result, next(iter(ours)), horizon=arguments.horizon, kind=plot_ending[1:]) if plot_ending else b""
    )
    for path, data in ((arguments.output, content), (arguments.plot, image)):
        if path:
            write_file(path, data)
    _print(result, arguments, season=season, known=[] if drivers is None else list(drivers.columns))
    return 0


def _read(arguments: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    table = read_table(arguments.data)
    columns = {"time": arguments.time, "id": arguments.id, "freq": arguments.freq}
    if not arguments.drivers:
        return to_series(table, target=arguments.target, **columns), None
    if not arguments.target:
        raise ConfigError("--drivers needs --target, so that it is clear what is to be forecast")
    everything = to_series(table, target=[*arguments.target, *arguments.drivers], **columns)
    series = _by_series(everything)
    drivers = series[arguments.drivers].ffill() if arguments.fill_drivers else everything[arguments.drivers]
    filled = _by_series(drivers)[arguments.drivers].bfill()
    # Rows before the first of a short series come from reading, not from the file; nobody could fill them in.
    is_before = everything.isna().all(axis=1) & (series.cumcount() < _n_blank(series))
    return everything[arguments.target], filled if arguments.fill_drivers else drivers.where(~is_before, filled)


def _by_series(frame: pd.DataFrame) -> Any:
    """The frame in groups, one for each series of it."""
    if frame.index.nlevels == 1:
        return frame.groupby(np.zeros(len(frame)))
    return frame.groupby(level=list(range(frame.index.nlevels - 1)), sort=False)


def _n_blank(series: Any) -> pd.Series:
    """For every row how many rows without any value its series begins with."""
    return series.transform(lambda column: column.notna().to_numpy().argmax()).min(axis=1)


def _print(result: Backtest, arguments: argparse.Namespace, *, season: int, known: list[str]) -> None:
    beside = f", with {', '.join(known)} known ahead" if known else ""
    print(f"{arguments.windows} windows of {arguments.horizon} steps, season {season}{beside}")
    summary = result.summary()
    text = pd.DataFrame({"method": summary["method"]})
    for name in summary.columns[1:]:
        text[name] = summary[name].map("{:.1f}".format if name == "seconds" else "{:.3f}".format)
    print_rows(text)
    print(
        "Lower is better, but for coverage (of the 80 % interval), which should be .8; without one, a point is scored."
    )
    for name, why in result.failures.items():
        print(f"left out {name}, which failed: {why}")
    for path in (arguments.output, arguments.plot):
        if path:
            print(f"wrote {path}")


def _picture(y: pd.DataFrame, result: Backtest, name: str, *, horizon: int, kind: str) -> bytes:
    """The newest window of the first series."""
    from ttm_sk.plotting import blank_figure, plot_forecast, to_image

    quantiles: Mapping[str, pd.DataFrame] = result.last
    key = y.index.droplevel(-1)[0] if y.index.nlevels > 1 else None
    series, fan = (frame if key is None else frame.loc[key] for frame in (y, quantiles[name]))
    target = y.columns[0]
    past, actual = series[target].iloc[:-horizon].tail(max(100, 4 * horizon)), series[target].iloc[-horizon:]
    figure, [ax] = blank_figure()
    title = f"{'' if key is None else f'{key}: '}{target} by {name}"
    title = title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 3]}..."  # the legend stands beside it
    fan = fan[fan.columns.get_level_values(0)[0]]
    plot_forecast(past, fan[0.5], fan[list(BAND)], actual=actual, ax=ax, title=title)
    return to_image(figure, kind)
