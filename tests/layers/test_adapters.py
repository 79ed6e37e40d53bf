"""Adapters change nothing until they are trained, and leave an ordinary module behind."""

from __future__ import annotations

import torch
from strategies import random_module, small_config

from ttm_sk.layers.adapters import insert_adapters, merge_adapters


def outputs(module) -> torch.Tensor:
    context = torch.sin(torch.arange(64.0)).reshape(2, 1, 32)
    with torch.no_grad():
        return module(context, torch.ones_like(context, dtype=torch.bool)).quantiles


def test_when_adapters_are_inserted_then_forecasts_stay():
    module = random_module(small_config())
    before = outputs(module)
    assert insert_adapters(module, rank=1) > 5
    torch.testing.assert_close(outputs(module), before)


def test_when_trained_adapters_are_merged_then_forecasts_stay_and_names_are_the_modules_own():
    module = random_module(small_config())
    before, names = outputs(module), list(module.state_dict())
    insert_adapters(module, rank=1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(".up"):
                parameter.normal_()
    trained = outputs(module)
    merge_adapters(module)
    torch.testing.assert_close(outputs(module), trained)
    assert not torch.allclose(trained, before)
    assert sorted(module.state_dict()) == sorted(names)


def test_when_the_seed_is_the_same_then_the_adapters_are():
    first, second, other = (random_module(small_config()) for _ in range(3))
    for module, seed in ((first, 1), (second, 1), (other, 2)):
        insert_adapters(module, rank=1, seed=seed)
    downs = [[v for n, v in m.state_dict().items() if n.endswith(".down")] for m in (first, second, other)]
    assert all(torch.equal(a, b) for a, b in zip(downs[0], downs[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(downs[0], downs[2], strict=True))
