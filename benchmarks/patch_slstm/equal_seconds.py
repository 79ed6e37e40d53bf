"""A PatchSLSTM and a TTM from random weights, trained for the same CPU seconds, on the development tasks of GIFT-Eval.

One after the other (a second call keeps what the first has measured), then put the figures into the documentation::

    python benchmarks/patch_slstm/equal_seconds.py --model small --corpus CORPUS --storage STORAGE --output FOLDER
    python benchmarks/patch_slstm/equal_seconds.py --model ttm-tiny --corpus CORPUS --storage STORAGE --output FOLDER
    python benchmarks/patch_slstm/page.py

One thread; seconds are those of the processor, drawing the windows included. Two short runs say how many windows the
time buys; what was really spent is measured. Each learns by its own recipe, with the decay and average of a short run.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ttm_sk import save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.cli import main as ttm_sk
from ttm_sk.data.corpora import Corpus, read_corpus
from ttm_sk.evaluation.leaderboard import published_results, read_costs, read_results
from ttm_sk.training.loop import LoopSettings
from ttm_sk.training.pretrain import PretrainSettings, pretrain
from ttm_sk.training.recipes import preset_config

HERE = Path(__file__).parent
PROBED = 20, 80  # steps of two short runs, each over all lengths of the curriculum: the difference leaves out the start


@dataclass(frozen=True)
class Contender:
    """An architecture, its size, and how it learns."""

    architecture: str
    preset: str
    batch_size: int
    peak: float


CONTENDERS = {
    "small": Contender("patch-slstm", "small", 64, 2e-3),
    "tiny": Contender("patch-slstm", "tiny", 64, 2e-3),
    "ttm-tiny": Contender("ttm", "tiny", 512, 2e-3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=CONTENDERS, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--licence-class", nargs="+", default=["open", "copyleft package"])
    parser.add_argument("--storage", type=Path, required=True, help="the benchmark's data sets")
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    corpus = read_corpus(options.corpus, licence_classes=options.licence_class)
    found = train(CONTENDERS[options.model], corpus, options)
    found |= {effort: evaluate(options, effort) for effort in ("plain", "fast")}
    path = HERE / "equal_seconds.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {options.model: found}, indent=2) + "\n")
    print(json.dumps(found, indent=2))


def train(contender: Contender, corpus: Corpus, options: argparse.Namespace) -> dict[str, object]:
    """As many windows as the seconds buy; the weights go to a file."""
    few, many = (learn(contender, corpus, n_steps, options.bfloat16)[1] for n_steps in PROBED)
    a_step = (many - few) / (PROBED[1] - PROBED[0])
    n_steps = int(options.seconds / a_step)
    print(f"{a_step:.3f} s a step: {n_steps} steps of {contender.batch_size} windows", flush=True)
    checkpoint, spent = learn(contender, corpus, n_steps, options.bfloat16)
    save_checkpoint(checkpoint, options.output / f"{options.model}.safetensors")
    return {
        "parameters": checkpoint.n_parameters,
        "windows": checkpoint.provenance["windows"],
        "CPU seconds": round(spent),
        "bfloat16": options.bfloat16,
    }


def learn(contender: Contender, corpus: Corpus, n_steps: int, is_bfloat16: bool) -> tuple[Checkpoint, float]:
    settings = PretrainSettings(
        n_windows=n_steps * contender.batch_size,
        batch_size=contender.batch_size,
        peak=contender.peak,
        warmup_share=0.05,
        decay_share=0.5,
    )
    loop = LoopSettings(average=0.99, is_bfloat16=is_bfloat16)
    began = time.process_time()
    config = preset_config(contender.architecture, contender.preset)
    checkpoint = pretrain(config, corpus, settings=settings, loop=loop, device="cpu")
    return checkpoint, time.process_time() - began


def evaluate(options: argparse.Namespace, effort: str) -> dict[str, float]:
    """Geometric means over the tasks, relative to the published seasonal naive, by term too, and seconds."""
    weights, folder = options.output / f"{options.model}.safetensors", options.output / f"{options.model}-{effort}"
    asked = ["--storage", str(options.storage), "--model", str(weights), "--effort", effort, "--output", str(folder)]
    if ttm_sk(["gift-eval", "run", *asked]):
        raise SystemExit(f"the tasks in {options.storage} could not all be scored; see above")
    own = read_results(folder).droplevel("model")[["MASE", "CRPS"]]
    ratios = own / published_results().loc["seasonal_naive"].loc[own.index, own.columns]
    found = _means(ratios, "")
    for term, rows in ratios.groupby(ratios.index.str.split("/").str[-1]):
        found |= _means(rows, f", {term}")
    return found | {"tasks": len(own), "seconds": round(float(read_costs(folder)["seconds"].sum()), 1)}


def _means(ratios: pd.DataFrame, name: str) -> dict[str, float]:
    means = np.exp(np.log(ratios).mean())
    return {f"{score}{name}": round(float(mean), 3) for score, mean in means.items()}


if __name__ == "__main__":
    main()
