"""``ttm-sk export``: a checkpoint as a file for other engines."""

from __future__ import annotations

import argparse
from pathlib import Path

from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.inference.export import export_checkpoint

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Open in any format, write for another engine."""
    output = Path(arguments.output)
    if output.exists() and not arguments.force:
        raise ConfigError(f"--output: {arguments.output!r} exists, which stays; choose another name, or --force")
    checkpoint = load_checkpoint(arguments.model)
    export_checkpoint(checkpoint, output, format=arguments.format)
    size = output.stat().st_size / 1e6
    print(f"wrote {output}: {checkpoint.n_parameters:,} parameters, format {arguments.format}, {size:.1f} MB")
    return 0
