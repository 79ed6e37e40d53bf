"""PatchSLSTM beside the package tirex-ts, full size, random weights, one thread, rounds in turn.

Run it where tirex-ts is installed (the environment of ``tox -e tirex``), then put the figures into the documentation::

    python benchmarks/patch_slstm/speed.py --output benchmarks/patch_slstm/speed.csv
    python benchmarks/patch_slstm/page.py

Seconds are those of the processor, not of the clock, so that other work on the machine counts less; times are the least
of the rounds, the ratio is their median.
"""

from __future__ import annotations

import argparse
import csv
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

TESTS = Path(__file__).parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from tirex_cases import MODEL, draw_weights  # noqa: E402
from training_step import training_rows  # noqa: E402

from ttm_sk.checkpoints.tirex import tirex_config, tirex_weights  # noqa: E402
from ttm_sk.layers.slstm import SLSTMState, recur  # noqa: E402
from ttm_sk.models.patch_slstm import PatchSLSTM, PatchSLSTMConfig  # noqa: E402

FULL = MODEL | {"input_ff_dim": 2048, "block_kwargs": {"embedding_dim": 512, "num_blocks": 12, "num_heads": 4}}
HYPER_PARAMETERS = {"model_config": FULL, "train_ctx_len": 2048}
COLUMNS = ("case", "theirs_ms", "ours_ms", "ratio", "rounds", "note")

Row = dict[str, object]


def seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def compare(case: str, theirs: Callable[[], object], ours: Callable[[], object], n_rounds: int, note: str = "") -> Row:
    theirs(), ours()
    rounds = np.array([(seconds(theirs), seconds(ours)) for _ in range(n_rounds)])
    least, ratio = 1e3 * rounds.min(axis=0), np.median(rounds[:, 0] / rounds[:, 1])
    row = dict(zip(COLUMNS, (case, *least.round(1).tolist(), round(float(ratio), 2), n_rounds, note), strict=True))
    print(row, flush=True)
    return row


def remark(case: str, note: str) -> Row:
    print(f"{case}: {note}", flush=True)
    return {"case": case, "note": note}


def cells(theirs: torch.nn.Module, ours: PatchSLSTM, n_rows: int, n_rounds: int) -> list[Row]:
    """The recurrent layer of one block, 66 steps: head-wise projections, recurrence."""
    x = torch.randn(n_rows, 66, 512)
    layer, own = theirs.blocks[0].slstm_layer, ours.backbone[0].slstm
    gates = torch.randn(n_rows, 66, 2048)
    raw = torch.randn(66, 4, 4, n_rows, 128)
    rows = []
    for name, dtype in precisions().items():
        weight, case = own.recurrent_weight.to(dtype), f"66 steps, batch {n_rows}{name}"
        alone, whole = f"recurrence alone, {case}", f"sLSTM layer with projections, {case}"
        rows += [
            compare(alone, lambda: layer.slstm_cell(gates, None), lambda w=weight: recur_of(w, raw), n_rounds),
            compare(whole, lambda: layer(x), lambda n=name: autocast(n, lambda: own(x.transpose(0, 1))), n_rounds),
        ]
    return rows


def recur_of(weight: Tensor, raw: Tensor) -> Tensor:
    """As the layer calls it: on gates of its own, which it uses up (here again and again; they stay bounded)."""
    return recur(raw, weight, SLSTMState.blank(4, raw.shape[3], 128, raw), overwrites=True)[0]


def precisions() -> dict[str, torch.dtype]:
    """What products are computed in, by the end of a case's name."""
    return {"": torch.float32} | ({", bfloat16": torch.bfloat16} if has_bfloat16() else {})


def autocast(name: str, work: Callable[[], object]) -> object:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bool(name)):
        return work()


def forecasts(theirs: torch.nn.Module, ours: PatchSLSTM, free: PatchSLSTM, n_rounds: int) -> list[Row]:
    """96 steps ahead of a long and a short past; ``free`` reads a short past without the original's padding."""
    rows = []
    for n_rows, n_steps in ((32, 2048), (1, 2048), (32, 100), (1, 100)):
        series = torch.randn(n_rows, n_steps).cumsum(-1)
        case, n = f"forecast of 96 steps, {n_steps} past, batch {n_rows}", n_rounds if n_rows == 32 else 2 * n_rounds

        def package(series: Tensor = series) -> Tensor:
            return theirs._forecast_tensor(series, prediction_length=96, new_patch_count=3)

        rows.append(compare(case, package, lambda s=series: forecast(ours, s), n))
        if n_steps == 100:
            rows.append(compare(f"{case}, without padding", package, lambda s=series: forecast(free, s), n))
        if has_bfloat16():
            note = apart(theirs, ours, series) if n_steps == 2048 and n_rows == 32 else ""
            rows.append(compare(f"{case}, bfloat16", package, lambda s=series: in_bfloat16(ours, s), n, note))
    return rows


def forecast(module: PatchSLSTM, series: Tensor) -> Tensor:
    return module.forecast(series[:, None], torch.ones_like(series, dtype=torch.bool)[:, None], horizon=96).quantiles


def in_bfloat16(module: PatchSLSTM, series: Tensor) -> Tensor:
    """A forecast whose matrix products are in bfloat16."""
    return autocast("bfloat16", lambda: forecast(module, series))


def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16; where it must be emulated, it is not measured."""
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16"))


def apart(theirs: torch.nn.Module, ours: PatchSLSTM, series: Tensor) -> str:
    """How far bfloat16 moves the forecast, ours and that of the package, which computes its cell so."""
    from tirex_parity import reference

    exact, mean = forecast(ours, series)[:, 0], series.mean(-1)[:, None, None]
    with reference.single_precision():
        their_exact = reference.quantiles(theirs, series, 96)
    pairs = {
        "ours": (in_bfloat16(ours, series)[:, 0], exact),
        "the package": (reference.quantiles(theirs, series, 96), their_exact),
    }
    parts = [
        f"{name} {float((found - true).abs().max() / (true - mean).abs().max()):.1e}"
        for name, (found, true) in pairs.items()
    ]
    return f"largest difference from float32, of the forecast's size: {', '.join(parts)}"


def product_rates(ours: PatchSLSTM, forecast_ms: dict[str, float]) -> list[Row]:
    """The machine's rates of matrix products, and which share of them the long forecast at batch 32 reaches."""
    series = torch.randn(32, 2048)
    with FlopCounterMode(display=False) as counter:
        forecast(ours, series)
    work, rows = counter.get_total_flops() / 1e9, []
    for name, dtype in {"float32": torch.float32, "bfloat16": torch.bfloat16}.items():
        if name not in forecast_ms:
            continue
        a, b = torch.randn(2112, 512).to(dtype), torch.randn(512, 2816).to(dtype)
        rate = 2 * 2112 * 512 * 2816 / min(seconds(lambda a=a, b=b: a @ b) for _ in range(9)) / 1e9
        reached = work / (forecast_ms[name] / 1e3)
        share = f"a share of {reached / rate:.2f}"
        note = f"{work:.0f} GFLOP, {reached:.0f} of the {rate:.0f} GFLOP/s of one product: {share}"
        rows.append(remark(f"matrix products of the long forecast, batch 32, {name}", note))
    return rows


def streaming(n_updates: int = 50) -> Row:
    """One series, a patch at a time: the first update and the fiftieth in turn, ``small``; states are values."""
    module = PatchSLSTM(PatchSLSTMConfig.small()).eval().requires_grad_(False)
    values, observed = torch.randn(1, 1, 32), torch.ones(1, 1, 32, dtype=torch.bool)
    with torch.inference_mode():
        first = last = module.start(torch.randn(1, 1, 2048), torch.ones(1, 1, 2048, dtype=torch.bool))
        for _ in range(n_updates - 1):
            last = module.step(last, values, observed)
        pairs = [
            [1e3 * seconds(lambda s=state: module.step(s, values, observed)) for state in (first, last)]
            for _ in range(40)
        ]
    early, late = np.median(pairs, axis=0)
    return remark("update by one patch, one series, small", f"{early:.2f} ms for the first, {late:.2f} ms for the 50th")


def beside_the_package(only: str, n_rounds: int) -> list[Row]:
    from tirex_parity import reference

    weights = draw_weights(FULL)
    config = tirex_config(HYPER_PARAMETERS, weights)
    theirs = reference.build(HYPER_PARAMETERS, weights).requires_grad_(False)
    ours = PatchSLSTM(config).eval().requires_grad_(False)
    ours.load_state_dict(tirex_weights(weights, config))
    free = PatchSLSTM(PatchSLSTMConfig.full()).eval().requires_grad_(False)
    free.load_state_dict(ours.state_dict())
    with torch.inference_mode():
        rows = cells(theirs, ours, 32, 3 * n_rounds) + cells(theirs, ours, 1, 3 * n_rounds)
        if only == "cells":
            return rows
        rows += forecasts(theirs, ours, free, n_rounds)
        ends = {"float32": "2048 past, batch 32", "bfloat16": "2048 past, batch 32, bfloat16"}
        took = {name: row["ours_ms"] for name, end in ends.items() for row in rows if str(row["case"]).endswith(end)}
        return rows + product_rates(ours, took)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", choices=("all", "package", "cells", "training", "streaming"), default="all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "tirex-ts"))
    rows = [remark("machine", f"{processor()}; {packages}; one thread")]
    if arguments.only in ("all", "package", "cells"):
        rows += beside_the_package(arguments.only, arguments.rounds)
    if arguments.only in ("all", "streaming"):
        rows.append(streaming())
    if arguments.only in ("all", "training"):
        rows += [remark(case, note) for case, note in training_rows(with_bfloat16=has_bfloat16())]
    if arguments.output:
        with arguments.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)


def processor() -> str:
    """Its name, and what it computes in bfloat16 with."""
    flags = Path("/proc/cpuinfo")
    text = flags.read_text() if flags.is_file() else ""
    name = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), "")
    kinds = [kind for kind in ("avx512f", "avx512_bf16", "amx_bf16") if f" {kind} " in text.replace("\n", " ")]
    return f"{name or platform.processor()} ({', '.join(kinds) or 'no AVX-512'})"


if __name__ == "__main__":
    main()
