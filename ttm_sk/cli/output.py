"""What the commands print and write: tables, and files that appear whole or not at all."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ttm_sk.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PLOT_ENDINGS",
    "TABLE_ENDINGS",
    "check_ending",
    "is_first_process",
    "print_rows",
    "refuse_the_data",
    "refuse_to_replace",
    "table_content",
    "write_file",
]

TABLE_ENDINGS = (".csv", ".csv.gz", ".parquet")
PLOT_ENDINGS = (".png", ".svg", ".pdf")


def is_first_process() -> bool:
    """True outside of ``torchrun``, and in the one of its processes that prints and writes."""
    return os.environ.get("RANK", "0") == "0"


def refuse_to_replace(output: str, *, is_forced: bool) -> None:
    """Raise before any work where the output exists and nobody said ``--force``, and for a folder."""
    if Path(output).is_dir():
        raise ConfigError(f"--output: found a folder {output!r}, expected the name of a file")
    if Path(output).exists() and not is_forced:
        raise ConfigError(f"found a file {output} already; choose another --output, or add --force")


def refuse_the_data(output: str | None, data: str | None, *, what: str = "the file with the data") -> None:
    """Raise before any work where the output is a file that is read."""
    if output and data and Path(output).resolve() == Path(data).resolve():
        raise ConfigError(f"--output: {output!r} is {what}, which stays; choose another name")


def print_rows(*parts: pd.DataFrame) -> None:
    """Print tables of text under one line of names."""
    import pandas as pd

    print(pd.concat(parts).to_string(index=False))


def check_ending(path: str | None, endings: Sequence[str], *, option: str) -> str:
    """The ending of a path that is to be written, one of ``endings``; no path has none.

    Raises
    ------
    ConfigError
        For another one, and for a folder.
    """
    ending = next((ending for ending in endings if path and path.lower().endswith(ending)), "")
    if path and not ending:
        raise ConfigError(f"{option}: found {path!r}, expected a name that ends in {', '.join(endings)}")
    if path and Path(path).is_dir():
        raise ConfigError(f"{option}: found a folder {path!r}, expected the name of a file")
    return ending


def table_content(table: pd.DataFrame, ending: str) -> bytes:
    """The table as the bytes of a file with that ending."""
    if ending == ".parquet":
        buffer = io.BytesIO()
        try:
            table.to_parquet(buffer, index=False)
        except ImportError as error:
            raise DataError("writing parquet needs pyarrow; run: pip install pyarrow, or write .csv") from error
        return buffer.getvalue()
    content = table.to_csv(index=False).encode()
    return gzip.compress(content, mtime=0) if ending.endswith(".gz") else content


def write_file(path: str, content: bytes) -> None:
    """Write a file, whole or not at all."""
    from ttm_sk.checkpoints.tensor_file import write_atomically

    write_atomically(Path(path), content)
