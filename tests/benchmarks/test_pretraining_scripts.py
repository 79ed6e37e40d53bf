"""The scripts behind docs/ablations.md: short runs of variants, the fitted curve, one lever at a time."""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scripts import BENCHMARKS, script
from strategies import random_module, small_config

from ttm_sk import TTMConfig
from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.store import Checkpoint, read_checkpoint, save_checkpoint
from ttm_sk.data.corpora import Corpus
from ttm_sk.errors import ConfigError
from ttm_sk.inference.readings import AS_IT_IS

pytest.importorskip("gluonts")

STORAGE = BENCHMARKS.parent / "tests/evaluation/gift_eval"


def test_when_a_choice_is_undone_then_the_model_stays_one_and_of_a_like_size():
    ablate = script("pretraining/ablate")
    for changes, settings in ablate.VARIANTS.values():
        n_parameters = sum(p.numel() for p in new_module(replace(TTMConfig.tiny(), **changes)).parameters())
        assert 0.85e6 < n_parameters < 1.06e6
        assert ablate.PretrainSettings(n_windows=8, batch_size=4, **settings)
    undone = [repr(both) for both in ablate.VARIANTS.values()]
    assert len(set(undone)) == len(undone)


def test_when_variants_are_trained_then_each_leaves_weights_and_a_row(tmp_path, monkeypatch):
    ablate = script("pretraining/ablate")
    monkeypatch.setattr(ablate.TTMConfig, "tiny", classmethod(lambda cls: small_config(levels=(0.1, 0.5, 0.9))))
    monkeypatch.setattr(
        ablate, "VARIANTS", {"as bundled": ({}, {}), "real series only": ({}, {"synthetic_share": 0.0})}
    )
    corpus = Corpus.from_series([np.sin(np.arange(900) / period) for period in (3, 5, 8)])
    monkeypatch.setattr(ablate, "read_corpus", lambda folder, licence_classes: corpus)
    options = argparse.Namespace(
        corpus=tmp_path, out=tmp_path / "out", windows=16, batch=8, peak=1e-3, processes=1, time_limit=None
    )
    options.seeds, options.first_seed, options.variants, options.device = 2, 0, list(ablate.VARIANTS), "cpu"
    options.float32, options.compile, options.accumulate = True, False, 2
    monkeypatch.setattr(ablate, "HELD_BACK", 0.2)
    ablate.train(options)
    with (options.out / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted((row["variant"], row["seed"]) for row in rows) == [
        ("as bundled", "0"),
        ("as bundled", "1"),
        ("real series only", "0"),
        ("real series only", "1"),
    ]
    assert all(float(row["validation_loss"]) > 0 for row in rows)
    options.seeds, options.first_seed = 1, 2
    ablate.train(options)  # adds to what is there
    with (options.out / "runs.csv").open(newline="") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["0", "0", "1", "1", "2", "2"]
    weights = read_checkpoint(options.out / "real-series-only.1.safetensors")
    assert weights.provenance["runs"][0]["settings"]["synthetic_share"] == 0
    options.accumulate = 3  # parts of a batch of eight
    with pytest.raises(ConfigError, match="3 parts"):
        ablate.train(options)


def test_when_runs_are_scored_then_those_of_elsewhere_stay_and_the_same_ones_go(tmp_path, monkeypatch):
    ablate = script("pretraining/ablate")
    monkeypatch.setattr(ablate, "RESULTS", tmp_path / "ablations.csv")
    config = small_config(levels=(0.1, 0.5, 0.9))
    for name in ("as-bundled.0", "as-bundled.1"):
        save_checkpoint(Checkpoint(config, random_module(config).state_dict()), tmp_path / f"{name}.safetensors")
    row = dict.fromkeys(ablate.FIELDS, "1") | {"variant": "as bundled", "hardware": "CPU"}
    runs = [row | {"seed": "0", "seconds": "5"}, row | {"seed": "1"}, row | {"seed": "0", "seconds": "7"}]
    before = [row | {"seed": seed, "MASE": "9", "CRPS": "9"} for seed in ("1", "2")]
    for path, rows in ((tmp_path / "runs.csv", runs), (tmp_path / "ablations.csv", before)):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "hospital").symlink_to(STORAGE / "hospital")
    ablate.measure(tmp_path, tmp_path / "storage")
    with (tmp_path / "ablations.csv").open(newline="") as file:
        found = {row["seed"]: row for row in csv.DictReader(file)}
    assert list(found) == ["0", "1", "2"]
    assert found["0"]["seconds"] == "7"  # the last of a run that is there twice
    assert found["1"]["MASE"] == found["0"]["MASE"] != "9"
    assert found["2"]["MASE"] == "9"


def test_when_the_page_is_written_then_gpu_and_cpu_stand_apart_and_seeds_side_by_side(tmp_path, monkeypatch):
    ablate = script("pretraining/ablate")
    monkeypatch.setattr(ablate, "RESULTS", tmp_path / "ablations.csv")
    monkeypatch.setattr(ablate, "PAGE", tmp_path / "page.md")
    ablate.PAGE.write_text("<!-- ablations:start --><!-- ablations:end -->", encoding="utf-8")
    ablate.RESULTS.write_text(
        "variant,seed,parameters,validation_loss,hardware,MASE,CRPS\n"
        "as bundled,0,1234,0.45775,NVIDIA H200,0.6948,0.5846\n"
        "as bundled,1,1234,0.45827,NVIDIA H200,0.6971,0.5878\n"
        "as bundled,2,1234,0.45697,CPU,0.6824,0.5810\n"
        '"one, two",0,99,0.5,NVIDIA H200,0.7,0.6\n'
    )
    ablate.write_page()
    table = ablate.PAGE.read_text(encoding="utf-8")
    assert "| as bundled | 1,234 | 0.695 / 0.697 | 0.682 | 0.585 / 0.588 | 0.581 | 0.4577 / 0.4583 | 0.4570 |" in table
    assert "| one, two | 99 | 0.700 |  | 0.600 |  | 0.5000 |  |" in table


def test_when_a_block_is_put_then_what_stood_there_goes_and_without_marks_nothing_is_lost(tmp_path):
    put, page = script("marks").put, tmp_path / "page.md"
    page.write_text("before\n<!-- one:start -->\nold\n<!-- one:end -->\nafter\n", encoding="utf-8")
    put(page, "one", "new")
    written = "before\n<!-- one:start -->\n\nnew\n\n<!-- one:end -->\nafter\n"
    assert page.read_text(encoding="utf-8") == written
    with pytest.raises(SystemExit, match="two:start"):
        put(page, "two", "new")
    assert page.read_text(encoding="utf-8") == written


def test_when_losses_follow_a_power_law_then_it_is_found():
    curve = script("pretraining/learning_curve")
    millions = pd.Series([1.0, 3.0, 10.0, 30.0, 90.0])
    found = curve.fitted(millions, curve.power_law(millions, 0.3, 0.1, 0.4))
    np.testing.assert_allclose(found, [0.3, 0.1, 0.4], rtol=1e-2)


def test_when_one_lever_is_pulled_then_only_its_readings_are_tried():
    levers = script("gift_eval/levers")
    pasts = [np.tile(np.arange(24.0), 40)[None]] * 2
    kinds = {
        "`fast` + coarser": lambda one: one.rate > 1 and one.period == 1,
        "`fast` + by phase": lambda one: one.period > 1,
        "`fast` + shorter pasts": lambda one: one.context > 0,
        "`fast` + beside the theta method": lambda one: one.theta > 0,
    }
    tried = set()
    for name, is_of_it in kinds.items():
        ((_, _, candidates),) = levers.LEVERS[name][1]
        first, *others = candidates(pasts)
        assert first == AS_IT_IS
        assert others
        assert all(map(is_of_it, others))
        tried |= set(others)
    assert tried == set(levers.resolution.candidates(pasts)) - {AS_IT_IS}
