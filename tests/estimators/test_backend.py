"""TTMForecaster on other engines: the same forecasts, to the tolerance that its docstring states."""

from __future__ import annotations

import numpy as np
import pytest
from sktime.datasets import load_airline
from strategies import random_module, small_config

from ttm_sk import TTMForecaster
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError

STEPS = np.arange(1, 13)


def small_checkpoint(**changes) -> Checkpoint:
    module = random_module(small_config(with_flags=True, **changes))
    return Checkpoint(module.config, module.state_dict())


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
@pytest.mark.parametrize("effort", ["plain", "fast"])
def test_when_the_backend_is_another_then_the_bundled_forecast_is_the_same(backend, effort):
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    y = load_airline()
    expected = TTMForecaster(effort=effort).fit(y).predict_quantiles(fh=STEPS, alpha=[0.1, 0.5, 0.9])
    found = TTMForecaster(effort=effort, backend=backend).fit(y).predict_quantiles(fh=STEPS, alpha=[0.1, 0.5, 0.9])
    np.testing.assert_allclose(found, expected, atol=1e-4 * y.std())


def test_when_the_weights_are_learnt_then_they_are_exported_once(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("TTM_SK_CACHE", str(tmp_path))
    asked = {"model_path": small_checkpoint(), "fit_strategy": "head", "fit_steps": 3, "random_state": 0}
    y = load_airline()
    expected = TTMForecaster(**asked).fit(y).predict(fh=STEPS)
    found = TTMForecaster(**asked, backend="onnx").fit(y).predict(fh=STEPS)
    np.testing.assert_allclose(found, expected, atol=1e-4 * y.std())
    assert len(list((tmp_path / "exported").glob("*.onnx"))) == 1


@pytest.mark.parametrize(
    "asked", [{"backend": "jax"}, {"backend": "onnx", "device": "cuda"}, {"backend": "openvino", "device": "cuda:0"}]
)
def test_when_a_backend_is_unknown_or_elsewhere_then_fit_refuses_it(asked):
    with pytest.raises(ConfigError, match="backend"):
        TTMForecaster(**asked).fit(load_airline())


def test_when_a_model_cannot_be_exported_then_fit_says_so():
    pytest.importorskip("onnxruntime")
    with pytest.raises(ConfigError, match="needs a resolution"):
        TTMForecaster(small_checkpoint(n_resolutions=3), backend="onnx").fit(load_airline())
