"""What a TinyTimeMixer's configuration must fulfil; every message names the rule."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Any

from ttm_sk.errors import ConfigError
from ttm_sk.layers.mixing import GATES, NORMS
from ttm_sk.layers.patching import POSITIONS
from ttm_sk.layers.scaling import SCALINGS

if TYPE_CHECKING:
    from ttm_sk.models.ttm_config import TTMConfig

__all__ = ["check_config", "numbers"]

AT_LEAST_ONE = (
    "context_length",
    "prediction_length",
    "patch_length",
    "width",
    "n_layers",
    "expansion",
    "decoder_width",
    "n_channels",
    "gate_groups",
)
NOT_NEGATIVE = (
    "n_levels",
    "decoder_layers",
    "head_width",
    "n_templates",
    "cycle_width",
    "n_resolutions",
    "minimum_variance",
    "narrowest_part",
    "norm_epsilon",
    "attention_heads",
    "decoder_levels",
    "reach",
    "reach_layers",
    "reach_offset",
)
CHOICES = {"gate": GATES, "reach_gate": GATES, "scaling": SCALINGS, "norm": NORMS, "positions": POSITIONS}


def check_config(config: TTMConfig) -> None:
    """Raise ``ConfigError`` for the first rule that a configuration breaks."""
    config.check_types()
    for check in (_check_sizes, _check_views, _check_levels, _check_head, _check_fed_back_weight, _check_channels):
        check(config)
    _check_reach(config)


def numbers(name: str, values: Any, kind: type) -> tuple[Any, ...]:
    """``values`` as a tuple of that kind of number, whole ones read as floats where floats are meant."""
    is_sequence = isinstance(values, Iterable) and not isinstance(values, str)
    found = tuple(values) if is_sequence else ()
    if not is_sequence or not all(isinstance(value, (int, kind)) and not isinstance(value, bool) for value in found):
        raise ConfigError(f"{name}={values!r} must be a tuple of numbers ({kind.__name__})")
    return tuple(kind(value) for value in found)


def _check_sizes(c: TTMConfig) -> None:
    for name in AT_LEAST_ONE:
        if getattr(c, name) < 1:
            raise ConfigError(f"{name}={getattr(c, name)} must be at least 1")
    for name in NOT_NEGATIVE:
        if not 0 <= getattr(c, name) < inf:
            raise ConfigError(f"{name}={getattr(c, name)} must not be negative, nor infinite")
    for name in ("dropout", "head_dropout"):
        if not 0 <= getattr(c, name) < 1:
            raise ConfigError(f"{name}={getattr(c, name)} must lie in [0, 1)")
    if not 0 <= c.scaling_length <= c.context_length:
        raise ConfigError(
            f"scaling_length={c.scaling_length} must lie in 1..context_length={c.context_length}; 0 means all"
        )
    if not 0 <= c.forecast_length <= c.prediction_length:
        raise ConfigError(
            f"forecast_length={c.forecast_length} must lie in 1..prediction_length={c.prediction_length}; 0 means all"
        )
    for name, known in CHOICES.items():
        if getattr(c, name) not in known:
            raise ConfigError(f"unknown {name} {getattr(c, name)!r}; choose one of {', '.join(known)}")


def _check_views(c: TTMConfig) -> None:
    if not c.views or c.views[0] != 1 or list(c.views) != sorted(set(c.views)):
        raise ConfigError(
            f"views={c.views} must be ascending, without repetition, and begin with 1, for example (1, 4, 16)"
        )
    if c.context_length % c.views[-1]:
        raise ConfigError(f"context_length={c.context_length} must be divisible by the coarsest view, {c.views[-1]}")
    if c.view_length < c.patch_length or (c.view_length % c.patch_length and not c.drops_remainder):
        raise ConfigError(
            f"patch_length={c.patch_length} does not divide the {c.view_length} steps of a view;"
            f" choose a divisor of {c.view_length}"
        )
    if c.raw_residual and len(c.views) > 1:
        raise ConfigError(f"raw_residual=True adds one patch of values to each, found views={c.views}; use views=(1,)")


def _check_levels(c: TTMConfig) -> None:
    for name, factors in (("width", c.level_factors), ("decoder_width", c.decoder_factors)):
        width = getattr(c, name)
        for factor in factors:
            if width % factor:
                raise ConfigError(
                    f"{len(factors)} adaptive levels split a patch into {factor} parts,"
                    f" which does not divide {name}={width};"
                    f" choose a multiple of {factor}, or fewer levels"
                )
            if c.attention_heads and (width // factor) % c.attention_heads:
                raise ConfigError(
                    f"attention_heads={c.attention_heads} does not divide the {width // factor} features of a patch"
                    f" that {name}={width} leaves at its finest level; choose a divisor"
                )
    if c.positions == "sincos" and c.width % 2:
        raise ConfigError(f"positions='sincos' needs an even width, found width={c.width}; use positions='learnt'")


def _check_fed_back_weight(c: TTMConfig) -> None:
    if not 0 < c.fed_back_weight <= 1:
        raise ConfigError(f"fed_back_weight={c.fed_back_weight} must lie in (0, 1]")
    if c.fed_back_weight < 1 and not c.with_flags:
        raise ConfigError(
            f"fed_back_weight={c.fed_back_weight} is for flags that the model sees: with_flags=True, or leave it at 1"
        )


def _check_head(c: TTMConfig) -> None:
    if not c.levels:
        if c.n_templates:
            raise ConfigError("seasonal templates need a quantile head: give levels, or n_templates=0")
        return
    if c.cycle_width and not c.n_templates:
        raise ConfigError(f"cycle_width={c.cycle_width} needs seasonal templates: n_templates of at least 1")
    if list(c.levels) != sorted(set(c.levels)) or not 0 < c.levels[0] <= c.levels[-1] < 1 or 0.5 not in c.levels:
        raise ConfigError(f"levels={c.levels} must ascend inside (0, 1) and contain 0.5")
    if c.head_width < 1:
        raise ConfigError(f"head_width={c.head_width}: a quantile head needs a hidden layer of at least 1 feature")


def _check_channels(c: TTMConfig) -> None:
    for name in ("target_channels", "covariate_channels"):
        channels = getattr(c, name)
        if list(channels) != sorted(set(channels)) or any(not 0 <= i < c.n_channels for i in channels):
            raise ConfigError(f"{name}={channels} must ascend within the channels 0..{c.n_channels - 1}")
    if c.covariate_channels and set(c.targets) & set(c.covariate_channels):
        raise ConfigError(
            f"covariate_channels={c.covariate_channels} are forecast, too; give target_channels without them"
        )
    if c.static_sizes and not (c.decoder_mixes_channels and c.decoder_layers):
        raise ConfigError("static categories enter a decoder that mixes channels: set decoder_mixes_channels=True")
    if any(size < 1 for size in c.static_sizes):
        raise ConfigError(f"static_sizes={c.static_sizes}: a category has at least 1 value")


def _check_reach(c: TTMConfig) -> None:
    if c.covariate_channels and not c.mixes_forecasts:
        raise ConfigError("covariate_channels are used where forecasts are mixed: set mixes_forecasts=True")
    if not c.mixes_forecasts:
        return
    if c.reach_raw and (c.levels or c.scaling == "asinh"):
        raise ConfigError("reach_raw=True needs a point head and a linear scaling; give no levels, or reach_raw=False")
    if c.reach == 0 and (c.reach_layers or c.reach_gate == "none"):
        raise ConfigError("reach=0 sees one step at a time: it has a gate and no mixer layers; or choose reach=1")
    if c.reach and c.horizon < 2:
        raise ConfigError(f"mixes_forecasts=True needs a horizon of at least 2 steps, found {c.horizon}")
    if c.reach_past and c.reach + c.reach_offset > c.context_length:
        raise ConfigError(
            f"reach={c.reach} and reach_offset={c.reach_offset} go beyond context_length={c.context_length}"
        )
    window = 2 * (2 * c.reach + 1)
    if c.attention_heads and c.reach_layers and window % c.attention_heads:
        raise ConfigError(
            f"attention_heads={c.attention_heads} does not divide the {window} features of reach={c.reach}"
        )
