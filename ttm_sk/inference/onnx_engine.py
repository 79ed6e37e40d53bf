"""ONNX Runtime: the only module that opens its sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ttm_sk.errors import CheckpointError, MissingExtraError
from ttm_sk.inference.exported import HEADER_KEY, ExportedRunner, n_threads_asked, parse_header

try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError("onnx", package="onnxruntime") from error

__all__ = ["open_session"]

ERRORS_ALONE = 3  # of what the runtime logs to stderr


def open_session(path: Path, *, n_threads: int | None = None) -> ExportedRunner:
    """An exported file in ONNX Runtime, on the processor."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ALONE
    options.intra_op_num_threads = n_threads_asked(n_threads)
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions have no common parent of their own
        raise CheckpointError(f"{path} is no ONNX file that can be run ({error}); export it again") from error
    header = parse_header(session.get_modelmeta().custom_metadata_map.get(HEADER_KEY), path)

    def one_pass(context: np.ndarray, observed: np.ndarray) -> np.ndarray:
        return session.run(None, {"context": context, "observed": observed})[0]

    return ExportedRunner(one_pass, header)
