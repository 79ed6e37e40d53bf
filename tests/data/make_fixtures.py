"""Write ``fixtures/`` beside this file: made-up series in every format that ``read_series`` knows.

``python tests/data/make_fixtures.py`` (needs pyarrow). Two series, ``a`` and ``b``, of 12 steps from 2024-01-01 on, the
values 0 to 11 and 100 to 111, the third of ``b`` missing; ``hourly.csv`` is longer, for ``tests/samay``.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import feather

FIXTURES = Path(__file__).with_name("fixtures")
DAYS = pd.date_range("2024-01-01", periods=12, freq="D")
VALUES = {"a": np.arange(12.0), "b": np.where(np.arange(12) == 2, np.nan, np.arange(12.0) + 100)}


def long_frame(id: str, time: str, target: str) -> pd.DataFrame:
    """Both series, one below the other."""
    return pd.concat([pd.DataFrame({id: key, time: DAYS, target: values}) for key, values in VALUES.items()])


def main() -> None:
    """Write every fixture."""
    FIXTURES.mkdir(exist_ok=True)
    write_tables()
    write_benchmarks()
    write_entries()
    write_hourly()


def write_tables() -> None:
    """Tables in text, parquet and arrow."""
    wide = pd.DataFrame({"date": DAYS, **VALUES})
    wide.to_csv(FIXTURES / "wide.csv", index=False)
    wide.to_parquet(FIXTURES / "wide.parquet", index=False)
    feather.write_feather(wide, FIXTURES / "wide.arrow", compression="uncompressed")
    long_frame("shop", "day", "sales").to_csv(FIXTURES / "long.csv", index=False)
    long_frame("unique_id", "ds", "y").assign(price=1.5).to_csv(FIXTURES / "nixtla.csv", index=False)
    long_frame("item_id", "timestamp", "target").to_csv(FIXTURES / "gluonts_long.csv", index=False)


def write_benchmarks() -> None:
    """Files of benchmarks that have a form of their own."""
    text = {key: ",".join("?" if np.isnan(x) else f"{x:g}" for x in values) for key, values in VALUES.items()}
    head = "# made up\n@relation example\n@attribute series_name string\n@attribute start_timestamp date\n"
    facts = "@frequency daily\n@horizon 4\n@missing true\n@equallength true\n@data\n"
    rows = "".join(f"{key}:2024-01-01 00-00-00:{line}\n" for key, line in text.items())
    (FIXTURES / "example_dataset.tsf").write_text(head + facts + rows)
    plain = np.stack([VALUES["a"], VALUES["a"] + 100], axis=1)
    np.savetxt(FIXTURES / "solar_AL.txt", plain, delimiter=",", fmt="%g")
    np.savez_compressed(FIXTURES / "PEMS03.npz", data=np.stack([plain, -plain], axis=-1))
    dyna = long_frame("entity_id", "time", "traffic_speed").rename_axis("dyna_id").reset_index()
    dyna = dyna.assign(type="state", time=dyna["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"), dyna_id=range(len(dyna)))
    dyna[["dyna_id", "type", "time", "entity_id", "traffic_speed"]].to_csv(FIXTURES / "METR_LA.dyna", index=False)


def write_entries() -> None:
    """Folders of GluonTS and of Hugging Face, with two parts each: the first ten steps, and all."""
    for part, n_steps in (("train", 10), ("test", 12)):
        lists = {key: [None if np.isnan(x) else x for x in values[:n_steps]] for key, values in VALUES.items()}
        folder = FIXTURES / "gluonts" / part
        folder.mkdir(parents=True, exist_ok=True)
        lines = [{"item_id": key, "start": "2024-01-01 00:00:00", "target": values} for key, values in lists.items()]
        (folder / "data.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
        write_arrow_stream(FIXTURES / "hugging_face" / part, lists)
    (FIXTURES / "gluonts" / "metadata").mkdir(exist_ok=True)
    (FIXTURES / "gluonts" / "metadata" / "metadata.json").write_text('{"freq": "D"}\n')
    (FIXTURES / "hugging_face" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}\n')


def write_arrow_stream(folder: Path, lists: dict[str, list[float | None]]) -> None:
    """As ``datasets.Dataset.save_to_disk`` does."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "item_id": list(lists),
            "start": [datetime(2024, 1, 1)] * len(lists),
            "freq": ["D"] * len(lists),
            "target": list(lists.values()),
        }
    )
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file,
        pa.ipc.new_stream(file, table.schema) as out,
    ):
        out.write_table(table)


def write_hourly() -> None:
    """Two columns of 1,700 hours with a daily and a weekly rhythm, as the ETT tables have them."""
    rng = np.random.default_rng(0)
    hours = np.arange(1700)
    day, week = np.sin(2 * np.pi * hours / 24), np.sin(2 * np.pi * hours / 168)
    load = 10 + 3 * day + week + 0.4 * rng.normal(size=len(hours))
    oil = 30 + 2 * np.roll(day, 3) + np.cumsum(0.05 * rng.normal(size=len(hours)))
    stamps = pd.date_range("2016-07-01", periods=len(hours), freq="h")
    frame = pd.DataFrame({"date": stamps, "HUFL": load.round(2), "OT": oil.round(2)})
    frame.to_csv(FIXTURES / "hourly.csv", index=False)


if __name__ == "__main__":
    main()
