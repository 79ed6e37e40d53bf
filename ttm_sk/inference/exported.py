"""A model as one exported file, run by another engine than torch. Numpy and that engine are all it needs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.inference.rollout import Step
from ttm_sk.inference.runner import Outline

__all__ = [
    "ENGINES",
    "FORMAT_VERSION",
    "HEADER_KEY",
    "KIND",
    "ROWS_AT_ONCE",
    "ExportedRunner",
    "n_threads_asked",
    "open_exported",
]

ENGINES = ("onnx", "openvino")
HEADER_KEY = "ttm_sk"  # of the file's metadata, where the header stands as JSON
KIND = "exported model"
FORMAT_VERSION = 1
ROWS_AT_ONCE = 128  # what more of them make on the way leaves the processor's caches: a fifth slower

# context float32 and observed bool, (batch, channel, context_length) -> (batch, channel, prediction_length, quantile)
Pass = Callable[[np.ndarray, np.ndarray], np.ndarray]


class ExportedRunner:
    """An exported model; see :class:`~ttm_sk.inference.runner.Runner`.

    Parameters
    ----------
    one_pass
        What the engine makes of a full context: ``(batch, channel, context_length)`` values and observed flags to
        ``(batch, channel, prediction_length, quantile)``.
    header
        What the file says of itself: its ``outline``, and the ``config`` and ``provenance`` of the checkpoint.

    Raises
    ------
    CheckpointError
        If the header is not one of ours, or of a later format.
    """

    def __init__(self, one_pass: Pass, header: Mapping[str, Any]) -> None:
        if header.get("kind") != KIND or header.get("format_version") != FORMAT_VERSION:
            raise CheckpointError(
                f"found {header.get('kind')!r} of format version {header.get('format_version')!r}, expected an"
                f" {KIND!r} of version {FORMAT_VERSION}; export it with this version: ttm-sk export"
            )
        if not isinstance(header.get("outline"), Mapping):
            raise CheckpointError("the header of the exported model holds no outline; export it again: ttm-sk export")
        self._engine, self.header = one_pass, header
        self.outline = Outline.from_dict(header["outline"])

    def step(self, *, batch_size: int, resolution: int | None = None, horizon: int | None = None) -> Step:
        """One pass of the file's model, at most ``batch_size`` rows at a time, always as far as it was exported.

        Raises
        ------
        ConfigError
            For a resolution: exported models have no use for one.
        """
        if resolution is not None:
            raise ConfigError("an exported model has no use for a resolution; leave it out, or use backend='torch'")

        def step(context: np.ndarray, observed: np.ndarray, **given: np.ndarray) -> np.ndarray:
            if given:
                raise ConfigError(f"an exported model has no use for {', '.join(given)}; use backend='torch'")
            n_channels = context.shape[1]
            context, observed = self._rows(context), self._rows(observed)
            starts = range(0, len(context), batch_size)
            parts = [
                self._pass(*(part[start : start + batch_size] for part in (context, observed))) for start in starts
            ]
            found = np.concatenate(parts)
            return found if self.outline.n_channels else found.reshape(-1, n_channels, *found.shape[2:])

        return step

    def _rows(self, part: np.ndarray) -> np.ndarray:
        """Channels that know nothing of each other as rows of their own."""
        if not self.outline.n_channels:
            return part.reshape(-1, 1, part.shape[-1])
        if part.shape[1] != self.outline.n_channels:
            raise ConfigError(f"found {part.shape[1]} channels, but this model mixes exactly {self.outline.n_channels}")
        return part

    def _pass(self, context: np.ndarray, observed: np.ndarray) -> np.ndarray:
        length = self.outline.context_length
        before = ((0, 0), (0, 0), (max(0, length - context.shape[-1]), 0))
        context = np.pad(context[..., -length:], before).astype(np.float32, copy=False)
        observed = np.pad(observed[..., -length:], before, constant_values=self.outline.pads_count)
        return self.one_pass(context, observed)

    def one_pass(self, context: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """The engine's answer: ``(batch, channel, context_length)``, float32 and flags, to quantiles."""
        flags = observed.astype(bool if self.outline.fed_back_weight == 1 else np.float32, copy=False)
        parts = [
            self._engine(np.ascontiguousarray(context[rows]), np.ascontiguousarray(flags[rows]))
            for rows in (slice(i, i + ROWS_AT_ONCE) for i in range(0, max(1, len(context)), ROWS_AT_ONCE))
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def open_exported(
    path: str | Path, *, engine: str = "onnx", n_threads: int | None = None, precision: str = "f32"
) -> ExportedRunner:
    """The model of a file that ``ttm-sk export`` wrote.

    Parameters
    ----------
    path
        An ``.onnx`` file; both engines read it.
    engine
        ``"onnx"``: ONNX Runtime; ``"openvino"``: OpenVINO.
    n_threads
        None: ``$OMP_NUM_THREADS`` where it is set, else what the engine chooses.
    precision
        ``"f32"``, or, in OpenVINO, ``"bf16"``: faster where the processor has it, slower where not.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or not one of ours.
    ConfigError
        For an unknown engine or precision.
    MissingExtraError
        If the engine is not installed.

    Examples
    --------
    >>> from ttm_sk.checkpoints.hub import BUNDLED
    >>> open_exported(BUNDLED / "ttm-tiny.onnx").outline.context_length
    4096
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"found no file {path}; give the path of a file that `ttm-sk export` wrote")
    if engine not in ENGINES:
        raise ConfigError(f"unknown engine {engine!r}; choose one of {', '.join(map(repr, ENGINES))}")
    if precision not in (("f32", "bf16") if engine == "openvino" else ("f32",)):
        raise ConfigError(f"found precision={precision!r} for {engine}; 'bf16' is OpenVINO's, 'f32' everyone's")
    if engine == "openvino":
        from ttm_sk.inference.openvino_engine import open_model

        return open_model(path, n_threads=n_threads, precision=precision)
    from ttm_sk.inference.onnx_engine import open_session

    return open_session(path, n_threads=n_threads)


def n_threads_asked(n_threads: int | None) -> int:
    """Threads that an engine should take; 0 leaves it to the engine."""
    asked = os.environ.get("OMP_NUM_THREADS", "") if n_threads is None else str(n_threads)
    return int(asked) if asked.isdecimal() else 0


def parse_header(text: str | None, path: Path) -> dict[str, Any]:
    """The header of a file from its metadata.

    Raises
    ------
    CheckpointError
        If there is none, or it is no JSON object.
    """
    if not text:
        raise CheckpointError(
            f"{path} was not written by ttm_sk: it has no {HEADER_KEY!r} metadata; use `ttm-sk export`"
        )
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"the header of {path} is damaged ({error}); export it again") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"the header of {path} is damaged: it is no JSON object; export it again")
    return header
