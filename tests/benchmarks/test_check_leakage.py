"""The script that looks for GIFT-Eval's test series in what weights saw."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.models.ttm import TTM, TTMConfig

pytest.importorskip("gluonts")

ROOT = Path(__file__).parents[2]
STORAGE = ROOT / "tests/evaluation/gift_eval"


def script():
    spec = importlib.util.spec_from_file_location("check_leakage", ROOT / "benchmarks/pretraining/check_leakage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_dataset(corpus: Path, name: str, series: list[np.ndarray]) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(x) for x in series])])
    steps = [np.round(1000 * (x - x.mean()) / x.std()).astype(np.int16) for x in series]
    meta = json.dumps({"domain": "any", "freq": "h"})
    np.savez(corpus / f"{name}.npz", values=np.concatenate(steps), offsets=offsets, meta=meta)


def check(tmp_path: Path, datasets: dict[str, np.ndarray]) -> int:
    for name, values in datasets.items():
        write_dataset(tmp_path, name, [values])
    config = TTMConfig(context_length=64, prediction_length=12, patch_length=16, width=8, n_layers=1, decoder_width=8)
    saw = Checkpoint(config, TTM(config).state_dict(), {"datasets": sorted(datasets)})
    weights = save_checkpoint(saw, tmp_path / "weights.safetensors")
    return script().main([str(tmp_path), "--storage", str(STORAGE), "--model", str(weights)])


@pytest.fixture
def honest() -> np.ndarray:
    torch.manual_seed(0)
    return np.random.default_rng(5).normal(size=3000).cumsum()


@pytest.fixture
def tested() -> np.ndarray:
    return script().test_series(STORAGE)["bizitobs_application/10S/short"][0]


def test_when_nothing_is_copied_then_the_check_passes(tmp_path, honest, capsys):
    assert check(tmp_path, {"walks": honest}) == 0
    assert "0 copies" in capsys.readouterr().out


def test_when_a_scaled_copy_lies_in_the_corpus_then_it_is_found(tmp_path, honest, tested, capsys):
    copy = np.concatenate([honest[:500], 3.0 * tested[:400] + 7.0])
    assert check(tmp_path, {"walks": honest, "other_name": copy}) == 1
    assert "other_name: " in capsys.readouterr().out


def test_when_a_coarser_copy_lies_in_the_corpus_then_it_is_found(tmp_path, tested, capsys):
    n_blocks = (len(tested) - 2) // 4
    coarse = tested[2 : 2 + 4 * n_blocks].reshape(n_blocks, 4).mean(axis=1)
    assert check(tmp_path, {"other_name": coarse}) == 1
    assert "of bizitobs_application/10S/short" in capsys.readouterr().out


def test_when_a_name_is_a_test_datasets_then_it_must_be_explained(tmp_path, honest, capsys):
    assert check(tmp_path, {"hospital_admissions": honest}) == 1
    assert "hospital_admissions (hospital): NOT EXPLAINED" in capsys.readouterr().out


def test_when_days_are_alike_in_shape_alone_then_they_are_no_copy():
    rng = np.random.default_rng(1)
    day = rng.normal(size=24)
    tests = script().TestCodes.of({"days": [np.tile(day, 60)]}, [])
    found = tests.most_like(np.tile(day, 60) * np.repeat(rng.uniform(0.4, 1.6, 60), 24))
    assert found.windows >= 40
    assert 0.5 < found.correlation < 0.99
