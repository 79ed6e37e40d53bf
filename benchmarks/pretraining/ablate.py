"""What each choice of the bundled architecture and its training buys: short runs from random weights, one undone.

``python benchmarks/pretraining/ablate.py train CORPUS --out OUT`` trains every variant with several seeds, as many at a
time as ``--processes`` says, and writes a checkpoint and a line of ``runs.csv`` for each; ``--variants`` and
``--first-seed`` choose among them. CORPUS is a corpus folder or what ``on_gpu.py pack`` made of one.
``python benchmarks/pretraining/ablate.py measure OUT --storage STORAGE`` scores the checkpoints on GIFT-Eval's tasks
in STORAGE, one pass each, and puts them into ``ablations.csv`` beside this script, where runs of elsewhere stay;
``python benchmarks/pretraining/ablate.py page`` makes the table of ``docs/ablations.md`` of it.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from on_gpu import CLASSES, unpack

from ttm_sk import TTMConfig
from ttm_sk.checkpoints.store import save_checkpoint
from ttm_sk.data.corpora import Corpus, read_corpus
from ttm_sk.training.loop import LoopSettings
from ttm_sk.training.pretrain import PretrainSettings, pretrain

sys.path.insert(0, str(Path(__file__).parents[1]))

from marks import put  # noqa: E402

# name: (what is another than in TTMConfig.tiny(), what is another in the settings)
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as bundled": ({}, {}),
    "one view, 512 steps": ({"views": (1,), "context_length": 512}, {}),
    "two views, 2,048 steps": ({"views": (1, 4), "context_length": 2048}, {}),
    "no templates of the cycle": ({"n_templates": 0, "cycle_width": 0}, {}),
    "no single cycles": ({"cycle_width": 0}, {}),
    "standardised instead of asinh": ({"scaling": "std"}, {}),
    "no flags for missing steps": ({"with_flags": False}, {}),
    "softmax gates": ({"gate": "softmax", "width": 176}, {}),
    "192 steps a pass": ({"prediction_length": 192, "head_width": 64}, {}),
    "three layers, narrower": ({"n_layers": 3, "width": 160}, {}),
    "one layer, wider": ({"n_layers": 1, "width": 256}, {}),
    "narrower head, wider trunk": ({"head_width": 64, "width": 208}, {}),
    "synthetic series only": ({}, {"synthetic_share": 1.0}),
    "real series only": ({}, {"synthetic_share": 0.0}),
    "real windows, a third reversed": ({}, {"reversed_share": 0.33}),
    "windows never modulated, mixed or cut off": ({}, {"changed_share": 0.0}),  # the usual thing on a CPU
    "fed-back windows, marked": ({}, {"fed_back_share": 0.3, "fed_back_weight": 0.5}),
    "fed-back windows, not marked": ({}, {"fed_back_share": 0.3}),
}
FIELDS = ("variant", "seed", "parameters", "windows", "seconds", "validation_loss", "hardware")
SHOWN = {"MASE": 3, "CRPS": 3, "validation_loss": 4}  # digits of what the page shows
RESULTS = Path(__file__).parent / "ablations.csv"
PAGE = Path(__file__).parents[2] / "docs" / "ablations.md"
HELD_BACK = 0.05  # of the corpus, by series and by time

_corpus: Corpus | None = None  # of this process and of those forked from it


def main() -> None:
    """Train, measure or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("train")
    command.add_argument("corpus", type=Path)
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--windows", type=int, default=1_000_000)
    command.add_argument("--batch", type=int, default=1024)
    command.add_argument("--peak", type=float, default=2e-3)
    command.add_argument("--seeds", type=int, default=2)
    command.add_argument("--first-seed", type=int, default=0)
    command.add_argument("--variants", nargs="+", choices=tuple(VARIANTS), default=tuple(VARIANTS), metavar="VARIANT")
    command.add_argument("--processes", type=int, default=1)
    command.add_argument("--time-limit", type=float, help="seconds after which no further run begins")
    command.add_argument("--device", default="auto")
    command.add_argument("--float32", action="store_true", help="faster on CPUs without AMX")
    command.add_argument("--compile", action="store_true")
    command.add_argument("--accumulate", type=int, default=1, metavar="N", help="parts of a batch, one pass each")
    command = commands.add_parser("measure")
    command.add_argument("out", type=Path)
    command.add_argument("--storage", type=Path, required=True)
    commands.add_parser("page")
    options = parser.parse_args()
    if options.command == "train":
        train(options)
    elif options.command == "measure":
        measure(options.out, options.storage)
    else:
        write_page()


def train(options: argparse.Namespace) -> None:
    """Every variant with every seed, the first seed of all before the second."""
    global _corpus
    is_packed = (options.corpus / "high.xz").exists()
    _corpus = unpack(options.corpus) if is_packed else read_corpus(options.corpus, licence_classes=CLASSES)
    options.out.mkdir(parents=True, exist_ok=True)
    deadline = time.time() + (options.time_limit or float("inf"))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    jobs = [(name, seed, options, deadline) for seed in seeds for name in options.variants]
    with (options.out / "runs.csv").open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if file.tell() == 0:
            writer.writeheader()
        for row in _results(jobs, options.processes):
            if row is not None:
                writer.writerow(row)
                file.flush()
                print(*row.values(), flush=True)


def _results(jobs: Sequence[tuple[Any, ...]], n_processes: int) -> Iterator[dict[str, Any] | None]:
    """Row after row, as the runs end."""
    if n_processes == 1:
        yield from (_trained(*job) for job in jobs)
        return
    n_threads = max(1, (os.cpu_count() or 1) // n_processes)
    fork = multiprocessing.get_context("fork")  # so that the corpus is there once
    with ProcessPoolExecutor(n_processes, fork, torch.set_num_threads, (n_threads,)) as pool:
        yield from (job.result() for job in as_completed([pool.submit(_trained, *job) for job in jobs]))


def _trained(name: str, seed: int, options: argparse.Namespace, deadline: float) -> dict[str, Any] | None:
    if time.time() > deadline:
        return None
    changes, others = VARIANTS[name]
    settings = PretrainSettings(
        n_windows=options.windows,
        batch_size=options.batch,
        peak=options.peak,
        warmup_share=0.05,
        decay_share=0.5,
        validation_share=HELD_BACK,
        seed=seed,
    )
    loop = LoopSettings(
        is_bfloat16=not options.float32, is_compiled=options.compile, n_parts=options.accumulate, average=0.99
    )
    config = replace(TTMConfig.tiny(), **changes)
    checkpoint = pretrain(
        config, _corpus, settings=replace(settings, **others), loop=loop, device=options.device, is_quiet=True
    )
    save_checkpoint(checkpoint, options.out / f"{_stem(name, seed)}.safetensors")
    run = checkpoint.provenance["runs"][-1]
    n_parameters = sum(value.numel() for value in checkpoint.weights.values())
    shown = {"windows": run["windows"], "seconds": run["seconds"], "hardware": run["hardware"]}
    return {
        "variant": name,
        "seed": seed,
        "parameters": n_parameters,
        **shown,
        "validation_loss": round(run["validation_loss"], 5),
    }


def _run(row: dict[str, Any]) -> tuple[str, int]:
    return row["variant"], int(row["seed"])


def _stem(name: str, seed: int) -> str:
    return f"{name.replace(' ', '-').replace(',', '')}.{seed}"


def measure(out: Path, storage: Path) -> None:
    """One pass of every checkpoint over the tasks; what was scored before is kept."""
    from ttm_sk.cli import main as ttm_sk  # not on a machine that has torch alone
    from ttm_sk.evaluation.leaderboard import compare_models, read_results

    with (out / "runs.csv").open(newline="") as file:
        rows = list({_run(row): row for row in csv.DictReader(file)}.values())  # what was trained again counts
    for row in rows:
        stem = _stem(row["variant"], int(row["seed"]))
        folder = out / stem
        chosen = ["--model", f"{folder}.safetensors", "--effort", "plain", "--storage", str(storage)]
        if code := ttm_sk(["gift-eval", "run", *chosen, "--output", str(folder)]):
            raise SystemExit(code)
        scores = compare_models(read_results(folder), models=()).iloc[0]
        row |= {"MASE": f"{scores['MASE']:.4f}", "CRPS": f"{scores['CRPS']:.4f}"}
    with RESULTS.open(newline="") as file:
        rows += [row for row in csv.DictReader(file) if _run(row) not in map(_run, rows)]
    rows.sort(key=lambda row: (list(VARIANTS).index(row["variant"]), int(row["seed"])))
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def write_page() -> None:
    """Put the table between the marks of the page; runs on a CPU draw other windows, so they have their own columns."""
    with RESULTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [(score, is_cpu) for score in SHOWN for is_cpu in (False, True)]
    titles = [f"{score.replace('_', ' ')}, {'CPU' if is_cpu else 'GPU'}" for score, is_cpu in columns]
    lines = [" | ".join(["| choice undone", "parameters", *titles]) + " |", "|---" * (2 + len(titles)) + "|"]
    for name in dict.fromkeys(row["variant"] for row in rows):
        runs = [row for row in rows if row["variant"] == name]
        shown = [
            " / ".join(f"{float(run[score]):.{SHOWN[score]}f}" for run in runs if (run["hardware"] == "CPU") == is_cpu)
            for score, is_cpu in columns
        ]
        lines.append(" | ".join([f"| {name}", f"{int(runs[0]['parameters']):,}", *shown]) + " |")
    put(PAGE, "ablations", "\n".join(lines))


if __name__ == "__main__":
    main()
