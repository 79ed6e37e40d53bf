"""Seconds and memory of a training step of a PatchSLSTM; each size in a process of its own, so its peak is its own.

A step: windows that are drawn before, forward, backward, gradient clipping, AdamW. Of three steps the first is not
timed, and the faster of the others is given.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

import torch

SIZES = (("tiny", 64), ("small", 64), ("full", 8))  # and the windows of a step
N_TIMED = 2


def training_rows(*, with_bfloat16: bool) -> Iterator[tuple[str, str]]:
    """What was measured, and the figures, size by size."""
    for preset, batch_size in SIZES:
        for is_bfloat16 in (False, True)[: 1 + with_bfloat16]:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                spent, peak = alone.submit(measure, preset, batch_size, is_bfloat16).result()
            case = f"training step, {preset}, {batch_size} windows of 2048 + 128 steps"
            yield case + (", bfloat16" if is_bfloat16 else ""), f"{spent:.2f} s, {peak:.2f} GiB at most"


def measure(preset: str, batch_size: int, is_bfloat16: bool) -> tuple[float, float]:
    """Seconds of a step, and the most memory that this process ever had, in GiB."""
    from ttm_sk.data.sampling import WindowSampler
    from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig
    from ttm_sk.training.patch_objective import patch_loss

    torch.set_num_threads(1)
    config = getattr(PatchSLSTMConfig, preset)()
    module = PatchSLSTM(config)
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)
    batch = WindowSampler(config.context_length, config.prediction_length, synthetic_share=1.0).batch(0, batch_size)
    spent = []
    for _ in range(1 + N_TIMED):
        began = time.process_time()
        with torch.autocast("cpu", dtype=torch.bfloat16) if is_bfloat16 else nullcontext():
            loss = patch_loss(module, batch)
        optimiser.zero_grad(set_to_none=False)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        spent.append(time.process_time() - began)
    return min(spent[1:]), _peak()


def _peak() -> float:
    """Of this program alone: the resource usage of a started process counts that of the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20
