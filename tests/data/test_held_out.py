"""The held-out series are recognised under any name, and nothing else is."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ttm_sk.data.held_out import FINGERPRINTS, HELD_OUT, HELD_OUT_DATASETS, held_out_match, is_telling, shape_codes
from ttm_sk.errors import DataError

EXAMPLES = FINGERPRINTS.parent / "examples"
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "corpus"
BUNDLED_WITH_SKTIME = {
    "airline": ("Airline", "Passengers"),
    "seatbelts": ("seatbelts", "KSI"),
    "solar": ("solar", "solar_gen"),
    "shampoo_sales": ("ShampooSales", "Sales"),
    "lynx": ("Lynx", "0"),
    "PBS_dataset": ("PBS_dataset", "Scripts"),
    "uschange": ("Uschange", "Consumption"),
    "longley": ("Longley", "TOTEMP"),
}


def _column(path: Path, column: str) -> np.ndarray:
    with path.open(newline="") as file:
        return np.array([float(row[column]) for row in csv.DictReader(file)])


def _series(name: str) -> np.ndarray:
    spec = find_spec("sktime")
    if spec is None or spec.origin is None:
        pytest.skip("sktime is not installed")
    folder, column = BUNDLED_WITH_SKTIME[name]
    return _column(Path(spec.origin).parent / "datasets" / "data" / folder / f"{folder}.csv", column)


@pytest.mark.parametrize("name", BUNDLED_WITH_SKTIME)
def test_when_series_is_a_member_then_its_name_is_returned(name):
    assert held_out_match(_series(name)) == name


@pytest.mark.parametrize("name", BUNDLED_WITH_SKTIME)
def test_when_copy_is_scaled_and_shifted_then_it_is_recognised(name):
    assert held_out_match(-250.0 + 0.013 * _series(name)) == name


@pytest.mark.parametrize("name", ["airline", "seatbelts", "solar", "lynx", "uschange"])
@pytest.mark.parametrize("start", [0, 7, 30])
def test_when_copy_is_cropped_anywhere_then_it_is_recognised(name, start):
    assert held_out_match(_series(name)[start : start + 80]) == name


@pytest.mark.parametrize("name", BUNDLED_WITH_SKTIME)
def test_when_copy_is_rounded_as_a_stored_corpus_rounds_then_it_is_recognised(name):
    series = _series(name)
    step = 0.002 * series.std()
    assert held_out_match(np.round(series / step).astype(np.int16)) == name


def test_when_copy_is_a_logarithm_then_it_is_recognised():
    assert held_out_match(np.log10(_series("lynx"))) == "lynx"


def test_when_copy_has_a_gap_then_it_is_recognised_by_the_rest():
    series = _series("solar")
    series[100:130] = np.nan
    assert held_out_match(series) == "solar"


def test_when_copy_lies_inside_a_longer_series_then_it_is_recognised():
    noise = np.random.default_rng(1).normal(size=40_000)
    noise[20_000:20_144] = _series("airline")
    assert held_out_match(noise) == "airline"


@pytest.mark.parametrize("seed", range(5))
def test_when_series_is_unrelated_then_nothing_matches(seed):
    random = np.random.default_rng(seed)
    steps = np.arange(5000)
    unrelated = {
        "noise": random.normal(size=5000),
        "random walk": random.normal(size=5000).cumsum(),
        "seasonal": np.sin(steps * random.uniform(0.01, 1)) + 0.1 * random.normal(size=5000),
        "daytime": np.maximum(0, np.sin(steps * 2 * np.pi / 48)),
        "counts": random.poisson(1, size=5000),
        "ramp": steps.astype(float),
        "constant": np.full(5000, 3.0),
    }
    assert {kind: held_out_match(values) for kind, values in unrelated.items()} == dict.fromkeys(unrelated)


@pytest.mark.parametrize("values", [[], [1.0], [np.nan] * 50, [np.inf] * 50, list(range(20))])
def test_when_series_is_short_or_empty_or_missing_then_nothing_matches(values):
    assert held_out_match(np.array(values, dtype=float)) is None


def test_when_values_have_two_axes_then_an_error_says_what_to_pass():
    with pytest.raises(DataError, match="one channel at a time"):
        held_out_match(np.zeros((2, 100)))


def test_when_series_is_longer_than_a_chunk_then_codes_do_not_depend_on_chunking():
    series = np.random.default_rng(2).normal(size=40_000).astype(np.float32)
    assert (shape_codes(series)[16_000:17_000] == shape_codes(series[16_000:17_031])).all()


def test_when_window_is_a_ramp_then_its_code_tells_nothing():
    assert not is_telling(shape_codes(np.arange(40.0))).any()


def test_when_records_are_read_then_names_are_unique_and_complete():
    names = [member.name for member in HELD_OUT]
    assert len(set(names)) == len(names)
    assert set(names) == set(BUNDLED_WITH_SKTIME) | {"seoul_bikes_hourly"}
    assert "seoul_bikes_hourly" in HELD_OUT_DATASETS
    assert all(member.licence and member.origin and member.description for member in HELD_OUT)


def test_when_fingerprints_are_shipped_then_they_are_small_and_name_every_member():
    assert FINGERPRINTS.stat().st_size < 200_000
    with np.load(FINGERPRINTS) as stored:
        assert set(stored["names"].tolist()) == {member.name for member in HELD_OUT}


def test_when_module_is_imported_then_pandas_and_torch_are_not():
    script = (
        "import sys, json, ttm_sk.data.held_out; print(json.dumps([m in sys.modules for m in ('pandas', 'torch')]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(FINGERPRINTS.parents[2])}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(result.stdout) == [False, False]


@pytest.mark.parametrize(("file", "column"), [("solar", "solar_share"), ("airline", "passengers_thousands")])
def test_when_an_example_is_bundled_then_it_is_a_held_out_series(file, column):
    path = EXAMPLES / f"{file}.csv"
    assert path.stat().st_size < 60_000
    values = _column(path, column)
    assert held_out_match(values) == file
    np.testing.assert_array_equal(values, _series(file))


@pytest.mark.skipif(not (CORPUS / "seoul_bikes_hourly.npz").exists(), reason="needs the training corpus")
def test_when_a_corpus_series_is_held_out_then_it_is_recognised_without_its_name():
    with np.load(CORPUS / "seoul_bikes_hourly.npz") as stored:
        rented = stored["values"][: stored["offsets"][1]]
    assert held_out_match(rented[1000:1512]) == "seoul_bikes_hourly"
