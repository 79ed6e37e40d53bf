"""OpenVINO: the only module that compiles models with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ttm_sk.errors import CheckpointError, MissingExtraError
from ttm_sk.inference.exported import HEADER_KEY, ExportedRunner, n_threads_asked, parse_header

try:
    import openvino
except ImportError as error:
    raise MissingExtraError("openvino", package="openvino") from error

__all__ = ["open_model"]


def open_model(path: Path, *, n_threads: int | None = None, precision: str = "f32") -> ExportedRunner:
    """An exported file in OpenVINO, on the processor."""
    core = openvino.Core()
    settings: dict[str, object] = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": 1}
    if threads := n_threads_asked(n_threads):
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        model = core.read_model(path)
        place = ["framework", HEADER_KEY]
        text = model.get_rt_info(place).value if model.has_rt_info(place) else None
        compiled = core.compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise CheckpointError(f"{path} is no ONNX file that can be run ({error}); export it again") from error

    def one_pass(context: np.ndarray, observed: np.ndarray) -> np.ndarray:
        return np.array(compiled({"context": context, "observed": observed})[0])  # a copy: the next pass reuses its own

    return ExportedRunner(one_pass, parse_header(text, path))
