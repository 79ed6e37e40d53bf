"""Safetensors files that somebody made to do harm: sizes, names, types, depth, duplicates, overlaps."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

from ttm_sk.checkpoints.store import FORMAT_VERSION, KIND, Checkpoint

__all__ = ["HEADERS", "our_header", "safetensors_bytes"]


def our_header(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a file of ours says of a checkpoint."""
    return {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "architecture": checkpoint.architecture,
        "config": checkpoint.config.to_dict(),
        "provenance": {},
        "calibration": {},
    }


def safetensors_bytes(header: Mapping[str, Any] | str | bytes, data: bytes = b"", *, size: int | None = None) -> bytes:
    """A file with that header, whatever it says, and that data."""
    text = header if isinstance(header, (str, bytes)) else json.dumps(header)
    content = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(content) if size is None else size) + content + data


def _tensor(dtype: Any = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def _file(entry: Mapping[str, Any], data: bytes = bytes(4)) -> Callable[[bytes], bytes]:
    return lambda good: safetensors_bytes({"w": entry}, data)


def _raw(text: str | bytes, data: bytes = bytes(4), size: int | None = None) -> Callable[[bytes], bytes]:
    return lambda good: safetensors_bytes(text, data, size=size)


def _deep(n: int) -> str:
    return json.dumps({"__metadata__": {"ttm_sk": "[" * n + "]" * n}})


TWO = {"a": _tensor(), "b": _tensor(offsets=(2, 6))}

HEADERS: dict[str, Callable[[bytes], bytes]] = {
    "a size of 2^64 - 1": _raw("{}", size=2**64 - 1),
    "a size of 2^63": _raw("{}", size=2**63),
    "a size beyond the file": _raw("{}", size=1000),
    "a size of 0": _raw("", size=0),
    "no JSON": _raw("{{{{"),
    "a list": _raw("[]"),
    "a number": _raw("17"),
    "null": _raw("null"),
    "bytes that are no UTF-8": _raw(b'{"\xff\xfe": 1}'),
    "a tensor of 2^62 values": _file(_tensor(shape=(2**31, 2**31), offsets=(0, 2**62))),
    "a shape whose product overflows": _file(_tensor(shape=(2**33, 2**33))),
    "a negative shape": _file(_tensor(shape=(-1,))),
    "a shape of text": _file(_tensor(shape="big")),
    "a shape of a million dimensions": _file(_tensor(shape=[1] * 1_000_000)),
    "an unknown type": _file(_tensor("F7")),
    "a type that is a number": _file(_tensor(32)),
    "offsets beyond the file": _file(_tensor(offsets=(0, 4000))),
    "offsets in reverse": _file(_tensor(offsets=(4, 0))),
    "negative offsets": _file(_tensor(offsets=(-4, 0))),
    "offsets of text": _file(_tensor(offsets=("0", "4"))),
    "three offsets": _file(_tensor(offsets=(0, 4, 8))),
    "a hole between tensors": _file(_tensor(offsets=(4, 8)), bytes(8)),
    "tensors that overlap": lambda good: safetensors_bytes(TWO, bytes(6)),
    "a tensor without a type": _file({"shape": [1], "data_offsets": [0, 4]}),
    "a tensor that is null": _raw('{"w": null}'),
    "a name twice": _raw(f'{{"w": {json.dumps(_tensor())}, "w": {json.dumps(_tensor())}}}'),
    "a name of a megabyte": lambda good: safetensors_bytes({"w" * 1_000_000: _tensor()}, bytes(4)),
    "a name of zero bytes": lambda good: safetensors_bytes({"\0" * 9: _tensor()}, bytes(4)),
    "a name that is a path": lambda good: safetensors_bytes({"../../etc/passwd": _tensor()}, bytes(4)),
    "metadata that is a list": _raw('{"__metadata__": []}'),
    "metadata of numbers": _raw('{"__metadata__": {"ttm_sk": 1}}'),
    "our entry twice": _raw('{"__metadata__": {"ttm_sk": "{}", "ttm_sk": "[]"}}', b""),
    "our entry empty": _raw('{"__metadata__": {"ttm_sk": ""}}', b""),
    "our entry without a seal": _raw('{"__metadata__": {"ttm_sk": "{}"}}', b""),
    "our entry nested 100,000 deep": _raw(_deep(100_000), b""),
    "our entry with a number of 10,000 digits": _raw(json.dumps({"__metadata__": {"ttm_sk": "1" * 10_000}}), b""),
    "our entry with NaN": _raw(json.dumps({"__metadata__": {"ttm_sk": '{"a": NaN}'}}), b""),
    "JSON nested 100,000 deep": _raw('{"w":' + "[" * 100_000),
    "a hundred thousand tensors": lambda good: safetensors_bytes(
        {f"w{i}": _tensor(shape=(0,), offsets=(0, 0)) for i in range(100_000)}
    ),
}
