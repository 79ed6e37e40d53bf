"""TTMRegressor beside Ridge and gradient boosting: one step ahead from lags of real series that no weights of ours saw.

    python benchmarks/regressor/lags.py --output benchmarks/regressor/results/lags.csv [--corpus CORPUS]

The last quarter of the windows of each series is predicted by a model fitted to the first three quarters. Ridge chooses
its penalty by cross-validation; gradient boosting has scikit-learn's defaults. ``--corpus`` adds seoul_bikes_hourly and
the ``FRESH`` series. The other series were looked at while the estimator was made ("development"); the fresh ones were
named here before anything was measured on them, and nothing is chosen by them. They are of licence classes that the
weights are not trained on.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sktime.datasets import __file__ as datasets_file
from sktime.datasets import load_airline, load_lynx, load_PBS_dataset, load_solar

from ttm_sk import TTMRegressor, load_checkpoint

LONG = 3000  # steps of the longest series that are used
FRESH = {"traffic_junctions_hourly": 48, "web_visits_daily": 14, "pacific_sst_monthly": 24}  # lags: two seasons


def series(corpus: Path | None) -> dict[str, tuple[np.ndarray, int]]:
    """Values and number of lags of each series: two seasons, or twenty years of lynx."""
    seatbelts = pd.read_csv(Path(datasets_file).parent / "data" / "seatbelts" / "seatbelts.csv")
    found = {
        "airline": (load_airline(), 24),
        "seatbelts": (seatbelts["KSI"], 24),
        "solar": (load_solar(return_full_df=False), 96),
        "lynx": (load_lynx(), 20),
        "PBS_dataset": (load_PBS_dataset(), 24),
    }
    if corpus is not None:
        for name, n_lags in {"seoul_bikes_hourly": 48, **FRESH}.items():
            found[name] = (first_series(corpus / f"{name}.npz")[:LONG], n_lags)
    return {name: (np.asarray(values, dtype=float), n_lags) for name, (values, n_lags) in found.items()}


def first_series(path: Path) -> np.ndarray:
    """The first series of a corpus file; see :mod:`ttm_sk.data.corpora` for the format."""
    with np.load(path) as file:
        return file["values"][: file["offsets"][1]] * file["scale"][0] + file["loc"][0]


def measure(values: np.ndarray, n_lags: int) -> list[dict[str, object]]:
    windows = np.lib.stride_tricks.sliding_window_view(values, n_lags + 1)
    past, target = windows[:, :-1], windows[:, -1]
    cut = len(past) * 3 // 4
    models = {
        "last value": None,
        "Ridge": RidgeCV(np.logspace(-3, 6, 19)),
        "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
        "TTMRegressor, start only": TTMRegressor(max_epochs=0, random_state=0),
        "TTMRegressor": TTMRegressor(random_state=0),
    }
    rows = []
    for name, model in models.items():
        began = time.process_time()
        found = past[cut:, -1] if model is None else model.fit(past[:cut], target[:cut]).predict(past[cut:])
        error = found - target[cut:]
        rows.append(
            {
                "rows": len(past),
                "lags": n_lags,
                "model": name,
                "MAE": np.abs(error).mean(),
                "RMSE": np.sqrt((error**2).mean()),
                "CPU seconds": time.process_time() - began,
                "scale": getattr(model, "target_scale_", ""),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    rows = []
    for name, (values, n_lags) in series(arguments.corpus).items():
        kind = "fresh" if name in FRESH else "development"
        rows += [{"series": name, "kind": kind, **row} for row in measure(values, n_lags)]
        print(pd.DataFrame(rows[-5:]).to_string(index=False), flush=True)
    table = pd.DataFrame(rows).assign(weights=load_checkpoint().hash[:12])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.output, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
