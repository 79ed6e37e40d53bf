"""What IBM Granite calls the tensors of a TTM-R3, and of the pair of them: one table, read in both directions."""

from __future__ import annotations

from collections.abc import Iterable

from ttm_sk.checkpoints.granite_keys import ENCODER, Table, layer_lines, rename
from ttm_sk.models.ttm_r3_config import DecomposedTTMConfig, TTMR3Config

__all__ = ["granite_r3_names"]

TOKENS = f"{ENCODER}add_fft_tokens."
SPREAD = "multi_quantile_head_block."
SINGLE: Table = (
    ("prefix.embedding", f"{ENCODER}freq_mod.0"),
    ("prefix.projection.0", f"{ENCODER}freq_mod.1"),
    ("prefix.projection.2", f"{ENCODER}freq_mod.3"),
    ("registers.tokens", f"{ENCODER}add_tokens.patch_tokens"),
    ("frequencies.embedding", f"{TOKENS}freq_embedding"),
    ("frequencies.reading.0", f"{TOKENS}freq_index_mlp.0"),
    ("frequencies.reading.2", f"{TOKENS}freq_index_mlp.2"),
    ("frequencies.joining", f"{TOKENS}freq_concat_proj"),
    ("positions.encoding", f"{ENCODER}positional_encoder.position_enc"),
    ("norm", f"{ENCODER}base_norm"),
    ("adapter", "decoder.adapter"),
    ("head.projection", "head.base_forecast_block"),
    ("spread.smoothing", f"{SPREAD}dw"),
    ("spread.norm", f"{SPREAD}inorm"),
    ("spread.hidden", f"{SPREAD}pw1"),
    ("spread.pooled", f"{SPREAD}dec_proj"),
    ("spread.narrow", f"{SPREAD}dec_tok_proj"),
    ("spread.flattened", f"{SPREAD}dec_flat_to_hidden"),
    ("spread.output", f"{SPREAD}pw2"),
)
ONE_SCALE: Table = (("embedding.scales.0", f"{ENCODER}patcher"),)
SCALES: Table = (("embedding.scales.{level}", f"{ENCODER}patcher.projectors.{{level}}"),)
# Where mixer layers stand; a stack without levels is one level of ours, and flat in Granite.
STACKS = {"backbone": f"{ENCODER}mlp_mixer_encoder", "decoder": "decoder.decoder_block"}
LEVELS = "mixers.{level}.mixer_layers.{layer}"
FLAT = "mixers.{layer}"


def granite_r3_names(names: Iterable[str], config: TTMR3Config | DecomposedTTMConfig) -> dict[str, str]:
    """Granite's name for each of ours.

    Parameters
    ----------
    names
        Those of the module's ``state_dict()``.

    Examples
    --------
    >>> granite_r3_names(["decoder.0.layers.1.features.norm.bias"], TTMR3Config())
    {'decoder.0.layers.1.features.norm.bias': 'decoder.decoder_block.mixers.1.feature_mixer.norm.norm.bias'}
    """
    if isinstance(config, TTMR3Config):
        table = _table(config)
        return {name: rename(name, table) for name in names}
    tables = {"trend": _table(config.trend), "residual": _table(config.residual)}
    parts = {name: name.split(".", 1) for name in names}
    return {name: f"{part}_forecaster.{rename(inner, tables[part])}" for name, (part, inner) in parts.items()}


def _table(config: TTMR3Config) -> Table:
    places = []
    for (ours, theirs), n_levels in zip(STACKS.items(), (config.n_levels, config.decoder_levels), strict=True):
        level, place = ("{level}", LEVELS) if n_levels else ("0", FLAT)
        places.append((f"{ours}.{level}.layers.{{layer}}", f"{theirs}.{place}"))
    return SINGLE + (SCALES if config.is_multiscale else ONE_SCALE) + layer_lines(tuple(places))
