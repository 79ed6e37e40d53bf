"""The made-up storage, and a small checkpoint with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.models.ttm import TTM, TTMConfig

SMALL = TTMConfig(
    context_length=64,
    prediction_length=8,
    patch_length=16,
    width=8,
    n_levels=1,
    n_layers=1,
    decoder_width=8,
    decoder_layers=1,
    levels=(0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99),
    head_width=8,
)


@pytest.fixture
def storage() -> Path:
    return Path(__file__).with_name("gift_eval")


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    return str(save_checkpoint(Checkpoint(SMALL, TTM(SMALL).state_dict(), {"datasets": ["a", "b"]}), path))
