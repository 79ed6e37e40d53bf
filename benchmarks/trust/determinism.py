"""The same seed, the same bits; other numbers of threads and other engines, the same to a stated tolerance.

python benchmarks/trust/determinism.py
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import record
import torch
from child import end, fork
from jobs import start

from ttm_sk import finetune, forecast, pretrain
from ttm_sk.training.finetune import FineTuneSettings
from ttm_sk.training.pretrain import PretrainSettings

TOLERANCE = 1e-4  # in deviations of the series: engines, and numbers of threads
TRAINED_TOLERANCE = 1e-3  # of the weights, relative to the largest: numbers of threads, over 30 steps of training
ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}


def main() -> int:
    trained = {f"{n} thread(s)": [_apart(_train, n) for _ in range(2)] for n in (1, 2)}
    one, two = (values[0] for values in trained.values())
    forecasts = {n: _apart(_forecast, n) for n in (1, 2)}
    again = _apart(_forecast, 1)
    rows = [
        {"what": "training twice", "difference": max(_largest(*pair) for pair in trained.values()), "tolerance": 0.0},
        {"what": "forecasting twice", "difference": _largest(forecasts[1], again), "tolerance": 0.0},
        {"what": "training, 1 and 2 threads", "difference": _largest(one, two), "tolerance": TRAINED_TOLERANCE},
        {"what": "forecasting, 1 and 2 threads", "difference": _largest(again, forecasts[2]), "tolerance": TOLERANCE},
    ]
    for engine, module in ENGINES.items():
        if importlib.util.find_spec(module):
            other = _apart(lambda engine=engine: _forecast(engine), 1)
            rows.append({"what": f"torch and {engine}", "difference": _largest(again, other), "tolerance": TOLERANCE})
    record.write("determinism", {"rows": rows})
    for row in rows:
        print(row)
    return 1 if any(row["difference"] > row["tolerance"] for row in rows) else 0


def _apart(work: Callable[[], np.ndarray], n_threads: int) -> np.ndarray:
    """What work gives in a process of its own, with so many threads."""
    with tempfile.TemporaryDirectory() as name:
        kept, log = Path(name, "found.npy"), Path(name, "log")

        def save() -> None:
            os.environ["OMP_NUM_THREADS"] = str(n_threads)
            torch.set_num_threads(n_threads)
            np.save(kept, work())

        if end(fork(save, log=log)):
            raise RuntimeError(log.read_text()[-500:])
        return np.load(kept)


def _train() -> np.ndarray:
    """All weights after some pretraining and fine-tuning, relative to the largest."""
    first = pretrain(start(), settings=PretrainSettings(n_windows=240, batch_size=16), is_quiet=True)
    past = [np.sin(np.arange(400) / period) for period in (3.0, 5.0)]
    tuned = finetune(first, past, settings=FineTuneSettings(most_steps=15, peak=1e-3), is_quiet=True)
    weights = torch.cat([value.flatten() for value in tuned.weights.values()]).numpy()
    return weights / np.abs(weights).max()


def _forecast(backend: str = "torch") -> np.ndarray:
    """Forecasts of walks, in deviations of each."""
    walks = np.random.default_rng(0).normal(size=(64, 700)).cumsum(axis=1)
    return forecast(walks, 120, backend=backend) / walks.std(axis=1)[:, None, None]


def _largest(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).max())


if __name__ == "__main__":
    sys.exit(main())
