"""PatchSLSTM beside the package tirex-ts, full size, random weights, one thread, rounds in turn.

Run it where tirex-ts is installed (the environment of ``tox -e tirex``)::

    python benchmarks/patch_slstm/speed.py --output benchmarks/patch_slstm/speed.csv

Seconds are those of the processor, not of the clock, so that other work on the machine counts less; the ratio is the
median over the rounds.
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

TESTS = Path(__file__).parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from tirex_cases import MODEL, draw_weights  # noqa: E402

from ttm_sk.checkpoints.tirex import tirex_config, tirex_weights  # noqa: E402
from ttm_sk.data.sampling import WindowSampler  # noqa: E402
from ttm_sk.layers.slstm import SLSTM, SLSTMState, recur  # noqa: E402
from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig  # noqa: E402
from ttm_sk.training.patch_objective import patch_loss  # noqa: E402

FULL = MODEL | {"input_ff_dim": 2048, "block_kwargs": {"embedding_dim": 512, "num_blocks": 12, "num_heads": 4}}
HYPER_PARAMETERS = {"model_config": FULL, "train_ctx_len": 2048}


def seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def compare(name: str, theirs: Callable[[], object], ours: Callable[[], object], n_rounds: int) -> dict[str, object]:
    theirs(), ours()
    rounds = np.array([(seconds(theirs), seconds(ours)) for _ in range(n_rounds)])
    row = {
        "case": name,
        "theirs_ms": round(1e3 * rounds[:, 0].min(), 1),
        "ours_ms": round(1e3 * rounds[:, 1].min(), 1),
        "ratio": round(float(np.median(rounds[:, 0] / rounds[:, 1])), 2),
        "rounds": n_rounds,
    }
    print(row, flush=True)
    return row


def cells(theirs: torch.nn.Module, ours: PatchSLSTM, n_rows: int, n_rounds: int) -> list[dict[str, object]]:
    """The recurrent layer of one block, 66 steps: head-wise projections, recurrence."""
    x = torch.randn(n_rows, 66, 512)
    layer, own = theirs.blocks[0].slstm_layer, ours.backbone[0].slstm
    gates = torch.randn(n_rows, 66, 2048)
    raw = torch.randn(66, 4, 4, n_rows, 128)
    recurrence = compare(
        f"recurrence alone, 66 steps, batch {n_rows}",
        lambda: layer.slstm_cell(gates, None),
        lambda: recur_of(own, raw),
        n_rounds,
    )
    whole = compare(
        f"sLSTM layer with projections, 66 steps, batch {n_rows}",
        lambda: layer(x),
        lambda: own(x.transpose(0, 1)),
        n_rounds,
    )
    return [recurrence, whole]


def recur_of(layer: SLSTM, raw: Tensor) -> Tensor:
    """As the layer calls it: on gates of its own, which it uses up (here again and again; they stay bounded)."""
    return recur(raw, layer.recurrent_weight, SLSTMState.blank(4, raw.shape[3], 128, raw), overwrites=True)[0]


def forecasts(theirs: torch.nn.Module, ours: PatchSLSTM, free: PatchSLSTM, n_rounds: int) -> list[dict[str, object]]:
    """96 steps ahead of a long and a short past; ``free`` reads a short past without the original's padding."""
    rows = []
    for n_rows, n_steps in ((32, 2048), (1, 2048), (32, 100), (1, 100)):
        series = torch.randn(n_rows, n_steps).cumsum(-1)
        observed = torch.ones(n_rows, 1, n_steps, dtype=torch.bool)

        def package(series: Tensor = series) -> Tensor:
            return theirs._forecast_tensor(series, prediction_length=96, new_patch_count=3)

        for name, module in (("", ours), (", without padding", free)):
            if n_steps == 100 or not name:
                label = f"forecast of 96 steps, {n_steps} past, batch {n_rows}{name}"
                rows.append(
                    compare(
                        label,
                        package,
                        lambda m=module, s=series, o=observed: m.forecast(s[:, None], o, horizon=96),
                        n_rounds if n_rows == 32 else 2 * n_rounds,
                    )
                )
        if has_bfloat16() and n_rows == 32:
            label = f"forecast of 96 steps, {n_steps} past, batch {n_rows}, bfloat16"
            rows.append(compare(label, package, lambda s=series, o=observed: in_bfloat16(ours, s, o), n_rounds))
    return rows


def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16; where it must be emulated, it is not measured."""
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16"))


def in_bfloat16(module: PatchSLSTM, series: Tensor, observed: Tensor) -> object:
    """A forecast whose matrix products are in bfloat16."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return module.forecast(series[:, None], observed, horizon=96)


def sgemm_share(forecast_ms: float) -> dict[str, object]:
    """Which share of the machine's rate of matrix products the long forecast at batch 32 reaches."""
    a, b = torch.randn(2112, 512), torch.randn(512, 2816)
    rate = 2 * 2112 * 512 * 2816 / min(seconds(lambda: a @ b) for _ in range(5)) / 1e9
    n_products = 2 * 66 * 32 * 35.2e6 / 1e9
    reached = n_products / (forecast_ms / 1e3)
    row = {"case": "sgemm GFLOP/s, and the share that the long forecast reaches", "theirs_ms": "", "ours_ms": ""}
    row |= {"ratio": f"{rate:.1f}, {reached / rate:.2f}", "rounds": 5}
    print(row, flush=True)
    return row


def training(config: PatchSLSTMConfig, name: str, batch_size: int) -> dict[str, object]:
    """One step: forward and backward of the objective."""
    module = PatchSLSTM(config)
    batch = WindowSampler(config.context_length, config.prediction_length, synthetic_share=1.0).batch(0, batch_size)

    def step() -> None:
        module.zero_grad()
        patch_loss(module, batch).backward()

    spent = min(seconds(step) for _ in range(2))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row = {"case": f"training step, {name}, batch {batch_size}, context {config.context_length}", "theirs_ms": ""}
    row |= {"ours_ms": round(1e3 * spent, 1), "ratio": f"peak {peak:.1f} GiB so far", "rounds": 2}
    print(row, flush=True)
    return row


def streaming(n_updates: int = 50) -> dict[str, object]:
    """One series, a patch at a time: the first ten updates beside the last ten, ``small``."""
    module = PatchSLSTM(PatchSLSTMConfig.small()).eval().requires_grad_(False)
    values, observed = torch.randn(1, 1, 32), torch.ones(1, 1, 32, dtype=torch.bool)
    spent = []
    with torch.inference_mode():
        state = module.start(torch.randn(1, 1, 2048), torch.ones(1, 1, 2048, dtype=torch.bool))
        for _ in range(n_updates):
            began = time.process_time()
            state = module.step(state, values, observed)
            spent.append(1e3 * (time.process_time() - began))
    first, last = np.median(spent[:10]), np.median(spent[-10:])
    row = {"case": f"update by one patch, small: the first ten, the last ten of {n_updates}"}
    row |= {"theirs_ms": "", "ours_ms": f"{first:.2f}, {last:.2f}", "ratio": round(last / first, 2), "rounds": 10}
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", choices=("all", "cells", "training", "streaming"), default="all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    if arguments.only in ("all", "cells"):
        from tirex_parity import reference

        weights = draw_weights(FULL)
        config = tirex_config(HYPER_PARAMETERS, weights)
        theirs = reference.build(HYPER_PARAMETERS, weights).requires_grad_(False)
        ours = PatchSLSTM(config).eval().requires_grad_(False)
        ours.load_state_dict(tirex_weights(weights, config))
        free = PatchSLSTM(PatchSLSTMConfig.full()).eval().requires_grad_(False)
        free.load_state_dict(ours.state_dict())
        with torch.inference_mode():
            rows += cells(theirs, ours, 32, 3 * arguments.rounds) + cells(theirs, ours, 1, 3 * arguments.rounds)
            if arguments.only == "all":
                rows += forecasts(theirs, ours, free, arguments.rounds)
                rows.append(sgemm_share(next(row["ours_ms"] for row in rows if "2048 past, batch 32" in row["case"])))
    if arguments.only in ("all", "streaming"):
        rows.append(streaming())
    if arguments.only in ("all", "training"):
        rows.append(training(PatchSLSTMConfig.tiny(), "tiny", 64))
        rows.append(training(PatchSLSTMConfig.small(), "small", 64))
        rows.append(training(PatchSLSTMConfig.full(), "full", 8))
    if arguments.output:
        with arguments.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["case", "theirs_ms", "ours_ms", "ratio", "rounds"])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
