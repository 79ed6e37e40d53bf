"""Arrays in, arrays out: a forecast in one call, over torch where it is installed and over ONNX Runtime where not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ttm_sk.checkpoints.hub import locate
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.inference.exported import ENGINES, open_exported
from ttm_sk.inference.forecasting import as_runner, forecast_series
from ttm_sk.inference.runner import Runner

__all__ = ["BACKENDS", "forecast"]

BACKENDS = ("auto", "torch", *ENGINES)
EXPORTED = ".onnx"


def forecast(
    values: np.ndarray | Sequence[np.ndarray],
    horizon: int,
    *,
    levels: Sequence[float] = (0.1, 0.5, 0.9),
    model_path: str | Path = "ttm-tiny",
    effort: str = "fast",
    backend: str = "auto",
    context_length: int | None = None,
    resolution: int | None = None,
) -> np.ndarray:
    """Quantiles of what follows one series or several, without pandas, sktime or, where it is missing, torch.

    Parameters
    ----------
    values
        One series ``(time,)``; several ``(series, time)``, or a sequence of arrays of any lengths; or several with
        channels, ``(series, channel, time)``, each channel forecast by itself. Any units; NaN = not observed.
    horizon
        Steps ahead, at least 1; beyond the model's own horizon its forecast is fed back.
    levels
        Quantile levels, in (0, 1).
    model_path
        Weights by name or path, or an ``.onnx`` file of ``ttm-sk export``.
    effort
        ``"plain"``, ``"fast"`` or ``"best"``; see :class:`ttm_sk.TTMForecaster`.
    backend
        ``"torch"``, ``"onnx"`` or ``"openvino"``; ``"auto"``: torch where it is installed and ``model_path`` is no
        ``.onnx`` file, else ONNX Runtime. All give the same but for rounding: differences below 1e-4 deviations in one
        pass of the model. Beyond its horizon forecasts are fed back, where rounding can grow: to a tenth of a deviation
        and more where nothing holds a series for a thousand steps.
    context_length
        Newest steps to use; None uses all that the model can see.
    resolution
        Token of the pace of the series, for weights that are told it (:mod:`ttm_sk.data.frequency`).

    Returns
    -------
    ndarray
        Float64 ``(horizon, level)`` for one series, ``(series, horizon, level)`` for several,
        ``(series, channel, horizon, level)`` with channels, in the units of the series.

    Raises
    ------
    ConfigError, DataError, HorizonError
        As :func:`ttm_sk.inference.forecasting.forecast_series`.
    CheckpointError
        If there are no such weights, or, without torch, no exported file of them.
    MissingExtraError
        If the backend is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from ttm_sk import forecast
    >>> forecast(np.sin(np.arange(100) / 5), 24).shape
    (24, 3)
    >>> forecast([np.arange(50.0), np.ones(7)], 12, levels=[0.5]).shape
    (2, 12, 1)
    """
    if backend not in BACKENDS:
        raise ConfigError(f"unknown backend {backend!r}; choose one of {', '.join(map(repr, BACKENDS))}")
    if not hasattr(values, "__len__"):
        raise DataError(f"found {values!r}, expected an array of numbers (time,) or several of them")
    if hasattr(values, "columns"):
        raise DataError("found a table; give its columns as rows, table.to_numpy().T, or use TTMForecaster")
    if hasattr(values, "to_numpy"):  # of a Series, whose labels would be looked up below
        values = values.to_numpy()
    is_one = np.ndim(values[0]) == 0 if len(values) else True
    histories = _histories(values, is_one=is_one)
    runner = _open(str(model_path), backend, _written(model_path))
    found = forecast_series(
        runner,
        histories,
        horizon,
        levels=levels,
        effort=effort,
        context_length=context_length,
        resolution=resolution,
    )
    return found[0] if is_one else found


def _histories(values: np.ndarray | Sequence[np.ndarray], *, is_one: bool) -> list[np.ndarray]:
    try:
        rows = [np.asarray(row) for row in ([values] if is_one else values)]
        if any(np.iscomplexobj(row) for row in rows):
            raise DataError("found complex numbers, expected real ones; pass .real or .imag")
        return [row.astype(np.float64, copy=False) for row in rows]
    except DataError:
        raise
    except (TypeError, ValueError) as error:
        raise DataError(
            f"the values are no arrays of numbers ({error}); expected (time,) or several of them"
        ) from error


@lru_cache(maxsize=4)
def _open(model_path: str, backend: str, written: tuple[tuple[int, int], ...]) -> Runner:
    """A model opened once for each path, and again where its files were written again."""
    path = Path(model_path)
    if backend == "auto":
        backend = "torch" if path.suffix != EXPORTED and _has_torch() else "onnx"
    if backend == "torch":
        from ttm_sk.checkpoints.open import load_checkpoint

        return as_runner(load_checkpoint(model_path).build().requires_grad_(False))
    if path.suffix == EXPORTED:
        return open_exported(path, engine=backend)
    weights = locate(model_path)
    beside = weights.with_name(weights.name.removesuffix(".safetensors") + EXPORTED)
    if beside.is_file():
        runner = open_exported(beside, engine=backend)
        if runner.outline.hash == _hash_of(weights):
            return runner
    if not _has_torch():
        raise ConfigError(
            f"found no exported file of these weights, {model_path!r} ({beside.name} beside them), and without"
            " torch none can be made: export it where torch is installed (ttm-sk export) and pass the .onnx file as"
            " model_path"
        )
    from ttm_sk.checkpoints.open import load_checkpoint
    from ttm_sk.inference.export import cached_export

    return cached_export(load_checkpoint(model_path), engine=backend)


def _written(model_path: str | Path) -> tuple[tuple[int, int], ...]:
    """When the files of a path were last written, and their sizes; nothing for a name."""
    path = Path(model_path)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path, path.with_suffix(EXPORTED)]
    stats = [file.stat() for file in files if file.is_file()]
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


def _hash_of(weights: Path) -> str | None:
    """The hash in a checkpoint's header, read without torch; None for another kind of file."""
    try:
        with weights.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > weights.stat().st_size:
                return None
            header = json.loads(file.read(size))["__metadata__"]
        return str(json.loads(header["ttm_sk"])["tensors_sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _has_torch() -> bool:
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True
