"""What users get wrong, as data: every cause, what it does, and what the error must name."""

from __future__ import annotations

from bad_input import (
    app,
    checkpoints,
    commands,
    drivers,
    frames,
    horizons,
    parameters,
    regression,
    samay,
    storage,
    tables,
)
from bad_input.cause import Cause, Place

__all__ = ["CAUSES", "Cause", "Place"]

PARTS = (frames, horizons, drivers, parameters, regression, checkpoints, tables, commands, storage, app, samay)
# A new face is a new file here with its own CAUSES.
CAUSES: dict[str, Cause] = {cause.name: cause for part in PARTS for cause in part.CAUSES}
if len(CAUSES) != sum(len(part.CAUSES) for part in PARTS):
    raise ValueError("two causes have one name")
