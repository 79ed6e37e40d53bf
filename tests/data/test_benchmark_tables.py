"""The files of other benchmarks: bare numbers, archives of arrays, CSV; each with its error."""

from __future__ import annotations

import numpy as np
import pytest

from ttm_sk.data.long_horizon_sets import read_any_set
from ttm_sk.data.tables import read_benchmark_table
from ttm_sk.errors import DataError

VALUES = np.random.default_rng(0).normal(size=(50, 3)).round(3)


def test_when_the_file_is_bare_numbers_then_columns_are_numbered(tmp_path):
    path = tmp_path / "solar_AL.txt"
    np.savetxt(path, VALUES, delimiter=",", fmt="%.3f")
    table = read_benchmark_table(path)
    assert list(table.columns) == ["0", "1", "2"]
    np.testing.assert_allclose(table.to_numpy(), VALUES)
    data = read_any_set(path)
    assert (data.name, data.test_start, data.test_stop) == ("solar_AL", 40, 50)
    np.testing.assert_allclose(data.values[:, :35].mean(axis=1), 0, atol=1e-12)


def test_when_the_file_is_an_archive_then_the_first_measurement_is_read(tmp_path):
    path = tmp_path / "PEMS03.npz"
    np.savez(path, data=np.stack([VALUES, VALUES + 1], axis=-1))
    np.testing.assert_allclose(read_benchmark_table(path).to_numpy(), VALUES)
    data = read_any_set(path)  # cut 6 to 2 to 2
    np.testing.assert_allclose(data.values[:, :30].std(axis=1), 1)
    np.savez(path, data=VALUES)
    np.testing.assert_allclose(read_benchmark_table(path).to_numpy(), VALUES)


def test_when_the_file_is_a_csv_then_it_is_read_as_always(tmp_path):
    path = tmp_path / "weather.csv"
    path.write_text("date,T\n2020-01-01,1\n2020-01-02,2\n")
    assert list(read_benchmark_table(path).columns) == ["date", "T"]


def test_when_the_file_is_made_otherwise_then_it_says_how(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("some,text\n1,2\n")
    with pytest.raises(DataError, match="holds text"):
        read_benchmark_table(path)
    archive = tmp_path / "PEMS04.npz"
    np.savez(archive, other=VALUES)
    with pytest.raises(DataError, match="holds other"):
        read_benchmark_table(archive)
    np.savez(archive, data=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="no archive of plain arrays"):
        read_benchmark_table(archive)
    archive.write_bytes(b"no archive")
    with pytest.raises(DataError, match="no archive of plain arrays"):
        read_benchmark_table(archive)
    with pytest.raises(DataError, match="no file"):
        read_benchmark_table(tmp_path / "missing.txt")
    short = tmp_path / "short.txt"
    short.write_text("1,2\n")
    with pytest.raises(DataError, match="five rows or more"):
        read_any_set(short)
