"""The one door for data: whatever holds series, recognised and read into sktime's layout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from ttm_sk.data.entries import entry_files, is_entry, read_gluonts_folder, read_json_lines, stored_set
from ttm_sk.data.layouts import to_known_series
from ttm_sk.data.monash import locate_monash
from ttm_sk.data.panels import to_panel
from ttm_sk.data.stored_series import StoredSet
from ttm_sk.data.tables import read_benchmark_table
from ttm_sk.data.tsf import read_tsf
from ttm_sk.errors import DataError

__all__ = ["read_series"]

NAME = re.compile(r"\w+")  # of a Monash set: what has no ending and no folder
SHARD = re.compile(r"(?P<split>\w+)-\d+-of-\d+\.\w+")
JSON_ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
ARROW_MAGIC = (b"ARROW1", b"\xff\xff\xff\xff")

Opened: TypeAlias = "pd.DataFrame | StoredSet"


def read_series(
    source: Any,
    *,
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    id: str | None = None,
    freq: str | None = None,
    split: str | None = None,
    folder: str | Path | None = None,
) -> pd.DataFrame:
    """The series of a file, a folder, a frame or a data set, as float64 columns over time, or over (id, time).

    Parameters
    ----------
    source
        One of these; files are told by their content, and by their ending where that says more:

        * a CSV file (long or wide, plain or gzip), parquet, arrow; the tables of the long-horizon benchmarks;
        * ``.tsf`` of the Monash archive or the zip around one, or the **name** of a Monash set (see ``folder``);
        * ``.txt`` as ``solar_AL.txt``, ``.npz`` as PEMS, ``.dyna`` of LibCity;
        * JSON lines as GluonTS writes them; the folder of a GluonTS or Hugging Face data set;
        * a pandas frame, long as Nixtla's and GluonTS's are or wide; a Hugging Face ``Dataset`` or ``DatasetDict``; a
          GluonTS data set, or any other iterable of entries with ``start`` and ``target``.
    time, target, id
        Columns of a table, where they cannot be read from it; as in :func:`~ttm_sk.data.tables.to_series`. Without
        ``target``, every column of numbers is one.
    freq
        A pandas frequency; None takes what the file says, or reads it from the time stamps. Files without time
        stamps (``solar_AL.txt``, PEMS) are numbered from 0.
    split
        Which part of a data set that has several, such as ``"train"``.
    folder
        Where the Monash archive's files lie; None asks the model hub (extra ``hub``).

    Returns
    -------
    DataFrame
        As :func:`~ttm_sk.data.tables.to_series` gives it: one series, or a panel where the source names its series (of
        one, too). What was given is never changed.

    Raises
    ------
    DataError
        If it cannot be read, or not as series: what was found, what was expected, and the remedy.
    MissingExtraError
        If a package is needed that is not installed: pyarrow for arrow, ``huggingface_hub`` for names.

    Examples
    --------
    >>> frame = pd.DataFrame({"date": ["2024-01-01", "2024-01-02", "2024-01-03"], "a": [1, 2, 3], "b": [4, 5, 6]})
    >>> read_series(frame).loc["2024-01-03"].tolist()
    [3.0, 6.0]
    >>> entries = [{"item_id": "shop", "start": "2024-01-01", "freq": "D", "target": list(range(12))}]
    >>> read_series(entries).index[-1]
    ('shop', Timestamp('2024-01-12 00:00:00'))
    """
    opened = _open(source, split=split, folder=folder)
    if isinstance(opened, pd.DataFrame):
        return to_known_series(opened, time=time, target=target, id=id, freq=freq)
    given = {"time": time, "target": target, "id": id}
    if refused := [f"{name}={value!r}" for name, value in given.items() if value is not None]:
        raise DataError(
            f"{opened.where} holds whole series, which have no columns; found {', '.join(refused)}: leave it out"
        )
    return to_panel(opened, freq=freq)


def _open(source: Any, *, split: str | None, folder: str | Path | None) -> Opened:
    if isinstance(source, (pd.DataFrame, pd.Series)):
        return _unnested(source.to_frame() if isinstance(source, pd.Series) else source, "the frame")
    if isinstance(source, (str, Path)):
        return _open_path(source, split=split, folder=folder)
    if hasattr(source, "column_names") and hasattr(source, "to_pandas") and not isinstance(source, Mapping):
        return _unnested(source.to_pandas(), "the data set")
    if isinstance(source, Mapping) and not is_entry(source):
        return _open(source[_chosen(list(source), split, "the data set")], split=None, folder=folder)
    if isinstance(source, Iterable):
        return _open_rows([source] if isinstance(source, Mapping) else list(source))
    raise DataError(
        f"found a {type(source).__name__}; expected a path, a Monash name, a frame, a data set, or entries with 'start'"
        " and 'target'"
    )


def _open_path(source: str | Path, *, split: str | None, folder: str | Path | None) -> Opened:
    path = Path(source)
    is_name = isinstance(source, str) and NAME.fullmatch(source) is not None
    if is_name and (folder is not None or not path.exists()):
        return read_tsf(locate_monash(str(source), folder=folder))
    return _open_folder(path, split) if path.is_dir() else _open_file(path)


def _open_file(path: Path) -> Opened:
    magic = b""
    if path.is_file():
        with path.open("rb") as file:
            magic = file.read(6)
    if path.suffix.lower() == ".tsf" or (magic.startswith(b"PK") and path.suffix.lower() != ".npz"):
        return read_tsf(path)
    if path.name.lower().endswith(JSON_ENDINGS):
        return read_json_lines(path)
    if magic.startswith(ARROW_MAGIC):
        from ttm_sk.data.arrow_files import read_arrow

        return _unnested(read_arrow(path).to_pandas(), str(path))
    return _unnested(read_benchmark_table(path), str(path))


def _open_folder(folder: Path, split: str | None) -> Opened:
    shards = sorted([*folder.glob("*.arrow"), *folder.glob("*.parquet")])
    if shards:
        from ttm_sk.data.arrow_files import read_arrow_folder

        splits = {shown["split"] for shard in shards if (shown := SHARD.fullmatch(shard.name))} - {"data"}
        prefix = f"{_chosen(sorted(splits), split, str(folder))}-" if splits else ""
        return _unnested(read_arrow_folder(folder, prefix=prefix).to_pandas(), str(folder))
    if entry_files(folder):
        return read_gluonts_folder(folder)
    parts = sorted(part.name for part in folder.iterdir() if part.is_dir() and part.name != "metadata")
    if not parts:
        found = ", ".join(sorted(file.name for file in folder.iterdir())[:5]) or "nothing"
        raise DataError(
            f"{folder} holds {found}; expected *.arrow, *.parquet, or data.json of GluonTS; for a Monash set give its"
            " name, and this as folder="
        )
    inner = "data" if parts == ["data"] else _chosen(parts, split, str(folder))
    return _open_folder(folder / inner, split if inner == "data" else None)


def _open_rows(rows: list[Any]) -> Opened:
    if rows and all(is_entry(row) for row in rows):
        return stored_set(rows, where="the data set")
    if rows and all(isinstance(row, Mapping) for row in rows):
        return pd.DataFrame(rows)
    found = f"{len(rows)} rows, such as {str(rows[0])[:60]}" if rows else "no rows"
    raise DataError(f"found {found}; expected mappings with 'start' and 'target', or with a value for each column")


def _unnested(frame: pd.DataFrame, where: str) -> Opened:
    """The frame, or its rows as series if each of them holds a whole one."""
    if len(frame) and is_entry(frame.iloc[0].to_dict()):
        return stored_set(frame.to_dict("records"), where=where)
    return frame


def _chosen(splits: list[str], split: str | None, where: str) -> str:
    if split in splits or (split is None and len(splits) == 1):
        return split or splits[0]
    known = ", ".join(map(str, splits)) or "none"
    raise DataError(f"{where} has the parts {known}; found split={split!r}, expected one of them: name it")
