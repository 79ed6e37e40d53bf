"""A checkpoint with parts that it did not have, and the same forecasts until they are trained."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.layers.mixing import ChannelMixing
from ttm_sk.models.ttm import TTM, TTMConfig

__all__ = ["new_parts", "with_channel_mixing"]


def with_channel_mixing(checkpoint: Checkpoint, n_channels: int, *, seed: int = 0) -> Checkpoint:
    """The checkpoint with channel mixing in its decoder, for exactly ``n_channels``.

    The last layer of each new part is zero, so what is forecast stays the same.

    Raises
    ------
    ConfigError
        If there are fewer than two channels, no decoder, or channel mixing already for another number.
    """
    config = checkpoint.config
    if not isinstance(config, TTMConfig):
        raise ConfigError(f"channel mixing can be added to a TTM, found a {type(config).__name__}; choose another")
    if config.decoder_mixes_channels and config.n_channels == n_channels:
        return checkpoint
    if config.decoder_mixes_channels or config.mixes_channels:
        raise ConfigError(f"found {n_channels} channels, but this checkpoint mixes exactly {config.n_channels}")
    if n_channels < 2 or not config.decoder_layers:
        raise ConfigError(
            f"channel mixing needs a decoder and at least two channels; found {config.decoder_layers} decoder layers"
            f" and {n_channels} channel(s): leave it off"
        )
    return _grown(checkpoint, replace(config, decoder_mixes_channels=True, n_channels=n_channels), seed)


def new_parts(before: Checkpoint, after: Checkpoint) -> list[str]:
    """Names of the tensors that ``before`` did not have."""
    return [name for name in after.weights if name not in before.weights]


def _grown(checkpoint: Checkpoint, config: TTMConfig, seed: int) -> Checkpoint:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = TTM(config)
    for part in module.modules():
        if isinstance(part, ChannelMixing):
            nn.init.zeros_(part.mlp.contract.weight)
            nn.init.zeros_(part.mlp.contract.bias)
    weights = dict(module.state_dict()) | dict(checkpoint.weights)
    return Checkpoint(module.config, weights, checkpoint.provenance, checkpoint.calibration)
