"""TTMFeatures and a logistic regression, beside Rocket's features and raw values, on problems packaged with sktime.

    python benchmarks/regressor/classes.py --output benchmarks/regressor/results/classes.csv

The published train and test parts; accuracy on the test part. Rocket is MiniRocket where numba is installed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegressionCV, RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sktime import datasets

from ttm_sk import TTMFeatures, load_checkpoint

PROBLEMS: dict[str, Callable] = {
    "ItalyPowerDemand": datasets.load_italy_power_demand,
    "GunPoint": datasets.load_gunpoint,
    "ArrowHead": datasets.load_arrow_head,
    "OSULeaf": datasets.load_osuleaf,
    "BasicMotions": datasets.load_basic_motions,
    "UnitTest": datasets.load_unit_test,
}


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=8, max_iter=2000, cv=3))


def rocket(n_channels: int):
    from sktime.transformations.panel.rocket import MiniRocketMultivariateVariable  # needs numba

    return make_pipeline(MiniRocketMultivariateVariable(random_state=0), StandardScaler(), RidgeClassifierCV())


def measure(load: Callable) -> list[dict[str, object]]:
    parts = {split: load(split=split, return_X_y=True, return_type="numpy3d") for split in ("train", "test")}
    n_channels = parts["train"][0].shape[1]
    flat = {split: (X.reshape(len(X), -1), y) for split, (X, y) in parts.items()}
    models = {
        "TTMFeatures + logistic": (make_pipeline(TTMFeatures(n_channels=n_channels), logistic()), flat),
        "TTMFeatures(length=None) + logistic": (
            make_pipeline(TTMFeatures(n_channels=n_channels, length=None), logistic()),
            flat,
        ),
        "raw values + logistic": (logistic(), flat),
    }
    try:
        models["Rocket + ridge"] = (rocket(n_channels), parts)
    except ModuleNotFoundError as error:
        print(f"no Rocket: {error}")
    rows = []
    for name, (model, data) in models.items():
        began = time.process_time()
        accuracy = model.fit(*data["train"]).score(*data["test"])
        rows.append({"model": name, "accuracy": accuracy, "CPU seconds": time.process_time() - began})
    shape = {"train": len(flat["train"][1]), "test": len(flat["test"][1]), "channels": n_channels}
    shape |= {"steps": parts["train"][0].shape[2], "classes": len(np.unique(flat["train"][1]))}
    return [shape | row for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    rows = []
    for name, load in PROBLEMS.items():
        found = [{"problem": name, **row} for row in measure(load)]
        rows += found
        print(pd.DataFrame(found).to_string(index=False), flush=True)
    table = pd.DataFrame(rows).assign(weights=load_checkpoint().hash[:12])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.output, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
