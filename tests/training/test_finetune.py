"""Fine-tuning returns a new checkpoint, learns, and is never worse on the validation part than before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from strategies import random_module, small_config

from ttm_sk import finetune
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.window_dataset import WindowDataset
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.training.finetune import FineTuneSettings
from ttm_sk.training.trainable import TRAINABLES

QUICK = FineTuneSettings(n_epochs=50, most_steps=60, batch_size=16, peak=3e-3, validation_windows=16)


def start(**changes) -> Checkpoint:
    config = small_config(**changes)
    return Checkpoint(config, random_module(config).state_dict(), {"windows": 5})


def waves(n: int = 2) -> list[np.ndarray]:
    return [np.sin(np.arange(120) / 2 + phase) for phase in range(n)]


def tune(checkpoint: Checkpoint, data=None, **changes) -> Checkpoint:
    keys = ("trainable", "validation", "callbacks")
    arguments = {key: changes.pop(key) for key in keys if key in changes}
    settings = replace(QUICK, **changes)
    return finetune(checkpoint, waves() if data is None else data, settings=settings, is_quiet=True, **arguments)


def note(checkpoint: Checkpoint) -> dict:
    return checkpoint.provenance["finetuning"][-1]


@pytest.mark.parametrize("trainable", TRAINABLES)
def test_when_fine_tuned_then_the_validation_loss_falls_and_only_the_chosen_parts_move(trainable):
    source = start()
    before = {name: value.clone() for name, value in source.weights.items()}
    tuned = tune(source, trainable=trainable, rank=1)
    assert note(tuned)["validation_loss"] < note(tuned)["zero_shot_loss"]
    assert tuned.config == source.config
    moved = {name for name, value in tuned.weights.items() if not torch.equal(value, before[name])}
    allowed = {
        "head": lambda name: name.startswith("head."),
        "minimal": lambda name: name.startswith(("adapter.", "decoder.", "head.")),
        "bias": lambda name: name.endswith("bias"),
    }.get(trainable, lambda name: True)
    assert moved
    assert all(map(allowed, moved))
    assert all(torch.equal(source.weights[name], value) for name, value in before.items())
    assert source.provenance == {"windows": 5}


def test_when_nothing_learnt_is_better_then_the_weights_stay_and_it_says_so():
    tuned = tune(start(), peak=50.0, most_steps=5)  # a rate that destroys the weights
    assert note(tuned)["blend"] == 0
    assert note(tuned)["outcome"].startswith("kept the weights as they were")
    assert tuned.hash == start().hash


def test_when_the_seed_is_the_same_then_the_weights_are():
    source = start(dropout=0.2, head_dropout=0.2)
    hashes = [tune(source, seed=seed, most_steps=6).hash for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_when_no_rate_is_given_then_one_is_found_and_noted():
    tuned = tune(start(), peak=None)
    assert 3e-5 <= note(tuned)["peak"] <= 1e-3
    assert note(tuned)["validation_loss"] <= note(tuned)["zero_shot_loss"]


def test_when_few_shots_are_given_then_no_others_are_learnt_from():
    assert note(tune(start(), few_shot=10, most_steps=2))["training_windows"] == 10
    assert (
        note(tune(start(), few_shot=0.2, most_steps=2))["training_windows"]
        < note(tune(start(), most_steps=2))["training_windows"]
    )


def test_when_few_shots_are_shorter_than_the_horizon_then_there_is_too_little_to_learn():
    with pytest.raises(DataError, match="few_shot=0.05 is 4 steps, fewer than the 8 steps ahead that matter"):
        tune(start(), few_shot=0.05)


def test_when_a_callback_says_stop_then_training_ends_there():
    looks = []

    def stop(look) -> bool:
        looks.append(look)
        return True

    tuned = tune(start(), callbacks=[stop])
    assert len(looks) == len(note(tuned)["history"]) == 1
    assert note(tuned)["steps"] < QUICK.most_steps


def test_when_the_validation_loss_no_longer_falls_then_training_stops_early():
    tuned = tune(start(), peak=50.0, patience=2)
    assert len(note(tuned)["history"]) == 2


def test_when_channels_are_mixed_then_they_inform_each_other():
    driver = np.random.default_rng(0).normal(size=300)
    table = np.stack([driver, np.roll(driver, 8)])  # the second column follows the first
    tuned = tune(start(), [table], mixes_channels=True, trainable="full", most_steps=100)
    assert tuned.config.decoder_mixes_channels
    assert tuned.config.n_channels == 2
    assert note(tuned)["validation_loss"] < 0.95 * note(tuned)["zero_shot_loss"]


def test_when_a_validation_part_is_given_then_it_is_used():
    config = small_config()
    lengths = {"context_length": config.context_length, "prediction_length": config.prediction_length}
    windows = WindowDataset.from_series(waves(), **lengths)
    tuned = tune(start(), windows, validation=WindowDataset.from_series([np.ones(99).cumsum()], **lengths))
    assert note(tuned)["training_windows"] == len(windows)


def test_when_training_is_interrupted_then_the_source_is_untouched():
    source = start()
    digest = source.hash

    def killed(look) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(source, callbacks=[killed])
    assert Checkpoint(source.config, source.weights).hash == digest


def test_when_it_cannot_be_done_then_the_error_says_why():
    with pytest.raises(ConfigError, match="unknown trainable='all'"):
        tune(start(), trainable="all")
    with pytest.raises(DataError, match="found no window to learn from in 1 series of at most 2 steps"):
        tune(start(), [np.arange(2.0)])
    with pytest.raises(ConfigError, match="at least two channels"):
        tune(start(), mixes_channels=True)
    with pytest.raises(ConfigError, match="must be above 0"):
        FineTuneSettings(peak=0.0)
    with pytest.raises(ConfigError, match="n_epochs=1.5 must be a whole number"):
        FineTuneSettings(n_epochs=1.5)
    with pytest.raises(ConfigError, match="is told the pace of a series; give its token"):
        tune(start(n_resolutions=10))


def test_when_windows_have_drivers_then_the_mixer_learns_what_they_do():
    rng = np.random.default_rng(0)
    driver = rng.normal(size=400)
    series = np.sin(np.arange(400) / 2) + driver
    source = start()
    lengths = {"context_length": 32, "prediction_length": 8}
    known, blind = (
        WindowDataset.from_series([series], **lengths, drivers=drivers) for drivers in ([driver[None]], None)
    )
    tuned, alone = (tune(source, windows, trainable="head", most_steps=150, peak=0.01) for windows in (known, blind))
    assert tuned.config.covariate_channels == (1,)
    assert note(tuned)["zero_shot_loss"] == pytest.approx(note(alone)["zero_shot_loss"], rel=1e-3)
    assert note(tuned)["validation_loss"] < 0.8 * note(alone)["validation_loss"]


def test_when_series_have_categories_then_what_only_those_tell_is_learnt():
    rng = np.random.default_rng(0)
    kinds = np.arange(40) % 2  # after eight calm steps those of one kind rise and those of the other fall
    series = np.repeat([[0.0] * 8 + [1.0] * 8], 40, axis=0) * (2 * kinds - 1)[:, None] + 0.1 * rng.normal(size=(40, 16))
    losses = []
    for static in (kinds[:, None], None):
        whole = WindowDataset.from_series(series, context_length=8, prediction_length=8, static=static)
        at_8 = whole.index[whole.index[:, 1] == 8]
        learn, examine = replace(whole, index=at_8[:30]), replace(whole, index=at_8[30:])
        tuned = tune(start(), learn, validation=examine, trainable="full", peak=0.03, most_steps=80)
        assert tuned.config.static_sizes == (() if static is None else (2,))
        losses.append(note(tuned)["validation_loss"])
    assert losses[0] < 0.5 * losses[1]


def test_when_a_callback_says_stop_in_numpys_words_then_training_ends():
    assert note(tune(start(), callbacks=[lambda look: np.True_]))["steps"] < note(tune(start()))["steps"]


def test_when_one_array_is_given_then_a_list_is_asked_for():
    with pytest.raises(DataError, match=r"found one array of 120 steps; give a list of series, \[array\]"):
        tune(start(), waves(1)[0])


def test_when_a_checkpoint_is_built_then_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    start().build()
    assert torch.equal(torch.get_rng_state(), before)
