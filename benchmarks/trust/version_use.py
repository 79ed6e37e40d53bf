"""A little of everything with whatever versions are installed; prints them and the forecasts, as JSON.

python benchmarks/trust/version_use.py           # numpy, pandas and ONNX Runtime, no torch
python benchmarks/trust/version_use.py in-full   # every core dependency
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd

SHOWN = ("torch", "numpy", "pandas", "scikit-learn", "sktime", "skorch", "einops", "safetensors", "tqdm", "onnxruntime")
SERIES = np.sin(np.arange(3 * 90.0).reshape(3, 90) / 3) + np.arange(3)[:, None]


def main() -> None:
    warnings.simplefilter("ignore")
    is_full = sys.argv[1:] == ["in-full"]
    import ttm_sk

    found = [*without_torch("torch" if is_full else "onnx"), *(in_full() if is_full else [])]
    if not is_full and "torch" in sys.modules:
        raise SystemExit("torch was imported")
    text = {"versions": _versions(), "from": ttm_sk.__file__, "python": sys.version.split()[0]}
    print(json.dumps(text | {"forecasts": [np.asarray(one).ravel().tolist() for one in found]}))


def without_torch(backend: str) -> list[Any]:
    """Arrays, and a long frame."""
    import ttm_sk
    from ttm_sk.distributed import forecast_frame

    days = pd.date_range("2024-01-01", periods=SERIES.shape[1])
    frame = pd.DataFrame({"unique_id": np.repeat(["a", "b", "c"], len(days)), "ds": np.tile(days, 3)})
    rows = forecast_frame(frame.assign(y=SERIES.ravel()), horizon=7, freq="D", backend=backend)
    return [ttm_sk.forecast(SERIES, 24, backend=backend), rows[["forecast", "0.1", "0.9"]]]


def in_full() -> list[Any]:
    """Forecasts and regression in both contracts, with training; whatever is written is read."""
    import tempfile
    from pathlib import Path

    import ttm_sk

    y = pd.DataFrame(SERIES.T, index=pd.period_range("2024-01-01", periods=SERIES.shape[1], freq="D"))
    forecaster = ttm_sk.TTMForecaster(fit_strategy="head", fit_steps=2, random_state=0).fit(y, fh=range(1, 8))
    found = [forecaster.predict(), forecaster.predict_interval(coverage=[0.8])]
    X = np.random.default_rng(0).normal(size=(40, 64))
    regressor = ttm_sk.TTMRegressor(max_epochs=1, random_state=0, device="cpu").fit(X, X[:, -1])
    found += [regressor.predict(X), ttm_sk.TTMFeatures(length=64).fit_transform(X)]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = ttm_sk.load_checkpoint()
        again = ttm_sk.load_checkpoint(ttm_sk.save_checkpoint(checkpoint, Path(folder, "again.safetensors")))
        if again != checkpoint:
            raise SystemExit("a checkpoint is not what was saved")
    return found


def _versions() -> dict[str, str]:
    found = {}
    for name in SHOWN:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
