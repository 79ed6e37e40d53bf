"""The configuration: presets, round trips, and a named rule for whatever cannot be built."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from strategies import configs, few, small_config

from ttm_sk.errors import ConfigError
from ttm_sk.models.ttm import DEFAULT_LEVELS, TTM, TTMConfig


@few
@given(config=configs())
def test_when_written_as_json_and_read_then_the_config_is_equal(config):
    assert TTMConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@few
@given(config=configs())
def test_when_a_config_is_valid_then_it_builds(config):
    module = TTM(config)
    assert module.context_length == config.context_length
    assert module.prediction_length == config.prediction_length
    assert module.levels == config.levels


def test_when_made_then_it_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        TTMConfig().width = 3


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"patch_length": 100}, "does not divide the 512 steps of a view"),
        ({"width": 190}, r"3 adaptive levels split a patch into 4 parts, which does not divide width=190"),
        ({"n_levels": 8}, "choose a multiple of 128, or fewer levels"),
        ({"context_length": 0}, "context_length=0 must be at least 1"),
        ({"prediction_length": 0}, "prediction_length=0 must be at least 1"),
        ({"n_layers": 0}, "n_layers=0 must be at least 1"),
        ({"fed_back_weight": 0.0}, r"fed_back_weight=0.0 must lie in \(0, 1\]"),
        ({"fed_back_weight": 0.5}, "for flags that the model sees"),
        ({"n_channels": 0}, "n_channels=0 must be at least 1"),
        ({"n_levels": -1}, "n_levels=-1 must not be negative"),
        ({"decoder_layers": -1}, "decoder_layers=-1 must not be negative"),
        ({"minimum_variance": -1e-5}, "minimum_variance=-1e-05 must not be negative"),
        ({"dropout": 1.0}, r"dropout=1.0 must lie in \[0, 1\)"),
        ({"head_dropout": -0.1}, r"head_dropout=-0.1 must lie in \[0, 1\)"),
        ({"scaling_length": 513}, r"scaling_length=513 must lie in 1..context_length=512"),
        ({"gate": "relu"}, "unknown gate 'relu'; choose one of softmax, sigmoid, none"),
        ({"scaling": "robust"}, "unknown scaling 'robust'; choose one of asinh, std, mean, none"),
        ({"views": ()}, "must be ascending, without repetition, and begin with 1"),
        ({"views": (2, 4)}, "begin with 1"),
        ({"views": (1, 4, 2)}, "ascending"),
        ({"views": (1, 2, 2)}, "without repetition"),
        ({"views": (1, 3)}, "context_length=512 must be divisible by the coarsest view, 3"),
        ({"views": (1, 16)}, "does not divide the 32 steps of a view"),
        ({"n_templates": 1}, "seasonal templates need a quantile head"),
        ({"levels": (0.5, 0.1), "head_width": 4}, "must ascend inside"),
        ({"levels": (0.0, 0.5), "head_width": 4}, "must ascend inside"),
        ({"levels": (0.5, 1.0), "head_width": 4}, "must ascend inside"),
        ({"levels": (0.1, 0.9), "head_width": 4}, "contain 0.5"),
        ({"norm": "group"}, "unknown norm 'group'; choose one of layer, batch"),
        ({"positions": "fixed"}, "unknown positions 'fixed'; choose one of none, sincos, learnt"),
        ({"positions": "sincos", "width": 9, "n_levels": 0}, "needs an even width, found width=9"),
        ({"attention_heads": 5}, "attention_heads=5 does not divide the 48 features"),
        ({"decoder_levels": 9}, "split a patch into 256 parts, which does not divide decoder_width=128"),
        ({"raw_residual": True, "views": (1, 2)}, r"found views=\(1, 2\); use views=\(1,\)"),
        ({"forecast_length": 97}, "forecast_length=97 must lie in 1..prediction_length=96"),
        ({"target_channels": (1,)}, r"target_channels=\(1,\) must ascend within the channels 0..0"),
        ({"static_sizes": (3,)}, "set decoder_mixes_channels=True"),
        ({"covariate_channels": (0,), "n_channels": 2}, "are forecast, too; give target_channels"),
        ({"covariate_channels": (0,), "target_channels": (1,), "n_channels": 2}, "set mixes_forecasts=True"),
        ({"mixes_forecasts": True, "reach_raw": True, "levels": (0.5,), "head_width": 4}, "needs a point head"),
        ({"mixes_forecasts": True, "reach": 0, "reach_layers": 1}, "reach=0 sees one step at a time"),
        ({"mixes_forecasts": True, "reach": 500, "reach_offset": 20}, "go beyond context_length=512"),
        ({"levels": (0.5,)}, "head_width=0: a quantile head needs a hidden layer"),
    ],
)
def test_when_a_configuration_is_impossible_then_the_error_names_the_rule(changes, rule):
    with pytest.raises(ConfigError, match=rule):
        TTMConfig(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 192.0},
        {"width": "192"},
        {"width": True},
        {"gate": None},
        {"with_flags": 1},
        {"dropout": "0.2"},
        {"views": 5},
        {"views": (1, "4")},
        {"views": (1, 2.0)},
        {"levels": ("a",), "head_width": 4},
        {"levels": 0.5, "head_width": 4},
        {"minimum_variance": float("nan")},
        {"minimum_variance": float("inf")},
    ],
    ids=str,
)
def test_when_a_value_has_the_wrong_type_then_it_raises(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        TTMConfig(**changes)


def test_when_a_key_is_unknown_then_the_nearest_name_is_offered():
    with pytest.raises(ConfigError, match=r"unknown configuration key 'patch_lenght'; did you mean 'patch_length'\?"):
        TTMConfig.from_dict({"patch_lenght": 64})


def test_when_no_name_is_near_then_the_known_ones_are_listed():
    with pytest.raises(ConfigError, match="unknown configuration key 'zzz'; known are context_length, "):
        TTMConfig.from_dict({"zzz": 1})


def test_when_the_prefix_is_on_then_it_counts_as_a_patch():
    assert TTMConfig(n_resolutions=5).n_patches == TTMConfig().n_patches + 1


def test_when_there_are_several_views_then_each_has_the_same_number_of_patches():
    assert replace(small_config(), context_length=128, views=(1, 2, 4)).n_patches == 3 * 128 // 4 // 8


def test_when_levels_are_adaptive_then_the_finest_comes_first():
    assert TTMConfig(n_levels=4).level_factors == (8, 4, 2, 1)
    assert TTMConfig(n_levels=0).level_factors == (1,)


@pytest.mark.parametrize("preset", [TTMConfig.tiny, TTMConfig.small, TTMConfig.base])
def test_when_a_preset_is_made_then_it_has_thirteen_levels_symmetric_around_the_median(preset):
    levels = preset().levels
    assert levels == DEFAULT_LEVELS
    assert len(levels) == 13
    assert [round(1 - level, 9) for level in reversed(levels)] == list(levels)
