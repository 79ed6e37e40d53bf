"""The models that are timed beside ours, each as one call without arguments. What is not installed is left out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ttm_sk import TTMForecaster, load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import MissingExtraError
from ttm_sk.inference.export import export_checkpoint
from ttm_sk.inference.exported import open_exported

Calls = dict[str, Callable[[], object]]
OURS = "ttm_sk, torch"
GRANITE = "granite-tsfm, torch"
BOLT = "Chronos-Bolt-tiny, torch"
HORIZON = 96


def inputs(model: Checkpoint | torch.nn.Module, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random walks of the whole context, all observed."""
    steps = np.random.default_rng(0).normal(size=(batch_size, 1, model.config.context_length))
    context = torch.from_numpy(steps.cumsum(axis=-1).astype(np.float32))
    return context, torch.ones_like(context, dtype=torch.bool)


class Forwards:
    """One pass through the same weights in every engine that is here; files are exported once."""

    def __init__(self, checkpoint: Checkpoint, folder: Path | None) -> None:
        self.checkpoint = checkpoint
        self.module = checkpoint.build().requires_grad_(False)
        self.granite = granite_module(folder) if folder else None
        self.bolt = chronos_bolt()
        self.engines = dict(engines(checkpoint))

    def calls(self, batch_size: int) -> Calls:
        context, observed = inputs(self.checkpoint, batch_size)
        arrays = context.numpy(), observed.numpy()

        def one_pass(engine: Callable) -> Callable[[], object]:
            return lambda: engine(*arrays)

        found: Calls = {OURS: lambda: self.module(context, observed)}
        if self.granite is not None:
            values, flags = context.transpose(1, 2).contiguous(), observed.transpose(1, 2).contiguous()
            found[GRANITE] = lambda: self.granite(past_values=values, past_observed_mask=flags, return_loss=False)
        if self.bolt is not None:
            rows = context[:, 0]
            found[BOLT] = lambda: self.bolt(context=rows)
        return found | {name: one_pass(engine) for name, engine in self.engines.items()}


def granite_module(folder: Path) -> torch.nn.Module | None:
    """granite-tsfm's module with the weights in a folder."""
    try:
        from tsfm_public.models.tinytimemixer import TinyTimeMixerForPrediction
    except ImportError:
        return None
    return TinyTimeMixerForPrediction.from_pretrained(folder).eval()


def chronos_bolt() -> torch.nn.Module | None:
    """The architecture of Chronos-Bolt-tiny (64 steps a pass, up to 2,048 of the past) with random weights.

    The sizes are those of its published configuration (huggingface.co/amazon/chronos-bolt-tiny).
    """
    try:
        from chronos.chronos_bolt import ChronosBoltModelForForecasting
        from transformers import T5Config
    except ImportError:
        return None
    sizes = {"d_model": 256, "d_kv": 64, "d_ff": 1024, "num_layers": 4, "num_decoder_layers": 4, "num_heads": 4}
    bolt = {"context_length": 2048, "prediction_length": 64, "input_patch_size": 16, "input_patch_stride": 16}
    bolt |= {"quantiles": [i / 10 for i in range(1, 10)], "use_reg_token": True}
    special = {"vocab_size": 2, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    return ChronosBoltModelForForecasting(T5Config(**sizes, **special, chronos_config=bolt)).eval()


def engines(checkpoint: Checkpoint) -> Calls:
    """The exported model in ONNX Runtime and OpenVINO, at every precision."""
    found: Calls = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, format, engine, precision in (
            ("ONNX Runtime, f32", "onnx", "onnx", "f32"),
            ("ONNX Runtime, int8", "onnx-int8", "onnx", "f32"),
            ("OpenVINO, f32", "onnx", "openvino", "f32"),
            ("OpenVINO, bf16", "onnx", "openvino", "bf16"),
        ):
            path = Path(folder) / f"{format}.onnx"
            try:
                if not path.exists():
                    export_checkpoint(checkpoint, path, format=format)
                opened = open_exported(path, engine=engine, precision=precision, n_threads=torch.get_num_threads())
            except MissingExtraError:
                continue
            found[name] = opened.one_pass
    return found


def panel(n_series: int, length: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Hourly series with a day and a week, and the steps that follow each, ``(series, horizon)``."""
    hours = pd.date_range("2024-01-01", periods=length, freq="h")
    rng = np.random.default_rng(0)
    time = np.arange(length + HORIZON)
    daily = np.sin(2 * np.pi * time / 24) * rng.uniform(1, 3, (n_series, 1)) + np.sin(2 * np.pi * time / 168)
    values = 10 + daily + rng.normal(size=daily.shape)
    index = pd.MultiIndex.from_product([range(n_series), hours], names=["series", "time"])
    return pd.DataFrame({"y": values[:, :length].ravel()}, index=index), values[:, length:]


def panel_calls(y: pd.DataFrame, granite_folder: Path | None) -> dict[str, Callable[[pd.DataFrame], object]]:
    """Fit and predict of a panel; peers take a part of it, and their time is that of the whole in proportion."""
    steps = np.arange(1, HORIZON + 1)

    def ours(model: object, effort: str, backend: str = "torch") -> Callable[[pd.DataFrame], object]:
        return lambda part: TTMForecaster(model, effort=effort, backend=backend).fit(part).predict(fh=steps)

    found = {"ttm_sk, plain": ours("ttm-tiny", "plain"), "ttm_sk, fast": ours("ttm-tiny", "fast")}
    if granite_folder is not None:
        found["ttm_sk with Granite's weights"] = ours(load_checkpoint(granite_folder), "plain")
        found |= sktime_wrapper(granite_folder)
    return found | classical()


def sktime_wrapper(folder: Path) -> dict[str, Callable[[pd.DataFrame], object]]:
    """sktime's own wrapper of Granite's model, zero-shot."""
    try:
        import accelerate  # noqa: F401
        import transformers  # noqa: F401
        from sktime.forecasting.ttm import TinyTimeMixerForecaster
    except ImportError:
        return {}
    steps = np.arange(1, HORIZON + 1)
    config = json.loads((folder / "config.json").read_text())
    settings = {"context_length": config["context_length"], "prediction_length": config["prediction_length"]}

    def run(part: pd.DataFrame) -> object:
        wrapper = TinyTimeMixerForecaster(model_path=str(folder), fit_strategy="zero-shot", config=settings)
        return wrapper.fit(part, fh=steps).predict()

    return {"sktime's wrapper": run}


def classical() -> dict[str, Callable[[pd.DataFrame], object]]:
    """AutoETS and Theta of sktime."""
    steps = np.arange(1, HORIZON + 1)
    try:
        import statsmodels  # noqa: F401
    except ImportError:
        return {}
    from sktime.forecasting.ets import AutoETS
    from sktime.forecasting.theta import ThetaForecaster

    return {
        "AutoETS": lambda part: AutoETS(auto=True, sp=24, n_jobs=1).fit(part).predict(fh=steps),
        "Theta": lambda part: ThetaForecaster(sp=24).fit(part).predict(fh=steps),
    }
