"""GIFT-Eval from beginning to end: every configuration read, forecast, scored and kept, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttm_sk import __version__
from ttm_sk.checkpoints.provenance import source_commit
from ttm_sk.errors import DataError
from ttm_sk.evaluation.contenders import Contender
from ttm_sk.evaluation.gift_eval_predictor import score
from ttm_sk.evaluation.gift_eval_storage import Task, is_stored, read_task
from ttm_sk.evaluation.gift_eval_tasks import CONFIGURATIONS, Configuration
from ttm_sk.evaluation.measurement import peak_memory_mb
from ttm_sk.evaluation.results_folder import METRIC_COLUMNS, ResultsFolder, hold_folder

__all__ = ["Outcome", "Plan", "plan_run", "run_tasks"]

TEST_DATASETS = frozenset(name for task in CONFIGURATIONS for name in (task.dataset, task.folder.split("/")[0].lower()))


@dataclass(frozen=True)
class Plan:
    """What a run will do: tasks to score, those that have their row already, those that the storage lacks."""

    todo: tuple[Configuration, ...]
    done: tuple[Configuration, ...]
    missing: tuple[Configuration, ...]


@dataclass(frozen=True)
class Outcome:
    """One task after its turn: ``metrics`` by GluonTS's names, or the ``error`` that ended it."""

    configuration: Configuration
    seconds: float
    metrics: dict[str, float] | None = None
    error: Exception | None = None


def plan_run(storage: Path | str, output: Path | str, configurations: Sequence[Configuration]) -> Plan:
    """Compare what is asked for with the storage and with the rows that the output folder holds.

    Raises
    ------
    DataError
        If the storage is no folder, or holds none of the data sets; if a file in the output folder is not a run's.
    """
    if not Path(storage).is_dir():
        raise DataError(f"found no folder {storage}; give the folder that holds GIFT-Eval's data sets (--storage)")
    stored = [task for task in configurations if is_stored(storage, task)]
    if not stored:
        wanted = ", ".join(dict.fromkeys(task.folder for task in configurations[:3]))
        raise DataError(
            f"found none of the {len(configurations)} data sets in {storage}, expected folders such as {wanted}; give"
            " GIFT-Eval's folder (--storage)"
        )
    finished = ResultsFolder(output, order=_names()).done
    return Plan(
        todo=tuple(task for task in stored if task.name not in finished),
        done=tuple(task for task in stored if task.name in finished),
        missing=tuple(task for task in configurations if task not in stored),
    )


def run_tasks(
    contender: Contender,
    tasks: Sequence[Configuration],
    *,
    storage: Path | str,
    output: Path | str,
    name: str | None = None,
    on_progress: Callable[[Configuration, int, int], None] | None = None,
) -> Iterator[Outcome]:
    """Score the tasks one by one and keep each in the output folder before it is yielded.

    A task that fails is yielded with its error and leaves no row; the others go on.

    Parameters
    ----------
    contender
        What forecasts.
    tasks
        Configurations, such as ``plan_run(...).todo``.
    storage
        The benchmark's folder.
    output
        Folder for ``all_results.csv``, ``runs.csv`` and ``config.json``.
    name
        The rows' model; None takes the contender's name.
    on_progress
        Called with the task, the forecasts made of it and the forecasts to make.

    Raises
    ------
    ConfigError
        If the folder holds rows of another model, other weights or settings, or another run writes there.
    OSError
        If a row cannot be written.
    """
    model = name or contender.name
    with hold_folder(output):
        folder = ResultsFolder(output, order=_names())
        folder.check_same_run(model=model, weights=contender.weights, settings=contender.settings)
        folder.describe(_leaderboard_config(contender, model))
        for configuration in tasks:
            started = time.perf_counter()
            try:
                task = read_task(storage, configuration)
                metrics = score(contender, task, on_forecasts=_counter(task, on_progress))
            except Exception as error:  # whatever a forecaster or a file may raise: the other tasks go on
                yield Outcome(configuration, time.perf_counter() - started, error=error)
                continue
            seconds = time.perf_counter() - started
            folder.add(_result(configuration, model, metrics), _run(contender, task, seconds, metrics))
            yield Outcome(configuration, seconds, metrics=metrics)


def _names() -> list[str]:
    return [task.name for task in CONFIGURATIONS]


def _counter(task: Task, on_progress: Callable[[Configuration, int, int], None] | None) -> Callable[[int], None] | None:
    if on_progress is None:
        return None
    made = 0

    def count(n_forecasts: int) -> None:
        nonlocal made
        made += n_forecasts
        on_progress(task.configuration, made, task.n_forecasts)

    return count


def _result(task: Configuration, model: str, metrics: dict[str, float]) -> dict[str, Any]:
    scores = {f"eval_metrics/{name}": metrics[name] for name in METRIC_COLUMNS}
    return {"dataset": task.name, "model": model, **scores, "domain": task.domain, "num_variates": task.n_variates}


def _run(contender: Contender, task: Task, seconds: float, metrics: dict[str, float]) -> dict[str, Any]:
    return {
        "dataset": task.configuration.name,
        "coverage_80": f"{metrics['coverage[0.9]'] - metrics['coverage[0.1]']:.4f}",
        "seconds": f"{seconds:.3f}",
        "peak_memory_mb": f"{peak_memory_mb():.1f}",
        "n_forecasts": task.n_forecasts,
        "version": __version__,
        "commit": source_commit(),
        "weights": contender.weights,
        "settings": contender.settings,
        "trained_on": contender.trained_on,
    }


def _leaderboard_config(contender: Contender, model: str) -> dict[str, str]:
    """The leaderboard's description of a model; what only its owner knows is empty."""
    trained_on = contender.trained_on
    leaks = "Unknown" if trained_on is None else "Yes" if TEST_DATASETS & set(trained_on) else "No"
    return {
        "model": model,
        "model_type": contender.kind,
        "model_dtype": "float32",
        "model_link": "",
        "code_link": "",
        "org": "",
        "testdata_leakage": leaks,
        "replication_code_available": "Yes",
    }
