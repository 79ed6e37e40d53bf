"""The folder of one benchmark run: rows in the leaderboard's form, how each came about, and no mixing of runs."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ttm_sk.checkpoints.tensor_file import write_atomically
from ttm_sk.errors import ConfigError, DataError

if sys.platform != "win32":
    import fcntl

__all__ = ["METRIC_COLUMNS", "RESULT_COLUMNS", "RUN_COLUMNS", "ResultsFolder", "hold_folder"]

METRIC_COLUMNS = (
    "MSE[mean]",
    "MSE[0.5]",
    "MAE[0.5]",
    "MASE[0.5]",
    "MAPE[0.5]",
    "sMAPE[0.5]",
    "MSIS",
    "RMSE[mean]",
    "NRMSE[mean]",
    "ND[0.5]",
    "mean_weighted_sum_quantile_loss",
)
RESULT_COLUMNS = ("dataset", "model", *(f"eval_metrics/{name}" for name in METRIC_COLUMNS), "domain", "num_variates")
RUN_COLUMNS = (
    "dataset",
    "coverage_80",
    "seconds",
    "peak_memory_mb",
    "n_forecasts",
    "version",
    "commit",
    "weights",
    "settings",
    "trained_on",
)

Row = Mapping[str, Any]


class ResultsFolder:
    """``all_results.csv`` (the leaderboard's columns), ``runs.csv`` (how each row came about) and ``config.json``.

    Every file is replaced as a whole, so a kill leaves the rows of finished tasks and nothing else; rows stand in the
    order given, so a run that was resumed leaves the file of one that was not.

    Parameters
    ----------
    path
        The folder; made where it is missing.
    order
        Names of all tasks there are, in the order of the rows.

    Raises
    ------
    DataError
        If a file in the folder is not one of these.
    """

    def __init__(self, path: Path | str, *, order: Sequence[str]) -> None:
        self.path = Path(path)
        self._order = {name: position for position, name in enumerate(order)}
        results = _read(self.path / "all_results.csv", RESULT_COLUMNS)
        runs = _read(self.path / "runs.csv", RUN_COLUMNS)
        if missing := set(results) - set(runs):
            raise DataError(
                f"{self.path}: found {sorted(missing)[0]} in all_results.csv but not in runs.csv, expected what"
                " gift-eval run wrote; choose another --output"
            )
        self._results, self._runs = results, {name: runs[name] for name in results}

    @property
    def done(self) -> frozenset[str]:
        """Names of the tasks that have a row."""
        return frozenset(self._results)

    def check_same_run(self, *, model: str, weights: str, settings: Mapping[str, Any]) -> None:
        """Refuse to mix rows.

        Raises
        ------
        ConfigError
            If a row belongs to another model, other weights or other settings.
        """
        now = {"model": model, "settings": _settings(settings), "weights": weights}
        for name, run in self._runs.items():
            found = {**run, "model": self._results[name]["model"]}
            if other := [column for column, value in now.items() if found[column] != value]:
                before, after = found[other[0]] or "none", now[other[0]] or "none"
                raise ConfigError(
                    f"{self.path}: found results of other {other[0]} ({before}), now {after}; choose another --output,"
                    " or the same command as before"
                )

    def add(self, result: Row, run: Row) -> None:
        """Keep one finished task, on disk when this returns.

        Parameters
        ----------
        result
            A value for each of ``RESULT_COLUMNS``.
        run
            A value for each of ``RUN_COLUMNS``, ``settings`` as a mapping, ``trained_on`` as names or None.
        """
        name = str(result["dataset"])
        trained_on = "unknown" if run["trained_on"] is None else " ".join(run["trained_on"])
        self._results[name] = {column: str(result[column]) for column in RESULT_COLUMNS}
        texts = {**run, "settings": _settings(run["settings"]), "trained_on": trained_on}
        self._runs[name] = {column: str(texts[column]) for column in RUN_COLUMNS}
        self._write("runs.csv", RUN_COLUMNS, self._runs)  # first: a row of results without its run is refused
        self._write("all_results.csv", RESULT_COLUMNS, self._results)

    def describe(self, model: Mapping[str, Any]) -> None:
        """Write ``config.json``; one that is there stays, since users complete it, but not one of another model."""
        path = self.path / "config.json"
        if not path.exists() or (not self._results and _model_in(path) not in (None, model["model"])):
            write_atomically(path, (json.dumps(model, indent=4) + "\n").encode())

    def _write(self, name: str, columns: Sequence[str], rows: Mapping[str, Mapping[str, str]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[task] for task in sorted(rows, key=lambda task: self._order.get(task, len(self._order))))
        try:
            write_atomically(self.path / name, text.getvalue().encode())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path / name)) from error


@contextmanager
def hold_folder(path: Path | str) -> Iterator[None]:
    """Make the folder, and hold it against other runs until the block or the process ends.

    Raises
    ------
    ConfigError
        If another process holds it.
    """
    Path(path).mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":  # two runs at once on one folder are not noticed there
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigError(f"{path}: another run writes there; wait for it, or give another --output") from error
    finally:
        os.close(handle)


def _model_in(path: Path) -> Any:
    """The model that a ``config.json`` names, None for none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found.get("model") if isinstance(found, dict) else None


def _settings(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=str)


def _read(path: Path, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable as a table ({error}); choose another --output") from error
    if tuple(reader.fieldnames or ()) != tuple(columns):
        raise DataError(f"{path}: found other columns than those that gift-eval run writes; choose another --output")
    return {row["dataset"]: row for row in rows}
