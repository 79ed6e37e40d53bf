"""``ttm-sk forecast``: a file of figures in, a table and a picture out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

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
from ttm_sk.estimators.forecast_table import forecast_quantiles, long_table, readable
from ttm_sk.estimators.forecaster import TTMForecaster

__all__ = ["run"]

MOST_ROWS = 48  # of a table that is printed in full
MOST_PICTURES = 6


def run(arguments: argparse.Namespace) -> int:
    """Read, forecast, print, write."""
    table_ending = check_ending(arguments.output, TABLE_ENDINGS, option="--output")
    plot_ending = check_ending(arguments.plot, PLOT_ENDINGS, option="--plot")
    refuse_the_data(arguments.output, arguments.data)
    if plot_ending:
        import ttm_sk.plotting  # noqa: F401 (without it, nothing is done in vain)
    series = to_series(
        read_table(arguments.data), time=arguments.time, target=arguments.target, id=arguments.id, freq=arguments.freq
    )
    levels = sorted({float(level) for level in arguments.levels})
    if len({f"{level:g}" for level in levels}) < len(levels):
        raise ConfigError(f"--levels: found levels that are called alike, {levels}; give them further apart")
    forecaster = TTMForecaster(arguments.model, effort=arguments.effort, device=arguments.device)
    quantiles = forecast_quantiles(forecaster, series, arguments.horizon, levels=levels)
    table = long_table(quantiles, levels)
    content = table_content(table, table_ending) if table_ending else b""
    image = _pictures(series, quantiles, levels=levels, kind=plot_ending[1:]) if plot_ending else b""
    written = [(path, data) for path, data in ((arguments.output, content), (arguments.plot, image)) if path]
    for path, data in written:
        write_file(path, data)
    print(f"{arguments.horizon} steps ahead by {arguments.model}, effort {arguments.effort}")
    _print_forecast(table, is_panel=series.index.nlevels > 1)
    for path, _ in written:
        print(f"wrote {path}")
    return 0


def _print_forecast(table: pd.DataFrame, *, is_panel: bool) -> None:
    """The whole table, or the first steps of a long one, or a row for each series of a large panel."""
    table = table.drop(columns="0.5", errors="ignore")  # the forecast is the median
    keys = ["id", "target"] if is_panel else ["target"]
    groups = [part for _, part in table.groupby(keys, sort=False)]
    if len(table) <= MOST_ROWS:
        print_rows(*[readable(part) for part in groups])
    elif len(groups) == 1:
        rows = readable(table)
        print_rows(rows.head(MOST_ROWS // 2))
        print(f"... {len(rows) - MOST_ROWS // 2} more steps, to {rows['time'].iloc[-1]}; --output FILE keeps them all")
    else:
        means = [part.drop(columns="time").groupby(keys, sort=False).mean().reset_index() for part in groups]
        print(f"{len(groups)} series, the mean over all steps of each; --output FILE keeps every step")
        print_rows(*[readable(mean) for mean in means[:MOST_ROWS]])
        if len(groups) > MOST_ROWS:
            print(f"... {len(groups) - MOST_ROWS} more series")


def _pictures(series: pd.DataFrame, quantiles: pd.DataFrame, *, levels: Sequence[float], kind: str) -> bytes:
    """The first series as one picture; of a panel or several targets, the first six."""
    from ttm_sk.plotting import blank_figure, plot_forecast, to_image

    keys = list(series.index.droplevel(-1).unique()) if series.index.nlevels > 1 else [None]
    chosen = [(key, name) for key in keys for name in series.columns]
    if len(chosen) > MOST_PICTURES:
        print(f"the picture shows the first {MOST_PICTURES} of {len(chosen)} series")
    figure, axes = blank_figure(min(len(chosen), MOST_PICTURES))
    for (key, name), ax in zip(chosen, axes, strict=False):
        past, future = (frame if key is None else frame.loc[key] for frame in (series[name], quantiles[name]))
        past = past.loc[past.first_valid_index() :].tail(max(100, 5 * len(future)))
        plot_forecast(past, future[0.5], future[list(levels)], ax=ax, title=name if key is None else f"{key}: {name}")
        if len(axes) > 1 and (legend := ax.get_legend()) is not None:
            legend.remove()  # too wide for a small picture, and the same in all
    return to_image(figure, kind)
