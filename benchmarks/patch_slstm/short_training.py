"""A few minutes of training on a processor: does the loss fall, and does the forecast beat seasonal naive?

::

    python benchmarks/patch_slstm/short_training.py --corpus CORPUS --ett ETTh1.csv.gz --output folder

With ``--checkpoint`` weights are scored that were trained before, such as those of ``equal_seconds.py``.

Held out: synthetic windows of another seed, and the last fifth of ETTh1, which no corpus of ours holds. Seasonal naive
repeats the last period that the past shows (the last value where it shows none), of ETTh1 the last day. Scores are
means over windows, each in units of its past, divided by those of seasonal naive on the same windows.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ttm_sk import save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint, read_checkpoint
from ttm_sk.data.corpora import Corpus, read_corpus
from ttm_sk.data.sampling import WindowSampler
from ttm_sk.inference.forecasting import forecast_series
from ttm_sk.inference.periods import common_periods
from ttm_sk.models.patch_slstm import PatchSLSTMConfig
from ttm_sk.scoring.metrics import pinball
from ttm_sk.training.loop import LoopSettings
from ttm_sk.training.patch_objective import patch_loss
from ttm_sk.training.pretrain import PretrainSettings, pretrain
from ttm_sk.training.recipes import recipe_of

HORIZON = 96
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def seasonal_naive(past: np.ndarray, season: int | None) -> np.ndarray:
    if season is None:
        season = min(common_periods([past[None]], n_longer=0), default=1)
    return np.resize(past[-season:], HORIZON)


def synthetic_windows(n: int, context_length: int) -> list[tuple[np.ndarray, np.ndarray]]:
    sampler = WindowSampler(context_length, HORIZON, synthetic_share=1.0, seed=10_007, full_share=1.0, gap_share=0.0)
    batch = sampler.batch(0, n)
    found = []
    for past, seen, target in zip(batch.context[:, 0], batch.observed[:, 0], batch.target[:, 0], strict=True):
        if seen.sum() >= 200 and past[seen].std() > 1e-3 * past[seen].abs().max():
            found.append((past[seen].double().numpy(), target.double().numpy()))
    return found


def real_windows(path: Path, context_length: int) -> list[tuple[np.ndarray, np.ndarray]]:
    values = pd.read_csv(path).select_dtypes("number").to_numpy().T
    first = int(0.8 * values.shape[1])
    cuts = range(first, values.shape[1] - HORIZON, 4 * HORIZON)
    return [(row[cut - context_length : cut], row[cut : cut + HORIZON]) for row in values for cut in cuts]


def ratios(module: torch.nn.Module, windows: list, season: int | None) -> dict[str, float]:
    pasts, targets = [past for past, _ in windows], np.stack([target for _, target in windows])
    naive = np.stack([seasonal_naive(past, season) for past in pasts])
    unit = np.array([past.std() for past in pasts])[:, None]
    fan = forecast_series(module, pasts, HORIZON, levels=LEVELS, effort="plain")
    mae = [np.abs(targets - point).__truediv__(unit).mean() for point in (fan[..., 4], naive)]
    fans = [fan, np.repeat(naive[..., None], len(LEVELS), axis=-1)]
    losses = [pinball(target=targets / unit, quantiles=part / unit[..., None], levels=LEVELS).mean() for part in fans]
    return {"windows": len(windows), "MAE": round(mae[0] / mae[1], 3), "pinball": round(losses[0] / losses[1], 3)}


def held_out_loss(module: torch.nn.Module, config: PatchSLSTMConfig) -> float:
    options = {"n_steps": 1, "corpus": None, "synthetic_share": 1.0, "device": torch.device("cpu")}
    sampler = recipe_of(config).sampler(config, seed=10_008, **options)
    torch.manual_seed(0)
    with torch.no_grad():
        return round(float(patch_loss(module, sampler.batch(1, 128))), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="instead of training")
    parser.add_argument("--licence-class", nargs="+", default=["open", "copyleft package"])
    parser.add_argument("--ett", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=12_000)
    parser.add_argument("--context-length", type=int, default=512)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.checkpoint:
        checkpoint = read_checkpoint(arguments.checkpoint)
    elif arguments.corpus:
        config = replace(PatchSLSTMConfig.small(), context_length=arguments.context_length)
        corpus = read_corpus(arguments.corpus, licence_classes=arguments.licence_class)
        checkpoint = train(config, corpus, arguments.windows, arguments.output / "run.state")
        save_checkpoint(checkpoint, arguments.output / "slstm-small-short.safetensors")
    else:
        parser.error("give a --corpus to train on, or a --checkpoint")
    settings = PretrainSettings(n_windows=1, batch_size=1, peak=1e-9)
    first = pretrain(checkpoint.config, settings=settings, is_quiet=True)
    report(first, checkpoint, arguments.ett, arguments.output / "short_training.json")


def train(config: PatchSLSTMConfig, corpus: Corpus, n_windows: int, state_file: Path) -> Checkpoint:
    """A constant phase, and a decay of a third as many windows; the average is short, as the run is."""
    constant = PretrainSettings(n_windows=n_windows, batch_size=48, peak=2e-3, warmup_share=0.05, decay_share=0.0)
    loop = LoopSettings(average=0.98, state_file=state_file, save_every=60)
    stable = pretrain(config, corpus, settings=constant, loop=loop, device="cpu", is_quiet=True)
    decay = replace(constant, n_windows=n_windows // 3, warmup_share=0.0, decay_share=0.97, seed=1)
    return pretrain(stable, corpus, settings=decay, loop=LoopSettings(average=0.98), device="cpu", is_quiet=True)


def report(first: Checkpoint, checkpoint: Checkpoint, ett: Path, output: Path) -> None:
    config = checkpoint.config
    found = {"parameters": checkpoint.n_parameters, "windows": checkpoint.provenance["windows"]}
    found["seconds (wall clock)"] = checkpoint.provenance["seconds"]
    real, synthetic = real_windows(ett, config.context_length), synthetic_windows(300, config.context_length)
    for name, weights in (("untrained", first), ("trained", checkpoint)):
        module = weights.build()
        found[name] = {"held-out training loss": held_out_loss(module, config)}
        found[name] |= {"synthetic": ratios(module, synthetic, None), "ETTh1": ratios(module, real, 24)}
    output.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
