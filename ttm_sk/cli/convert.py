"""``ttm-sk convert``: a checkpoint in the other format."""

from __future__ import annotations

import argparse
from pathlib import Path

from ttm_sk.checkpoints.granite import to_granite
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import save_checkpoint
from ttm_sk.errors import ConfigError

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Open in any format, write in the one asked for."""
    output = Path(arguments.output)
    if output.exists():
        raise ConfigError(f"--output: {arguments.output!r} exists, which stays; choose another name")
    checkpoint = load_checkpoint(arguments.model)
    write = to_granite if arguments.to == "granite" else save_checkpoint
    write(checkpoint, output)
    if "licence" in checkpoint.provenance:
        print(checkpoint.provenance["licence"]["duties"])
    print(f"wrote {arguments.output}: {checkpoint.n_parameters:,} parameters, format {arguments.to}")
    return 0
