"""Nothing that ships opens a socket unless weights are asked for by a name on the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

USE = """
import sys, warnings
opened = []
def note(event, arguments):
    if event.startswith("socket.") and event not in ("socket.gethostname", "socket.__new__"):
        opened.append(event)
    elif event == "socket.__new__" and arguments[1] not in (1, -1):  # a Unix socket, or one that wraps another
        opened.append(event)
sys.addaudithook(note)
warnings.simplefilter("ignore")
import json, importlib.util
import numpy as np, pandas as pd
import ttm_sk
for name in ttm_sk.__all__:
    getattr(ttm_sk, name)
days = pd.date_range("2024-01-01", periods=80, freq="D")
y = pd.Series(np.sin(np.arange(80.0)), index=days)
forecaster = ttm_sk.TTMForecaster(fit_strategy="head", fit_steps=2).fit(y, fh=[1, 2])
forecaster.predict_interval()
forecaster.update(pd.Series([0.5], index=[days[-1] + days.freq]))
windows = np.random.default_rng(0).normal(size=(16, 64))
ttm_sk.TTMRegressor(max_epochs=1).fit(windows, windows[:, -1]).predict(windows)
ttm_sk.TTMFeatures(length=64).fit_transform(windows)
backends = [name for name, module in {"onnx": "onnxruntime", "openvino": "openvino"}.items()
            if importlib.util.find_spec(module)]
for backend in ["torch", *backends]:
    ttm_sk.forecast(np.arange(50.0), 3, backend=backend)
from ttm_sk.cli import main
assert main(["info"]) == 0
if sys.argv[1] == "control":
    import socket
    socket.socket().close()
print(json.dumps(opened), file=sys.stderr)
"""


def opened(mode: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", USE, mode],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "TTM_SK_CACHE": str(folder), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.slow
def test_when_a_socket_is_opened_then_this_check_sees_it(tmp_path):
    assert opened("control", tmp_path) == ["socket.__new__"]


def test_when_everything_is_imported_fitted_and_forecast_then_no_socket_is_opened(tmp_path):
    assert opened("plain", tmp_path) == []
