"""The sLSTM: a recurrent cell with exponential gates, its heads computed together.

Written from the equations of Beck et al. (2024), xLSTM, arXiv:2405.04517, section 2.2. Per head and step, with the
pre-activations ``i f z o`` of one input and the hidden state before it::

    log_f = m' + log sigmoid(min(f, 15))      m = max(i, log_f)      a ' marks the step before
    c = exp(log_f - m) c' + exp(i - m) tanh(z)
    n = exp(log_f - m) n' + exp(i - m)
    h = sigmoid(o) c / n

``m`` only keeps the exponentials small: ``h`` does not depend on it, so no gradient flows through it. A state that has
seen nothing has ``m = -inf``, after which the first step forgets everything, and ``n >= 1`` from there on.

A step is one matrix product and the arithmetic above. That is written once, and runs as it stands or compiled
to a single kernel, with equal numbers but for rounding: on a CPU the two cost about the same, on a GPU, where every
operation costs a launch, the kernel saves a dozen of them a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ttm_sk.errors import ConfigError

__all__ = ["SLSTM", "SLSTMState", "recur"]

N_GATES = 4  # input, forget, cell, output
LOG2_E = 1 / math.log(2)
LARGEST_FORGET = 15.0  # above it the gate is open to seven digits


class SLSTMState(NamedTuple):
    """What a cell keeps between two steps, each ``(head, batch, feature)``: ``h``, ``c``, ``n`` and ``m`` above."""

    hidden: Tensor
    cell: Tensor
    normaliser: Tensor
    stabiliser: Tensor

    @classmethod
    def blank(cls, n_heads: int, n_rows: int, width: int, like: Tensor) -> SLSTMState:
        """The state that has seen nothing."""
        shape = (n_heads, n_rows, width)
        hidden, cell, normaliser = (like.new_zeros(shape) for _ in range(3))
        return cls(hidden, cell, normaliser, like.new_full(shape, -torch.inf))

    def rows(self, rows: Tensor | slice) -> SLSTMState:
        """The state of some rows of the batch."""
        return SLSTMState(*(part[:, rows] for part in self))

    def expand(self, n_rows: int) -> SLSTMState:
        """The state of one row for ``n_rows`` of them."""
        return SLSTMState(*(part.expand(-1, n_rows, -1) for part in self))


class SLSTM(nn.Module):
    """A layer of sLSTM cells: every head sees its own part of the features, no head sees another.

    Parameters
    ----------
    width, n_heads
        Features in and out, and the number of equal parts that they are cut into.

    Raises
    ------
    ConfigError
        If the heads cannot share the features equally.

    Notes
    -----
    ``forward``: ``(step, batch, feature)`` and a state or None -> the hidden states ``(step, batch, feature)`` and the
    state after the last step. The recurrence is computed in float32, or float64 for a module in float64; autocast
    rounds what its matrix products take (in training only those of the inputs), never the state. ``fresh`` says which
    rows begin anew: ``{step: rows}``, before that step. ``is_compiled`` may be switched at any time; see :func:`recur`.

    Examples
    --------
    >>> layer = SLSTM(width=8, n_heads=2)
    >>> x = torch.randn(5, 3, 8)
    >>> hidden, state = layer(x)
    >>> first, halfway = layer(x[:2])
    >>> second, _ = layer(x[2:], halfway)
    >>> torch.allclose(torch.cat([first, second]), hidden, atol=1e-6)
    True
    """

    def __init__(self, *, width: int, n_heads: int) -> None:
        super().__init__()
        if width % n_heads:
            raise ConfigError(f"n_heads={n_heads} does not divide width={width}; choose a divisor")
        size = width // n_heads
        self.n_heads, self.size, self.is_compiled = n_heads, size, False
        # Gates stand before heads, so that in every step each gate is one contiguous block of memory.
        self.input_weight = nn.Parameter(torch.randn(N_GATES, n_heads, size, size) * (2 / (5 * size)) ** 0.5)
        self.recurrent_weight = nn.Parameter(torch.randn(N_GATES, n_heads, size, size) * (0.1 / size) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(N_GATES * width))
        with torch.no_grad():  # some features remember for a hundred steps, others forget in two
            self.bias.view(N_GATES, n_heads, size)[1] = torch.linspace(0.0, 5.0, size)

    def forward(
        self, x: Tensor, state: SLSTMState | None = None, *, fresh: Mapping[int, Tensor] | None = None
    ) -> tuple[Tensor, SLSTMState]:
        n_rows, device = x.shape[1], x.device.type
        dtype = torch.promote_types(self.recurrent_weight.dtype, torch.float32)
        rounded = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else self.input_weight.dtype
        with torch.autocast(device, enabled=False):
            raw = self._project(x.to(rounded)).to(dtype)
            if state is None:
                state = SLSTMState.blank(self.n_heads, n_rows, self.size, raw)
            weight = self.recurrent_weight.to(dtype if torch.is_grad_enabled() else rounded)
            hidden, after = recur(raw, weight, state, fresh=fresh, overwrites=True, is_compiled=self.is_compiled)
        return hidden.transpose(1, 2).flatten(2), after

    def _project(self, x: Tensor) -> Tensor:
        """The gates of all steps without what the hidden state adds, ``(step, gate, head, batch, feature)``."""
        n_steps, n_rows, _ = x.shape
        heads = x.unflatten(-1, (self.n_heads, self.size)).permute(2, 0, 1, 3).flatten(1, 2)
        weight = self.input_weight.permute(1, 2, 0, 3).flatten(2).to(x.dtype)  # head, feature in, gate and feature out
        bias = self.bias.to(x.dtype).view(N_GATES, self.n_heads, self.size).transpose(0, 1).flatten(1).unsqueeze(1)
        raw = torch.baddbmm(bias, heads, weight).view(self.n_heads, n_steps, n_rows, N_GATES, self.size)
        return raw.permute(1, 3, 0, 2, 4).contiguous()


def recur(
    raw: Tensor,
    weight: Tensor,
    state: SLSTMState,
    *,
    fresh: Mapping[int, Tensor] | None = None,
    overwrites: bool = False,
    is_compiled: bool = False,
) -> tuple[Tensor, SLSTMState]:
    """The recurrence alone.

    Parameters
    ----------
    raw
        What the inputs give every gate, ``(step, gate, head, batch, feature)``; the gates in the order ``i f z o``.
    weight
        What the hidden state gives them, ``(gate, head, feature in, feature out)``. Where no gradient is taken it may
        have another dtype than ``raw``; its products are then computed in that.
    state
        Before the first step. Gradients do not reach it, nor leave through the state that is returned.
    fresh
        Rows that begin anew before a step, ``{step: integer rows}``.
    overwrites
        Whether ``raw`` may be used up where no gradient is taken, which saves a copy in every step.
    is_compiled
        Whether the arithmetic of a step runs as one kernel, made by ``torch.compile`` at the first call (some seconds;
        on a CPU it needs a C++ compiler).

    Returns
    -------
    tuple
        Hidden states ``(step, head, batch, feature)``, and the state after the last one.
    """
    fresh = dict(fresh or {})
    if torch.is_grad_enabled() and (raw.requires_grad or weight.requires_grad):
        hidden, *after = _Recurrence.apply(raw, weight, fresh, is_compiled, *state)
        return hidden, SLSTMState(*after)
    memory = _Memory(state, is_compiled=is_compiled)
    hidden = raw.new_empty(raw.shape[0], *raw.shape[2:])
    matrices, spare = weight.flatten(0, 1), torch.empty_like(raw[0])
    for step in range(len(raw)):
        gates = raw[step] if overwrites else spare
        memory.forget(fresh.get(step))
        memory.read(raw[step], matrices, gates)
        memory.advance(gates, hidden[step])
    return hidden, memory.state()


class _Memory:
    """The state of a recurrence under way, in buffers that every step writes over."""

    def __init__(self, state: SLSTMState, *, is_compiled: bool) -> None:
        self.run = _compiled(_advance) if is_compiled else _advance
        self.hidden = state.hidden
        self.sums = torch.stack([state.cell, state.normaliser])
        self.stabiliser = state.stabiliser.contiguous().clone()
        self.addends = torch.ones_like(self.sums)  # tanh(z), and 1 for the normaliser

    def state(self) -> SLSTMState:
        cell, normaliser = self.sums.unbind()
        return SLSTMState(self.hidden.clone(), cell, normaliser, self.stabiliser)

    def forget(self, rows: Tensor | None) -> None:
        """Begin anew in these rows."""
        if rows is not None:
            self.hidden = self.hidden.index_fill(1, rows, 0.0)
            self.sums.index_fill_(2, rows, 0.0)
            self.stabiliser.index_fill_(1, rows, -torch.inf)

    def read(self, raw: Tensor, matrices: Tensor, gates: Tensor) -> None:
        """``gates`` (gate, head, batch, feature) become ``raw`` plus what the hidden state gives."""
        heads = self.hidden.to(matrices.dtype).expand(N_GATES, *self.hidden.shape).flatten(0, 1)
        raw, gates = raw.flatten(0, 1), gates.view(-1, *gates.shape[2:])
        if matrices.dtype == raw.dtype:
            torch.baddbmm(raw, heads, matrices, out=gates)
        else:
            torch.add(raw, torch.bmm(heads, matrices), out=gates)

    def advance(self, gates: Tensor, hidden: Tensor, closing: Tensor | None = None) -> None:
        """One step; see :func:`_advance`."""
        self.run(gates, self.sums, self.addends, self.stabiliser, hidden, closing)
        self.hidden = hidden


def _advance(
    gates: Tensor, sums: Tensor, addends: Tensor, stabiliser: Tensor, hidden: Tensor, closing: Tensor | None
) -> None:
    """One step, in place: ``gates`` become their activations (the third goes to ``addends``), ``hidden`` the new state.

    Into ``closing``, where it is given, goes the slope of ``log sigmoid`` at the forget gate. On a CPU ``exp2`` and
    ``sigmoid`` take a half to a sixth of the time of ``exp`` and ``tanh``.
    """
    i, f, z, o = gates.unbind()
    log_forget = functional.logsigmoid(f.clamp_(max=LARGEST_FORGET))
    if closing is not None:
        torch.sigmoid(-f, out=closing)
        closing.mul_(f < LARGEST_FORGET)
    torch.add(log_forget, stabiliser, out=f)
    torch.maximum(i, f, out=stabiliser)
    gates[:2].sub_(stabiliser).mul_(LOG2_E).exp2_()
    z.mul_(2)
    gates[2:].sigmoid_()
    torch.mul(z, 2, out=addends[0]).sub_(1)  # tanh(z)
    sums.mul_(f).addcmul_(addends, i)
    torch.div(sums[0], sums[1], out=hidden).mul_(o)


@cache
def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    """The function as one kernel for all sizes."""
    return torch.compile(function, dynamic=True, fullgraph=True)


class _Recurrence(torch.autograd.Function):
    """The recurrence with a backward pass of its own: one product for the gradient of the weight, after all steps.

    Half the work and a third of the memory of what autograd records for the single operations.
    """

    @staticmethod
    def forward(
        ctx: Any, raw: Tensor, weight: Tensor, fresh: dict[int, Tensor], is_compiled: bool, *state: Tensor
    ) -> tuple[Tensor, ...]:
        memory = _Memory(SLSTMState(*state), is_compiled=is_compiled)
        matrices = weight.flatten(0, 1)
        gates = torch.empty_like(raw)
        hidden = raw.new_empty(len(raw), *raw.shape[2:])
        closing = torch.empty_like(hidden)
        sums = raw.new_empty(len(raw) + 1, 2, *raw.shape[2:])
        sums[0] = memory.sums
        for step in range(len(raw)):
            memory.forget(fresh.get(step))
            memory.read(raw[step], matrices, gates[step])
            memory.advance(gates[step], hidden[step], closing[step])
            gates[step, 2] = memory.addends[0]
            sums[step + 1] = memory.sums
        after = memory.state()
        ctx.save_for_backward(weight, gates, closing, hidden, sums, state[0])
        ctx.fresh, ctx.slopes = fresh, _compiled(_slopes_of_gates) if is_compiled else _slopes_of_gates
        ctx.mark_non_differentiable(*after)
        return hidden, *after

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, gates, closing, hidden, sums, first = (saved.detach() for saved in ctx.saved_tensors)
        transposed = weight.flatten(0, 1).mT
        slopes = torch.empty_like(gates)  # of the loss, with respect to the gates before their activations
        on_hidden = torch.zeros_like(first)
        on_sums = torch.zeros_like(sums[0])
        for step in reversed(range(len(gates))):
            total, rows = gradients[0][step] + on_hidden, ctx.fresh.get(step)
            before = sums[step] if rows is None else sums[step].index_fill(2, rows, 0.0)
            ctx.slopes(
                total, on_sums, gates[step], closing[step], hidden[step], before, sums[step + 1, 1], slopes[step]
            )
            on_sums.mul_(gates[step, 1])
            on_hidden = torch.bmm(slopes[step].flatten(0, 1), transposed).view_as(gates[step]).sum(0)
            if rows is not None:
                on_hidden.index_fill_(1, rows, 0.0)
                on_sums.index_fill_(2, rows, 0.0)
        return slopes, _slope_of_weight(slopes, hidden, first, ctx.fresh), *[None] * 6


def _slopes_of_gates(
    total: Tensor,
    on_sums: Tensor,
    gates: Tensor,
    closing: Tensor,
    hidden: Tensor,
    before: Tensor,
    normaliser: Tensor,
    slopes: Tensor,
) -> None:
    """One step backwards: from the gradient of the hidden state to those of ``slopes`` and, in place, ``on_sums``."""
    i, f, z, o = gates.unbind()
    share = total / normaliser
    on_sums[0].addcmul_(share, o)
    on_sums[1].addcmul_(share, hidden, value=-1)
    torch.mul(total * hidden, 1 - o, out=slopes[3])
    torch.mul(on_sums[0] * i, 1 - z * z, out=slopes[2])
    torch.mul((on_sums * before).sum(0), f * closing, out=slopes[1])
    torch.mul(on_sums[0] * z + on_sums[1], i, out=slopes[0])


def _slope_of_weight(slopes: Tensor, hidden: Tensor, first: Tensor, fresh: Mapping[int, Tensor]) -> Tensor:
    """The gradient of ``(gate, head, feature in, feature out)``, all steps in one product for each head."""
    before = torch.cat([first[None], hidden[:-1]])
    for step, rows in fresh.items():
        before[step] = before[step].index_fill(1, rows, 0.0)
    inputs = before.permute(1, 3, 0, 2).flatten(2)  # head, feature, step and row
    outputs = slopes.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)  # head, step and row, gate and feature
    return torch.bmm(inputs, outputs).unflatten(-1, (slopes.shape[1], slopes.shape[-1])).permute(2, 0, 1, 3)
