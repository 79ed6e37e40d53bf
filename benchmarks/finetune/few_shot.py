"""ETT, zero-shot and after 5 % few-shot fine-tuning, beside the published rows.

    python benchmarks/finetune/few_shot.py --data ETTh1.csv.gz ETTm1.csv.gz --checkpoint ttm-tiny FOLDER --output DIR

Every test window up to ``--full`` steps ahead; longer horizons, which the models reach by feeding back, on every
``--stride``-th window. Fine-tuning learns from the last 5 % of the training part and is examined on the validation
part, as IBM's is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ttm_sk import finetune, load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.long_horizon_sets import LAYOUTS, LongHorizonSet, read_long_horizon_set
from ttm_sk.data.window_dataset import WindowDataset
from ttm_sk.errors import DataError
from ttm_sk.evaluation.long_horizon import long_horizon, published_rows
from ttm_sk.training.finetune import FineTuneSettings


def main() -> None:
    arguments = parse()
    torch.set_num_threads(1)
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for path in arguments.data:
        data = read_long_horizon_set(path)
        for name in arguments.checkpoint:
            rows += compare(data, name, arguments)
            pd.DataFrame(rows).to_csv(output / "few_shot.csv", index=False)
    print(pd.DataFrame(rows).to_string(index=False))


def compare(data: LongHorizonSet, name: str, arguments: argparse.Namespace) -> list[dict[str, object]]:
    """A row for each horizon: measured before and after, beside what is published."""
    checkpoint = load_checkpoint(name)
    before = measure(checkpoint, data, arguments, arguments.horizons)
    rows = []
    for horizon in before.index:
        try:
            tuned = few_shot(checkpoint, data, arguments, horizon)
        except DataError as error:  # as in the published table, which has no row there either
            print(f"{data.name} {Path(name).name} {arguments.trainable} {horizon}: {error}", flush=True)
            rows.append(head_of_row(data, name, arguments, horizon, before))
            continue
        note = tuned.provenance["finetuning"][-1]
        print(f"{data.name} {Path(name).name} {arguments.trainable} {horizon}: {note['outcome']}", flush=True)
        after = before if tuned.hash == checkpoint.hash else measure(tuned, data, arguments, [horizon])
        row = head_of_row(data, name, arguments, horizon, before)
        row |= {"few_shot": after.loc[horizon, "mse"], "ratio": after.loc[horizon, "mse"] / before.loc[horizon, "mse"]}
        row |= {"blend": note["blend"], "windows_learnt": note["training_windows"], "seconds": note["seconds"]}
        rows.append(row)
    print(pd.DataFrame(rows).round(4).to_string(index=False), flush=True)
    return rows


def head_of_row(
    data: LongHorizonSet, name: str, arguments: argparse.Namespace, horizon: int, before: pd.DataFrame
) -> dict[str, object]:
    row = {"dataset": data.name, "weights": Path(name).name, "trainable": arguments.trainable, "horizon": horizon}
    row |= {"n_windows": int(before.loc[horizon, "n_windows"]), "zero_shot": before.loc[horizon, "mse"]}
    return row | {"few_shot": np.nan, "ratio": np.nan} | published(data.name, horizon)


def few_shot(checkpoint: Checkpoint, data: LongHorizonSet, arguments: argparse.Namespace, horizon: int) -> Checkpoint:
    """Fine-tuned on the last 5 % of the training part, examined as far as the horizon."""
    config, n_train = checkpoint.config, LAYOUTS[data.name].n_train
    lengths = {"context_length": config.context_length, "prediction_length": config.prediction_length}
    learn = WindowDataset.from_series([data.values[:, :n_train]], **lengths, is_univariate=True)
    before = max(0, n_train - config.context_length)
    later = data.values[:, before : data.test_start]
    reach = max(horizon, config.prediction_length)
    examine = WindowDataset.from_series([later], **lengths | {"prediction_length": reach}, is_univariate=True)
    border = min(config.context_length, n_train)
    examine = WindowDataset(
        examine.series, examine.context_length, examine.prediction_length, examine.index[examine.index[:, 1] >= border]
    )
    settings = FineTuneSettings(few_shot=0.05, most_steps=arguments.steps, seed=arguments.seed)
    return finetune(
        checkpoint, learn, trainable=arguments.trainable, validation=examine, settings=settings, is_quiet=True
    )


def measure(
    checkpoint: Checkpoint, data: LongHorizonSet, arguments: argparse.Namespace, horizons: list[int]
) -> pd.DataFrame:
    near = [horizon for horizon in horizons if horizon <= arguments.full]
    far = [horizon for horizon in horizons if horizon > arguments.full]
    parts = [long_horizon(checkpoint, data, horizons=near, effort=arguments.effort)] if near else []
    if far:
        parts.append(long_horizon(checkpoint, data, horizons=far, effort=arguments.effort, stride=arguments.stride))
    return pd.concat(parts).set_index("horizon")


def published(dataset: str, horizon: int) -> dict[str, object]:
    """IBM's TTM-R2 rows at a context of 512 steps."""
    found = {}
    for kind, column in (("zero-shot", "r2_zero_shot"), ("few-shot 5 %", "r2_few_shot")):
        rows = published_rows(kind=kind)
        keep = (rows["dataset"] == dataset) & (rows["horizon"] == horizon) & (rows["context_length"] == 512)
        values = rows[keep & rows["model"].eq("TTM-R2")]["mse"]
        found[column] = float(values.iloc[0]) if len(values) else np.nan
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--checkpoint", nargs="+", default=["ttm-tiny"])
    parser.add_argument("--trainable", default="minimal")
    parser.add_argument("--effort", default="plain")
    parser.add_argument("--horizons", nargs="+", type=int, default=[96, 192, 336, 720])
    parser.add_argument("--full", type=int, default=96)
    parser.add_argument("--stride", type=int, default=23)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
