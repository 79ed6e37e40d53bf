"""Where a batch finds no room in the memory, halves of it are forecast, and the rows stay in their order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from strategies import random_module, small_config

from ttm_sk.errors import DataError
from ttm_sk.inference.torch_step import torch_step


class Cramped(torch.nn.Module):
    """A module that runs out of memory beyond so many rows."""

    def __init__(self, module, most_rows: int, error: Exception) -> None:
        super().__init__()
        self.module, self.most_rows, self.error, self.sizes = module, most_rows, error, []

    def forward(self, context, observed, **given):
        self.sizes.append(len(context))
        if len(context) > self.most_rows:
            raise self.error
        return self.module(context, observed, **given)


def run(module, n_rows: int = 11) -> np.ndarray:
    context = np.random.default_rng(0).normal(size=(n_rows, 1, 32)).astype(np.float32)
    return torch_step(module, batch_size=64, device=torch.device("cpu"))(context, np.ones(context.shape, dtype=bool))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
    ],
)
def test_when_a_batch_finds_no_memory_then_it_is_halved_and_goes_on(error):
    module = random_module(small_config())
    cramped = Cramped(module, 3, error)
    np.testing.assert_allclose(run(cramped), run(module), rtol=1e-5, atol=1e-6)
    assert cramped.sizes == [11, 5, 2, 3, 6, 3, 3]


def test_when_a_row_alone_finds_no_memory_then_the_remedy_is_named():
    with pytest.raises(DataError, match="one series.*context_length"):
        run(Cramped(random_module(small_config()), 0, MemoryError()))


def test_when_an_error_is_of_another_kind_then_nothing_is_halved():
    cramped = Cramped(random_module(small_config()), 3, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes"):
        run(cramped)
    assert cramped.sizes == [11]
