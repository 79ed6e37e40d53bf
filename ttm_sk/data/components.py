"""What synthetic series are composed of: cycles, trends, noises and events, many series at a time.

Every function draws its parameters per series from ``generator`` and returns ``(series, time)`` float32 on the
generator's device, of the order of 1. Nothing loops over time: coloured noise is shaped in the spectrum.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Generator, Tensor

__all__ = [
    "cycles",
    "events",
    "harmonic_profile",
    "integrate",
    "levels",
    "noise",
    "normal",
    "periods",
    "smooth",
    "trend",
    "uniform",
    "walk",
]

# Steps per cycle that calendars and shifts produce, from quarters and weekdays to weeks of ten-minute data.
CALENDAR_PERIODS = (
    4.0,
    5.0,
    7.0,
    12.0,
    13.0,
    24.0,
    30.4,
    48.0,
    52.18,
    60.0,
    96.0,
    144.0,
    168.0,
    288.0,
    336.0,
    365.25,
    672.0,
    1008.0,
)


def uniform(low: float, high: float, shape: tuple[int, ...], *, generator: Generator) -> Tensor:
    """Uniform draws."""
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low


def normal(shape: tuple[int, ...], *, generator: Generator) -> Tensor:
    """Standard normal draws."""
    return torch.randn(shape, generator=generator, device=generator.device)


def periods(n: int, *, longest: float, generator: Generator) -> Tensor:
    """``(series, 1)`` cycle lengths: two in three from the calendar, the others log-uniform from 3 to ``longest``."""
    calendar = torch.tensor(
        [period for period in CALENDAR_PERIODS if period <= longest] or [4.0], device=generator.device
    )
    picked = calendar[torch.randint(len(calendar), (n, 1), generator=generator, device=generator.device)]
    free = torch.exp(uniform(math.log(3), math.log(max(longest, 4.0)), (n, 1), generator=generator))
    return torch.where(uniform(0, 1, (n, 1), generator=generator) < 0.67, picked, free)


def cycles(
    n: int, length: int, *, generator: Generator, longest: float | None = None, phase_noise: float = 0.0
) -> Tensor:
    """A cycle of random length and shape; ``phase_noise`` lets its pace wander, so that it never quite repeats."""
    period = periods(n, longest=longest or length / 3, generator=generator)
    time = torch.arange(length, device=generator.device, dtype=torch.float32)
    phase = time / period + uniform(0, 1, (n, 1), generator=generator)
    if phase_noise:
        wander = walk(n, length, generator=generator) * uniform(0, phase_noise, (n, 1), generator=generator)
        phase = phase + wander * (length / period).sqrt() * 0.1
    return harmonic_profile(phase, generator=generator)


def harmonic_profile(phase: Tensor, *, generator: Generator, n_harmonics: int = 5) -> Tensor:
    """A smooth periodic function of ``phase`` (1 = one cycle), its harmonics falling off at a random rate."""
    n = phase.shape[0]
    order = torch.arange(1, n_harmonics + 1, device=phase.device)
    decay = uniform(0.5, 3.0, (n, 1), generator=generator)
    size = normal((n, n_harmonics), generator=generator) * order ** (-decay)
    shift = uniform(0, 2 * math.pi, (n, n_harmonics), generator=generator)
    size = size / size.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-6) * 1.41
    wave = torch.zeros_like(phase)
    for i in range(n_harmonics):
        wave = wave + size[:, i : i + 1] * torch.sin((2 * math.pi * (i + 1)) * phase + shift[:, i : i + 1])
    return wave


def trend(n: int, length: int, *, generator: Generator) -> Tensor:
    """Straight, bent, saturating or piecewise, spanning about one unit."""
    time = torch.linspace(0, 1, length, device=generator.device)[None]
    slope, bend, knee = (uniform(-1, 1, (n, 1), generator=generator) for _ in range(3))
    centre = uniform(0.1, 0.9, (n, 1), generator=generator)
    kind = torch.randint(4, (n, 1), generator=generator, device=generator.device)
    bent = slope * time + bend * time**2
    logistic = slope * torch.sigmoid((time - centre) * (4 + 16 * knee.abs()))
    piecewise = slope * time + (knee - slope) * (time - centre).clamp(min=0)
    return torch.where(
        kind == 0, slope * time, torch.where(kind == 1, bent, torch.where(kind == 2, logistic, piecewise))
    )


def noise(n: int, length: int, *, generator: Generator, heavy: bool = False) -> Tensor:
    """Coloured noise of unit variance: white, autoregressive with a random memory, or 1/f of a random slope."""
    wide = _fast_length(length + length // 4)  # a spectrum is periodic: without more, the end would meet the beginning
    white = normal((n, wide), generator=generator)
    if heavy:
        freedom = uniform(2.5, 8, (n, 1), generator=generator)
        white = white / torch.rand((n, wide), generator=generator, device=generator.device).clamp(min=1e-4) ** (
            1 / freedom
        )
    frequency = torch.linspace(0, math.pi, wide // 2 + 1, device=generator.device)[None]
    memory = 1 - torch.exp(uniform(-5, -0.1, (n, 1), generator=generator))
    autoregressive = (1 + memory**2 - 2 * memory * torch.cos(frequency)).rsqrt()
    slope = uniform(0, 1.2, (n, 1), generator=generator)
    pink = frequency.clamp(min=math.pi / length) ** (-slope)
    kind = torch.randint(3, (n, 1), generator=generator, device=generator.device)
    response = torch.where(kind == 0, torch.ones_like(frequency), torch.where(kind == 1, autoregressive, pink))
    coloured = torch.fft.irfft(torch.fft.rfft(white) * response, n=wide)
    return _unit(coloured[:, :length])


def walk(n: int, length: int, *, generator: Generator, heavy: bool = False) -> Tensor:
    """A random walk spanning about one unit; ``heavy`` gives its steps Student tails and a wandering size."""
    steps = normal((n, length), generator=generator)
    if heavy:
        steps = noise(n, length, generator=generator, heavy=True) * torch.exp(
            0.8 * smooth(n, length, generator=generator) * uniform(0, 1.5, (n, 1), generator=generator)
        )
    return integrate(steps)


def integrate(steps: Tensor) -> Tensor:
    """Running sums, scaled by the square root of their number."""
    return steps.cumsum(-1) / math.sqrt(steps.shape[-1])


def smooth(n: int, length: int, *, generator: Generator) -> Tensor:
    """A draw from a Gaussian process with a squared-exponential kernel of random length scale, unit variance."""
    wide = _fast_length(length + length // 4)  # a spectrum is periodic: without more, the end would meet the beginning
    frequency = torch.arange(wide // 2 + 1, device=generator.device, dtype=torch.float32)[None]
    cutoff = torch.exp(uniform(0, math.log(max(length / 12, 2)), (n, 1), generator=generator))
    white = torch.fft.rfft(normal((n, wide), generator=generator))
    return _unit(torch.fft.irfft(white * torch.exp(-0.5 * (frequency / cutoff) ** 2), n=wide)[:, :length])


def levels(n: int, length: int, *, generator: Generator, most: int = 6) -> Tensor:
    """Piecewise constant: a new level at each of up to ``most`` random moments."""
    chance = uniform(0, most, (n, 1), generator=generator) / length
    jumps = (torch.rand((n, length), generator=generator, device=generator.device) < chance) * normal(
        (n, length), generator=generator
    )
    return jumps.cumsum(-1)


def events(n: int, length: int, *, generator: Generator, density: float) -> Tensor:
    """Sparse pulses of exponential size that die away at a random rate, ``density`` of the steps at most."""
    chance = torch.exp(uniform(math.log(2 / length), math.log(max(density, 3 / length)), (n, 1), generator=generator))
    size = -torch.log(torch.rand((n, length), generator=generator, device=generator.device).clamp(min=1e-6))
    pulses = (torch.rand((n, length), generator=generator, device=generator.device) < chance) * size
    decay = torch.exp(uniform(-4, 1, (n, 1), generator=generator))
    kernel = torch.exp(-decay * torch.arange(length, device=generator.device))
    wide = _fast_length(2 * length)
    spectrum = torch.fft.rfft(pulses, n=wide) * torch.fft.rfft(kernel, n=wide)
    return torch.fft.irfft(spectrum, n=wide)[:, :length]


@cache
def _fast_length(length: int) -> int:
    """The next length whose Fourier transform is fast: with no prime factor beyond 5."""
    powers = (2**a * 3**b * 5**c for a in range(1, 32) for b in range(6) for c in range(6))
    return min(number for number in powers if number >= length)


def _unit(x: Tensor) -> Tensor:
    x = x - x.mean(-1, keepdim=True)
    return x / x.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-6)
