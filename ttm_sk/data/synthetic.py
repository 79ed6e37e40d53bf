"""Synthetic series for pretraining: named families, each a different reason why a series looks as it does.

Families are functions ``(n, length, generator) -> (series, time)`` float32; :func:`draw` mixes them. Offsets and
scales do not matter, since the model scales every window. Everything is seeded by the generator and runs on its
device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from ttm_sk.data.components import (
    cycles,
    events,
    harmonic_profile,
    integrate,
    levels,
    noise,
    normal,
    periods,
    smooth,
    trend,
    uniform,
    walk,
)
from ttm_sk.errors import ConfigError

__all__ = ["FAMILIES", "WEIGHTS", "draw"]

N_EFFECTS = 3  # of a causal chain
LONGEST_LAG = 48

Family = Callable[[int, int, Generator], Tensor]


def composed(n: int, length: int, generator: Generator) -> Tensor:
    """Trend, up to three cycles and coloured noise; one in three multiplicative."""
    series = _size(n, 2.0, generator) * trend(n, length, generator=generator)
    series = series + _size(n, 1.0, generator) * walk(n, length, generator=generator)
    for share in (1.0, 0.7, 0.4):
        series = series + _size(n, share, generator) * cycles(n, length, generator=generator)
    series = series + _size(n, 0.5, generator) * noise(n, length, generator=generator)
    grown = torch.exp(0.5 * series / series.std(-1, keepdim=True).clamp(min=1e-3))
    return torch.where(_one_in(3, n, generator), grown, series)


def wandering_cycles(n: int, length: int, generator: Generator) -> Tensor:
    """Cycles whose pace, size and level wander: seasons that change, which a template trusts too much."""
    size = torch.exp(_size(n, 0.7, generator) * smooth(n, length, generator=generator))
    series = size * cycles(n, length, generator=generator, phase_noise=2.0)
    series = series + _size(n, 0.7, generator) * size * cycles(n, length, generator=generator, phase_noise=1.0)
    series = series + _size(n, 1.5, generator) * walk(n, length, generator=generator)
    return series + _size(n, 0.7, generator) * noise(n, length, generator=generator)


def calendar(n: int, length: int, generator: Generator) -> Tensor:
    """A day inside a week: a daily profile whose size and shape depend on the weekday, or weeks inside a year."""
    day = periods(n, longest=max(length / 14, 4), generator=generator)
    time = torch.arange(length, device=generator.device, dtype=torch.float32)
    week = torch.floor(time / day)
    weekday = (week % 7).long()
    is_off = torch.rand((n, 7), generator=generator, device=generator.device) < 0.3
    factor = torch.where(
        is_off, uniform(0.0, 0.8, (n, 7), generator=generator), uniform(0.85, 1.15, (n, 7), generator=generator)
    )
    profile = harmonic_profile((time / day).expand(n, length), generator=generator)
    shaped = torch.where(_one_in(2, n, generator), profile.clamp(min=0), profile + 1.5)
    series = shaped * factor.gather(-1, weekday.expand(n, length))
    series = series * torch.exp(_size(n, 0.3, generator) * smooth(n, length, generator=generator))
    return series + _size(n, 0.3, generator) * noise(n, length, generator=generator)


def gaussian_process(n: int, length: int, generator: Generator) -> Tensor:
    """Sums and products of smooth, periodic and rough draws, as composed kernels give them."""
    first, second = smooth(n, length, generator=generator), smooth(n, length, generator=generator)
    wave = cycles(n, length, generator=generator)
    series = torch.where(_one_in(2, n, generator), first * wave, first + wave)
    series = series + _size(n, 0.7, generator) * second
    return series + _size(n, 0.3, generator) * noise(n, length, generator=generator)


def causal(n: int, length: int, generator: Generator) -> Tensor:
    """The last link of a random chain of causes, each later and bent: mixtures that no single component explains.

    Source of the idea: the temporal causal models of Chronos-2 (arXiv:2510.15821).
    """
    nodes = [cycles(n, length, generator=generator), smooth(n, length, generator=generator)]
    nodes += [noise(n, length, generator=generator), levels(n, length, generator=generator)]
    for _ in range(N_EFFECTS):
        weights = normal((len(nodes), n, 1), generator=generator)
        weights[:-1] *= uniform(0, 1, (len(nodes) - 1, n, 1), generator=generator) < 0.5  # the newest always counts
        causes = sum(weight * _later(node, generator) for weight, node in zip(weights, nodes, strict=True))
        effect = _bent(causes / causes.std(-1, keepdim=True, correction=0).clamp(min=1e-3), generator)
        nodes.append(effect + _size(n, 0.5, generator) * noise(n, length, generator=generator))
    return nodes[-1]


def autoregression(n: int, length: int, generator: Generator) -> Tensor:
    """Stationary or integrated coloured noise, with or without a stable season."""
    rough = noise(n, length, generator=generator)
    series = torch.where(_one_in(2, n, generator), rough, integrate(rough) * 3)
    series = series + _size(n, 0.6, generator) * trend(n, length, generator=generator)
    has_season = _one_in(2, n, generator)
    return series + has_season * _size(n, 1.0, generator) * cycles(n, length, generator=generator)


def regimes(n: int, length: int, generator: Generator) -> Tensor:
    """Levels, sizes and seasons that change at unannounced moments."""
    switch = (levels(n, length, generator=generator) > 0).float()
    one, other = cycles(n, length, generator=generator), cycles(n, length, generator=generator)
    keeps = _one_in(2, n, generator)
    series = torch.where(keeps, one, one * switch + other * (1 - switch))
    series = series + _size(n, 2.0, generator) * levels(n, length, generator=generator)
    rough = noise(n, length, generator=generator) * (0.2 + switch)
    return series + _size(n, 0.7, generator) * rough


def market(n: int, length: int, generator: Generator) -> Tensor:
    """Prices: random walks with heavy tails and volatility that clusters; half of them exponential, some reverting."""
    price = walk(n, length, generator=generator, heavy=True) + _size(n, 0.5, generator) * trend(
        n, length, generator=generator
    )
    reverting = noise(n, length, generator=generator, heavy=True)
    price = torch.where(_one_in(4, n, generator), reverting, price)
    return torch.where(_one_in(2, n, generator), torch.exp(price / price.std(-1, keepdim=True).clamp(min=1e-3)), price)


def counts(n: int, length: int, generator: Generator) -> Tensor:
    """Poisson counts around a seasonal, drifting rate: sales and visits, down to mostly zeros."""
    shape = _size(n, 0.8, generator) * cycles(n, length, generator=generator) + _size(n, 0.8, generator) * walk(
        n, length, generator=generator
    )
    rate = torch.exp(uniform(-1.5, 4, (n, 1), generator=generator) + shape.clamp(-4, 4))
    spread = uniform(0, 1, (n, 1), generator=generator) * _one_in(2, n, generator)
    rate = rate * torch.exp(spread * normal((n, length), generator=generator))
    return torch.poisson(rate.clamp(max=1e4), generator=generator)


def intermittent(n: int, length: int, generator: Generator) -> Tensor:
    """Mostly zero, now and then a demand, its probability following a slow cycle."""
    chance = torch.sigmoid(
        uniform(-3, 0.5, (n, 1), generator=generator)
        + _size(n, 1.0, generator) * cycles(n, length, generator=generator)
    )
    size = torch.exp(_size(n, 0.7, generator) * normal((n, length), generator=generator))
    return (torch.rand((n, length), generator=generator, device=generator.device) < chance) * size


def operations(n: int, length: int, generator: Generator) -> Tensor:
    """Telemetry: a load with a daily shape, bursts that die away, plateaus at a capacity, restarts."""
    load = _size(n, 1.0, generator) * cycles(n, length, generator=generator) + _size(n, 1.0, generator) * noise(
        n, length, generator=generator
    )
    load = load + _size(n, 1.5, generator) * levels(n, length, generator=generator, most=10)
    load = load + _size(n, 4.0, generator) * events(n, length, generator=generator, density=0.05)
    ceiling = load.quantile(0.9, dim=-1, keepdim=True) if length < 20_000 else load.amax(-1, keepdim=True)
    load = torch.where(_one_in(4, n, generator), torch.minimum(load, ceiling), load)
    floor = load.mean(-1, keepdim=True)
    return torch.where(_one_in(5, n, generator), torch.maximum(load, floor), load)


def pulses(n: int, length: int, generator: Generator) -> Tensor:
    """Periodic spikes, steps and saw teeth: machines and schedules."""
    period = periods(n, longest=length / 4, generator=generator)
    time = torch.arange(length, device=generator.device, dtype=torch.float32)
    phase = (time / period + uniform(0, 1, (n, 1), generator=generator)) % 1.0
    duty = uniform(0.02, 0.6, (n, 1), generator=generator)
    kind = torch.randint(3, (n, 1), generator=generator, device=generator.device)
    tooth = torch.where(phase < duty, phase / duty, (1 - phase) / (1 - duty))
    wave = torch.where(kind == 0, (phase < duty).float(), torch.where(kind == 1, phase, tooth))
    series = wave + _size(n, 0.5, generator) * cycles(n, length, generator=generator)
    series = series * torch.exp(_size(n, 0.3, generator) * smooth(n, length, generator=generator))
    return series + _size(n, 0.2, generator) * noise(n, length, generator=generator)


def short_seasons(n: int, length: int, generator: Generator) -> Tensor:
    """Low frequency: level and trend as random walks, a season of 4, 7, 12 or 52 steps, growth in per cent."""
    picks = torch.tensor([4.0, 7.0, 12.0, 52.18], device=generator.device)
    period = picks[torch.randint(4, (n, 1), generator=generator, device=generator.device)]
    time = torch.arange(length, device=generator.device, dtype=torch.float32)
    season = harmonic_profile((time / period).expand(n, length), generator=generator, n_harmonics=6)
    per_step = 1 / uniform(3, 40, (n, 1), generator=generator) / period.sqrt()
    slope = integrate(normal((n, length), generator=generator)) * _size(n, 1.0, generator) + normal(
        (n, 1), generator=generator
    )
    level = (slope * per_step).cumsum(-1) + normal((n, length), generator=generator).cumsum(-1) * per_step * uniform(
        0, 2, (n, 1), generator=generator
    )
    series = (
        level + _size(n, 1.0, generator) * season + _size(n, 0.3, generator) * normal((n, length), generator=generator)
    )
    grown = torch.exp(series / series.std(-1, keepdim=True).clamp(min=1e-3))
    return torch.where(_one_in(3, n, generator), grown, series)


FAMILIES: Mapping[str, Family] = {
    "composed": composed,
    "wandering-cycles": wandering_cycles,
    "calendar": calendar,
    "gaussian-process": gaussian_process,
    "causal": causal,
    "autoregression": autoregression,
    "regimes": regimes,
    "market": market,
    "counts": counts,
    "intermittent": intermittent,
    "operations": operations,
    "pulses": pulses,
    "short-seasons": short_seasons,
}
WEIGHTS: Mapping[str, float] = {
    "composed": 3,
    "wandering-cycles": 2,
    "calendar": 2,
    "gaussian-process": 1,
    "causal": 1,
    "autoregression": 1.5,
    "regimes": 1,
    "market": 1,
    "counts": 1,
    "intermittent": 0.5,
    "operations": 1.5,
    "pulses": 0.7,
    "short-seasons": 2,
}


def draw(n: int, length: int, *, generator: Generator, weights: Mapping[str, float] = WEIGHTS) -> Tensor:
    """``n`` series of ``length`` steps, families mixed by ``weights``, in random order.

    Returns
    -------
    Tensor
        ``(series, time)``, float32, finite, on the generator's device.

    Raises
    ------
    ConfigError
        If a weight names no family.

    Examples
    --------
    >>> draw(4, 300, generator=torch.Generator().manual_seed(1)).shape
    torch.Size([4, 300])
    """
    for name in weights:
        if name not in FAMILIES:
            raise ConfigError(f"no synthetic family is called {name!r}; known are {', '.join(FAMILIES)}")
    share = torch.tensor(list(weights.values()), device=generator.device)
    chosen = torch.multinomial(share, n, replacement=True, generator=generator)
    parts = [
        FAMILIES[name](int(k), length, generator)
        for name, k in zip(weights, chosen.bincount(minlength=len(weights)), strict=True)
        if k
    ]
    series = torch.cat(parts)[torch.randperm(n, generator=generator, device=generator.device)]
    return torch.nan_to_num(series, posinf=0.0, neginf=0.0)


def _size(n: int, largest: float, generator: Generator) -> Tensor:
    """How strong a component is in each series, ``(series, 1)``; in a quarter of them it is absent."""
    size = torch.rand((n, 1), generator=generator, device=generator.device) ** 1.5 * largest
    return size * (torch.rand((n, 1), generator=generator, device=generator.device) > 0.25)


def _one_in(k: int, n: int, generator: Generator) -> Tensor:
    return torch.rand((n, 1), generator=generator, device=generator.device) < 1 / k


def _later(node: Tensor, generator: Generator) -> Tensor:
    """Each series by up to 48 steps later, half of them at once; what was before the first step is that step."""
    n, length = node.shape
    lag = torch.randint(LONGEST_LAG + 1, (n, 1), generator=generator, device=generator.device)
    lag = lag * _one_in(2, n, generator)
    time = torch.arange(length, device=generator.device)
    return node.gather(-1, (time - lag).clamp(min=0))


def _bent(x: Tensor, generator: Generator) -> Tensor:
    """Each series as it is, saturating, above 0 only, folded, or its size alone."""
    ways = torch.stack([x, torch.tanh(x), x.clamp(min=0), torch.sin(2 * x), x.abs()])
    chosen = torch.randint(len(ways), (1, len(x), 1), generator=generator, device=generator.device)
    return ways.gather(0, chosen.expand(1, *x.shape))[0]
