"""``ttm-sk finetune`` and ``ttm-sk evaluate``: what they print, write and refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from strategies import random_module, small_config

from ttm_sk import load_checkpoint, save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.cli import evaluate, main
from ttm_sk.errors import DataError
from ttm_sk.models.ttm import DEFAULT_LEVELS


@pytest.fixture
def small(tmp_path) -> str:
    config = small_config(levels=DEFAULT_LEVELS)
    return str(save_checkpoint(Checkpoint(config, random_module(config).state_dict()), tmp_path / "small.safetensors"))


@pytest.fixture
def sales(tmp_path) -> str:
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=120, freq="D")
    promotion = (rng.random(120) < 0.3).astype(int)
    frame = pd.DataFrame({"day": days, "sales": 10 + np.arange(120) % 7 + 9 * promotion, "promotion": promotion})
    frame.to_csv(tmp_path / "sales.csv", index=False)
    return str(tmp_path / "sales.csv")


def test_when_weights_are_fine_tuned_then_they_are_written_and_said_what_of(small, sales, tmp_path, capsys):
    output = str(tmp_path / "mine.safetensors")
    arguments = ["finetune", sales, "--target", "sales", "--model", small, "--steps", "20", "--peak", "0.003"]
    assert main([*arguments, "--trainable", "full", "--output", output]) == 0
    printed = capsys.readouterr().out
    assert "validation loss" in printed
    assert f"wrote {output}" in printed
    tuned = load_checkpoint(output)
    assert tuned.hash != load_checkpoint(small).hash
    assert tuned.provenance["finetuning"][-1]["steps"] == 20
    assert main([*arguments, "--output", output]) == 2
    assert "already; choose another --output" in capsys.readouterr().err


def test_when_fine_tuning_cannot_be_done_then_nothing_is_written(small, sales, tmp_path, capsys):
    output = tmp_path / "mine.safetensors"
    assert (
        main(["finetune", sales, "--target", "sales", "--model", small, "--trainable", "all", "--output", str(output)])
        == 2
    )
    assert "unknown trainable='all'" in capsys.readouterr().err
    assert not output.exists()


def test_when_a_file_is_evaluated_then_table_scores_and_picture_are_there(small, sales, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    scores, picture = tmp_path / "scores.csv", tmp_path / "last.png"
    arguments = ["evaluate", sales, "--target", "sales", "--model", small, "--horizon", "7", "--windows", "2"]
    files = ["--output", str(scores), "--plot", str(picture)]
    assert main([*arguments, "--drivers", "promotion", "--without-classics", *files]) == 0
    printed = capsys.readouterr().out
    assert "2 windows of 7 steps, season 7, with promotion known ahead" in printed
    assert "seasonal naive" in printed
    assert len(pd.read_csv(scores)) == 4
    assert picture.read_bytes()[1:4] == b"PNG"


def test_when_drivers_have_gaps_then_they_are_named_until_filled(small, sales, tmp_path, capsys):
    frame = pd.read_csv(sales).astype({"promotion": float})
    frame.loc[5, "promotion"] = np.nan
    frame.to_csv(sales, index=False)
    arguments = ["evaluate", sales, "--target", "sales", "--drivers", "promotion", "--model", small, "--horizon", "7"]
    assert main([*arguments, "--windows", "2", "--without-classics"]) == 2
    assert "column 'promotion' of X has no finite value at 2024-01-06" in capsys.readouterr().err
    assert main([*arguments, "--windows", "2", "--without-classics", "--fill-drivers"]) == 0
    assert main(["evaluate", sales, "--drivers", "promotion", "--horizon", "7"]) == 2
    assert "--drivers needs --target" in capsys.readouterr().err


def test_when_the_output_is_the_data_then_evaluating_leaves_it(small, sales, capsys):
    before = Path(sales).read_bytes()
    arguments = ["evaluate", sales, "--target", "sales", "--model", small, "--horizon", "7", "--windows", "2"]
    assert main([*arguments, "--without-classics", "--output", sales]) == 2
    assert "is the file with the data, which stays" in capsys.readouterr().err
    assert Path(sales).read_bytes() == before


def shops(tmp_path, *, n_short: int = 120) -> str:
    """Two shops with prices of their own; the second is short, or its first prices are missing."""
    days = pd.date_range("2024-01-01", periods=120, freq="D")
    frames = [
        pd.DataFrame({"shop": shop, "day": days, "sales": np.arange(120) % 7 + level, "price": float(level)})
        for shop, level in (("a", 100), ("b", 7))
    ]
    frames[1].loc[:40, "price"] = np.nan if n_short == 120 else 7.0
    pd.concat([frames[0], frames[1].tail(n_short)]).to_csv(tmp_path / "shops.csv", index=False)
    return str(tmp_path / "shops.csv")


def test_when_drivers_are_filled_then_each_series_keeps_to_its_own(small, tmp_path, monkeypatch):
    seen = {}

    def backtest(forecasters, y, *, drivers, **options):
        seen["drivers"] = drivers
        raise DataError("enough")

    monkeypatch.setattr(evaluate, "backtest", backtest)
    arguments = ["evaluate", shops(tmp_path), "--target", "sales", "--id", "shop", "--drivers", "price"]
    main([*arguments, "--model", small, "--horizon", "7", "--without-classics", "--fill-drivers"])
    assert seen["drivers"].loc["b", "price"].eq(7.0).all()


def test_when_a_series_is_short_then_rows_that_reading_adds_need_no_drivers(small, tmp_path, capsys):
    arguments = ["evaluate", shops(tmp_path, n_short=8), "--target", "sales", "--id", "shop", "--drivers", "price"]
    assert main([*arguments, "--model", small, "--horizon", "1", "--windows", "2", "--without-classics"]) == 0
    assert "with price known ahead" in capsys.readouterr().out


def test_when_a_model_is_told_the_pace_then_fine_tuning_takes_it_from_the_dates(sales, tmp_path):
    config = small_config(levels=DEFAULT_LEVELS, n_resolutions=10)
    model = save_checkpoint(Checkpoint(config, random_module(config).state_dict()), tmp_path / "paced.safetensors")
    output = str(tmp_path / "mine.safetensors")
    arguments = ["finetune", sales, "--target", "sales", "--model", str(model), "--steps", "2", "--output", output]
    assert main(arguments) == 0
    assert load_checkpoint(output).provenance["finetuning"][-1]["settings"]["resolution"] == 8


def test_when_the_output_is_a_folder_or_the_data_then_nothing_is_trained(small, sales, tmp_path, capsys):
    before = Path(sales).read_bytes()
    for output, words in ((str(tmp_path), "found a folder"), (sales, "is the file with the data")):
        arguments = ["finetune", sales, "--target", "sales", "--model", small, "--output", output, "--force"]
        assert main(arguments) == 2
        assert words in capsys.readouterr().err
    assert Path(sales).read_bytes() == before
