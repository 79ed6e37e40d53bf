"""Pretraining returns a new checkpoint, says what it saw, and leaves everything else alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from strategies import small_config

from ttm_sk.checkpoints.provenance import source_commit
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.checkpoints.tensor_file import read_tensors, write_tensors
from ttm_sk.data.corpora import Corpus
from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.models.timer_xl import TimerXLConfig
from ttm_sk.models.ttm import TTMConfig
from ttm_sk.training.loop import LoopSettings, train
from ttm_sk.training.pretrain import PretrainSettings, pretrain, validation_loss
from ttm_sk.training.recipes import RECIPES
from ttm_sk.training.run_state import NEWER_NAMES

SETTINGS = PretrainSettings(n_windows=48, batch_size=16, seed=3)


def run(start=None, corpus: Corpus | None = None, **changes) -> Checkpoint:
    loop = changes.pop("loop", None)
    start = small_config(n_templates=1) if start is None else start
    return pretrain(start, corpus, settings=replace(SETTINGS, **changes), loop=loop, device="cpu", is_quiet=True)


def some_corpus(name: str = "clicks") -> Corpus:
    rng = np.random.default_rng(0)
    return Corpus.from_series([rng.normal(size=400).cumsum() for _ in range(4)], name=name)


def test_when_pretrained_from_a_config_then_the_checkpoint_is_of_it():
    checkpoint = run()
    assert checkpoint.config == small_config(n_templates=1)
    assert checkpoint.build()(torch.randn(1, 1, 32), torch.ones(1, 1, 32, dtype=torch.bool)).mean.shape == (1, 1, 8)


def test_when_the_seed_is_the_same_then_the_weights_are():
    assert run().hash == run().hash
    assert run(seed=4).hash != run().hash


def test_when_the_config_has_dropout_then_the_seed_decides_it_too():
    config = small_config(dropout=0.2, head_dropout=0.2)
    assert run(config).hash == run(config).hash


def test_when_pretrained_then_the_global_random_state_is_left_alone():
    before = torch.random.get_rng_state()
    run(small_config(dropout=0.2))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_when_continued_from_a_checkpoint_then_the_source_stays():
    source = run()
    before = {name: value.clone() for name, value in source.weights.items()}
    provenance = dict(source.provenance)
    continued = run(source)
    assert continued.hash != source.hash
    assert all(torch.equal(source.weights[name], value) for name, value in before.items())
    assert source.provenance == provenance


def test_when_continued_then_provenance_adds_up():
    first = run(corpus=some_corpus("visits"))
    second = run(first, corpus=some_corpus("clicks"), n_windows=32)
    assert second.provenance["windows"] == 48 + 32
    assert second.provenance["datasets"] == ["clicks", "visits"]
    assert [entry["windows"] for entry in second.provenance["runs"]] == [48, 32]
    assert [entry["settings"]["seed"] for entry in second.provenance["runs"]] == [3, 3]
    assert second.provenance["seconds"] >= first.provenance["seconds"]
    assert {entry["commit"] for entry in second.provenance["runs"]} == {source_commit()}


def test_when_the_code_is_edited_during_a_run_then_the_commit_is_that_of_its_beginning(monkeypatch):
    commits = ["before"]
    monkeypatch.setattr("ttm_sk.training.pretrain.source_commit", lambda: commits[-1])

    def train_and_edit(*arguments, **options):
        commits.append("edited")
        return train(*arguments, **options)

    monkeypatch.setattr("ttm_sk.training.pretrain.train", train_and_edit)
    assert run().provenance["runs"][0]["commit"] == "before"


def test_when_there_is_no_corpus_then_the_run_says_that_all_is_synthetic():
    checkpoint = run()
    assert checkpoint.provenance["datasets"] == []
    assert checkpoint.provenance["runs"][0]["settings"]["synthetic_share"] == 1.0


def test_when_interrupted_and_resumed_then_it_equals_an_uninterrupted_run(tmp_path):
    loop = LoopSettings(state_file=tmp_path / "run.safetensors", time_limit=0.0)
    parts = [run(corpus=some_corpus(), loop=loop) for _ in range(3)]
    assert [part.provenance["windows"] for part in parts] == [16, 32, 48]
    assert parts[-1].hash == run(corpus=some_corpus()).hash


@pytest.mark.parametrize(
    "changes", [{"n_resolutions": 3}, {"n_channels": 2, "mixes_channels": True}, {"decoder_mixes_channels": True}]
)
def test_when_the_config_needs_what_windows_lack_then_it_raises(changes):
    with pytest.raises(ConfigError, match="univariate windows without resolution tokens"):
        run(small_config(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"n_windows": 0},
        {"batch_size": 0},
        {"batch_size": -4},
        {"warmup_share": 0.7, "decay_share": 0.7, "n_windows": 1600},
        {"peak": 0.0},
        {"synthetic_share": 1.5},
    ],
    ids=str,
)
def test_when_settings_are_impossible_then_it_raises(changes):
    with pytest.raises(ConfigError):
        run(corpus=some_corpus(), **changes)


def test_when_a_point_model_should_learn_from_its_quantiles_then_it_raises():
    with pytest.raises(ConfigError, match="TTM with quantiles"):
        pretrain(small_config(levels=()), settings=replace(SETTINGS, fed_back_share=0.3), is_quiet=True)


def test_when_forecasts_are_fed_back_in_training_then_other_weights_come_out():
    plain, fed = (
        pretrain(small_config(), settings=replace(SETTINGS, fed_back_share=share), is_quiet=True)
        for share in (0.0, 0.9)
    )
    assert plain.hash != fed.hash
    assert fed.provenance["runs"][-1]["settings"]["fed_back_share"] == 0.9


def test_when_a_weight_is_asked_for_then_the_model_is_told_what_was_fed_back():
    known, marked = (
        pretrain(
            small_config(with_flags=True),
            settings=replace(SETTINGS, fed_back_share=0.9, fed_back_weight=weight),
            is_quiet=True,
        )
        for weight in (None, 0.5)
    )
    assert (known.config.fed_back_weight, marked.config.fed_back_weight) == (1.0, 0.5)
    assert marked.hash != known.hash


def test_when_a_weight_is_given_without_anything_fed_back_then_it_raises():
    with pytest.raises(ConfigError, match="give a fed_back_share"):
        replace(SETTINGS, fed_back_weight=0.5)


def test_when_a_part_is_kept_back_then_its_loss_is_in_the_provenance_and_the_same_again():
    settings = replace(SETTINGS, validation_share=0.2)
    checkpoint = pretrain(small_config(), some_corpus(), settings=settings, is_quiet=True)
    loss = checkpoint.provenance["runs"][-1]["validation_loss"]
    assert loss == validation_loss(checkpoint, some_corpus().split(0.2)[1])
    assert loss != validation_loss(checkpoint, some_corpus().split(0.2)[0])


def test_when_a_part_should_be_kept_back_of_no_corpus_then_it_raises():
    with pytest.raises(ConfigError, match="give one, or leave it at 0"):
        pretrain(small_config(), settings=replace(SETTINGS, validation_share=0.2), is_quiet=True)


def test_when_the_device_does_not_exist_then_it_raises():
    with pytest.raises(ConfigError, match="names no device"):
        pretrain(TTMConfig.tiny(), settings=SETTINGS, device="abacus", is_quiet=True)


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"seed": 9}, "seed"), ({"peak": 1e-5}, "peak"), ({"corpus": some_corpus("others")}, "datasets")],
)
def test_when_a_saved_run_was_another_then_it_is_not_continued(tmp_path, changes, name):
    loop = LoopSettings(state_file=tmp_path / "run.state")
    run(corpus=some_corpus(), loop=loop)
    with pytest.raises(CheckpointError, match=f"holds another run: its {name} is"):
        run(**{"corpus": some_corpus(), "loop": loop, **changes})


def test_when_the_data_or_the_loop_are_others_then_a_saved_run_is_not_continued(tmp_path):
    loop = LoopSettings(state_file=tmp_path / "run.state")
    run(corpus=some_corpus(), loop=loop)
    other = Corpus.from_series([np.sin(np.arange(300.0) / 9)], name=some_corpus().datasets[0])
    with pytest.raises(CheckpointError, match="its series is"):
        run(corpus=other, loop=loop)
    with pytest.raises(CheckpointError, match="its weight_decay is 0.01, here it is 0.5"):
        run(corpus=some_corpus(), loop=replace(loop, weight_decay=0.5))


def test_when_a_saved_run_is_older_than_what_it_is_compared_by_then_it_goes_on(tmp_path):
    path = tmp_path / "run.state"
    loop = LoopSettings(state_file=path)
    first = run(corpus=some_corpus(), loop=loop)
    tensors, header = read_tensors(path)
    header["identity"] = {name: value for name, value in header["identity"].items() if name not in NEWER_NAMES}
    write_tensors(path, tensors, {name: value for name, value in header.items() if not name.endswith("sha256")})
    assert run(corpus=some_corpus(), loop=loop).hash == first.hash


@pytest.mark.parametrize(("name", "value"), [("n_parts", 2), ("reversed_share", 0.5), ("changed_share", 0.5)])
def test_when_a_saved_run_is_older_than_a_setting_then_it_goes_on_only_with_what_was_meant(tmp_path, name, value):
    path = tmp_path / "run.state"
    run(corpus=some_corpus(), loop=LoopSettings(state_file=path))
    tensors, header = read_tensors(path)
    del header["identity"][name]
    write_tensors(path, tensors, {name: value for name, value in header.items() if not name.endswith("sha256")})
    is_of_loop = name == "n_parts"
    loop = LoopSettings(state_file=path, **({name: value} if is_of_loop else {}))
    with pytest.raises(CheckpointError, match=f"its {name} is"):
        run(corpus=some_corpus(), loop=loop, **({} if is_of_loop else {name: value}))


def test_when_the_synthetic_families_are_others_then_a_saved_run_is_not_continued(tmp_path, monkeypatch):
    loop = LoopSettings(state_file=tmp_path / "run.state")
    run(loop=loop)
    monkeypatch.setattr("ttm_sk.training.pretrain.WEIGHTS", {"counts": 1.0})
    with pytest.raises(CheckpointError, match="its families is"):
        run(loop=loop)


@pytest.mark.parametrize("architecture", RECIPES)
def test_when_a_share_is_reversed_then_every_recipe_draws_such_windows(architecture):
    config = next(iter(RECIPES[architecture].presets.values()))()
    options = {"n_steps": 9, "device": torch.device("cpu"), "corpus": some_corpus(), "synthetic_share": 0.0, "seed": 1}
    plain, turned = (
        RECIPES[architecture].sampler(config, reversed_share=share, **options).batch(8, 16) for share in (0.0, 1.0)
    )
    assert not torch.equal(plain.target, turned.target)


@pytest.mark.parametrize("architecture", RECIPES)
def test_when_a_share_is_changed_then_every_recipe_draws_such_windows_and_none_where_it_is_zero(architecture):
    config = next(iter(RECIPES[architecture].presets.values()))()
    options = {"n_steps": 9, "device": torch.device("cpu"), "corpus": None, "synthetic_share": 1.0, "seed": 1}
    usual, zero, changed = (
        RECIPES[architecture].sampler(config, changed_share=share, **options).batch(8, 16) for share in (None, 0.0, 1.0)
    )
    assert not torch.equal(zero.target, changed.target)
    assert torch.equal(usual.target, zero.target) == (architecture != "patch-slstm")


def test_when_a_share_is_changed_on_a_gpu_then_the_sampler_there_is_told():
    sampler, device = RECIPES["ttm"].sampler, torch.device("cuda")  # draws nothing yet
    options = {"n_steps": 9, "device": device, "corpus": None, "synthetic_share": 1.0, "seed": 1}
    shares = [sampler(TTMConfig.tiny(), changed_share=share, **options).changed_share for share in (None, 0.0, 0.4)]
    assert shares == [0.2, 0.0, 0.4]


@pytest.mark.parametrize("share", ["reversed_share", "changed_share"])
def test_when_windows_are_reversed_or_changed_then_other_weights_are_learnt(share):
    assert run(corpus=some_corpus(), **{share: 1.0}).hash != run(corpus=some_corpus()).hash


@pytest.mark.parametrize("share", [-0.5, 3.0, float("nan")])
def test_when_the_changed_share_is_no_share_then_an_error_says_what_it_may_be(share):
    with pytest.raises(ConfigError, match="share from 0 to 1, or None"):
        replace(SETTINGS, changed_share=share)


@pytest.mark.parametrize("share", [-0.5, 3.0, float("nan")])
def test_when_the_fed_back_share_is_none_then_it_raises(share):
    with pytest.raises(ConfigError, match="fed_back_share=.* must be a share from 0 to 1"):
        PretrainSettings(fed_back_share=share)


def test_when_a_saved_run_began_from_other_weights_then_it_is_not_continued(tmp_path):
    loop = LoopSettings(state_file=tmp_path / "run.state")
    run(run(), loop=loop)
    with pytest.raises(CheckpointError, match="its start is"):
        run(loop=loop)


def test_when_the_start_is_a_name_then_the_error_says_how_to_open_it():
    with pytest.raises(ConfigError, match="open a file with load_checkpoint"):
        pretrain("ttm-tiny")


def test_when_compiling_would_do_nothing_then_it_raises():
    with pytest.raises(ConfigError, match="is_compiled=True does nothing for TimerXLConfig; leave it out"):
        pretrain(TimerXLConfig.tiny(), loop=LoopSettings(is_compiled=True), is_quiet=True)
