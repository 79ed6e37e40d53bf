"""A checkpoint that grew forecasts as before."""

from __future__ import annotations

import pytest
import torch
from strategies import random_module, small_config

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.training.extension import new_parts, with_channel_mixing


def test_when_channel_mixing_is_added_then_forecasts_stay_and_the_new_parts_are_named():
    config = small_config(gate="softmax")
    source = Checkpoint(config, random_module(config).state_dict())
    grown = with_channel_mixing(source, 3)
    context = torch.randn(2, 3, 32)
    observed = torch.ones_like(context, dtype=torch.bool)
    with torch.no_grad():
        before, after = (part.build()(context, observed).quantiles for part in (source, grown))
    torch.testing.assert_close(before, after)
    assert new_parts(source, grown)
    assert all(".channels." in name for name in new_parts(source, grown))
    assert with_channel_mixing(grown, 3) is grown


def test_when_channels_cannot_be_mixed_then_an_error_says_why():
    config = small_config()
    source = Checkpoint(config, random_module(config).state_dict())
    with pytest.raises(ConfigError, match="at least two channels"):
        with_channel_mixing(source, 1)
    with pytest.raises(ConfigError, match="found 4 channels, but this checkpoint mixes exactly 2"):
        with_channel_mixing(with_channel_mixing(source, 2), 4)
