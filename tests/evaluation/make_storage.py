"""Write ``gift_eval/`` beside this file: made-up series under the names and in the layout of GIFT-Eval's data sets.

``python tests/evaluation/make_storage.py``. Every class of frequency, several variates, gaps, series of unequal lengths
and one without any value; none of the values are the benchmark's.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

STORAGE = Path(__file__).with_name("gift_eval")

# folder: frequency, start, lengths of the items, variates, season, share of gaps
DATASETS = {
    "bizitobs_application": ("10S", datetime(2024, 1, 1), [700], 2, 36, 0.0),
    "bizitobs_l2c/5T": ("5T", datetime(2024, 1, 1), [520], 7, 288, 0.0),
    "solar/10T": ("10T", datetime(2006, 1, 1), [260, 260], 1, 144, 0.1),
    "SZ_TAXI/15T": ("15T", datetime(2024, 1, 1), [200], 1, 96, 0.0),
    "ett1/H": ("H", datetime(2016, 7, 1), [300], 7, 24, 0.0),
    "m4_hourly": ("H", datetime(2015, 7, 1, 12), [150, 200, 120], 1, 24, 0.0),
    "us_births/D": ("D", datetime(1969, 1, 1), [400], 1, 7, 0.0),
    "temperature_rain_with_missing": ("D", datetime(2015, 5, 2), [120, 120, 120], 1, 7, 0.3),
    "hierarchical_sales/W": ("W-WED", datetime(2014, 1, 1), [110, 110], 1, 1, 0.0),
    "hospital": ("M", datetime(2000, 1, 31), [84, 84, 60], 1, 12, 0.0),
    "m4_quarterly": ("Q-DEC", datetime(1980, 3, 31), [40, 60], 1, 4, 0.0),
    "m4_yearly": ("A-DEC", datetime(1750, 12, 31), [30, 270], 1, 1, 0.0),
}


def main() -> None:
    """Write every data set."""
    for folder, recipe in DATASETS.items():
        table = make_table(folder, *recipe)
        path = STORAGE / folder / "data-00000-of-00001.arrow"
        path.parent.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)


def make_table(
    folder: str, frequency: str, start: datetime, lengths: list[int], n_variates: int, season: int, gaps: float
) -> pa.Table:
    """Levels with a season and noise, the same in every run."""
    random = np.random.default_rng([*folder.encode()])
    items = [_item(random, length, n_variates, season, gaps) for length in lengths]
    if gaps and len(items) > 2:
        items[-1] = np.full_like(items[-1], np.nan)
    values = pa.list_(pa.float32())
    targets = pa.array([item.tolist() for item in items], values if items[0].ndim == 1 else pa.list_(values))
    return pa.table(
        {
            "item_id": [f"item_{i}" for i in range(len(items))],
            "start": pa.array([start] * len(items), pa.timestamp("s")),
            "freq": [frequency] * len(items),
            "target": targets,
        }
    )


def _item(random: np.random.Generator, length: int, n_variates: int, season: int, gaps: float) -> np.ndarray:
    shape = (n_variates, length) if n_variates > 1 else (length,)
    wave = np.sin(2 * np.pi * np.arange(length) / max(season, 2))
    values = 20 + 5 * wave + random.normal(size=shape)
    return np.where(random.random(shape) < gaps, np.nan, values).astype(np.float32)


if __name__ == "__main__":
    main()
