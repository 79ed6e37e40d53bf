"""``ttm-sk demo``: the end of a bundled real series, forecast and compared with seasonal naive."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from ttm_sk.cli.output import PLOT_ENDINGS, check_ending, print_rows, write_file
from ttm_sk.data.tables import load_example
from ttm_sk.estimators.forecast_table import forecast_quantiles, readable
from ttm_sk.estimators.forecaster import TTMForecaster
from ttm_sk.scoring import metrics

__all__ = ["run"]

EXAMPLES = {"solar": (48, 48), "airline": (24, 12)}  # steps held back, steps in a season
SCORED_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def run(arguments: argparse.Namespace) -> int:
    """Hold back, forecast, compare, draw."""
    from ttm_sk.plotting import blank_figure, plot_forecast, to_image  # an extra: without it, nothing is done in vain

    ending = check_ending(arguments.output, PLOT_ENDINGS, option="--output")
    n_held, season = EXAMPLES[arguments.example]
    series = load_example(arguments.example)
    past, actual = series.iloc[:-n_held], series.iloc[-n_held:, 0]
    model = Path(arguments.model).stem
    forecaster = TTMForecaster(arguments.model, effort=arguments.effort, device=arguments.device)
    quantiles = forecast_quantiles(forecaster, past, n_held, levels=SCORED_LEVELS)[series.columns[0]]
    naive = pd.Series([past.iloc[-season + step % season, 0] for step in range(n_held)], index=actual.index)
    columns = {"actual": actual, "forecast": quantiles[0.5], "0.1": quantiles[0.1], "0.9": quantiles[0.9]}
    table = pd.DataFrame({**columns, "seasonal naive": naive}).rename_axis("time").reset_index()
    stride = max(1, n_held // 16)
    title = f"{series.columns[0].replace('_', ' ')}: the last {n_held} steps, forecast by {model}"
    figure, [ax] = blank_figure()
    plot_forecast(past, quantiles[0.5], quantiles[[0.1, 0.3, 0.7, 0.9]], actual=actual, ax=ax, title=title)
    write_file(arguments.output, to_image(figure, ending[1:]))
    print(
        f"{arguments.example}: {len(past)} steps known, the last {n_held} held back; every {_ordinal(stride)} is shown"
    )
    print_rows(readable(table).iloc[::stride])
    print()
    _print_scores(past, actual, quantiles, naive, season=season, model=model)
    print(f"wrote {arguments.output}")
    return 0


def _ordinal(stride: int) -> str:
    return {1: "step", 2: "second step", 3: "third step"}.get(stride, f"{stride}th step")


def _print_scores(
    past: pd.DataFrame, actual: pd.Series, quantiles: pd.DataFrame, naive: pd.Series, *, season: int, model: str
) -> None:
    scale = metrics.seasonal_error(past.iloc[:, 0], seasonality=season)
    repeated = np.repeat(naive.to_numpy()[:, None], len(SCORED_LEVELS), axis=1)
    rows = []
    for name, points, spread in ((model, quantiles[0.5], quantiles), ("seasonal naive", naive, repeated)):
        error = metrics.mase(target=actual, forecast=points, seasonal_error=scale)
        loss = metrics.weighted_quantile_loss(target=actual, quantiles=spread, levels=SCORED_LEVELS)
        rows.append({"": name, "MASE": f"{error:.3f}", "weighted quantile loss": f"{loss:.3f}"})
    print_rows(pd.DataFrame(rows))
    print(f"Lower is better. Seasonal naive repeats the last {season} steps; its quantiles are all that value.")
