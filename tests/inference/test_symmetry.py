"""The sign-symmetric average: upside down in, upside down out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from strategies import few, random_module, seeds, small_config

from ttm_sk.inference.symmetry import sign_symmetric
from ttm_sk.inference.torch_step import torch_step


def any_step(seed: int):
    module = random_module(small_config(n_templates=1), seed=seed)
    return torch_step(module, batch_size=2, device=torch.device("cpu"))


def any_window(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, 1, 32)).astype(np.float32), rng.random((3, 1, 32)) > 0.1


@few
@given(seed=seeds)
def test_when_the_series_is_negated_then_the_fan_is_negated_and_reversed(seed):
    step = sign_symmetric(any_step(seed))
    context, observed = any_window(seed)
    upright, turned = step(context, observed), step(-context, observed)
    np.testing.assert_allclose(turned, -upright[..., ::-1], rtol=1e-4, atol=1e-4)


@few
@given(seed=seeds)
def test_when_averaged_then_it_is_the_mean_of_both_readings(seed):
    step = any_step(seed)
    context, observed = any_window(seed)
    expected = (step(context, observed) - step(-context, observed)[..., ::-1]) / 2
    np.testing.assert_allclose(sign_symmetric(step)(context, observed), expected, rtol=1e-4, atol=1e-4)


def test_when_the_plain_step_is_not_symmetric_then_averaging_changes_it():
    context, observed = any_window(0)
    assert not np.allclose(sign_symmetric(any_step(0))(context, observed), any_step(0)(context, observed))


def test_when_quantiles_ascend_then_averaged_ones_do():
    context, observed = any_window(1)
    assert (np.diff(sign_symmetric(any_step(1))(context, observed), axis=-1) >= 0).all()


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_when_rows_are_cut_into_batches_then_the_step_is_the_same(batch_size):
    module = random_module(small_config())
    context, observed = any_window(2)
    cut, whole = (torch_step(module, batch_size=n, device=torch.device("cpu")) for n in (batch_size, 100))
    np.testing.assert_allclose(cut(context, observed), whole(context, observed), rtol=1e-4, atol=1e-5)


def test_when_the_head_knows_points_only_then_the_quantile_axis_has_one_entry():
    step = torch_step(random_module(small_config(levels=())), batch_size=8, device=torch.device("cpu"))
    assert step(*any_window(0)).shape == (3, 1, 8, 1)
