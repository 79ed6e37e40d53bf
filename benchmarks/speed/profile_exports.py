"""Where an exported model spends its time, by kind of operation: the engines' own profiles, one thread.

    python benchmarks/speed/profile_exports.py --granite FOLDER --page docs/speed.md

Shares of the time inside the engine; the bundled weights and IBM Granite's, one window and 128.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pandas as pd

from ttm_sk import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.evaluation.leaderboard import markdown_table
from ttm_sk.inference.export import export_checkpoint
from ttm_sk.inference.exported import ROWS_AT_ONCE

sys.path.insert(0, str(Path(__file__).parents[1]))

from marks import put  # noqa: E402

N_RUNS = 10
# what an operation's name begins with (ONNX Runtime's and OpenVINO's), and what it is
KINDS = {
    "matrix products": ("MatMul", "Gemm", "FusedMatMul", "DynamicQuantizeMatMul", "FullyConnected"),
    "Fourier transform": ("DFT", "RDFT"),
    "softmax and GELU": ("Softmax", "Gelu", "BiasGelu", "FastGelu"),
    "normalising": ("LayerNormalization", "MVN", "ReduceMean"),
    "sums and products, value by value": ("Add", "Mul", "Sub", "Div", "Eltwise", "Subgraph"),
    "moving values": ("Transpose", "Reorder", "Reshape", "Concat", "Gather", "Slice", "StridedSlice", "Pad", "Split"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--granite", type=Path, help="folder of an IBM Granite checkpoint")
    parser.add_argument("--page", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    models = {"ttm-tiny": load_checkpoint("ttm-tiny")}
    if options.granite:
        models["Granite"] = load_checkpoint(options.granite)
    table = pd.DataFrame(list(rows(models)))
    text = markdown_table(table.set_index("model"))
    print(text)
    if options.page:
        put(options.page, "profile", text)


def rows(models: dict[str, Checkpoint]) -> Iterator[dict[str, object]]:
    """A line for each model, engine and batch."""
    with tempfile.TemporaryDirectory() as folder:
        for name, checkpoint in models.items():
            files = {form: Path(folder) / f"{name}.{form}" for form in ("onnx", "onnx-int8")}
            for form, path in files.items():
                export_checkpoint(checkpoint, path, format=form)
            for batch in (1, ROWS_AT_ONCE):
                inputs = example(checkpoint, batch)
                profiles = {
                    "ONNX Runtime, f32": by_onnxruntime(files["onnx"], inputs),
                    "ONNX Runtime, int8": by_onnxruntime(files["onnx-int8"], inputs),
                    "OpenVINO, bf16": by_openvino(files["onnx"], inputs),
                }
                for engine, profile in profiles.items():
                    yield {"model": name, "windows": batch, "engine": engine, **shares(profile)}


def example(checkpoint: Checkpoint, batch: int) -> dict[str, np.ndarray]:
    shape = batch, 1, checkpoint.config.context_length
    context = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    is_marked = getattr(checkpoint.config, "fed_back_weight", 1) != 1
    return {"context": context, "observed": np.ones(shape, np.float32 if is_marked else bool)}


def by_onnxruntime(path: Path, inputs: dict[str, np.ndarray]) -> Counter[str]:
    """Microseconds by operation."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling, options.log_severity_level = 1, True, 3
    options.profile_file_prefix = str(path.parent / "profile")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for _ in range(N_RUNS):
        session.run(None, inputs)
    found: Counter[str] = Counter()
    for event in json.loads(Path(session.end_profiling()).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            found[event["args"]["op_name"]] += event["dur"]
    return found


def by_openvino(path: Path, inputs: dict[str, np.ndarray]) -> Counter[str]:
    """Microseconds by operation."""
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1, "PERF_COUNT": True}
    request = core.compile_model(core.read_model(path), "CPU", settings).create_infer_request()
    found: Counter[str] = Counter()
    for _ in range(N_RUNS):
        request.infer(inputs)
        for node in request.profiling_info:
            found[node.node_type] += node.real_time.microseconds
    return found


def shares(profile: Counter[str]) -> dict[str, str]:
    """Of the whole, by kind; what has no kind of its own is the rest."""
    total = sum(profile.values())
    found = {
        kind: sum(spent for name, spent in profile.items() if name.startswith(names)) / total
        for kind, names in KINDS.items()
    }
    return {kind: f"{share:.0%}" for kind, share in (found | {"else": 1 - sum(found.values())}).items()}


if __name__ == "__main__":
    main()
