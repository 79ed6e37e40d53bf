"""The loss of TTM-R3: its parts, gaps, and what is refused. Its numbers: tests/checkpoints/test_granite_r3.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from granite_r3_cases import MULTI, PAIR, PAIR_QUANTILES, POOLED

from ttm_sk.checkpoints.architectures import new_module
from ttm_sk.checkpoints.granite_r3 import ttm_r3_config
from ttm_sk.data.windows import Batch, batch_from_arrays
from ttm_sk.errors import ConfigError
from ttm_sk.scoring.losses import width
from ttm_sk.training.r3_objective import R3Objective

KEYS = {"single": POOLED, "pair": PAIR_QUANTILES, "pair, point": PAIR}
models = pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)


def make(keys):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return new_module(ttm_r3_config(keys)).eval()


def make_batch() -> Batch:
    values = np.random.default_rng(0).normal(size=(4, 1, 112)).cumsum(-1).astype(np.float32)
    return batch_from_arrays(values[..., :96], values[..., 96:])


@models
@pytest.mark.parametrize("value", [0.0, 1e9, float("nan")])
def test_when_an_unobserved_target_changes_then_the_loss_does_not(keys, value):
    module, batch = make(keys), make_batch()
    observed = batch.target_observed.clone()
    observed[..., 5:9] = False
    one = replace(batch, target_observed=observed)
    other = replace(one, target=torch.where(observed, batch.target, value))
    assert torch.equal(R3Objective()(module, one), R3Objective()(module, other))


@models
def test_when_a_step_is_taken_against_the_gradient_then_the_loss_falls(keys):
    module, batch, objective = make(keys), make_batch(), R3Objective(median_weight=0.5, width_weight=0.1)
    before = objective(module, batch)
    before.backward()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter -= 1e-3 * parameter.grad
    assert objective(module, batch) < before


def test_when_a_weight_is_nought_then_its_part_is_left_out():
    module, batch = make(PAIR_QUANTILES), make_batch()
    names = ("joint_weight", "trend_weight", "residual_weight")
    nothing = dict.fromkeys(names, 0.0)
    parts = [R3Objective(**nothing | {name: 1.0})(module, batch) for name in names]
    torch.testing.assert_close(R3Objective()(module, batch), sum(parts))
    assert R3Objective(**nothing)(module, batch) == 0


def test_when_the_penalty_counts_then_it_is_that_of_the_widths():
    module, batch = make(POOLED), make_batch()
    quantiles = module(batch.context, batch.observed).quantiles
    plain = R3Objective()(module, batch)
    for name, is_outermost in (("boundary", True), ("wis", False)):
        found = R3Objective(width_weight=2.0, width=name)(module, batch) - plain
        expected = 2 * width(quantiles=quantiles, observed=batch.target_observed, is_outermost=is_outermost)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"width": "narrow"}, "unknown width 'narrow'"), ({"median_weight": -1.0}, "median_weight=-1.0 must not")],
)
def test_when_a_setting_is_wrong_then_it_raises(changes, message):
    with pytest.raises(ConfigError, match=message):
        R3Objective(**changes)


def test_when_a_point_configuration_names_no_loss_then_it_raises():
    with pytest.raises(ConfigError, match="names no loss"):
        R3Objective.from_granite(MULTI | {"loss": None})
    assert R3Objective.from_granite(POOLED | {"loss": None}) == R3Objective()
