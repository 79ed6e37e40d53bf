"""The walk from histories to quantiles, shared by estimators, benchmarks, the command line and every engine.

Nothing here imports torch, unless it is given a torch module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ttm_sk.data.known import Known, driver_window
from ttm_sk.data.padding import pad, refuse_unusable
from ttm_sk.errors import ConfigError, DataError, HorizonError
from ttm_sk.inference import rollout
from ttm_sk.inference.quantiles import at_levels
from ttm_sk.inference.readings import Fans
from ttm_sk.inference.resolution import ReadingMixture, select
from ttm_sk.inference.runner import Outline, Runner
from ttm_sk.inference.symmetry import sign_symmetric

if TYPE_CHECKING:
    from ttm_sk.checkpoints.architectures import AnyModule

__all__ = ["EFFORTS", "as_runner", "check_effort", "forecast_known", "forecast_series", "select_readings"]

EFFORTS = ("plain", "fast", "best")
VALUES_AT_ONCE = 2**22  # 32 megabytes of them, and a few times that on the way


def check_effort(effort: str) -> None:
    """Refuse an effort that does not exist.

    Raises
    ------
    ConfigError
        With the choices.
    """
    if effort not in EFFORTS:
        raise ConfigError(f"unknown effort {effort!r}; choose one of {', '.join(map(repr, EFFORTS))}")


def forecast_series(
    module: AnyModule | Runner,
    histories: Sequence[np.ndarray] | np.ndarray,
    horizon: int,
    *,
    levels: Sequence[float] = (0.5,),
    effort: str = "fast",
    readings: ReadingMixture | None = None,
    batch_size: int = 256,
    context_length: int | None = None,
    resolution: int | None = None,
    known: Sequence[Known] | None = None,
) -> np.ndarray:
    """Quantiles of what follows each history, all histories in one batch.

    Parameters
    ----------
    module
        A model in evaluation mode, on any device; or an exported one (:mod:`ttm_sk.inference.exported`).
    histories
        Arrays ``(time,)`` or ``(channel, time)`` of any length from one step; NaN = not observed.
    horizon
        Steps ahead; beyond the model's own horizon its forecast is fed back.
    levels
        Quantile levels, in (0, 1).
    effort
        ``"plain"``: one pass, and the median fed back; ``"fast"``: the sign-symmetric average of two, and five
        quantiles fed back, each as a future of its own; ``"best"``: on top of that the mixture of readings (coarser, by
        phase, of a shorter past, beside the theta method) that did best on the past of these histories.
    readings
        What :func:`select_readings` chose, for ``"best"``; None chooses from ``histories``.
    batch_size
        Rows in one pass.
    context_length
        Newest steps to use; None uses all that the model can see.
    resolution
        Token of the pace of all histories (:func:`~ttm_sk.data.frequency.resolution_token`), for a model with a
        resolution prefix.
    known
        For each history its drivers, at least ``horizon`` steps beyond its end, and its static categories, for a model
        that uses them. ``"best"`` cannot: a coarser reading has no drivers.

    Returns
    -------
    ndarray
        Float64 ``(series, horizon, level)``, or ``(series, channel, horizon, level)`` where a history has channels.

    Raises
    ------
    ConfigError, DataError, HorizonError
        For an unknown effort or level, a history without a value, a horizon or context length below 1, readings for
        another effort than ``"best"``, or what is known for that one.

    Examples
    --------
    >>> from ttm_sk import load_checkpoint
    >>> module = load_checkpoint("ttm-tiny").build()
    >>> forecast_series(module, [np.arange(50.0), np.ones(7)], 12, levels=(0.1, 0.5, 0.9)).shape
    (2, 12, 3)
    """
    check_effort(effort)
    if readings is not None and effort != "best":
        raise ConfigError(f"readings are for effort='best', found effort={effort!r}; leave one of them out")
    _check_counts(horizon=horizon, batch_size=batch_size, context_length=context_length)
    runner = as_runner(module)
    _check_feedback(runner.outline, horizon)
    if known is not None and effort == "best":
        raise ConfigError("effort='best' reads series in ways that have no drivers; use 'fast' or 'plain'")
    rows = _with_channels(histories)
    fans = _fans(
        runner,
        effort=effort,
        batch_size=batch_size,
        context_length=context_length,
        resolution=resolution,
        known=known,
    )
    if effort == "best":
        chosen = readings or _select(runner.outline, fans, rows, horizon, context_length)
        fans = chosen.of(fans, levels=runner.outline.known_levels, seen=_seen(runner.outline, context_length))
        rows = [row[:, -(context_length or 0) :] for row in rows]
    quantiles = at_levels(fans(rows, horizon), known=runner.outline.known_levels, wanted=levels)
    return quantiles[:, 0] if np.ndim(histories[0]) == 1 else quantiles


def forecast_known(
    module: AnyModule | Runner,
    histories: Sequence[np.ndarray],
    horizon: int,
    *,
    known: Sequence[Known] | None,
    **options: Any,
) -> np.ndarray:
    """:func:`forecast_series` with what the model can use of ``known``, where it was trained on one channel at a time.

    Parameters
    ----------
    histories
        Arrays ``(channel, time)``.
    known
        For each history; what the model has no use for is left out.
    options
        As in :func:`forecast_series`.

    Returns
    -------
    ndarray
        Float64 ``(series, channel, horizon, level)``.
    """
    outline = as_runner(module).outline
    if known is None or not (outline.n_covariates or outline.n_static):
        return forecast_series(module, histories, horizon, **options)
    n_channels = histories[0].shape[0]
    n_targets = outline.n_channels - outline.n_covariates
    n_rows = 1 if n_targets == n_channels else n_channels  # channels that are rows of their own
    rows = [part for history in histories for part in np.split(history, n_rows)]
    usable = [
        Known(series.drivers if outline.n_covariates else None, series.static if outline.n_static else None)
        for series in known
        for _ in range(n_rows)
    ]
    found = forecast_series(module, rows, horizon, known=usable, **options)
    return found.reshape(len(histories), n_channels, *found.shape[2:])


def select_readings(
    module: AnyModule | Runner,
    histories: Sequence[np.ndarray] | np.ndarray,
    horizon: int,
    *,
    batch_size: int = 256,
    context_length: int | None = None,
    resolution: int | None = None,
) -> ReadingMixture:
    """The readings that ``effort="best"`` mixes, chosen on the past of these histories alone.

    Arguments and errors as in :func:`forecast_series`; see :func:`ttm_sk.inference.resolution.select`.

    Examples
    --------
    >>> from ttm_sk import load_checkpoint
    >>> module = load_checkpoint("ttm-tiny").build()
    >>> select_readings(module, [np.arange(20.0)], 4).weights
    (1.0,)
    """
    _check_counts(horizon=horizon, batch_size=batch_size, context_length=context_length)
    runner = as_runner(module)
    _check_feedback(runner.outline, horizon)
    rows = _with_channels(histories)
    fans = _fans(runner, effort="best", batch_size=batch_size, context_length=context_length, resolution=resolution)
    return _select(runner.outline, fans, rows, horizon, context_length)


def as_runner(module: AnyModule | Runner) -> Runner:
    """A torch module as a runner; a runner as it is."""
    if isinstance(module, Runner):
        return module
    from ttm_sk.inference.torch_step import TorchRunner

    return TorchRunner(module)


def _select(
    outline: Outline, fans: Fans, rows: list[np.ndarray], horizon: int, context_length: int | None
) -> ReadingMixture:
    refuse_unusable(rows)
    return select(
        fans,
        rows,
        horizon=horizon,
        levels=outline.known_levels,
        seen=_seen(outline, context_length),
        newest=context_length or 0,
    )


def _seen(outline: Outline, context_length: int | None) -> int:
    """Steps of a row that one pass sees."""
    return min(outline.context_length, context_length or outline.context_length)


def _fans(
    runner: Runner,
    *,
    effort: str,
    batch_size: int,
    context_length: int | None,
    resolution: int | None,
    known: Sequence[Known] | None = None,
) -> Fans:
    """Histories ``(channel, time)`` and a horizon to fans at the model's own levels, in the units of the histories."""
    outline = runner.outline
    own = outline.known_levels
    longest = _seen(outline, context_length)
    paths = [0.5]
    if effort != "plain":
        _check_symmetric(own)
        paths = [level for level in rollout.FIVE_PATHS if level in own]

    def fans(histories: Sequence[np.ndarray], horizon: int) -> np.ndarray:
        at_once = _rows_at_once(histories, longest)
        if known is None and len(histories) > at_once:
            starts = range(0, len(histories), at_once)
            return np.concatenate([fans(histories[start : start + at_once], horizon) for start in starts])
        step = runner.step(batch_size=batch_size, resolution=resolution, horizon=horizon)
        padded = pad(
            histories,
            context_length=longest,
            keeps_units=outline.keeps_unobserved,
            counts_padding=outline.pads_count,
        )
        scaled = rollout.forecast(
            step if effort == "plain" else sign_symmetric(step),
            padded.context,
            padded.observed,
            horizon=horizon,
            context_length=longest,
            levels=own,
            paths=paths,
            beside=None if known is None else _beside(known, histories, n_future=outline.prediction_length),
            fed_back_weight=outline.fed_back_weight,
        )
        return padded.restore(scaled)

    return fans


def _rows_at_once(histories: Sequence[np.ndarray], longest: int) -> int:
    """Histories that are padded together; all of a large panel, in double precision, could fill the memory."""
    steps = max((min(history.shape[-1], longest) for history in histories), default=1)
    return max(1, VALUES_AT_ONCE // max(1, steps * len(histories[0]) if len(histories) else 1))


def _beside(known: Sequence[Known], histories: Sequence[np.ndarray], *, n_future: int) -> rollout.Beside:
    """What each pass is given besides the past: drivers around the step at which it begins, and static categories."""

    def given(n_past: int, n_before: int) -> dict[str, np.ndarray]:
        found = {}
        if known[0].drivers is not None:
            ends = [history.shape[1] + n_before for history in histories]
            windows = [
                driver_window(series.drivers, end, n_past=n_past, n_future=n_future)
                for series, end in zip(known, ends, strict=True)
                if series.drivers is not None
            ]
            found["covariates"] = np.stack(windows)
        if known[0].static is not None:
            found["static"] = np.stack([series.static for series in known if series.static is not None])
        return found

    return given


def _with_channels(histories: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray]:
    """Float64 arrays ``(channel, time)``; what is not an array of numbers is left to :func:`pad` to refuse."""
    if isinstance(histories, np.ndarray) and histories.ndim == 1:
        raise DataError("found one array of numbers, expected several histories; pass [history]")
    return [np.atleast_2d(np.asarray(history, dtype=np.float64)) for history in histories]


def _check_counts(*, horizon: int, batch_size: int, context_length: int | None) -> None:
    if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)):
        raise HorizonError(f"found a horizon of {horizon!r} steps; it must be a whole number of at least 1")
    for name, count in {"batch_size": batch_size, "context_length": context_length}.items():
        if count is not None and not isinstance(count, (int, np.integer)):
            raise ConfigError(f"{name}={count!r} must be a whole number of at least 1")
    if batch_size < 1:
        raise ConfigError(f"batch_size={batch_size} must be at least 1")
    if context_length is not None and context_length < 1:
        raise ConfigError(f"context_length={context_length} must be at least 1; None uses all that the model can see")


def _check_feedback(outline: Outline, horizon: int) -> None:
    if outline.is_partial and horizon > outline.prediction_length:
        raise HorizonError(
            f"found a horizon of {horizon} steps; this model forecasts {outline.n_targets} of its {outline.n_channels}"
            f" channels, so no forecast can be fed back: ask for at most {outline.prediction_length}"
        )


def _check_symmetric(levels: Sequence[float]) -> None:
    if not np.allclose(levels, 1 - np.asarray(levels)[::-1], rtol=0, atol=1e-9):
        raise ConfigError(
            f"effort='fast' and 'best' need levels that are symmetric around 0.5, found {tuple(levels)};"
            " use effort='plain'"
        )
