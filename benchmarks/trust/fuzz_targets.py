"""What is fuzzed: a reader, its error and files to begin with. Run by fuzz.py, in a process of its own."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import fuzz_app

LARGEST = 20_000  # bytes of an input


class Target(NamedTuple):
    """What takes bytes, and some to begin with."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Iterator[bytes]]


def _file(ending: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """The reader of a file, from what the file holds."""
    folder: list[Path] = []

    def read_bytes(content: bytes) -> object:
        if not folder:
            folder.append(Path(tempfile.mkdtemp()))
        path = folder[0] / f"input{ending}"
        path.write_bytes(content)
        return read(path)

    return read_bytes


def _open(path: Path) -> object:
    from ttm_sk.checkpoints.open import load_checkpoint

    return load_checkpoint(path)


def _read_csv(path: Path) -> object:
    from ttm_sk.data.tables import read_table, to_series

    return to_series(read_table(path))


def _read_tsf(path: Path) -> object:
    from ttm_sk.data.tsf import read_tsf

    return read_tsf(path)


def _read_series(path: Path) -> object:
    from ttm_sk.data.sources import read_series

    return read_series(path)


def _tsf_seeds() -> Iterator[bytes]:
    head = "@relation a\n@attribute series_name string\n@attribute start_timestamp date\n@frequency daily\n"
    head += "@horizon 3\n@missing true\n@equallength false\n@data\n"
    yield (head + "T1:2020-01-01 00-00-00:1,2,?,4\nT2:2020-01-01 00-00-00:5.5,6e3\n").encode()
    yield head.replace("daily", "monthly").encode()
    yield b"@data\n1,2,3\n"


def _header_seeds() -> Iterator[bytes]:
    from bad_input.cause import Place
    from bad_input.hostile import HEADERS

    with tempfile.TemporaryDirectory() as folder:
        good = Path(Place(Path(folder)).model).read_bytes()
    yield good
    yield from (content for make in HEADERS.values() if len(content := make(good)) < LARGEST)


def _archive_seeds() -> Iterator[bytes]:
    import torch

    for content in ({"state_dict": {"a": torch.zeros(2)}}, [1, "a", None], {"hyper_parameters": {}, "state_dict": {}}):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        yield buffer.getvalue()


def _csv_seeds() -> Iterator[bytes]:
    from bad_input import tables

    yield tables.TABLE.encode()
    yield tables.TABLE.replace(",", ";").encode("utf-8-sig")
    yield b"id,day,sales\na,2024-01-01 10:00+02:00,1\nb,2024-01-01 11:00+02:00,2\n"
    yield b"sales\n1\n2\n3\n"
    yield b'"a b"\t"c"\n"x ""y"""\t1e5\n'
    yield b"quarter,y\n2020Q1,1\n2020Q2,2\n2020Q3,3\n"


def _json_seeds() -> Iterator[bytes]:
    yield b'{"start": "2024-01-01", "target": [1, 2.5, null, "NaN"], "item_id": "a", "freq": "D"}\n'
    yield b'{"timestamp": ["2024-01-01", "2024-01-02"], "target": [[1, 2], [3, 4]]}\n\n{"start": 0, "target": []}\n'


def _arrays_seeds() -> Iterator[bytes]:
    import numpy as np

    for data in (np.zeros((9, 3, 2)), np.arange(8).reshape(4, 2), np.array(["a"])):
        buffer = io.BytesIO()
        np.savez(buffer, data=data)
        yield buffer.getvalue()


# A reader that comes later is a line here.
TARGETS = {
    "header": Target(_file(".safetensors", _open), _header_seeds),
    "archive": Target(_file(".ckpt", _open), _archive_seeds),
    "csv": Target(_file(".csv", _read_csv), _csv_seeds),
    "tsf": Target(_file(".tsf", _read_tsf), _tsf_seeds),
    "json": Target(_file(".jsonl", _read_series), _json_seeds),
    "arrays": Target(_file(".npz", _read_series), _arrays_seeds),
    "upload": Target(fuzz_app.upload, fuzz_app.upload_seeds),
    "request": Target(fuzz_app.request, fuzz_app.request_seeds),
}


def _fuzz(name: str, findings: Path, options: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["ttm_sk", "python_multipart", "starlette"]):
        import ttm_sk.app.site
        import ttm_sk.checkpoints.open
        import ttm_sk.data.sources  # noqa: F401
        from ttm_sk.errors import TTMError
    warnings.simplefilter("ignore")
    target = TARGETS[name]
    known: set[str] = set()

    def one_input(content: bytes) -> None:
        try:
            target.read(content)
        except TTMError:
            pass
        except Exception as error:  # every kind is kept once, and the search goes on
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            if kind not in known:
                known.add(kind)
                with findings.open("a") as file:
                    file.write(json.dumps(f"{kind}: {str(error)[:100]}, of {content[:200]!r}") + "\n")

    atheris.Setup([sys.argv[0], *options, f"-max_len={LARGEST}"], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    _fuzz(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
