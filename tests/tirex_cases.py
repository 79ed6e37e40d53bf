"""A small model in the layout of a TiRex checkpoint, its weights drawn from their names, and series for it.

``tests/tirex_parity`` compares with the package tirex-ts itself, the default tests with what it gave
(``tests/golden/tirex.npz``, written by ``benchmarks/patch_slstm/make_golden.py``).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MODEL: dict[str, Any] = {
    "input_patch_size": 32,
    "output_patch_size": 32,
    "quantiles": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
    "block_kwargs": {"embedding_dim": 64, "num_blocks": 2, "num_heads": 4},
    "input_ff_dim": 96,
}
HYPER_PARAMETERS = {"model_config": MODEL, "train_ctx_len": 512}
SHORT, LONG = 100, 700


@dataclass(frozen=True)
class Case:
    """A kind of series ``(row, time)``, NaN = not observed, and how many steps ahead."""

    kind: str
    n_steps: int
    horizon: int

    def series(self) -> Tensor:
        generator = torch.Generator().manual_seed(zlib.crc32(self.kind.encode()))
        values = torch.randn(3, self.n_steps, generator=generator).cumsum(-1) + 5 * torch.arange(3.0)[:, None]
        if self.kind == "single gaps":
            values[torch.rand(values.shape, generator=generator) < 0.3] = torch.nan
        elif self.kind == "long gap":
            values[:, self.n_steps // 3 : 2 * self.n_steps // 3] = torch.nan
        elif self.kind == "gap at the end":
            values[:, -40:] = torch.nan
        elif self.kind == "unobserved":
            values[1] = torch.nan
        elif self.kind == "constant":
            values[:2] = torch.tensor([[0.0], [2.5]])
        return values


KINDS = ("complete", "single gaps", "long gap", "gap at the end", "unobserved", "constant")
CASES = [Case(kind, n_steps, 96) for kind in KINDS for n_steps in (SHORT, LONG)]
CASES += [Case("complete", n_steps, horizon) for n_steps in (1, 32, SHORT, LONG) for horizon in (32, 320)]


def shapes(model: dict[str, Any] = MODEL) -> dict[str, tuple[int, ...]]:
    """The names and shapes in a checkpoint."""
    block, p = model["block_kwargs"], model["input_patch_size"]
    d, k, hidden = block["embedding_dim"], block["num_heads"], model["input_ff_dim"]
    size, wide = d // k, -(-round(d * 2.6667) // 64) * 64

    def mlp(name: str, n_in: int, n_out: int) -> dict[str, tuple[int, ...]]:
        layers = {"hidden_layer": (hidden, n_in), "output_layer": (n_out, hidden), "residual_layer": (n_out, n_in)}
        return {f"{name}.{k}.weight": s for k, s in layers.items()} | {
            f"{name}.{k}.bias": s[:1] for k, s in layers.items()
        }

    found = mlp("input_patch_embedding", 2 * p, d) | mlp("output_patch_embedding", d, p * len(model["quantiles"]))
    found["out_norm.weight"] = (d,)
    for i in range(block["num_blocks"]):
        parts = {f"slstm_layer.{gate}gate.weight": (k, size, size) for gate in "fizo"} | {
            "norm_slstm.weight": (d,),
            "slstm_layer.slstm_cell._recurrent_kernel_": (k, size, 4 * size),
            "slstm_layer.slstm_cell._bias_": (4 * d,),
            "slstm_layer.group_norm.weight": (d,),
            "norm_ffn.weight": (d,),
            "ffn.proj_up_gate.weight": (wide, d),
            "ffn.proj_up.weight": (wide, d),
            "ffn.proj_down.weight": (d, wide),
        }
        found |= {f"blocks.{i}.{name}": shape for name, shape in parts.items()}
    return found


def draw_weights(model: dict[str, Any] = MODEL) -> dict[str, Tensor]:
    """A random tensor for each name, which depends on the name alone."""
    return {name: draw_weight(name, shape) for name, shape in shapes(model).items()}


def draw_weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """Of a size that keeps activations near one; norms near one, where they are not counted from there."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if "norm" in name:
        return 0.2 * values + (0.0 if "group_norm" in name else 1.0)
    if "bias" in name:
        return values
    n_inputs = shape[-2] if "kernel" in name else shape[-1]
    return values / n_inputs**0.5
