"""What is written comes back: every file format of the package, for anything that it can hold."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, seeds
from strategies import series as any_series

from ttm_sk.checkpoints.tensor_file import read_tensors, write_tensors
from ttm_sk.data.tables import read_table, to_series

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda x: x != "__metadata__")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    content = torch.randn(shape, generator=torch.Generator().manual_seed(draw(seeds) % 2**31)) * 5
    return content.to(draw(st.sampled_from(DTYPES)))


@given(
    content=st.dictionaries(names, tensors(), max_size=5),
    header=st.dictionaries(st.text(max_size=6), json_values, max_size=4),
)
@few
def test_when_tensors_are_written_then_they_come_back_bit_for_bit(content, header):
    header = {key: value for key, value in header.items() if not key.endswith("sha256")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        write_tensors(path, content, header)
        found, found_header = read_tensors(path)
    assert found_header == header
    assert found.keys() == content.keys()
    for name, value in content.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        assert torch.equal(found[name], value)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path)


def write_semicolons(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, sep=";", encoding="utf-8-sig")


def write_gzip(frame: pd.DataFrame, path: Path) -> None:
    path.write_bytes(gzip.compress(frame.to_csv().encode()))


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame.to_parquet(path)


@pytest.mark.parametrize("write", [write_csv, write_semicolons, write_gzip, write_parquet])
@given(
    values=any_series(min_length=4, max_length=40), freq=st.sampled_from(["D", "h", "MS", "W-SUN", "15min", "QS-JAN"])
)
@few
def test_when_a_series_is_written_as_a_table_then_it_comes_back(write, values, freq):
    index = pd.date_range(
        "2023-12-31" if freq == "W-SUN" else "2024-01-01", periods=len(values), freq=freq, name="when"
    )
    frame = pd.DataFrame({"y": values}, index=index)
    with tempfile.TemporaryDirectory() as folder:
        write(frame, Path(folder, "table"))
        found = to_series(read_table(Path(folder, "table")), time="when", target="y")
    np.testing.assert_array_equal(found["y"].to_numpy(), values)
    assert list(found.index) == list(index)
