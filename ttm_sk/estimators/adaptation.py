"""From a fit strategy and a panel's histories to the checkpoint that forecasts it, and what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.inference.forecasting import forecast_series
from ttm_sk.inference.selection import Choice, Forecaster, select
from ttm_sk.training.finetune import FineTuneSettings, finetune
from ttm_sk.training.trainable import TRAINABLES

__all__ = ["AUTO_CANDIDATES", "STRATEGIES", "adapt"]

STRATEGIES = ("zero-shot", *TRAINABLES, "auto")
AUTO_CANDIDATES = ("zero-shot", "minimal", "adapter", "full")


def adapt(
    checkpoint: Checkpoint,
    histories: Sequence[np.ndarray],
    *,
    strategy: str,
    settings: FineTuneSettings,
    horizon: int,
    effort: str = "plain",
    device: str = "auto",
    resolution: int | None = None,
) -> tuple[Checkpoint, Choice]:
    """The checkpoint itself or a fine-tuned one, for all histories together.

    Parameters
    ----------
    histories
        Arrays ``(channel, time)``, NaN = not observed.
    strategy
        A word of :data:`STRATEGIES`. ``"auto"`` tries :data:`AUTO_CANDIDATES` on the past, then learns from all of it
        in the way that was best there.
    horizon
        Steps ahead that matter.
    resolution
        Token of the pace of all histories, for a checkpoint with a resolution prefix.
    effort
        At which ``"auto"`` compares; ``"best"`` compares at ``"fast"``, since readings are chosen after training.

    Raises
    ------
    DataError
        If a strategy other than ``"auto"`` finds too little to learn from.
    """
    settings = replace(settings, horizon=horizon, resolution=resolution)
    if strategy == "zero-shot":
        return checkpoint, Choice(strategy, "as asked; nothing was trained")
    if strategy != "auto":
        tuned = finetune(checkpoint, histories, trainable=strategy, settings=settings, device=device, is_quiet=True)
        return tuned, Choice(strategy, _outcome(tuned))
    levels = [level for level in checkpoint.config.levels if 0.1 <= level <= 0.9] or [0.5]

    def learn(name: str, past: Sequence[np.ndarray]) -> tuple[Checkpoint, Choice]:
        return adapt(
            checkpoint, past, strategy=name, settings=settings, horizon=horizon, device=device, resolution=resolution
        )

    def prepare(name: str, past: Sequence[np.ndarray]) -> Forecaster:
        module = learn(name, past)[0].build()
        return lambda rows, steps: forecast_series(
            module, rows, steps, levels=levels, effort="fast" if effort == "best" else effort, resolution=resolution
        )

    choice = select(AUTO_CANDIDATES, prepare, histories, horizon=horizon, levels=levels)
    tuned, way = learn(choice.chosen, histories)
    if choice.chosen == "zero-shot":
        return tuned, choice
    return tuned, replace(choice, reason=f"{choice.reason}; {way.reason}")


def _outcome(tuned: Checkpoint) -> str:
    note = tuned.provenance["finetuning"][-1]
    return f"{note['outcome']} ({note['trained_parameters']:,} parameters, {note['seconds']:.0f} seconds)"
