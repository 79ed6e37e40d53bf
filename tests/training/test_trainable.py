"""The vocabulary of fine-tuning sets what trains, and nothing else moves."""

from __future__ import annotations

import pytest
import torch
from strategies import random_module, small_config

from ttm_sk.errors import ConfigError
from ttm_sk.training.trainable import TRAINABLES, choose_trainable, merged


def trained_parts(trainable: str, **options) -> set[str]:
    module = random_module(small_config())
    choose_trainable(module, trainable, **options)
    return {name.split(".")[0] for name, parameter in module.named_parameters() if parameter.requires_grad}


def test_when_a_word_is_chosen_then_its_parts_train():
    assert trained_parts("head") == {"head"}
    assert trained_parts("minimal") == {"adapter", "decoder", "head"}
    assert trained_parts("full") == {"embeddings", "backbone", "adapter", "decoder", "head"}


def test_when_biases_or_adapters_train_then_no_matrix_of_the_model_does():
    for word, allowed in (("bias", ("bias",)), ("adapter", ("bias", ".down", ".up"))):
        module = random_module(small_config())
        choose_trainable(module, word, rank=1)
        assert all(name.endswith(allowed) for name, p in module.named_parameters() if p.requires_grad)


def test_when_the_backbone_is_frozen_then_it_has_fewer_numbers_to_train():
    counts = {word: choose_trainable(random_module(small_config()), word, rank=1) for word in TRAINABLES}
    assert counts["bias"] < counts["adapter"] < counts["full"]
    assert counts["head"] < counts["minimal"] < counts["full"]


def test_when_a_new_part_is_named_then_it_trains_in_any_case():
    assert trained_parts("head", also=("decoder.",)) == {"head", "decoder"}


def test_when_training_with_adapters_fails_then_the_module_is_ordinary_again():
    module = random_module(small_config())
    names = sorted(module.state_dict())
    with pytest.raises(ZeroDivisionError), merged(module):
        choose_trainable(module, "adapter", rank=1) / 0
    assert sorted(module.state_dict()) == names


def test_when_the_word_is_unknown_or_nothing_trains_then_an_error_says_so():
    with pytest.raises(ConfigError, match="unknown trainable='everything'; choose one of 'head'"):
        choose_trainable(random_module(small_config()), "everything")
    with pytest.raises(ConfigError, match="nothing to train"):
        choose_trainable(torch.nn.Linear(2, 2), "head")
