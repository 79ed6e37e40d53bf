"""TTMFeatures and a logistic regression, beside MiniRocket's features and raw values, on problems packaged with sktime.

    python benchmarks/regressor/classes.py --output benchmarks/regressor/results/classes.csv

The published train and test parts; accuracy on the test part, which nothing was chosen by: `with_parts` was by
cross-validation on the train parts. MiniRocket needs numba; the first problem's seconds hold its compilation.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
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
    "ACSF1": datasets.load_acsf1,
}


FEATURES = {
    "TTMFeatures": TTMFeatures(),
    "TTMFeatures(length=None)": TTMFeatures(length=None),
    "TTMFeatures(with_parts=True)": TTMFeatures(with_parts=True),
}


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=8, max_iter=2000, cv=3))


def rocket_accuracy(train: tuple, test: tuple) -> float:
    from sktime.transformations.panel.rocket import MiniRocketMultivariateVariable  # needs numba

    # Outside of the pipeline: in scikit-learn 1.9 a pipeline sets an attribute that sktime's fit deletes.
    rocket = MiniRocketMultivariateVariable(random_state=0)
    classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-3, 3, 10)))
    classifier.fit(np.asarray(rocket.fit_transform(train[0])), train[1])
    return classifier.score(np.asarray(rocket.transform(test[0])), test[1])


def flat_accuracy(model, train: tuple, test: tuple) -> float:
    flat = [(X.reshape(len(X), -1), y) for X, y in (train, test)]
    return model.fit(*flat[0]).score(*flat[1])


def measure(load: Callable) -> list[dict[str, object]]:
    train, test = (load(split=split, return_X_y=True, return_type="numpy3d") for split in ("train", "test"))
    _, n_channels, n_steps = train[0].shape
    models = {
        f"{name} + logistic": partial(
            flat_accuracy, make_pipeline(features.set_params(n_channels=n_channels), logistic())
        )
        for name, features in FEATURES.items()
    } | {
        "raw values + logistic": partial(flat_accuracy, logistic()),
        "MiniRocket + ridge": rocket_accuracy,
    }
    shape = {"train": len(train[1]), "test": len(test[1]), "channels": n_channels, "steps": n_steps}
    rows = []
    for name, accuracy_of in models.items():
        began = time.process_time()
        accuracy = accuracy_of(train, test)
        rows.append(shape | {"model": name, "accuracy": accuracy, "CPU seconds": time.process_time() - began})
    return rows


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
