"""Seasonal templates: what the series did at the same phase of its own strongest cycles.

Without parameters: the period is read off the autocorrelation of the detrended, scaled context, and the
context is folded over it. The head decides, by learnt gates, how far to trust it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ttm_sk.layers.precision import at_least_single

__all__ = ["CLUES", "N_CYCLES", "Seasons", "last_value_and_roughness", "seasonal_templates"]

# What the head is told about each template: the autocorrelation at its period, the logarithm of the
# period, how many cycles the history holds, and whether a period was found at all.
CLUES = ("strength", "log_period", "n_cycles", "is_found")
MINIMUM_PERIOD = 2
NEAR_BEST = 0.9
LONGER_BY = 1.5
ROUGHNESS_PAST = 256
N_CYCLES = 8
MEMORY = 0.7  # weight of a cycle relative to the next newer one


class Seasons(NamedTuple):
    """What the strongest cycles say of the future steps.

    ``templates`` ``(batch, channel, template, horizon)``: the recency-weighted mean profile, zeros where no cycle is
    found. ``clues`` ``(batch, channel, template, clue)``: see :data:`CLUES`; the strength lies in [0, 1]. ``cycles``
    ``(batch, channel, template, cycle, horizon)``: what each of the newest :data:`N_CYCLES` cycles, newest first, had
    at the phase of each future step, less the template; 0 where nothing was observed.
    """

    templates: Tensor
    clues: Tensor
    cycles: Tensor


def seasonal_templates(values: Tensor, weight: Tensor, *, horizon: int, n_templates: int) -> Seasons:
    """For each of the strongest cycles, the recency-weighted mean profile read on over the horizon.

    Parameters
    ----------
    values, weight
        ``(batch, channel, time)``, scaled; ``weight`` is 1 where observed, else 0.
    horizon
        Steps to read on.
    n_templates
        1 is the shortest lag within 90 % of the highest peak of the autocorrelation; each further one
        is the best lag more than 1.5 times longer.

    Returns
    -------
    Seasons
        See there.

    Examples
    --------
    >>> wave = torch.sin(torch.arange(96.0) * torch.pi / 6).reshape(1, 1, 96)
    >>> template, clues, cycles = seasonal_templates(wave, torch.ones_like(wave), horizon=3, n_templates=1)
    >>> template.round(decimals=2)
    tensor([[[[0.0000, 0.5000, 0.8700]]]])
    >>> cycles.shape, cycles.abs().max() < 1e-4
    (torch.Size([1, 1, 1, 8, 3]), tensor(True))
    """
    shape = values.shape[:2]
    x, w = at_least_single(values.flatten(0, 1)), at_least_single(weight.flatten(0, 1))
    acf, longest = _autocorrelation(_detrended(x, w), w)
    shortest_allowed = torch.full_like(longest, MINIMUM_PERIOD)
    found = []
    for _ in range(n_templates):
        period, strength = _best_period(acf, shortest_allowed=shortest_allowed, longest_allowed=longest)
        found.append(_fold(x, w, period, strength, longest=longest, horizon=horizon))
        shortest_allowed = torch.where(strength > 0, (period.float() * LONGER_BY).ceil().long() + 1, longest + 1)
    return Seasons(*(torch.stack(part, dim=1).unflatten(0, shape) for part in zip(*found, strict=True)))


def last_value_and_roughness(values: Tensor, weight: Tensor) -> Tensor:
    """Where a series stands and how far it moves in a step: what level forecasts of smooth series live from.

    Parameters
    ----------
    values, weight
        ``(batch, channel, time)``, scaled; ``weight`` is 1 where observed, else 0.

    Returns
    -------
    Tensor
        ``(batch, channel, 2)``: the last observed value, and the logarithm of the mean absolute step between
        neighbouring observed values among the newest 256 (floored at e ** -6), over 3.

    Examples
    --------
    >>> last_value_and_roughness(torch.tensor([[[1.0, 2.0, 9.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]]))
    tensor([[[2., 0.]]])
    """
    steps = torch.arange(1, values.shape[-1] + 1, device=values.device)
    newest = (weight * steps).amax(-1, keepdim=True).long().sub(1).clamp(min=0)
    last = values.gather(-1, newest)
    values, weight = values[..., -ROUGHNESS_PAST:], weight[..., -ROUGHNESS_PAST:]
    pairs = weight[..., 1:] * weight[..., :-1]
    step = ((values[..., 1:] - values[..., :-1]).abs() * pairs).sum(-1, keepdim=True) / pairs.sum(
        -1, keepdim=True
    ).clamp(min=1)
    return torch.cat([last, torch.log(step.clamp(min=math.exp(-6))) / 3], dim=-1)


def _detrended(x: Tensor, w: Tensor) -> Tensor:
    """Residuals of the least-squares line through the observed values, 0 elsewhere."""
    n = w.sum(-1, keepdim=True).clamp(min=1)
    time = torch.linspace(-1, 1, x.shape[-1], device=x.device).expand_as(x)
    time = (time - (time * w).sum(-1, keepdim=True) / n) * w
    level = (x * w).sum(-1, keepdim=True) / n
    slope = (time * (x - level)).sum(-1, keepdim=True) / (time * time).sum(-1, keepdim=True).clamp(min=1e-6)
    return (x - level) * w - slope * time


def _autocorrelation(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Autocorrelation at lags 0..time/2, and the longest lag that half of the history allows.

    The number of observed pairs at a lag is taken as the history's span less the lag, thinned by its gaps.
    """
    length = x.shape[-1]
    n_lags = length // 2 + 1
    waves = torch.view_as_real(torch.fft.rfft(x, n=2 * length))
    real, imaginary = waves.square().unbind(-1)  # a sum over an axis of two is slow
    power = real + imaginary
    energy = torch.fft.irfft(torch.complex(power, torch.zeros_like(power)), n=2 * length)[..., :n_lags]
    span = (w * torch.arange(length, 0, -1, device=x.device)).amax(-1).long()
    lags = torch.arange(n_lags, device=x.device)
    pairs = (span[:, None] - lags).clamp(min=1) / span[:, None].clamp(min=1)
    acf = energy / (pairs * energy[..., :1].clamp(min=1e-6))
    return acf.clamp(max=1), (span // 2).clamp(min=0, max=n_lags - 2)


def _best_period(acf: Tensor, *, shortest_allowed: Tensor, longest_allowed: Tensor) -> tuple[Tensor, Tensor]:
    """The shortest lag within 90 % of the highest peak, and the autocorrelation there (0 where there is no peak)."""
    lags = torch.arange(acf.shape[-1], device=acf.device)
    is_peak = torch.zeros_like(acf, dtype=torch.bool)
    is_peak[..., 1:-1] = (acf[..., 1:-1] >= acf[..., :-2]) & (acf[..., 1:-1] > acf[..., 2:])
    allowed = is_peak & (lags >= shortest_allowed[:, None]) & (lags <= longest_allowed[:, None])
    peaks = torch.where(allowed, acf, torch.zeros_like(acf)).clamp(min=0)
    best = peaks.amax(-1, keepdim=True)
    none = acf.shape[-1] - 1
    period = torch.where((peaks >= NEAR_BEST * best) & (peaks > 0), lags, none).amin(-1)
    return period.clamp(min=1), peaks.gather(-1, period[:, None])[:, 0]


def _fold(
    x: Tensor, w: Tensor, period: Tensor, strength: Tensor, *, longest: Tensor, horizon: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The profile of the newest cycles, newer ones counting more, at the phases of the future steps; and the cycles."""
    length = x.shape[-1]
    back = torch.arange(horizon, device=x.device)[None] % period[:, None]
    age = torch.arange(1, N_CYCLES + 1, device=x.device)[None, :, None]
    index = length - age * period[:, None, None] + back[:, None]
    inside = index.clamp(min=0).flatten(1)
    seen = w.gather(-1, inside).unflatten(-1, (N_CYCLES, horizon)) * (index >= 0)
    past = x.gather(-1, inside).unflatten(-1, (N_CYCLES, horizon))
    share = seen * MEMORY ** (age - 1)
    is_found = (strength > 0).to(x.dtype)
    template = (share * past).sum(1) / share.sum(1).clamp(min=1e-6) * is_found[:, None]
    cycles = (past - template[:, None]) * seen * is_found[:, None, None]
    log_period = torch.log2(period.to(x.dtype)) / 5 * is_found
    n_cycles = (2 * longest / period).to(x.dtype).clamp(max=16) / 8 * is_found
    return template, torch.stack([strength, log_period, n_cycles, is_found], dim=-1), cycles
