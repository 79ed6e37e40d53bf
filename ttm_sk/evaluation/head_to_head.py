"""Two models on the same tasks and the same machine: accuracy, seconds and memory, beside published figures."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ttm_sk.checkpoints.provenance import source_commit
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.estimators.tabpfn_weights import weights_file
from ttm_sk.evaluation.contenders import Contender, ForecasterContender
from ttm_sk.evaluation.gift_eval_predictor import score
from ttm_sk.evaluation.gift_eval_storage import Series, Task, is_stored, read_task
from ttm_sk.evaluation.gift_eval_tasks import Configuration
from ttm_sk.evaluation.leaderboard import published_results
from ttm_sk.evaluation.measurement import peak_memory_mb

__all__ = ["Measured", "TabPFNContender", "head_to_head", "shorten"]

PUBLISHED_NAME = "tabpfn_ts"
WARM_UP_LENGTH = 16  # steps of a made-up series that imports the packages and opens the weights
MASE, CRPS = "MASE[0.5]", "mean_weighted_sum_quantile_loss"


@dataclass(frozen=True)
class TabPFNContender(ForecasterContender):
    """TabPFN-TS, each window by itself.

    Parameters
    ----------
    path, parameters
        As for any forecaster; leave ``path`` as it is. ``parameters`` are those of
        :class:`~ttm_sk.TabPFNTSForecaster`.
    is_trained
        False for random-initialised weights: what they forecast is not scored, only what it costs.

    Raises
    ------
    MissingExtraError
        If tabpfn-time-series is not installed.
    CheckpointError
        If the weights' file is not there.
    """

    path: str = "ttm_sk.estimators.tabpfn:TabPFNTSForecaster"
    parameters: dict[str, Any] = field(default_factory=dict)
    is_trained: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        weights_file(self.parameters.get("model_path"))

    @property
    def name(self) -> str:
        """The leaderboard's name; random weights are called so."""
        return PUBLISHED_NAME if self.is_trained else f"{PUBLISHED_NAME}, random weights"

    @property
    def weights(self) -> str:
        """SHA-256 of the file."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        return hashlib.sha256(weights_file(self.parameters.get("model_path")).read_bytes()).hexdigest()


@dataclass(frozen=True)
class Measured:
    """One model on one task, in a process of its own.

    Attributes
    ----------
    task, model
        The leaderboard's name of the task; the contender's name.
    n_forecasts, n_all
        Windows that were forecast, and that the whole task has.
    mase, crps
        Of those windows, by GluonTS; NaN for weights that are not trained.
    seconds, cpu_seconds
        Of all these forecasts and their scores; loading is not in them.
    load_seconds
        Until the first forecast of a made-up series of 16 steps was there: imports, and opening the weights.
    peak_memory_mb
        The most memory that the process had.
    published_mase, published_crps
        What the leaderboard publishes of TabPFN-TS on the **whole** task, with its makers' weights and machine; NaN for
        other models.
    weights, commit, threads
        Hash of the weights, commit of the code, threads of torch.
    """

    task: str
    model: str
    n_forecasts: int
    n_all: int
    mase: float
    crps: float
    seconds: float
    cpu_seconds: float
    load_seconds: float
    peak_memory_mb: float
    published_mase: float
    published_crps: float
    weights: str
    commit: str
    threads: int


def head_to_head(
    contenders: Sequence[Contender],
    configurations: Sequence[Configuration],
    *,
    storage: Path | str,
    n_forecasts: int | None = None,
    threads: int | None = None,
    on_result: Callable[[Measured], None] | None = None,
) -> pd.DataFrame:
    """Every contender on every task, each in a fresh process, one after the other.

    Parameters
    ----------
    contenders
        Such as a ``CheckpointContender`` and a :class:`TabPFNContender`.
    configurations
        Tasks of GIFT-Eval; all are read from ``storage``.
    n_forecasts
        At most so many windows of a task, the same ones for all contenders (:func:`shorten`); None takes all. Scores of
        some windows cannot be compared with published scores of all.
    threads
        Of torch in each process; None leaves torch its own choice.
    on_result
        Called with each row as it is ready.

    Returns
    -------
    DataFrame
        A row for each task and contender; columns are the attributes of :class:`Measured`.

    Raises
    ------
    ConfigError
        If ``n_forecasts`` or ``threads`` is below 1.
    DataError
        If the storage lacks a task, before anything is measured.
    """
    for name, value in (("n_forecasts", n_forecasts), ("threads", threads)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}={value} must be at least 1, or None")
    if missing := [one.folder for one in configurations if not is_stored(storage, one)]:
        raise DataError(f"found no {', '.join(dict.fromkeys(missing))} in {storage}; leave those tasks out (--config)")
    rows = []
    for measured in _measure_all(contenders, configurations, storage, n_forecasts, threads):
        rows.append(asdict(measured))
        if on_result is not None:
            on_result(measured)
    return pd.DataFrame(rows)


def shorten(task: Task, n_forecasts: int) -> Task:
    """A task of at most so many windows: the last ones of each series, of series spread evenly over all.

    Examples
    --------
    >>> from ttm_sk.evaluation.gift_eval_tasks import select_configurations
    >>> series = tuple(Series(str(i), pd.Period("2000", "M"), np.arange(90.0)) for i in range(9))
    >>> task = shorten(Task(select_configurations(["hospital"])[0], series, n_windows=1), 3)
    >>> [one.item_id for one in task.series]
    ['0', '4', '8']
    """
    n_series = min(len(task.series), n_forecasts)
    places = np.linspace(0, len(task.series) - 1, n_series).round().astype(int)
    n_windows = min(task.n_windows, max(1, n_forecasts // n_series))
    return replace(task, series=tuple(task.series[place] for place in places), n_windows=n_windows)


def _measure_all(
    contenders: Sequence[Contender],
    configurations: Sequence[Configuration],
    storage: Path | str,
    n_forecasts: int | None,
    threads: int | None,
) -> Iterator[Measured]:
    for configuration in configurations:
        whole = read_task(storage, configuration)
        task = whole if n_forecasts is None else shorten(whole, n_forecasts)
        for contender in contenders:
            with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as fresh:
                yield fresh.submit(_measure, contender, task, whole.n_forecasts, threads).result()


def _measure(contender: Contender, task: Task, n_all: int, threads: int | None) -> Measured:
    """Seconds, memory and scores of a contender, in this process, which did nothing before."""
    if threads is not None:
        torch.set_num_threads(threads)
    began = time.perf_counter()
    warm_up = Series("warm-up", task.series[0].start, np.arange(float(WARM_UP_LENGTH)))
    contender.prepare([], horizon=1, seasonality=1)([warm_up])
    load_seconds = time.perf_counter() - began
    began, cpu_began = time.perf_counter(), time.process_time()
    scores = score(contender, task)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    is_trained = getattr(contender, "is_trained", True)
    published = _published(contender, task.configuration.name)
    return Measured(
        task=task.configuration.name,
        model=contender.name,
        n_forecasts=task.n_forecasts,
        n_all=n_all,
        mase=scores[MASE] if is_trained else float("nan"),
        crps=scores[CRPS] if is_trained else float("nan"),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        load_seconds=load_seconds,
        peak_memory_mb=peak_memory_mb(),
        published_mase=published["MASE"],
        published_crps=published["CRPS"],
        weights=contender.weights,
        commit=source_commit(),
        threads=torch.get_num_threads(),
    )


def _published(contender: Contender, task: str) -> dict[str, float]:
    if not isinstance(contender, TabPFNContender):
        return {"MASE": float("nan"), "CRPS": float("nan")}
    row = published_results().loc[(PUBLISHED_NAME, task)]
    return {"MASE": float(row["MASE"]), "CRPS": float(row["CRPS"])}
