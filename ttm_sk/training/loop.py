"""The one optimisation loop: draw, forward, backward, step, average; resumed exactly after a kill.

Started by ``torchrun`` it runs in several processes, one thread each: on a CPU that beats one process with
several threads. Every process draws its own share of the batch and the gradients are averaged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.data.windows import Batch
from ttm_sk.errors import ConfigError
from ttm_sk.training.objectives import Objective
from ttm_sk.training.progress import Progress
from ttm_sk.training.run_state import RunState, load_run_state, save_run_state
from ttm_sk.training.schedule import RateSchedule

__all__ = ["AfterStep", "LoopSettings", "TrainingResult", "train"]

READ_EVERY = 20  # steps on a GPU between two looks at the loss
AfterStep = Callable[[int, float], bool]  # steps done and the loss of the last one -> whether to stop here


@dataclass(frozen=True)
class LoopSettings:
    """How to step, apart from the learning rate.

    Attributes
    ----------
    batch_size
        Windows per step, over all processes together.
    n_parts
        Passes forward and backward that a step is made of, each over as many of its windows; their gradients are
        accumulated. Takes less memory; the loss of a step is the mean of its parts' losses, as between processes.
    weight_decay, betas, clip
        Of AdamW (matrices only are decayed), and the largest norm of the gradient.
    average
        Decay of the exponential average of the weights, which is what training returns; 0 returns the last.
    is_bfloat16
        Forward in bfloat16 where that is safe (autocast); weights and loss stay float32.
    is_compiled
        Compile the forward and backward passes with ``torch.compile`` (one to two minutes at the start, needs a C++
        compiler on a CPU), a quarter faster afterwards.
    state_file, save_every
        Where and every how many seconds the run is saved so that it can be resumed; None saves nothing.
    time_limit
        Seconds after which the loop saves its state and stops, as an interruption would; None has no limit.
    faster
        By how much the learning rate of parameters is multiplied whose names begin so.
    """

    batch_size: int = 512
    n_parts: int = 1
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    average: float = 0.999
    is_bfloat16: bool = False
    is_compiled: bool = False
    state_file: Path | None = None
    save_every: float = 120.0
    time_limit: float | None = None
    faster: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.average < 1:
            raise ConfigError(f"average={self.average} must lie in [0, 1): 0 returns the last weights")
        if not 0 <= self.weight_decay < float("inf"):
            raise ConfigError(f"weight_decay={self.weight_decay} must be 0 or above, and finite")
        if self.n_parts < 1:
            raise ConfigError(f"n_parts={self.n_parts} must be at least 1")
        if self.batch_size < 1:
            raise ConfigError(f"batch_size={self.batch_size} must be at least 1")
        if not self.clip > 0:
            raise ConfigError(f"clip={self.clip} must be above 0; float('inf') clips nothing")
        if self.time_limit is not None and not self.time_limit >= 0:
            raise ConfigError(f"time_limit={self.time_limit} must be 0 or more seconds; None has no limit")

    def decisive(self) -> dict[str, Any]:
        """What the weights depend on, in JSON types, beside the data and the schedule; a run goes on with the same."""
        names = ("n_parts", "weight_decay", "betas", "clip", "average", "is_bfloat16", "faster")
        return json.loads(json.dumps({name: getattr(self, name) for name in names}))


@dataclass
class TrainingResult:
    """Where training ended: the step after the last one, the averaged weights, and the loss every 50 steps."""

    step: int
    averaged: dict[str, Tensor]
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def train(
    module: AnyModule,
    batch_at: Callable[[int, int, int], Batch],
    objective: Objective,
    schedule: RateSchedule,
    settings: LoopSettings,
    *,
    identity: Mapping[str, Any] | None = None,
    after_step: AfterStep | None = None,
    is_quiet: bool = False,
) -> TrainingResult:
    """Train ``module`` in place and return the averaged weights.

    Parameters
    ----------
    batch_at
        ``(index, size, rank) -> Batch``: a function of nothing else, so that a resumed run sees the same.
    objective
        What to minimise.
    identity
        What makes this run the one that it is, in JSON types; a saved run with another identity is not continued.
    after_step
        Called after every step; the loop ends where it says True. It may put the module into evaluation mode.
    is_quiet
        No progress bar.

    Raises
    ------
    ConfigError
        If the batch cannot be divided between the processes and their parts.
    CheckpointError
        If the state file holds another run.

    Notes
    -----
    With ``settings.state_file`` a run that finds its own state there continues from it bit for bit.
    """
    rank, n_ranks = _place_in_team()
    optimiser = _optimiser(module, settings)
    state = RunState.begin(module, identity or {})
    if settings.state_file is not None and settings.state_file.exists():
        state = load_run_state(settings.state_file, module, optimiser, identity or {})
    device = next(module.parameters()).device
    share = settings.batch_size // n_ranks
    if settings.batch_size % (n_ranks * settings.n_parts):
        raise ConfigError(
            f"batch_size={settings.batch_size} cannot be divided between {n_ranks} processes with"
            f" {settings.n_parts} parts each; choose a multiple of {n_ranks * settings.n_parts}"
        )
    began = last_saved = time.monotonic()
    seconds_before = state.seconds
    module.train()
    bar = Progress(total=schedule.n_steps, start=state.step, unit=settings.batch_size, is_quiet=is_quiet or rank > 0)
    with bar as progress, _compiled(module, settings.is_compiled):
        for batch in _prefetched(batch_at, range(state.step, schedule.n_steps), share, rank):
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(state.step * n_ranks + rank)  # dropout, too, depends on the step alone
                loss = _step(
                    module, batch.to(device), objective, optimiser, schedule.rate(state.step), settings, n_ranks
                )
            state.absorb(module, loss, decay=settings.average)
            if device.type == "cpu" or state.step % READ_EVERY == 0:  # to read a loss is to wait for a GPU
                progress.advance(float(loss), n_steps=1 if device.type == "cpu" else READ_EVERY)
            state.seconds = seconds_before + time.monotonic() - began
            is_over = _is_time_up(settings.time_limit, time.monotonic() - began, n_ranks)
            is_due = time.monotonic() - last_saved > settings.save_every
            if settings.state_file is not None and rank == 0 and (is_due or is_over or state.step == schedule.n_steps):
                save_run_state(settings.state_file, state, module, optimiser)
                last_saved = time.monotonic()
            if is_over or (after_step is not None and after_step(state.step, float(loss))):
                break
            module.train()
    module.eval()
    return TrainingResult(state.step, state.averaged(decay=settings.average), state.history, state.seconds)


def _prefetched(
    batch_at: Callable[[int, int, int], Batch], indices: range, share: int, rank: int
) -> Generator[Batch, None, None]:
    """Batch after batch, the next one drawn in a thread while this one is learnt from."""
    with ThreadPoolExecutor(max_workers=1) as drawer:
        coming = [drawer.submit(batch_at, index, share, rank) for index in indices[:1]]
        for index in indices:
            batch = coming.pop().result()
            if index + 1 in indices:
                coming.append(drawer.submit(batch_at, index + 1, share, rank))
            yield batch


@contextmanager
def _compiled(module: Any, is_wanted: bool) -> Generator[None, None, None]:
    """Inside, the module's scaled forecast is compiled, or what it compiles itself; afterwards it is what it was."""
    if not is_wanted:
        yield
    elif hasattr(module, "compiled"):
        with module.compiled():
            yield
    else:
        module.forecast_scaled = torch.compile(module.forecast_scaled, dynamic=False)
        try:
            yield
        finally:
            del module.forecast_scaled


def _step(
    module: AnyModule,
    batch: Batch,
    objective: Objective,
    optimiser: torch.optim.Optimizer,
    rate: float,
    settings: LoopSettings,
    n_ranks: int,
) -> Tensor:
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]
    device = batch.context.device.type
    optimiser.zero_grad(set_to_none=False)
    losses = []
    for part in batch.parts(settings.n_parts):
        with torch.autocast(device, dtype=torch.bfloat16) if settings.is_bfloat16 else nullcontext():
            loss = objective(module, part) / settings.n_parts
        loss.backward()
        losses.append(loss.detach())
    if n_ranks > 1:
        _average_gradients(module, n_ranks)
    nn.utils.clip_grad_norm_(module.parameters(), settings.clip)
    optimiser.step()
    return torch.stack(losses).sum()


def _optimiser(module: nn.Module, settings: LoopSettings) -> torch.optim.Optimizer:
    parts: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, parameter in module.named_parameters():
        factor = next((value for start, value in settings.faster.items() if name.startswith(start)), 1.0)
        if parameter.requires_grad:
            parts.setdefault(factor, []).append(parameter)
    groups: list[dict[str, Any]] = []
    for factor, trainable in parts.items():
        decayed, others = ([p for p in trainable if (p.dim() > 1) == is_matrix] for is_matrix in (True, False))
        groups.append({"params": decayed, "weight_decay": settings.weight_decay, "factor": factor})
        groups.append({"params": others, "weight_decay": 0.0, "factor": factor})
    return torch.optim.AdamW(groups, lr=1e-3, betas=settings.betas, fused=True)


def _place_in_team() -> tuple[int, int]:
    """Rank and number of processes; 0 and 1 outside of ``torchrun``."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _average_gradients(module: nn.Module, n_ranks: int) -> None:
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= n_ranks
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def _is_time_up(limit: float | None, passed: float, n_ranks: int) -> bool:
    """Whether the time of any process is up, so that all of them leave the loop at the same step."""
    if limit is None or n_ranks == 1:
        return limit is not None and passed > limit
    flag = torch.tensor(float(passed > limit))
    distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
    return bool(flag)
