"""New weights are bundled whole, and what depends on them is written in order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from strategies import random_module, small_config

from ttm_sk.checkpoints.store import Checkpoint, read_checkpoint, save_checkpoint
from ttm_sk.errors import CheckpointError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import release_weights  # noqa: E402


def saved(path: Path, *, seed: int = 0) -> Path:
    config = small_config()
    return save_checkpoint(Checkpoint(config, random_module(config, seed=seed).state_dict()), path)


def results(folder: Path, text: str) -> None:
    for effort in release_weights.EFFORTS:
        (folder / f"ttm-tiny-{effort}").mkdir(parents=True)
        (folder / f"ttm-tiny-{effort}" / "runs.csv").write_text(text)
    for ending in ("md", "png"):
        (folder / f"comparison.{ending}").write_text(text)


def test_when_weights_are_bundled_then_they_are_in_their_place_and_nothing_else_is(tmp_path):
    place = tmp_path / "bundled" / "ttm-tiny.safetensors"
    place.parent.mkdir()
    saved(place, seed=1)
    release_weights.bundle(saved(tmp_path / "new.safetensors", seed=2), place)
    assert read_checkpoint(place).hash == read_checkpoint(tmp_path / "new.safetensors").hash
    assert list(place.parent.iterdir()) == [place]


def test_when_the_file_is_no_checkpoint_then_the_bundled_one_stays(tmp_path):
    place = saved(tmp_path / "ttm-tiny.safetensors")
    before = place.read_bytes()
    (tmp_path / "torn.safetensors").write_bytes(before[:1000])
    with pytest.raises(CheckpointError):
        release_weights.bundle(tmp_path / "torn.safetensors", place)
    assert place.read_bytes() == before


def test_when_the_new_results_are_there_then_the_old_ones_go(tmp_path):
    results(tmp_path / "old", "old")
    results(tmp_path / "new", "new")
    (tmp_path / "old" / "seasonal_naive").mkdir()
    release_weights.keep(tmp_path / "new", tmp_path / "old")
    texts = {path.read_text() for path in (tmp_path / "old").rglob("*") if path.is_file()}
    assert texts == {"new"}
    assert (tmp_path / "old" / "seasonal_naive").is_dir()


def test_when_weights_are_released_then_every_script_exists_and_measuring_comes_before_writing(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(release_weights, "run", lambda *arguments: commands.append(list(map(str, arguments))))
    monkeypatch.setattr(release_weights, "keep", lambda *folders: commands.append(["keep"]))
    monkeypatch.setattr(release_weights, "checked", set)
    assert release_weights.main(["--corpus", str(tmp_path), "--storage", str(tmp_path)]) == 0
    names = [Path(command[0]).name for command in commands]
    assert names.index("measure.py") < names.index("keep") < names.index("release.py") < names.index("cost_picture.py")
    measured, written = (i for i, command in enumerate(commands) if Path(command[0]).name == "elsewhere.py")
    assert commands[measured][1] == "measure"
    assert commands[written][1] == "page"
    assert measured < written < names.index("release.py")
    assert {"check_leakage.py", "golden_forecasts.py", "comparisons.py"} <= set(names)
    assert all(Path(command[0]).is_file() for command in commands if command[0].endswith(".py"))


def test_when_the_same_data_sets_were_checked_before_then_it_is_not_done_again(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(release_weights, "run", lambda *arguments: commands.append(Path(str(arguments[0])).name))
    monkeypatch.setattr(release_weights, "keep", lambda *folders: None)
    release_weights.main(["--corpus", str(tmp_path), "--storage", str(tmp_path)])
    assert "check_leakage.py" not in commands
    assert "measure.py" in commands


def test_when_a_script_fails_then_its_exit_code_ends_the_release():
    with pytest.raises(SystemExit) as ended:
        release_weights.run("-c", "import sys; sys.exit(7)")
    assert ended.value.code == 7
