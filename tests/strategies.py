"""Every hypothesis strategy of the tests, and the small modules that they describe.

Series are drawn by a kind and a seed, not value by value: an example then costs one number, and no two lags of a
series tie by accident. Configurations are small, valid and of every kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Tensor

from ttm_sk.layers.mixing import GATES
from ttm_sk.layers.scaling import SCALINGS
from ttm_sk.models.ttm import DEFAULT_LEVELS, TTM, TTMConfig

SERIES_KINDS = ("noise", "walk", "wave", "counts", "constant")
EQUIVARIANT_SCALINGS = ("std", "asinh")

few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 2**32 - 1)
gates = st.sampled_from(GATES)
scalings = st.sampled_from(SCALINGS)


def small_config(**changes: Any) -> TTMConfig:
    """A valid configuration of a few hundred parameters with a quantile head, and whatever a test changes in it."""
    plain: dict[str, Any] = {
        "context_length": 32,
        "prediction_length": 8,
        "patch_length": 8,
        "width": 16,
        "n_levels": 2,
        "n_layers": 1,
        "decoder_width": 8,
        "decoder_layers": 1,
        "levels": (0.1, 0.5, 0.9),
        "head_width": 8,
        "scaling": "asinh",
        "minimum_variance": 0.0,
        "dropout": 0.0,
        "head_dropout": 0.0,
    }
    return TTMConfig(**plain | changes)


def random_module(config: TTMConfig, *, seed: int = 0) -> TTM:
    """A module whose every parameter is random (the norms and biases too), in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = TTM(config)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return module.eval()


@st.composite
def series(
    draw: st.DrawFn,
    *,
    min_length: int = 1,
    max_length: int = 80,
    kinds: tuple[str, ...] = SERIES_KINDS,
    with_gaps: bool = True,
    with_offset: bool = True,
) -> np.ndarray:
    """A float64 series ``(time,)`` with at least one observed value; NaN = not observed."""
    rng = np.random.default_rng(draw(seeds))
    length = draw(st.integers(min_length, max_length))
    values = _series_of(draw(st.sampled_from(kinds)), length, rng)
    if with_offset:
        values = values * draw(st.sampled_from([1.0, 1e-4, 1e5])) + draw(st.sampled_from([0.0, -3.0, 1e3]))
    if with_gaps and draw(st.booleans()):
        values[rng.random(length) < 0.3] = np.nan
        values[int(rng.integers(length))] = 1.0
    return values


def _series_of(kind: str, length: int, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(length)
    noise = rng.normal(size=length)
    if kind == "noise":
        return noise
    if kind == "walk":
        return noise.cumsum()
    if kind == "wave":
        return np.sin(2 * np.pi * time / rng.integers(3, 25) + rng.uniform(0, 6)) + 0.1 * noise
    if kind == "counts":
        return rng.poisson(2.0, size=length).astype(float)
    return np.full(length, rng.normal())


@st.composite
def configs(
    draw: st.DrawFn,
    *,
    scalings: tuple[str, ...] = SCALINGS,
    heads: tuple[str, ...] = ("point", "quantile"),
    with_mixing: bool = True,
    minimum_variances: tuple[float, ...] = (0.0, 1e-5),
) -> TTMConfig:
    """A small, valid configuration: every number of levels, gate, scaling, set of views, head and option."""
    views = draw(st.sampled_from([(1,), (1, 2), (1, 2, 4)]))
    patch_length = draw(st.sampled_from([4, 8]))
    context_length = patch_length * draw(st.integers(1, 3)) * views[-1]
    n_levels = draw(st.integers(0, 3))
    finest = 2 ** max(n_levels - 1, 0)
    backbone_mixes, decoder_mixes = (with_mixing and draw(st.booleans()) for _ in range(2))
    return TTMConfig(
        context_length=context_length,
        prediction_length=draw(st.integers(1, 9)),
        patch_length=patch_length,
        views=views,
        width=finest * draw(st.sampled_from([4, 6])),  # a norm over fewer than four features passes hardly any gradient
        n_levels=n_levels,
        n_layers=draw(st.integers(1, 2)),
        expansion=draw(st.integers(1, 2)),
        gate=draw(gates),
        decoder_width=draw(st.sampled_from([4, 8])),
        decoder_layers=draw(st.integers(0, 2)),
        with_flags=draw(st.booleans()),
        n_resolutions=draw(st.sampled_from([0, 3])),
        scaling=draw(st.sampled_from(scalings)),
        scaling_length=draw(st.sampled_from([0, context_length // 2])),
        minimum_variance=draw(st.sampled_from(minimum_variances)),
        n_channels=draw(st.integers(2, 3)) if backbone_mixes or decoder_mixes else 1,
        mixes_channels=backbone_mixes,
        decoder_mixes_channels=decoder_mixes,
        **draw(_head_options(draw(st.sampled_from(heads)))),
    )


def _head_options(head: str) -> st.SearchStrategy[dict[str, Any]]:
    if head == "point":
        return st.just({})
    return st.fixed_dictionaries(
        {
            "levels": st.sampled_from([(0.5,), (0.1, 0.5, 0.9), DEFAULT_LEVELS]),
            "head_width": st.integers(4, 8),
            "n_templates": st.integers(0, 2),
        }
    )


@dataclass(frozen=True)
class Case:
    """A module with random weights in double precision, and windows that it can forecast."""

    module: TTM
    context: Tensor  # (batch, channel, time), NaN where not observed
    observed: Tensor
    resolution: Tensor | None

    def forecast(self, context: Tensor | None = None, observed: Tensor | None = None) -> Tensor:
        """Quantiles, or the point forecast with a quantile axis of length one, of these windows or of others."""
        context = self.context if context is None else context
        observed = self.observed if observed is None else observed
        resolution = None if self.resolution is None else self.resolution[: len(context)]
        with torch.no_grad():
            result = self.module(context, observed, resolution=resolution)
        return result.mean[..., None] if result.quantiles is None else result.quantiles


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    n_rows: int = 3,
    kinds: tuple[str, ...] = SERIES_KINDS,
    with_offset: bool = True,
    **options: Any,
) -> Case:
    """A random module of a random configuration, and windows for it: shorter and longer than its context, with gaps.

    In double precision, so that equality can be tested closely; ``options`` are those of :func:`configs`.
    """
    config = draw(configs(**options))
    n_channels = config.n_channels if config.n_channels > 1 else draw(st.integers(1, 3))
    length = draw(st.integers(1, config.context_length + 8))
    same_length = series(min_length=length, max_length=length, kinds=kinds, with_offset=with_offset)
    context = torch.tensor(np.array([[draw(same_length) for _ in range(n_channels)] for _ in range(n_rows)]))
    resolution = torch.arange(n_rows) % config.n_resolutions if config.n_resolutions else None
    return Case(random_module(config, seed=draw(seeds)).double(), context, ~context.isnan(), resolution)
