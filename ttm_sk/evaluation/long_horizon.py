"""The long-horizon table: MSE and MAE on seven standard data sets, beside the published rows of TTM."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.frequency import resolution_token
from ttm_sk.data.long_horizon_sets import LAYOUTS, LongHorizonSet, read_long_horizon_set
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError, HorizonError
from ttm_sk.inference.forecasting import as_runner, check_effort, forecast_series, select_readings
from ttm_sk.inference.resolution import ReadingMixture
from ttm_sk.inference.runner import Runner
from ttm_sk.scoring import metrics

__all__ = ["HORIZONS", "beside_published", "long_horizon", "published_rows"]

HORIZONS = (96, 192, 336, 720)
PUBLISHED = Path(__file__).with_name("long_horizon_published.csv")


@dataclass
class _Errors:
    """Sums over the windows of one horizon."""

    squared: float = 0.0
    absolute: float = 0.0
    n_values: int = 0
    n_windows: int = 0

    def add(self, target: np.ndarray, forecast: np.ndarray) -> None:
        self.squared += metrics.mse(target=target, forecast=forecast) * target.size
        self.absolute += metrics.mae(target=target, forecast=forecast) * target.size
        self.n_values += target.size
        self.n_windows += len(target)


def long_horizon(
    checkpoint: Checkpoint,
    csv: str | Path | LongHorizonSet,
    *,
    horizons: Sequence[int] = HORIZONS,
    effort: str = "fast",
    context_length: int | None = None,
    stride: int = 1,
    batch_size: int = 256,
    device: str = "auto",
    runner: Runner | None = None,
) -> pd.DataFrame:
    """MSE and MAE of a checkpoint on one of the seven data sets, over every window of its test part.

    Parameters
    ----------
    checkpoint
        Any that :func:`ttm_sk.load_checkpoint` opens, a fine-tuned one too. It forecasts by its median, or by its mean
        where it has no quantiles.
    csv
        The published file (:func:`~ttm_sk.data.long_horizon_sets.read_long_horizon_set`), or the set read from it.
    horizons
        Steps ahead. Beyond the model's own horizon its forecast is fed back, as :func:`forecast_series` says.
    effort
        ``"plain"``, ``"fast"`` or ``"best"``, as in :class:`~ttm_sk.TTMForecaster`. What ``"best"`` mixes is chosen
        once for each horizon, on what precedes the test part.
    context_length
        Newest steps to use; None uses all that the model can see.
    stride
        Take every so many windows: 1, as published. A larger one is an estimate; one that shares no factor with the
        length of a day meets every hour.
    batch_size
        Series (channels of windows) in one pass.
    runner
        The checkpoint in another engine (:func:`ttm_sk.inference.exported.open_exported`); None builds it in torch.

    Returns
    -------
    DataFrame
        A row a horizon: dataset, horizon, mse, mae (of standardised values), n_windows, n_channels, context_length,
        effort, stride, weights (hash), set_seconds (of the data set with all horizons: but for ``"best"``,
        every window is forecast once, as far as its longest horizon, and shorter ones are the beginning of that).

    Raises
    ------
    DataError
        If the file is not the published one.
    HorizonError, ConfigError
        For impossible horizons, stride, batch size, effort or device.

    Notes
    -----
    Splits and scaling: :mod:`ttm_sk.data.long_horizon_sets`. The errors are means over all windows, steps and
    channels; the past of the first test windows reaches into the validation part. No batch is dropped.
    """
    check_effort(effort)
    _check(horizons, stride=stride, batch_size=batch_size, context_length=context_length)
    data = csv if isinstance(csv, LongHorizonSet) else read_long_horizon_set(csv)
    data.starts(max(horizons))  # raises before any work
    runner = runner or as_runner(checkpoint.build().to(resolve_device(device)))
    n_at_once = max(1, batch_size // len(data.values))
    settings: dict[str, Any] = {
        "effort": effort,
        "batch_size": n_at_once,
        "context_length": context_length,
        "resolution": _resolution(checkpoint, data),
    }
    errors = {horizon: _Errors() for horizon in sorted(set(horizons))}
    began = time.perf_counter()
    for some in [[horizon] for horizon in errors] if effort == "best" else [list(errors)]:
        readings = _readings(runner, data, max(some), **settings)
        for reach, starts in _batches(data, some, stride=stride, n_at_once=n_at_once):
            histories = [data.values[:, :start] for start in starts]
            forecast = forecast_series(runner, histories, reach, readings=readings, **settings)[..., 0]
            _score({horizon: errors[horizon] for horizon in some}, data, starts, forecast)
    facts = {
        "context_length": min(runner.outline.context_length, context_length or runner.outline.context_length),
        "effort": effort,
        "stride": stride,
        "weights": checkpoint.hash,
        "set_seconds": time.perf_counter() - began,
    }
    return pd.DataFrame([_row(data, horizon, errors[horizon]) | facts for horizon in errors])


def published_rows(*, kind: str = "zero-shot") -> pd.DataFrame:
    """IBM's published MSE: columns model, dataset, horizon, context_length, mse; the source stands in the file.

    Parameters
    ----------
    kind
        ``"zero-shot"``, or ``"few-shot 5 %"``: fine-tuned on the last 5 % of the training part.

    Raises
    ------
    ConfigError
        For another kind.

    Examples
    --------
    >>> rows = published_rows().set_index(["model", "context_length", "dataset", "horizon"])
    >>> float(rows.loc[("TTM-R2", 512, "ETTh1", 96), "mse"])
    0.363
    """
    table = pd.read_csv(PUBLISHED, comment="#")
    if kind not in set(table["kind"]):
        raise ConfigError(f"found kind={kind!r}; expected one of {', '.join(sorted(set(table['kind'])))}")
    return table[table["kind"] == kind].drop(columns="kind").reset_index(drop=True)


def beside_published(results: pd.DataFrame, *, kind: str = "zero-shot") -> pd.DataFrame:
    """Measured rows beside the published ones of the same data sets and horizons.

    Parameters
    ----------
    results
        What :func:`long_horizon` returned, of any number of data sets.
    kind
        As in :func:`published_rows`.

    Returns
    -------
    DataFrame
        Indexed by (dataset, horizon): mse and mae as measured, then the published MSE, a column for each model and
        context length (``"TTM-R2 512, published"``); NaN where none is published.
    """
    published = published_rows(kind=kind)
    names = published["model"] + " " + published["context_length"].astype(str) + ", published"
    wide = published.assign(column=names).pivot(index=["dataset", "horizon"], columns="column", values="mse")
    wide = wide[list(dict.fromkeys(names))]
    measured = results.set_index(["dataset", "horizon"])[["mse", "mae"]]
    return measured.join(wide.rename_axis(columns=None))


def _resolution(checkpoint: Checkpoint, data: LongHorizonSet) -> int | None:
    """The token of the set's pace, where the model wants one."""
    n_resolutions = getattr(checkpoint.config, "n_resolutions", 0)  # TTM-R3 has none
    return resolution_token(LAYOUTS[data.name].frequency, n_resolutions=n_resolutions) if n_resolutions else None


def _readings(
    runner: Runner, data: LongHorizonSet, horizon: int, *, effort: str, **settings: Any
) -> ReadingMixture | None:
    """What ``"best"`` mixes, chosen on what precedes the test part alone."""
    if effort != "best":
        return None
    return select_readings(runner, [data.values[:, : data.test_start]], horizon, **settings)


def _batches(
    data: LongHorizonSet, horizons: Sequence[int], *, stride: int, n_at_once: int
) -> Iterator[tuple[int, list[int]]]:
    """How far the next windows are forecast, and their first rows; all in a batch reach equally far."""

    def reach(start: int) -> int:
        return max(horizon for horizon in horizons if start + horizon <= data.test_stop)

    for steps, reaching in groupby(data.starts(min(horizons))[::stride], key=reach):
        starts = list(reaching)
        for first in range(0, len(starts), n_at_once):
            yield steps, starts[first : first + n_at_once]


def _score(errors: dict[int, _Errors], data: LongHorizonSet, starts: Sequence[int], forecast: np.ndarray) -> None:
    """Count forecasts ``(window, channel, horizon)`` for every horizon that they reach."""
    for horizon, sums in errors.items():
        if horizon <= forecast.shape[2]:
            target = np.stack([data.values[:, start : start + horizon] for start in starts])
            sums.add(target, forecast[:, :, :horizon])


def _row(data: LongHorizonSet, horizon: int, errors: _Errors) -> dict[str, object]:
    return {
        "dataset": data.name,
        "horizon": horizon,
        "mse": errors.squared / errors.n_values,
        "mae": errors.absolute / errors.n_values,
        "n_windows": errors.n_windows,
        "n_channels": len(data.values),
    }


def _check(horizons: Sequence[int], **counts: int | None) -> None:
    if not horizons or not all(isinstance(horizon, (int, np.integer)) and horizon >= 1 for horizon in horizons):
        raise HorizonError(f"found horizons={tuple(horizons)}; expected at least one, each a whole number from 1")
    for name, value in counts.items():
        if value is not None and value < 1:
            raise ConfigError(f"{name}={value} must be at least 1")
