"""A checkpoint with parts that it did not have, and the same forecasts until they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.layers.exogenous import ForecastMixing
from ttm_sk.layers.mixing import ChannelMixing
from ttm_sk.models.ttm import TTM, TTMConfig

__all__ = ["new_parts", "with_channel_mixing", "with_drivers", "with_static"]


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


def with_static(checkpoint: Checkpoint, sizes: Sequence[int], *, n_channels: int = 1, seed: int = 0) -> Checkpoint:
    """The checkpoint with an embedding of static categories, which the decoder mixes with its ``n_channels``.

    Its module then needs ``static``; what is forecast stays the same until it is trained.

    Parameters
    ----------
    sizes
        Number of values of each category.

    Raises
    ------
    ConfigError
        If there is no category, no decoder, or the checkpoint has channels of its own already.
    """
    config = checkpoint.config
    if not isinstance(config, TTMConfig) or config.is_fixed or not sizes or not config.decoder_layers:
        raise ConfigError(
            f"static categories can be added to a TTM with a decoder that mixes no channels yet, found {len(sizes)}"
            f" category(ies) for a {type(config).__name__}; choose another checkpoint"
        )
    grown = replace(config, decoder_mixes_channels=True, n_channels=n_channels, static_sizes=tuple(sizes))
    return _grown(checkpoint, grown, seed)


def with_drivers(
    checkpoint: Checkpoint,
    n_drivers: int,
    *,
    n_targets: int = 1,
    horizon: int | None = None,
    static_sizes: Sequence[int] = (),
    seed: int = 0,
) -> Checkpoint:
    """The checkpoint with the exogenous mixer, which corrects every step of the forecast by what is known around it.

    Its module then needs ``covariates``; the correction is zero until it is trained, and moves all quantiles alike.
    Series, forecast and drivers are mixed in scaled units, each scaled by its own past.

    Parameters
    ----------
    n_drivers, n_targets
        Columns whose future is known, and columns that are forecast.
    horizon
        Steps of the forecast that are kept; None keeps all.
    static_sizes
        Number of values of each static category, as in :func:`with_static`.

    Raises
    ------
    ConfigError
        If there are no drivers, or the checkpoint has channels of its own already.
    """
    config = checkpoint.config
    if not isinstance(config, TTMConfig) or config.is_fixed or n_drivers < 1 or n_targets < 1:
        raise ConfigError(
            f"drivers can be added to a TTM that mixes no channels yet, found {n_drivers} driver(s) for {n_targets}"
            f" target(s) and a {type(config).__name__}; choose another checkpoint"
        )
    n_channels = n_targets + n_drivers
    kept = 0 if horizon is None or horizon >= config.prediction_length else horizon
    grown = replace(
        config,
        n_channels=n_channels,
        target_channels=tuple(range(n_targets)),
        covariate_channels=tuple(range(n_targets, n_channels)),
        forecast_length=kept,
        mixes_forecasts=True,
        reach=1,
        reach_gate="sigmoid",
        static_sizes=tuple(static_sizes),
        decoder_mixes_channels=bool(static_sizes),
    )
    return _grown(checkpoint, grown, seed)


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
        if isinstance(part, ForecastMixing):
            nn.init.zeros_(part.projection.weight)
            nn.init.zeros_(part.projection.bias)
    weights = dict(module.state_dict()) | dict(checkpoint.weights)
    return Checkpoint(module.config, weights, checkpoint.provenance, checkpoint.calibration)
