"""The recurrent layer: the equations' numbers, the gradient, states that can be kept, rows that begin anew."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from layers.slstm_equations import slstm
from torch import Tensor

from ttm_sk.errors import ConfigError
from ttm_sk.layers.slstm import SLSTM, SLSTMState, recur


def layer(width: int = 12, n_heads: int = 3, *, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> SLSTM:
    torch.manual_seed(1)
    module = SLSTM(width=width, n_heads=n_heads)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn_like(parameter))
    return module.to(dtype)


def inputs(n_steps: int = 9, n_rows: int = 4, width: int = 12, *, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n_steps, n_rows, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(
        dtype
    )


def by_equations(module: SLSTM, x: Tensor) -> tuple[np.ndarray, list[np.ndarray]]:
    values = {name: parameter.detach().double().numpy() for name, parameter in module.named_parameters()}
    heads = x.double().numpy().reshape(*x.shape[:2], module.n_heads, module.size)
    bias = values["bias"].reshape(4, module.n_heads, module.size)
    return slstm(heads, values["input_weight"], values["recurrent_weight"], bias)


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=str)
@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
def test_when_a_sequence_is_read_then_the_numbers_are_those_of_the_equations(scale, dtype, limit, is_training):
    module, x = layer(scale=scale, dtype=dtype), inputs(dtype=dtype)
    expected, state = by_equations(module, x)
    with torch.set_grad_enabled(is_training):
        hidden, after = module(x)
    if scale == 30.0 and dtype == torch.float32:
        limit = 1e-3  # sums of gates of several hundreds, rounded to seven digits before an exponential
    np.testing.assert_allclose(hidden.detach().numpy(), expected.reshape(hidden.shape), atol=limit)
    np.testing.assert_allclose(after.hidden.detach().transpose(0, 1).numpy(), state[0], atol=limit)


def test_when_gates_are_extreme_then_all_stays_finite():
    raw = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4])[torch.randint(5, (40, 4, 2, 3, 5))].requires_grad_()
    weight = torch.zeros(4, 2, 5, 5, requires_grad=True)
    hidden, after = recur(raw, weight, SLSTMState.blank(2, 3, 5, raw))
    hidden.sum().backward()
    for value in (hidden, *after, raw.grad, weight.grad):
        assert torch.isfinite(value).all()
    assert (after.normaliser >= 1).all()


def test_when_a_gradient_is_taken_then_it_is_that_of_finite_differences():
    module = layer(6, 2)
    fresh = {2: torch.tensor([1]), 0: torch.tensor([0, 2])}

    def run(x: Tensor, *values: Tensor) -> Tensor:
        names = dict(zip(dict(module.named_parameters()), values, strict=True))
        return torch.func.functional_call(module, names, (x,), {"fresh": fresh})[0]

    given = (inputs(5, 3, 6).requires_grad_(), *module.parameters())
    assert torch.autograd.gradcheck(run, given)


def test_when_a_sequence_is_read_in_parts_then_the_kept_state_continues_it():
    module, x = layer(), inputs(12)
    with torch.no_grad():
        whole, last = module(x)
        state, parts = None, []
        for part in x.split([1, 4, 5, 2]):
            hidden, state = module(part, state)
            parts.append(hidden)
    torch.testing.assert_close(torch.cat(parts), whole)
    for kept, value in zip(state, last, strict=True):
        torch.testing.assert_close(kept, value)


def test_when_a_state_was_handed_out_then_reading_on_leaves_it_as_it_is():
    module, x = layer(), inputs()
    with torch.no_grad():
        _, state = module(x)
        before = [part.clone() for part in state]
        module(x, state)
    assert all(torch.equal(kept, value) for kept, value in zip(state, before, strict=True))


@pytest.mark.parametrize("is_training", [True, False])
def test_when_a_row_begins_anew_then_what_was_before_does_not_count(is_training):
    module, x = layer(), inputs()
    with torch.set_grad_enabled(is_training):
        hidden, _ = module(x, fresh={4: torch.tensor([1, 3])})
        alone, _ = module(x[4:, [1, 3]])
        untouched, _ = module(x[:, [0, 2]])
    torch.testing.assert_close(hidden[4:, [1, 3]], alone)
    torch.testing.assert_close(hidden[:, [0, 2]], untouched)


def test_when_rows_are_read_together_then_each_is_as_alone():
    module, x = layer(), inputs()
    with torch.no_grad():
        torch.testing.assert_close(module(x)[0][:, 2:3], module(x[:, 2:3])[0])


def test_when_a_head_is_changed_then_the_others_see_nothing_of_it():
    module, x = layer(), inputs()
    changed = x.clone()
    changed[..., :4] += 1.0
    with torch.no_grad():
        difference = (module(x)[0] - module(changed)[0]).abs().amax(dim=(0, 1))
    assert (difference[:4] > 0).all()
    assert (difference[4:] == 0).all()


@pytest.mark.parametrize("is_training", [True, False])
def test_when_autocast_is_on_then_products_are_rounded_and_the_state_is_not(is_training):
    module, x = layer(scale=0.3, dtype=torch.float32), inputs(n_steps=40, dtype=torch.float32)
    with torch.set_grad_enabled(is_training):
        exact, _ = module(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden, state = module(x)
    assert {part.dtype for part in (hidden, *state)} == {torch.float32}
    assert not torch.equal(hidden, exact)
    torch.testing.assert_close(hidden, exact, atol=0.02, rtol=0)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, when its compiler is imported
@pytest.mark.parametrize("is_training", [True, False])
def test_when_the_steps_are_compiled_then_numbers_and_gradients_are_equal(is_training):
    module, fresh = layer(dtype=torch.float32, scale=0.3), {4: torch.tensor([1])}
    found = []
    for module.is_compiled in (False, True):
        for n_rows in (4, 1, 3):
            module.zero_grad()
            with torch.set_grad_enabled(is_training):
                hidden, after = module(inputs(n_rows=n_rows, dtype=torch.float32), fresh=fresh if n_rows > 1 else None)
            if is_training:
                hidden.square().sum().backward()
            slopes = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
            found.append([hidden.detach(), *after, *(slope.clone() for slope in slopes)])
    for plain, compiled in zip(found[:3], found[3:], strict=True):
        assert len(plain) == (8 if is_training else 5)
        for one, other in zip(plain, compiled, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_when_it_runs_on_a_gpu_then_the_numbers_are_those_of_the_cpu(is_compiled):
    module, x = layer(dtype=torch.float32), inputs(dtype=torch.float32)
    with torch.no_grad():
        expected, _ = module(x)
        module.is_compiled = is_compiled
        found, _ = module.to("cuda")(x.to("cuda"))
    torch.testing.assert_close(found.cpu(), expected, atol=1e-5, rtol=1e-5)


def test_when_heads_cannot_share_the_features_then_it_raises():
    with pytest.raises(ConfigError, match="n_heads=5 does not divide width=12"):
        SLSTM(width=12, n_heads=5)
