"""A training run on disk: everything that the next step depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.checkpoints.tensor_file import read_tensors, write_tensors
from ttm_sk.errors import CheckpointError

__all__ = ["RunState", "load_run_state", "save_run_state"]

HISTORY_EVERY = 50
KIND = "training run"
NEWER_NAMES = {"series", "weight_decay", "betas", "clip", "average", "is_bfloat16", "faster", "families"}
# What every run was before there were these names.
BEFORE = {"n_parts": 1, "reversed_share": 0.0, "changed_share": None}


@dataclass
class RunState:
    """Steps done, the running average of the weights, the loss so far, and what the run is a run of."""

    step: int
    average: dict[str, Tensor]
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    loss_sum: float = 0.0
    identity: Mapping[str, Any] = field(default_factory=dict)
    unread: list[Tensor] = field(default_factory=list)

    @classmethod
    def begin(cls, module: nn.Module, identity: Mapping[str, Any]) -> RunState:
        """The state before the first step."""
        average = {name: torch.zeros_like(value) for name, value in module.state_dict().items()}
        return cls(0, average, identity=identity)

    def absorb(self, module: nn.Module, loss: Tensor, *, decay: float) -> None:
        """Count a step: its loss, and its weights in the average."""
        self.step += 1
        names = list(self.average)
        weights = module.state_dict()
        torch._foreach_lerp_([self.average[n] for n in names], [weights[n] for n in names], 1 - decay)
        self.unread.append(loss)
        if self.step % HISTORY_EVERY == 0:
            self.read_losses()
            self.history.append({"step": float(self.step), "loss": self.loss_sum / HISTORY_EVERY})
            self.loss_sum = 0.0

    def read_losses(self) -> None:
        """Add up the losses so far; on a GPU this waits for all steps, so not every step should do it."""
        self.loss_sum = sum((float(loss) for loss in self.unread), self.loss_sum)
        self.unread.clear()

    def averaged(self, *, decay: float) -> dict[str, Tensor]:
        """The average, corrected for having begun at zero."""
        share = 1 - decay**self.step
        return {name: value / max(share, 1e-12) for name, value in self.average.items()}


def save_run_state(path: Path, state: RunState, module: AnyModule, optimiser: torch.optim.Optimizer) -> None:
    """Write the run so that :func:`load_run_state` continues it bit for bit."""
    state.read_losses()
    tensors = {f"weights/{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in state.average.items()}
    for index, entry in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{key}": torch.as_tensor(value) for key, value in entry.items()}
    header = {
        "kind": KIND,
        "config": module.config.to_dict(),
        "identity": dict(state.identity),
        "step": state.step,
        "history": state.history,
        "seconds": state.seconds,
        "loss_sum": state.loss_sum,
    }
    write_tensors(path, tensors, header)


def load_run_state(
    path: Path, module: AnyModule, optimiser: torch.optim.Optimizer, identity: Mapping[str, Any]
) -> RunState:
    """Put a saved run back into ``module`` and ``optimiser`` and return the rest of it.

    Raises
    ------
    CheckpointError
        If the file holds another kind of thing, a run of another architecture, or one that began from other weights,
        settings or data than ``identity`` says.
    """
    tensors, header = read_tensors(path)
    if header.get("kind") != KIND:
        raise CheckpointError(f"{path} holds no training run; give another state file, or delete it to begin anew")
    for part, kind in {"config": dict, "identity": dict, "history": list, "step": int}.items():
        if not isinstance(header.get(part), kind):
            raise CheckpointError(f"the header of {path} holds no {kind.__name__} {part!r}; delete it to begin anew")
    defaults = type(module.config)().to_dict()  # of fields that are newer than the file
    if defaults | header["config"] != module.config.to_dict():
        raise CheckpointError(f"{path} is a run of another architecture; delete it to begin anew")
    _refuse_another_run(path, header["identity"], identity)
    module.load_state_dict(_part(tensors, "weights/"), strict=True)
    device = next(module.parameters()).device
    stored = optimiser.state_dict()
    stored["state"] = {}
    for name, value in _part(tensors, "optimiser/").items():
        index, key = name.split("/")
        stored["state"].setdefault(int(index), {})[key] = value
    optimiser.load_state_dict(stored)
    average = {name: value.to(device) for name, value in _part(tensors, "average/").items()}
    return RunState(
        int(header["step"]),
        average,
        list(header["history"]),
        float(header["seconds"]),
        float(header["loss_sum"]),
        identity,
    )


def _refuse_another_run(path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    unknown = NEWER_NAMES - stored.keys()  # to a file that is older
    stored = {name: value for name, value in BEFORE.items() if name in wanted} | dict(stored)
    for name in sorted({*stored, *wanted} - unknown):
        if stored.get(name) != wanted.get(name):
            raise CheckpointError(
                f"{path} holds another run: its {name} is {_brief(stored.get(name))}, here it is"
                f" {_brief(wanted.get(name))}; continue with the same arguments, or give another state file"
            )


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
