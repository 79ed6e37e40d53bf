"""Low-rank adapters: a frozen matrix plus a small trainable product, merged into one matrix afterwards.

Source: Hu et al. (2021), LoRA, arXiv:2106.09685. Written as a parametrization of the weight, so that layers which read
``linear.weight`` themselves (:class:`~ttm_sk.layers.mixing.PatchMixing`) see the adapted matrix, too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["LowRank", "insert_adapters", "merge_adapters"]


class LowRank(nn.Module):
    """``weight + up @ down``, which is ``weight`` at the start.

    ``forward``: ``(output, input)`` -> ``(output, input)``; ``down`` is ``(rank, input)``, ``up`` ``(output, rank)``.
    """

    def __init__(self, weight: Tensor, *, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        n_outputs, n_inputs = weight.shape
        down = torch.randn(rank, n_inputs, generator=generator) / n_inputs**0.5
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(weight.new_zeros(n_outputs, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def insert_adapters(module: nn.Module, *, rank: int, seed: int = 0) -> int:
    """Give every linear layer that is large enough an adapter, and return how many got one.

    A matrix gets one where that saves parameters. What the module computes stays the same until the adapters are
    trained. Which parameters train is the caller's to say.

    Examples
    --------
    >>> module = nn.Linear(32, 16)
    >>> insert_adapters(module, rank=2), [name for name, _ in module.named_parameters()]
    (1, ['bias', 'parametrizations.weight.original', 'parametrizations.weight.0.down', 'parametrizations.weight.0.up'])
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = [part for part in module.modules() if isinstance(part, nn.Linear) and _is_worthwhile(part, rank)]
    for linear in chosen:
        adapter = LowRank(linear.weight, rank=rank, generator=generator)
        parametrize.register_parametrization(linear, "weight", adapter)
    return len(chosen)


def merge_adapters(module: nn.Module) -> None:
    """Write every adapter into its matrix and take it away: the module has its own parameters again, all trainable.

    Examples
    --------
    >>> module = nn.Linear(32, 16)
    >>> before = module.weight.detach().clone()
    >>> _ = insert_adapters(module, rank=2)
    >>> merge_adapters(module)
    >>> torch.equal(module.weight, before), [name for name, _ in module.named_parameters()]
    (True, ['bias', 'weight'])
    """
    for part in list(module.modules()):
        if isinstance(part, nn.Linear) and parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight", leave_parametrized=True)


def _is_worthwhile(linear: nn.Linear, rank: int) -> bool:
    return rank * (linear.in_features + linear.out_features) < linear.weight.numel()
