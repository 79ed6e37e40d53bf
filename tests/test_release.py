"""What is written from the bundled weights belongs to the bundled weights."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from ttm_sk import load_checkpoint
from ttm_sk.data.held_out import HELD_OUT_DATASETS

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "benchmarks"))

from golden_forecasts import GOLDEN, forecasts  # noqa: E402


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("ttm-tiny")


def test_when_the_weights_change_then_the_readme_must_follow(checkpoint):
    assert f"`{checkpoint.hash[:12]}`" in (REPOSITORY / "README.md").read_text(encoding="utf-8"), (
        "run benchmarks/release.py"
    )


def test_when_the_weights_change_then_the_model_card_must_follow(checkpoint):
    assert f"`{checkpoint.hash}`" in (REPOSITORY / "docs/model-card.md").read_text(encoding="utf-8"), (
        "run benchmarks/release.py"
    )


def test_when_results_are_kept_then_they_were_measured_with_the_bundled_weights(checkpoint):
    tables = sorted((REPOSITORY / "benchmarks/gift_eval/results").glob("ttm-tiny-*/runs.csv"))
    assert tables
    for table in tables:
        assert checkpoint.hash in table.read_text(encoding="utf-8"), f"measure {table.parent.name} again"


def test_when_results_elsewhere_are_kept_then_they_were_measured_with_the_bundled_weights(checkpoint):
    with (REPOSITORY / "benchmarks/gift_eval/results/elsewhere.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["weights"] for row in rows} == {checkpoint.hash[:12]}, "run benchmarks/gift_eval/elsewhere.py"
    assert not {row["task"].split("/")[0] for row in rows} & set(checkpoint.provenance["datasets"])


def test_when_the_weights_change_then_their_onnx_file_must_follow(checkpoint):
    content = (REPOSITORY / "ttm_sk/checkpoints/bundled/ttm-tiny.onnx").read_bytes()
    assert f'"hash": "{checkpoint.hash}"'.encode() in content, "run benchmarks/release.py"
    assert len(content) < 5_000_000


def test_when_weights_are_bundled_then_they_are_small_and_say_what_they_saw(checkpoint):
    bundled = REPOSITORY / "ttm_sk/checkpoints/bundled/ttm-tiny.safetensors"
    assert bundled.stat().st_size < 5_000_000
    assert checkpoint.n_parameters < 1_000_000
    assert checkpoint.provenance["windows"] >= 5_000_000
    assert not HELD_OUT_DATASETS & set(checkpoint.provenance["datasets"])


def test_when_the_package_is_shipped_then_it_is_small_and_holds_nothing_unforeseen():
    files = [path for path in (REPOSITORY / "ttm_sk").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    known = {".py", ".safetensors", ".onnx", ".csv", ".npz", ".md", ".typed", ".html", ".css", ".js", ".svg"}
    assert {path.suffix for path in files} <= known
    assert sum(path.stat().st_size for path in files) < 12_000_000


def test_when_the_weights_change_then_their_golden_forecasts_must_follow(checkpoint):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert golden["hash"] == checkpoint.hash, "run benchmarks/golden_forecasts.py"


def test_when_the_bundled_weights_forecast_then_it_is_what_they_forecast_before():
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    found = forecasts()
    assert found.keys() == golden["forecasts"].keys()
    for name, rows in golden["forecasts"].items():
        expected = np.array(rows)
        spread = np.ptp(expected)
        np.testing.assert_allclose(np.array(found[name]), expected, rtol=1e-4, atol=1e-4 * spread, err_msg=name)
