"""Measure a forecaster on GIFT-Eval tasks by the benchmark's own protocol, without GluonTS and ``datasets``.

``python benchmarks/gift_eval/development.py --storage DIR --published CSV --checkpoint FILE`` prints one line per task
and the geometric means beside published models; ``--forecaster seasonal-naive`` reproduces the leaderboard's baseline.

``DIR`` holds the data sets in the benchmark's layout (``datasets.save_to_disk``: one folder of arrow streams with the
columns item_id, start, freq, target) and a ``MANIFEST.csv`` whose columns ``config`` (``ett1/H/short``) and
``leaderboard_name`` say which tasks to run. ``CSV`` has the columns model, config (a leaderboard name), mase, crps.

The protocol: the last tenth of the shortest series, in at most 20 windows (M4: one), tiles the end of every series;
each variate is a series of its own. MASE is averaged over all entries, CRPS is the mean weighted quantile loss at
.1, ..., .9.
Constants are those of gift-eval's ``src/gift_eval/data.py`` (commit 2100c32, Apache-2.0).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pyarrow as pa

from ttm_sk.errors import DataError
from ttm_sk.scoring import metrics

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BASELINE = "seasonal_naive"
PEERS = ("TTM-R1-Pretrained", "TTM-R2-Pretrained", "chronos_bolt_small", "tabpfn_ts", "TTM-R3-PT", "TiRex")
CONTEXT_LENGTH = 8192

TEST_SHARE = 0.1
MAX_WINDOWS = 20
PREDICTION_LENGTHS = {"S": 60, "T": 48, "H": 48, "D": 30, "W": 8, "M": 12}
M4_PREDICTION_LENGTHS = {"H": 48, "D": 14, "W": 13, "M": 18, "Q": 8, "A": 6}
TERM_MULTIPLIERS = {"short": 1, "medium": 10, "long": 15}
# DEFAULT_SEASONALITIES of gluonts/time_feature/seasonality.py (0.17, Apache-2.0): 5T has 1440 / 5 steps per season
SEASONALITIES = {"S": 3600, "T": 1440, "H": 24, "D": 1, "W": 1, "M": 12, "B": 5, "Q": 4, "A": 1}
# pandas' spellings of one frequency, old and new
FREQUENCY_NAMES = {"s": "S", "min": "T", "h": "H"} | dict.fromkeys(("ME", "MS"), "M") | dict.fromkeys(("QE", "QS"), "Q")
FREQUENCY_NAMES |= dict.fromkeys(("Y", "YE", "YS", "AS"), "A")

Series = np.ndarray
Forecast = Callable[[list[Series], int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Task:
    """One configuration of the benchmark: series, and how their ends are cut into windows.

    ``name`` is the folder and the term (``saugeenday/D/short``); ``series`` holds one ``(time,)`` array per variate,
    NaN where nothing was observed; lengths and ``seasonality`` count steps.
    """

    name: str
    leaderboard_name: str
    frequency: str
    prediction_length: int
    seasonality: int
    n_windows: int
    series: list[Series]

    def windows(self) -> tuple[list[Series], np.ndarray]:
        """What precedes each window (its whole past) and the window, ``(n, prediction_length)``, series by series."""
        contexts, targets = [], []
        for values in self.series:
            for remaining in range(self.n_windows, 0, -1):
                cutoff = len(values) - remaining * self.prediction_length
                contexts.append(values[:cutoff])
                targets.append(values[cutoff : cutoff + self.prediction_length])
        return contexts, np.stack(targets)


def tasks(storage: Path | str, *, configs: Sequence[str] | None = None) -> list[Task]:
    """The tasks that ``storage/MANIFEST.csv`` lists, in its order; ``configs`` (names of either kind) keeps some.

    Raises
    ------
    DataError
        If the manifest or a data set is missing, or a wanted configuration is not listed.
    """
    return list(_iterate_tasks(Path(storage), configs))


def evaluate(
    forecast: Forecast,
    storage: Path | str,
    *,
    published: Path | str | pd.DataFrame,
    configs: Sequence[str] | None = None,
    context_length: int | None = CONTEXT_LENGTH,
    on_result: Callable[[dict], None] | None = None,
) -> pd.DataFrame:
    """Scores of a forecaster, one row per task.

    Parameters
    ----------
    forecast
        ``forecast(contexts, horizon) -> (median (n, horizon), quantiles (n, horizon, 9))``; contexts are ``(time,)``
        arrays of different lengths, NaN where nothing was observed; the quantiles are at `LEVELS`.
    storage
        The folder with the data sets and ``MANIFEST.csv``.
    published
        The leaderboard's results: a CSV file or a frame with the columns model, config, mase, crps.
    configs
        Names of the tasks to run; None runs all.
    context_length
        The last so many points of each context are passed; None passes all. MASE is scaled by the whole past anyway.
    on_result
        Called with each row as it is ready.

    Returns
    -------
    pandas.DataFrame
        Columns config (the leaderboard's name), MASE, CRPS, relative_MASE, relative_CRPS (over the published seasonal
        naive; NaN where it is not published), n_forecasts, seconds (the forecaster's).

    Raises
    ------
    DataError
        If a file is missing, or the forecaster returns other shapes or values that are not finite.
    """
    scored = (score(forecast, task, context_length=context_length) for task in _iterate_tasks(Path(storage), configs))
    return _relative_to_baseline(scored, _published(published), on_result)


def evaluate_seasonal_naive(
    storage: Path | str,
    *,
    published: Path | str | pd.DataFrame,
    configs: Sequence[str] | None = None,
    on_result: Callable[[dict], None] | None = None,
) -> pd.DataFrame:
    """`evaluate` of the leaderboard's baseline: relative scores are 1 where data and protocol are the benchmark's."""
    each = _iterate_tasks(Path(storage), configs)
    scored = (score(seasonal_naive(task.seasonality), task, context_length=None) for task in each)
    return _relative_to_baseline(scored, _published(published), on_result)


def score(forecast: Forecast, task: Task, *, context_length: int | None = CONTEXT_LENGTH) -> dict:
    """MASE, CRPS and seconds of a forecaster on one task; arguments and errors as in `evaluate`."""
    contexts, targets = task.windows()
    started = time.perf_counter()
    median, quantiles = forecast([context[-(context_length or 0) :] for context in contexts], task.prediction_length)
    seconds = time.perf_counter() - started
    scale = np.array([metrics.seasonal_error(context, seasonality=task.seasonality) for context in contexts])
    return {
        "config": task.leaderboard_name,
        "MASE": metrics.mase(target=targets, forecast=median, seasonal_error=scale),
        "CRPS": metrics.weighted_quantile_loss(target=targets, quantiles=quantiles, levels=LEVELS),
        "n_forecasts": len(contexts),
        "seconds": seconds,
    }


def summary(results: pd.DataFrame) -> pd.Series:
    """Geometric means over the tasks of MASE and CRPS relative to the published seasonal naive; seconds in total."""
    return pd.Series(
        {
            "MASE": _geometric_mean(results["relative_MASE"]),
            "CRPS": _geometric_mean(results["relative_CRPS"]),
            "n_tasks": len(results),
            "seconds": results["seconds"].sum(),
        }
    )


def compare(
    results: pd.DataFrame, published: Path | str | pd.DataFrame, *, models: Sequence[str] = PEERS, name: str = "this"
) -> pd.DataFrame:
    """Geometric means of the results beside those of published models on the same tasks, best CRPS first.

    Returns
    -------
    pandas.DataFrame
        Indexed by model: MASE and CRPS relative to seasonal naive, and on how many tasks ``results`` has the lower one
        (``beaten_MASE``, ``beaten_CRPS``).

    Raises
    ------
    DataError
        If a model is not published for one of the tasks.
    """
    leaderboard = _published(published).set_index(["model", "config"])[["mase", "crps"]]
    own = results.set_index("config")[["MASE", "CRPS"]]
    rows = [{"model": name, **summary(results)[["MASE", "CRPS"]]}]
    for model in models:
        peer, baseline = (_rows_of(leaderboard, model=each, configs=own.index) for each in (model, BASELINE))
        means = {column: _geometric_mean(peer[column] / baseline[column]) for column in own}
        beaten = {f"beaten_{column}": int((own[column] < peer[column]).sum()) for column in own}
        rows.append({"model": model, **means, **beaten})
    types = {"beaten_MASE": "Int64", "beaten_CRPS": "Int64"}
    return pd.DataFrame(rows, columns=["model", *own, *types]).astype(types).set_index("model").sort_values("CRPS")


def seasonal_naive(seasonality: int) -> Forecast:
    """The leaderboard's baseline: the last season again, with statsforecast's normal intervals around it.

    The spread at step k is the root mean square of the one-season-ahead errors times the root of the number of seasons
    until k; gaps take the value before them. It needs the whole past, so it is scored with ``context_length=None``.
    """

    def forecast(contexts: list[Series], horizon: int) -> tuple[np.ndarray, np.ndarray]:
        normal = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
        pairs = [_naive_mean_and_spread(_filled(context), horizon, season=seasonality) for context in contexts]
        mean, spread = (np.stack(each) for each in zip(*pairs, strict=True))
        return mean, mean[..., None] + spread[..., None] * normal

    return forecast


def checkpoint_forecaster(
    path: Path | str, *, effort: str = "fast", batch_size: int = 256, device: str = "auto"
) -> Forecast:
    """A forecaster from a weights file that ttm_sk opens."""
    from ttm_sk.checkpoints.open import load_checkpoint
    from ttm_sk.device import resolve_device
    from ttm_sk.inference.forecasting import forecast_series

    module = load_checkpoint(path).build().to(resolve_device(device))

    def forecast(contexts: list[Series], horizon: int) -> tuple[np.ndarray, np.ndarray]:
        quantiles = forecast_series(module, contexts, horizon, levels=LEVELS, effort=effort, batch_size=batch_size)
        return quantiles[..., LEVELS.index(0.5)], quantiles

    return forecast


def season_of(frequency: str) -> int:
    """Steps per season as GluonTS's ``get_seasonality`` counts; 1 where the multiple does not divide the season."""
    name, multiple = parse_frequency(frequency)
    seasonality, remainder = divmod(SEASONALITIES[name], multiple)
    return 1 if remainder else seasonality


def parse_frequency(frequency: str) -> tuple[str, int]:
    """The one-letter name and the multiple of a pandas frequency: ``"15min"`` is ``("T", 15)``."""
    stem = frequency.partition("-")[0]
    letters = stem.lstrip("0123456789")
    name = FREQUENCY_NAMES.get(letters, letters)
    if name not in SEASONALITIES:
        raise DataError(
            f"found the frequency {frequency!r}; expected {sorted(SEASONALITIES)} or a multiple, as in '15T'"
        )
    return name, int(stem.removesuffix(letters) or 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when every task was scored."""
    options = _parser().parse_args(arguments)
    print(f"{'task':32}{'MASE':>10}{'CRPS':>10}{'rel MASE':>10}{'rel CRPS':>10}{'seconds':>9}")
    settings = {"published": options.published, "configs": options.configs, "on_result": _print_row}
    if options.checkpoint:
        forecast = checkpoint_forecaster(
            options.checkpoint, effort=options.effort, batch_size=options.batch_size, device=options.device
        )
        results = evaluate(forecast, options.storage, context_length=options.context_length, **settings)
        results = results.assign(effort=options.effort, weights=_weights_hash(options.checkpoint))
    else:
        results = evaluate_seasonal_naive(options.storage, **settings)
    if options.output:
        results.to_csv(options.output, index=False)
    print(f"\n{len(results)} tasks, {results['seconds'].sum():.1f} s; geometric means relative to seasonal naive:")
    print(compare(results, options.published, name=str(options.checkpoint or options.forecaster)).round(4).to_string())
    return 0


def _weights_hash(checkpoint: str) -> str:
    from ttm_sk.checkpoints.open import load_checkpoint

    return load_checkpoint(checkpoint).hash


def _iterate_tasks(storage: Path, configs: Sequence[str] | None) -> Iterator[Task]:
    manifest = storage / "MANIFEST.csv"
    if not manifest.is_file():
        raise DataError(f"found no {manifest.name} in {storage}; expected the folder that holds it and the data sets")
    listed = pd.read_csv(manifest)[["config", "leaderboard_name"]]
    if unknown := set(configs or ()) - set(listed.to_numpy().ravel()):
        raise DataError(f"found no {sorted(unknown)} in {manifest.name}; expected names as {listed.iloc[0].tolist()}")
    wanted = listed[listed.isin(configs).any(axis=1)] if configs else listed
    for config, leaderboard_name in wanted.itertuples(index=False):
        yield _read_task(storage, config, leaderboard_name)


def _read_task(storage: Path, config: str, leaderboard_name: str) -> Task:
    folder, _, term = config.rpartition("/")
    table = _read_table(storage / folder)
    frequency = table["freq"][0].as_py()
    is_m4 = "m4" in folder
    name, _ = parse_frequency(frequency)
    lengths = M4_PREDICTION_LENGTHS if is_m4 else PREDICTION_LENGTHS
    if name not in lengths or term not in TERM_MULTIPLIERS:
        raise DataError(f"found {config} at {frequency}; expected {[*lengths]} and {[*TERM_MULTIPLIERS]}: see {folder}")
    prediction_length = lengths[name] * TERM_MULTIPLIERS[term]
    items = [_variates(target) for target in table["target"]]
    shortest = min(len(variates[0]) for variates in items)
    n_windows = 1 if is_m4 else min(max(1, math.ceil(TEST_SHARE * shortest / prediction_length)), MAX_WINDOWS)
    return Task(
        name=config,
        leaderboard_name=leaderboard_name,
        frequency=frequency,
        prediction_length=prediction_length,
        seasonality=season_of(frequency),
        n_windows=n_windows,
        series=[variate for variates in items for variate in variates],
    )


def _read_table(folder: Path) -> pa.Table:
    files = sorted(folder.glob("*.arrow"))
    if not files:
        raise DataError(f"found no *.arrow file in {folder}; expected a data set written by datasets.save_to_disk")
    return pa.concat_tables(pa.ipc.open_stream(file.read_bytes()).read_all() for file in files)


def _variates(target: pa.ListScalar) -> list[Series]:
    """A multivariate target becomes one series per variate."""
    rows = target.values
    if pa.types.is_list(rows.type):
        return [row.values.to_numpy(zero_copy_only=False) for row in rows]
    return [rows.to_numpy(zero_copy_only=False)]


def _relative_to_baseline(
    scored: Iterator[dict], leaderboard: pd.DataFrame, on_result: Callable[[dict], None] | None
) -> pd.DataFrame:
    baseline = leaderboard[leaderboard["model"] == BASELINE].set_index("config")
    rows = []
    for row in scored:
        for name in ("MASE", "CRPS"):
            row[f"relative_{name}"] = row[name] / baseline[name.lower()].get(row["config"], np.nan)
        rows.append(row)
        if on_result is not None:
            on_result(row)
    return pd.DataFrame(rows)[["config", "MASE", "CRPS", "relative_MASE", "relative_CRPS", "n_forecasts", "seconds"]]


def _published(source: Path | str | pd.DataFrame) -> pd.DataFrame:
    if not isinstance(source, pd.DataFrame) and not Path(source).is_file():
        raise DataError(f"found no file {source}; expected the CSV of published results")
    frame = source if isinstance(source, pd.DataFrame) else pd.read_csv(source)
    if missing := {"model", "config", "mase", "crps"} - set(frame.columns):
        raise DataError(
            f"found no columns {sorted(missing)} in the published results; expected model, config, mase, crps"
        )
    return frame


def _rows_of(leaderboard: pd.DataFrame, *, model: str, configs: pd.Index) -> pd.DataFrame:
    """MASE and CRPS of one published model on the wanted tasks, in their order."""
    wanted = pd.MultiIndex.from_product([[model], configs])
    if missing := wanted.difference(leaderboard.index).tolist():
        raise DataError(f"found no published results of {missing[:3]}; expected every task: leave the model out")
    return leaderboard.loc[wanted].set_axis(configs).rename(columns=str.upper)


def _geometric_mean(ratios: pd.Series) -> float:
    return float(np.exp(np.log(ratios).mean(skipna=False)))


def _naive_mean_and_spread(values: Series, horizon: int, *, season: int) -> tuple[np.ndarray, np.ndarray]:
    if len(values) < season:
        raise DataError(f"found a past of {len(values)} points; expected a season, {season}: leave the task out")
    errors = values[season:] - values[:-season]
    deviation = np.sqrt(np.mean(np.square(errors))) if len(errors) else 0.0
    steps = np.arange(horizon)
    return values[len(values) - season + steps % season], deviation * np.sqrt(steps // season + 1)


def _filled(values: Series) -> Series:
    return pd.Series(values, dtype=np.float64).ffill().bfill().to_numpy()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure a forecaster on GIFT-Eval tasks by its own protocol.")
    parser.add_argument("--storage", type=Path, required=True, help="folder with the data sets and MANIFEST.csv")
    parser.add_argument("--published", type=Path, required=True, help="CSV of the leaderboard's results per task")
    forecaster = parser.add_mutually_exclusive_group(required=True)
    forecaster.add_argument("--checkpoint", help="name or file of weights that ttm_sk opens")
    forecaster.add_argument("--forecaster", choices=["seasonal-naive"], help="a forecaster without weights")
    parser.add_argument("--effort", choices=["plain", "fast", "best"], default="fast")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--context-length", type=int, default=CONTEXT_LENGTH, help="points of the past to pass on")
    parser.add_argument("--configs", nargs="+", help="tasks to run, such as ett1/H/short; all without it")
    parser.add_argument("--output", type=Path, help="CSV to write, one row per task")
    return parser


def _print_row(row: dict) -> None:
    scores = "".join(f"{row[name]:10.4f}" for name in ("MASE", "CRPS", "relative_MASE", "relative_CRPS"))
    print(f"{row['config']:32}{scores}{row['seconds']:9.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
