"""An exported program as the bytes of an ONNX file: the only module that writes ONNX."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ttm_sk.errors import MissingExtraError
from ttm_sk.inference.exported import HEADER_KEY

try:
    import onnx
    import onnxscript  # noqa: F401  (torch's exporter is written with it)
    from onnxruntime.quantization import QuantType, quantize_dynamic
except ImportError as error:
    raise MissingExtraError("onnx", package="onnx, onnxscript or onnxruntime") from error

__all__ = ["onnx_bytes"]

OPSET = 20  # the first with GELU as one operator


def onnx_bytes(program: torch.export.ExportedProgram, header: str, *, is_int8: bool) -> bytes:
    """The program in ONNX with ``header`` in its metadata, in float32 or with 8-bit matrices."""
    with warnings.catch_warnings(), _quiet("torch.onnx"):
        warnings.simplefilter("ignore")  # the exporter's, about its own insides
        written = torch.onnx.export(
            program,
            dynamo=True,
            input_names=["context", "observed"],
            output_names=["quantiles"],
            opset_version=OPSET,
            verbose=False,
        )
    assert written is not None  # an older exporter's answer
    model = written.model_proto
    _drop_notes(model)
    if is_int8:
        model = _quantized(model)
    onnx.helper.set_model_props(model, {HEADER_KEY: header})
    return model.SerializeToString()


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Without the warnings that a logger writes, of packages that are not there."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _drop_notes(model: Any) -> None:
    """Shapes within, which the quantizer contradicts, and the exporter's notes: a tenth of the file."""
    del model.graph.value_info[:]
    del model.metadata_props[:]
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def _quantized(model: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "f32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        # Unsigned, as ONNX Runtime adds products with signed ones in 16 bits where the CPU has no VNNI: they overflow.
        with _quiet("root"):  # of flags, which are no numbers to quantize
            quantize_dynamic(source, target, weight_type=QuantType.QUInt8, per_channel=True)
        return onnx.load(target)
