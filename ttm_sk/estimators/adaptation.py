"""From a fit strategy and a panel's histories to the checkpoint that forecasts it, and what was decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.known import Known
from ttm_sk.data.window_dataset import WindowDataset
from ttm_sk.device import resolve_device
from ttm_sk.errors import DataError
from ttm_sk.inference.forecasting import forecast_known
from ttm_sk.inference.selection import Choice, Forecaster, select
from ttm_sk.training.finetune import FineTuneSettings, finetune
from ttm_sk.training.trainable import TRAINABLES

__all__ = ["AUTO_CANDIDATES", "STRATEGIES", "adapt", "newest_seen"]

STRATEGIES = ("zero-shot", *TRAINABLES, "auto")
AUTO_CANDIDATES = ("zero-shot", "minimal", "adapter", "full")
UNTRIED = "minimal"  # what "auto" learns with where a backtest could not tell
FEWEST_WINDOWS, MOST_WINDOWS = 3, 14  # of a backtest, over all series; few of them are chance: docs/experiments.md
LARGEST_SHARE = 8  # more than the fewest only where they are no more than an eighth of the past


def adapt(
    checkpoint: Checkpoint,
    histories: Sequence[np.ndarray],
    *,
    strategy: str,
    settings: FineTuneSettings,
    horizon: int,
    effort: str = "plain",
    device: str = "auto",
    how: Mapping[str, Any] | None = None,
    known: Sequence[Known] | None = None,
) -> tuple[Checkpoint, Choice]:
    """The checkpoint itself or a fine-tuned one, for all histories together.

    Parameters
    ----------
    histories
        Arrays ``(channel, time)``, NaN = not observed.
    strategy
        A word of :data:`STRATEGIES`. ``"auto"`` tries :data:`AUTO_CANDIDATES` on the past, then learns from all of it
        in the way that was best there. Where the shortened past was too little for any of them to learn from, it learns
        from all of it with :data:`UNTRIED`, and keeps that if the validation part says so.
    horizon
        Steps ahead that matter.
    how
        Further arguments of every forecast: ``batch_size``, ``context_length``, and ``resolution``, the token of the
        pace of all histories for a checkpoint with a resolution prefix. Training sees all of a checkpoint's context.
    effort
        At which ``"auto"`` compares; ``"best"`` compares at ``"fast"``, since readings are chosen after training.
    known
        For each history drivers, which an exogenous mixer learns to use, and static categories, which are embedded;
        None for neither. A mixer is examined up to the checkpoint's own horizon.

    Raises
    ------
    DataError
        If a strategy other than ``"auto"`` finds too little to learn from.
    """
    how = dict(how or {})
    settings = replace(settings, horizon=horizon, resolution=how.get("resolution"))
    if strategy == "zero-shot":
        return checkpoint, Choice(strategy, "as asked; nothing was trained")
    if strategy != "auto":
        windows = histories if known is None else _windows(checkpoint, histories, known, settings)
        tuned = finetune(checkpoint, windows, trainable=strategy, settings=settings, device=device, is_quiet=True)
        return tuned, Choice(strategy, _outcome(tuned))
    levels = [level for level in checkpoint.config.levels if 0.1 <= level <= 0.9] or [0.5]

    def learn(name: str, past: Sequence[np.ndarray], beside: Sequence[Known] | None) -> tuple[Checkpoint, Choice]:
        return adapt(
            checkpoint,
            past,
            strategy=name,
            settings=settings,
            horizon=horizon,
            device=device,
            how=how,
            known=beside,
        )

    def prepare(name: str, past: Sequence[np.ndarray], series: Sequence[int]) -> Forecaster:
        beside = None if known is None else [known[i] for i in series]
        module = learn(name, past, beside)[0].build().to(resolve_device(device))
        options: dict[str, Any] = {"effort": "fast" if effort == "best" else effort, "levels": levels, **how}
        return lambda rows, steps: forecast_known(module, rows, steps, known=beside, **options)

    choice = select(
        AUTO_CANDIDATES,
        prepare,
        histories,
        horizon=horizon,
        levels=levels,
        n_windows=_enough_windows(histories, horizon),
        seen=newest_seen(checkpoint, how.get("context_length")),
    )
    if _is_tied(choice):
        return _learn_untried(checkpoint, choice, lambda: learn(UNTRIED, histories, known))
    tuned, way = learn(choice.chosen, histories, known)
    if choice.chosen == "zero-shot":
        return tuned, choice
    return tuned, replace(choice, reason=f"{choice.reason}; {way.reason}")


def newest_seen(checkpoint: Checkpoint, context_length: int | None) -> int:
    """Newest steps of a history that a forecast looks at."""
    own = checkpoint.config.context_length
    return min(own, context_length or own)


def _enough_windows(histories: Sequence[np.ndarray], horizon: int) -> int:
    """Windows of each series for the backtest of ``"auto"``."""
    room = max(history.shape[1] for history in histories) // (LARGEST_SHARE * horizon)
    return max(FEWEST_WINDOWS, min(MOST_WINDOWS // len(histories), room))


def _is_tied(choice: Choice) -> bool:
    """Whether all candidates forecast as the first one did: what came before the windows taught them nothing."""
    return len(choice.scores) > 1 and set(choice.scores.values()) == {1.0}


def _learn_untried(
    checkpoint: Checkpoint, choice: Choice, learn: Callable[[], tuple[Checkpoint, Choice]]
) -> tuple[Checkpoint, Choice]:
    """Learn from all of the past after a tie; the validation part decides, which nothing was learnt from."""
    try:
        tuned, way = learn()
    except DataError:
        return checkpoint, choice
    if tuned.provenance["finetuning"][-1]["blend"] == 0:
        return checkpoint, choice
    return tuned, replace(choice, chosen=UNTRIED, reason=f"a shorter past taught nothing, all of it does: {way.reason}")


def _windows(
    checkpoint: Checkpoint, histories: Sequence[np.ndarray], known: Sequence[Known], settings: FineTuneSettings
) -> WindowDataset:
    """Windows with what is known beside them; every channel a series of its own unless channels are mixed."""
    steps = min(checkpoint.config.horizon, settings.horizon or checkpoint.config.horizon)
    drivers = [
        series.drivers[:, : history.shape[1]]
        for series, history in zip(known, histories, strict=True)
        if series.drivers is not None
    ]
    static = [series.static for series in known if series.static is not None]
    return WindowDataset.from_series(
        histories,
        context_length=checkpoint.config.context_length,
        prediction_length=max(2, steps) if drivers else steps,  # the mixer sees the neighbours of a step
        is_univariate=not (checkpoint.config.is_fixed or settings.mixes_channels),
        drivers=drivers or None,
        static=np.stack(static) if static else None,
    )


def _outcome(tuned: Checkpoint) -> str:
    note = tuned.provenance["finetuning"][-1]
    return f"{note['outcome']} ({note['trained_parameters']:,} parameters, {note['seconds']:.0f} seconds)"
