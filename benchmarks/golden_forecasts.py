"""Forecasts of the bundled weights that must not change unless the weights do: ``tests/golden/ttm-tiny.json``.

``python benchmarks/golden_forecasts.py`` writes them anew for the bundled weights.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from ttm_sk import forecast, load_checkpoint

GOLDEN = Path(__file__).parents[1] / "tests/golden/ttm-tiny.json"
LEVELS = (0.1, 0.5, 0.9)
DIGITS = 6
HORIZON = 120  # more than one pass


def histories() -> dict[str, np.ndarray]:
    """A few histories that differ in kind: seasonal growth, a gap, a short one, counts, a long one."""
    rng = np.random.default_rng(2026)
    time = np.arange(3000)
    months = time[:144]
    growth = np.exp(months / 90) * (10 + 3 * np.sin(2 * np.pi * months / 12)) + rng.normal(0, 0.3, 144)
    gap = np.where((time[:400] > 150) & (time[:400] < 190), np.nan, np.sin(time[:400] / 7) + rng.normal(0, 0.2, 400))
    days = 5 * np.sin(2 * np.pi * time / 24) + 2 * np.sin(2 * np.pi * time / 168) + rng.normal(0, 0.5, 3000)
    return {
        "growth": growth,
        "gap": gap,
        "short": rng.normal(0, 1, 9).cumsum(),
        "counts": rng.poisson(1.5, 300).astype(float),
        "days in weeks": days,
    }


def forecasts() -> dict[str, list[list[float]]]:
    """``(horizon, level)`` of each history, from the bundled weights, in the default effort."""
    return {name: forecast(values, HORIZON, levels=LEVELS).tolist() for name, values in histories().items()}


def write() -> None:
    """Write the file whole or not at all."""
    rounded = {name: [[float(f"{x:.{DIGITS}g}") for x in row] for row in rows] for name, rows in forecasts().items()}
    content = {"hash": load_checkpoint("ttm-tiny").hash, "levels": LEVELS, "forecasts": rounded}
    temporary = GOLDEN.with_suffix(".tmp")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(GOLDEN)


if __name__ == "__main__":
    sys.exit(write())
