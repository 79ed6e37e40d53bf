"""What IBM Granite calls the tensors of a TinyTimeMixer: one table, read in both directions.

A line pairs our name with Granite's; ``{level}`` and ``{layer}`` stand for the same numbers on both sides. What follows
(``.weight``, ``.bias``, the running statistics of a batch norm) is called alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product

from ttm_sk.models.ttm_config import TTMConfig

__all__ = ["ENCODER", "Table", "granite_names", "layer_lines", "rename"]

Table = tuple[tuple[str, str], ...]

ENCODER = "backbone.encoder."
SINGLE: Table = (
    ("embeddings.0.projection", f"{ENCODER}patcher"),
    ("prefix.embedding", f"{ENCODER}freq_mod.0"),
    ("prefix.projection.0", f"{ENCODER}freq_mod.1"),
    ("prefix.projection.2", f"{ENCODER}freq_mod.3"),
    ("positions.encoding", f"{ENCODER}positional_encoder.position_enc"),
    ("adapter", "decoder.adapter"),
    ("raw", "decoder.decoder_raw_embedding"),
    ("static.{layer}", "decoder.decoder_cat_embedding_layer.embedding_layers.{layer}"),
    ("head.projection", "head.base_forecast_block"),
    ("forecast_mixing.embedding", "head.fcm_block.fcm_embedding"),
    ("forecast_mixing.gate.score", "head.fcm_block.fcm_gating_block.attn_layer"),
    ("forecast_mixing.projection", "head.fcm_block.mlp"),
)
# Where mixer layers stand; a stack without levels is flat in Granite, and in our decoder.
BACKBONE_LEVELS: Table = (
    ("backbone.{level}.layers.{layer}", f"{ENCODER}mlp_mixer_encoder.mixers.{{level}}.mixer_layers.{{layer}}"),
)
BACKBONE_FLAT: Table = (("backbone.0.layers.{layer}", f"{ENCODER}mlp_mixer_encoder.mixers.{{layer}}"),)
DECODER_LEVELS: Table = (
    ("decoder.{level}.layers.{layer}", "decoder.decoder_block.mixers.{level}.mixer_layers.{layer}"),
)
DECODER_FLAT: Table = (("decoder.{layer}", "decoder.decoder_block.mixers.{layer}"),)
FORECAST_MIXING: Table = (("forecast_mixing.layers.{layer}", "head.fcm_block.exog_mixer.mixers.{layer}"),)
# What a mixer layer consists of.
PARTS: Table = (
    ("channels", "channel_feature_mixer"),
    ("patches", "patch_mixer"),
    ("features", "feature_mixer"),
)
INSIDE: Table = (
    ("norm", "norm.norm"),
    ("norm.batch", "norm.norm.batchnorm"),
    ("mlp.expand", "mlp.fc1"),
    ("mlp.contract", "mlp.fc2"),
    ("gate.score", "gating_block.attn_layer"),
    ("attention.query", "self_attn_layer.q_proj"),
    ("attention.key", "self_attn_layer.k_proj"),
    ("attention.value", "self_attn_layer.v_proj"),
    ("attention.output", "self_attn_layer.out_proj"),
    ("attention_norm", "norm_attn.norm"),
    ("attention_norm.batch", "norm_attn.norm.batchnorm"),
)


def granite_names(names: Iterable[str], config: TTMConfig) -> dict[str, str]:
    """Granite's name for each of ours.

    Parameters
    ----------
    names
        Those of ``TTM(config).state_dict()``.

    Examples
    --------
    >>> granite_names(["decoder.1.features.mlp.expand.bias"], TTMConfig.granite())
    {'decoder.1.features.mlp.expand.bias': 'decoder.decoder_block.mixers.1.feature_mixer.mlp.fc1.bias'}
    """
    places = BACKBONE_LEVELS if config.n_levels else BACKBONE_FLAT
    places += DECODER_LEVELS if config.decoder_levels else DECODER_FLAT
    table = SINGLE + layer_lines(places + FORECAST_MIXING)
    return {name: rename(name, table) for name in names}


def layer_lines(places: Table) -> Table:
    """The lines of everything inside the mixer layers that stand at these places."""
    return tuple(
        (".".join(ours), ".".join(theirs))
        for ours, theirs in (zip(*lines, strict=True) for lines in product(places, PARTS, INSIDE))
    )


def rename(name: str, table: Table) -> str:
    """The other side's name, by the one line of the table that fits.

    Raises
    ------
    KeyError
        If no line does.
    """
    for ours, theirs in table:
        pattern = re.escape(ours).replace(r"\{level\}", r"(?P<level>\d+)").replace(r"\{layer\}", r"(?P<layer>\d+)")
        if found := re.fullmatch(pattern + r"(?P<leaf>(\.[a-z_]+)?)", name):
            return theirs.format(**found.groupdict()) + found["leaf"]
    raise KeyError(name)
