"""A checkpoint as a file for other engines: ONNX, ONNX with 8-bit weights, or torch's own exported program."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.checkpoints.hub import BUNDLED, cache_folder
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.checkpoints.tensor_file import write_atomically
from ttm_sk.errors import ConfigError
from ttm_sk.inference.exported import FORMAT_VERSION, HEADER_KEY, KIND, ExportedRunner, open_exported
from ttm_sk.inference.runner import Outline
from ttm_sk.models.timer_xl_config import TimerXLConfig

__all__ = ["FORMATS", "cached_export", "export_checkpoint"]

FORMATS = ("onnx", "onnx-int8", "torch")
N_EXAMPLES = 3  # rows that the exporter is shown; any number runs


class _Pass(nn.Module):
    """One pass with tensors in and one tensor out, as an exported file has it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, context: Tensor, observed: Tensor) -> Tensor:
        result = self.module(context, observed)
        return result.mean[..., None] if result.quantiles is None else result.quantiles


def export_checkpoint(checkpoint: Checkpoint, path: str | Path, *, format: str = "onnx") -> Path:
    """Write a checkpoint's model for another engine, whole or not at all, and return the path.

    Parameters
    ----------
    checkpoint
        Of a model that reads values and observed flags alone.
    path
        File to write.
    format
        ``"onnx"``: float32, read by ONNX Runtime and OpenVINO, equal to torch but for rounding; ``"onnx-int8"``: its
        matrices in 8 bits, a third of the size, a little less exact; ``"torch"``: the program of ``torch.export``.

    Raises
    ------
    ConfigError
        For an unknown format, and for a model that needs more than values and flags: a resolution, covariates, static
        categories, filled gaps, or each history at its own length.
    MissingExtraError
        If the extra ``onnx`` is not installed.

    Notes
    -----
    The file has the inputs ``context`` (float32) and ``observed`` (bool; float32 with a ``fed_back_weight``),
    ``(batch, channel, context_length)``, and the output ``quantiles``, ``(batch, channel, prediction_length,
    quantile)``; ``channel`` is 1 for a model that forecasts each channel by itself. Its metadata hold, as JSON under
    ``ttm_sk``, the outline, config, provenance and hash.
    """
    if format not in FORMATS:
        raise ConfigError(f"unknown format {format!r}; choose one of {', '.join(map(repr, FORMATS))}")
    if isinstance(checkpoint.config, TimerXLConfig):
        raise ConfigError("a Timer-XL reads as many patches as there are, which an exported file cannot; export a TTM")
    module = checkpoint.build()
    _refuse_further_inputs(module)
    program = _program(module)
    header = json.dumps(_header(checkpoint, format))
    path = Path(path)
    if format == "torch":
        buffer = io.BytesIO()  # where a disk is full, torch's own writing of files ends the process
        torch.export.save(program, buffer, extra_files={HEADER_KEY: header})
        content = buffer.getvalue()
    else:
        from ttm_sk.inference.onnx_file import onnx_bytes

        content = onnx_bytes(program, header, is_int8=format == "onnx-int8")
    write_atomically(path, content)
    return path


def cached_export(checkpoint: Checkpoint, *, engine: str) -> ExportedRunner:
    """A checkpoint in another engine: the bundled file where it is that, else one exported once.

    It is kept in ``$TTM_SK_CACHE/exported`` (``~/.cache/ttm_sk``) under a hash of weights and configuration.
    """
    for path in BUNDLED.glob("*.onnx"):
        runner = open_exported(path, engine=engine)
        defaults = type(checkpoint.config)().to_dict()  # of fields that are newer than the file
        if runner.outline.hash == checkpoint.hash and defaults | runner.header["config"] == checkpoint.config.to_dict():
            return runner
    told_apart = json.dumps([checkpoint.hash, checkpoint.config.to_dict(), FORMAT_VERSION], sort_keys=True)
    path = cache_folder() / "exported" / f"{hashlib.sha256(told_apart.encode()).hexdigest()}.onnx"
    if not path.exists():
        export_checkpoint(checkpoint, path)
    return open_exported(path, engine=engine)


def _program(module: AnyModule) -> torch.export.ExportedProgram:
    config = module.config
    shape = (N_EXAMPLES, config.n_channels if config.is_fixed else 1, config.context_length)
    context = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    observed = torch.ones(shape, dtype=torch.bool if getattr(config, "fed_back_weight", 1) == 1 else torch.float32)
    batch = torch.export.Dim("batch", min=1)
    one_pass = _Pass(module.requires_grad_(False)).eval()
    return torch.export.export(one_pass, (context, observed), dynamic_shapes=({0: batch}, {0: batch}))


def _header(checkpoint: Checkpoint, format: str) -> dict[str, Any]:
    return {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "format": format,
        "architecture": checkpoint.architecture,
        "outline": Outline.of_config(checkpoint.config, hash=checkpoint.hash).to_dict(),
        "config": checkpoint.config.to_dict(),
        "provenance": dict(checkpoint.provenance),
    }


def _refuse_further_inputs(module: AnyModule) -> None:
    config = module.config
    needs = {
        "a resolution": config.n_resolutions,
        "covariates": config.covariate_channels,
        "static categories": config.static_sizes,
        "gaps that are filled": getattr(module, "wants_filled_gaps", False),
        "each history at its own length": getattr(module, "wants_own_length", False),
    }
    for name, is_needed in needs.items():
        if is_needed:
            raise ConfigError(
                f"found a model that needs {name}, which an exported file cannot be given: run it in torch"
            )
