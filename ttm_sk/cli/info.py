"""``ttm-sk info``: what a checkpoint is and what it saw."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ttm_sk.checkpoints.hub import locate
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.models.ttm_config import TTMConfig

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Print the facts, or all of them as JSON."""
    checkpoint = load_checkpoint(arguments.model)
    if arguments.json:
        print(json.dumps(_facts(checkpoint, str(arguments.model)), indent=2))
        return 0
    config, provenance = checkpoint.config, checkpoint.provenance
    views = f", as means over {', '.join(map(str, config.views))} step(s)" if isinstance(config, TTMConfig) else ""
    facts = {
        "architecture": f"{checkpoint.architecture}, {checkpoint.n_parameters:,} parameters",
        "context": f"up to {config.context_length:,} steps{views}",
        "horizon": f"{config.horizon} steps in one pass; more by feeding the forecast back",
        "levels": " ".join(f"{level:g}" for level in config.levels) or "none (points only)",
        "training": f"{provenance.get('windows', 0):,} windows, {provenance.get('seconds', 0):,.0f} seconds",
        "data sets": f"{len(provenance.get('datasets', []))} (--json lists them)",
        **({"licence": provenance["licence"]["duties"]} if "licence" in provenance else {}),
        "hash": checkpoint.hash,
        "file": str(locate(arguments.model)),
    }
    print(arguments.model)
    for name, fact in facts.items():
        print(f"  {name:<14}{fact}")
    return 0


def _facts(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    return {
        "model": name,
        "architecture": checkpoint.architecture,
        "n_parameters": checkpoint.n_parameters,
        "context_length": checkpoint.config.context_length,
        "prediction_length": checkpoint.config.horizon,
        "levels": list(checkpoint.config.levels),
        "hash": checkpoint.hash,
        "config": checkpoint.config.to_dict(),
        "provenance": dict(checkpoint.provenance),
        "calibration": dict(checkpoint.calibration),
    }
