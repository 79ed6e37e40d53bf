"""When a proposed patch is kept, and what stands in its place when it is not: three rules of speculative decoding.

:class:`Lossless` draws from exactly the target's distribution. :class:`Tolerance` forecasts points that stay within a
radius of the target's own. :class:`Relaxed` is neither: it trades likeness to the target for acceptance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ttm_sk.errors import ConfigError
from ttm_sk.inference.decoding import draw, with_sigma
from ttm_sk.inference.drafts import Proposal
from ttm_sk.models.forecast_module import PatchForecast

__all__ = ["MODES", "Lossless", "Relaxed", "Rule", "Tolerance", "log_density", "rule_of"]

MODES = ("tolerance", "sample", "relaxed")

MOST_TRIES = 16_384  # of a draw from the residual: what is left is below 1 / (e * MOST_TRIES) of probability


class Rule(Protocol):
    """A rule of acceptance; ``is_random`` rules need a draft that can be drawn from."""

    is_random: bool

    def judge(
        self, proposal: Proposal, verdict: PatchForecast, unit: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Whether each patch would be kept if those before it are, and the number that decided it: ``(batch, patch)``.

        ``verdict`` holds the target's distributions of the same patches, ``unit`` ``(batch, channel, 1, 1)`` its scale.
        """
        ...

    def instead(
        self,
        verdict: PatchForecast,
        refused: PatchForecast | None,
        is_refused: Tensor,
        unit: Tensor,
        generator: torch.Generator | None,
    ) -> Tensor:
        """The target's own patch ``(batch, channel, 1, step)``, after a refusal or after everything was kept.

        ``verdict`` and ``refused`` are the distributions of target and draft at that place; ``is_refused`` ``(batch,)``
        says in which rows the draft's patch was refused there.
        """
        ...


@dataclass(frozen=True)
class Lossless:
    """Draws that are distributed as the target's own, whatever the draft.

    A patch ``x`` of the draft's distribution ``q`` is kept with probability ``min(1, p(x) / q(x))``, ``p`` being the
    target's; after a refusal a patch is drawn from the residual ``max(0, p - q)``, normalised (Leviathan et al., 2023,
    arXiv:2211.17192). Densities are those of whole patches, normalisers included, in float64.

    Attributes
    ----------
    sigma
        Standard deviation of a target without variances, in units of the context's; None needs one that has them.

    Notes
    -----
    The residual is drawn from by rejection: a draw of ``p`` is kept with probability ``max(0, 1 - q / p)``. That takes
    ``1 / TV`` tries, and happens with probability ``TV`` (the total variation between ``p`` and ``q``): one try a patch
    on average. After 16,384 tries the last draw of ``p`` stands, which moves at most 2.3e-5 of probability.
    """

    sigma: float | None = None
    is_random = True

    def __post_init__(self) -> None:
        _check_sigma(self.sigma)

    def judge(
        self, proposal: Proposal, verdict: PatchForecast, unit: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Kept where ``log u < log p(x) - log q(x)``."""
        p = with_sigma(verdict, self.sigma, unit)
        ratio = log_density(p, proposal.patches) - log_density(proposal.forecast, proposal.patches)
        return _log_uniform(ratio, generator) < ratio, ratio

    def instead(
        self,
        verdict: PatchForecast,
        refused: PatchForecast | None,
        is_refused: Tensor,
        unit: Tensor,
        generator: torch.Generator | None,
    ) -> Tensor:
        """A draw from the residual in refused rows, from the target in the others."""
        p = with_sigma(verdict, self.sigma, unit)
        patch = draw(p, generator)
        rows = is_refused.nonzero()[:, 0]
        return patch if refused is None or not len(rows) else self._residual(patch, p, refused, rows, generator)

    def _residual(
        self, patch: Tensor, p: PatchForecast, q: PatchForecast, rows: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """``patch`` with draws from the residual in ``rows``; several at once, more the fewer rows are left."""
        patch, n_done = patch.clone(), 0
        while len(rows) and n_done < MOST_TRIES:
            n_tries = max(4, 1024 // len(rows))
            tried_p, tried_q = (_repeated(part, rows, n_tries) for part in (p, q))
            tries = draw(tried_p, generator)
            excess = log_density(tried_q, tries) - log_density(tried_p, tries)
            is_good = (_log_uniform(excess, generator).exp() < 1 - excess.exp())[:, 0].reshape(len(rows), n_tries)
            chosen = torch.where(is_good.any(-1), is_good.int().argmax(-1), n_tries - 1)
            candidates = tries.unflatten(0, (len(rows), n_tries))
            patch[rows] = candidates[torch.arange(len(rows), device=rows.device), chosen]
            rows, n_done = rows[~is_good.any(-1)], n_done + n_tries
        return patch


@dataclass(frozen=True)
class Tolerance:
    """Points: a draft's patch is kept while it lies within a radius of the target's own, else that is taken.

    Nothing is random and no noise is added.

    Attributes
    ----------
    radius
        Largest mean squared difference of a patch, in units of the context's scale squared; 0 gives the target's own
        forecast.
    """

    radius: float = 0.1
    is_random = False

    def __post_init__(self) -> None:
        if not 0 <= self.radius < math.inf:
            raise ConfigError(f"tolerance={self.radius!r} must be a number of at least 0; 0 is the target's forecast")

    def judge(
        self, proposal: Proposal, verdict: PatchForecast, unit: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Kept where the mean squared difference is no more than the radius; with several channels, their mean."""
        distance = ((proposal.patches - verdict.mean) / unit).square().mean(dim=(1, 3))
        return (distance <= self.radius) & (distance < math.inf), distance

    def instead(
        self,
        verdict: PatchForecast,
        refused: PatchForecast | None,
        is_refused: Tensor,
        unit: Tensor,
        generator: torch.Generator | None,
    ) -> Tensor:
        """The target's mean."""
        return verdict.mean


@dataclass(frozen=True)
class Relaxed:
    """The relaxed rule of the public code: **not lossless**, neither in distribution nor within a radius.

    The draft's mean ``m`` is kept with probability ``min(1, accept_bias * p(m) / p(mean of p))``, where ``p`` is the
    target's forecast as a normal distribution of deviation ``sigma``; after a refusal the target's own mean stands.
    Other than there, no noise is added to a point forecast, and a refusal costs no further call.

    Attributes
    ----------
    sigma
        In units of the context's scale; the larger, the more is kept. The public scripts use .65 to .7.
    accept_bias
        At least 1; multiplies the probability.
    """

    sigma: float = 0.7
    accept_bias: float = 1.0
    is_random = False

    def __post_init__(self) -> None:
        _check_sigma(self.sigma)
        if not 1 <= self.accept_bias < math.inf:
            raise ConfigError(f"accept_bias={self.accept_bias!r} must be at least 1; 1 favours nothing")

    def judge(
        self, proposal: Proposal, verdict: PatchForecast, unit: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Kept where ``log u`` is below the logarithm of the biased ratio."""
        distance = ((proposal.forecast.mean - verdict.mean) / (self.sigma * unit)).square().sum(dim=(1, 3)).double()
        ratio = math.log(self.accept_bias) - distance / 2
        return _log_uniform(ratio, generator) < ratio, ratio

    instead = Tolerance.instead


def rule_of(mode: str, *, tolerance: float = 0.1, sigma: float | None = None, accept_bias: float = 1.0) -> Rule:
    """The rule that a mode means: ``"tolerance"``, ``"sample"`` (:class:`Lossless`) or ``"relaxed"``.

    All numbers are checked, those of other modes, too.

    Examples
    --------
    >>> rule_of("relaxed", accept_bias=2.0)
    Relaxed(sigma=0.7, accept_bias=2.0)
    """
    rules: dict[str, Rule] = {
        "tolerance": Tolerance(tolerance),
        "sample": Lossless(sigma),
        "relaxed": Relaxed(0.7 if sigma is None else sigma, accept_bias),
    }
    if mode not in rules:
        raise ConfigError(f"unknown mode {mode!r}; choose one of {', '.join(map(repr, MODES))}")
    return rules[mode]


def log_density(forecast: PatchForecast, patches: Tensor) -> Tensor:
    """The logarithm of the density of each whole patch, ``(batch, patch)``, float64, with all its normalisers.

    Examples
    --------
    >>> standard = PatchForecast(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2))
    >>> round(float(log_density(standard, torch.zeros(1, 1, 1, 2))), 4)
    -1.8379
    """
    assert forecast.log_variance is not None
    log_variance = forecast.log_variance.double()
    squared = (patches.double() - forecast.mean.double()).square() * (-log_variance).exp()
    return -(squared + log_variance + math.log(2 * math.pi)).sum(dim=(1, 3)) / 2


def _log_uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.rand(like.shape, generator=generator, dtype=torch.float64).to(like.device).log()


def _repeated(forecast: PatchForecast, rows: Tensor, n_times: int) -> PatchForecast:
    assert forecast.log_variance is not None
    return PatchForecast(*(part[rows].repeat_interleave(n_times, 0) for part in (forecast.mean, forecast.log_variance)))


def _check_sigma(sigma: float | None) -> None:
    if sigma is not None and not 0 < sigma < math.inf:
        raise ConfigError(f"sigma={sigma!r} must be above 0: a standard deviation in units of the context's")
