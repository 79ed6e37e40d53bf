"""Speculative decoding: a cheap draft proposes several patches, the target verifies all of them in one causal pass.

In each round the target reads its own newest patch and the draft's ``k`` proposals, and so knows all ``k + 1``
conditional forecasts: the proposals are kept up to the first that a rule refuses, and one patch of the target's own
stands behind them. Rows are kept apart: each goes on from where it is. Scales are measured once, on the context.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ttm_sk.errors import ConfigError
from ttm_sk.inference.acceptance import Rule
from ttm_sk.inference.decoding import as_values, n_patches_of
from ttm_sk.inference.drafts import Draft, Proposal
from ttm_sk.models.forecast_module import AutoregressiveModule, PatchForecast

__all__ = ["Report", "Speculation", "TraceRow", "expected_patches", "predicted_speedup", "speculate"]

LARGEST_K = 8  # of an adaptive k
GROW, SHRINK = 0.7, 0.3  # shares kept from which an adaptive k changes
Result = TypeVar("Result")


class TraceRow(NamedTuple):
    """One proposed patch: the round, its row, its place in the forecast, whether it was kept, and what decided it.

    ``is_tested`` is False behind a refused patch of the same round.
    """

    round: int
    row: int
    place: int
    is_tested: bool
    is_accepted: bool
    statistic: float


@dataclass
class Report:
    """What a speculation did.

    Attributes
    ----------
    n_rows, n_patches
        Rows and patches of the forecast.
    n_target_calls, n_draft_calls
        The target's passes, the one over the context included, and those of the draft in which it proposed.
    n_places
        Proposals of a round, summed over the rounds, whatever the number of rows.
    n_proposed, n_tested, n_accepted
        Patches of the draft: all, up to and with the first refusal of a round, and kept.
    start_seconds, draft_seconds, target_seconds, seconds
        Of the passes over the context, the proposals, the verifications, and of everything.
    trace
        A row for each proposed patch, where asked for.
    """

    n_rows: int
    n_patches: int
    n_target_calls: int = 1
    n_draft_calls: int = 0
    n_places: int = 0
    n_proposed: int = 0
    n_tested: int = 0
    n_accepted: int = 0
    start_seconds: float = 0.0
    draft_seconds: float = 0.0
    target_seconds: float = 0.0
    seconds: float = 0.0
    trace: list[TraceRow] = field(default_factory=list)

    @property
    def acceptance(self) -> float:
        """The share of tested patches that were kept; 1 where nothing was tested."""
        return self.n_accepted / self.n_tested if self.n_tested else 1.0


class Speculation(NamedTuple):
    """A forecast ``(batch, channel, horizon)`` in the units of the context, and the report of how it was made."""

    values: Tensor
    report: Report


def speculate(
    target: AutoregressiveModule,
    draft: Draft,
    context: Tensor,
    observed: Tensor,
    *,
    horizon: int,
    rule: Rule,
    k: int = 3,
    is_adaptive: bool = False,
    generator: torch.Generator | None = None,
    is_traced: bool = False,
) -> Speculation:
    """The target's forecast with the draft's help.

    Parameters
    ----------
    target
        In evaluation mode.
    draft
        See :func:`~ttm_sk.inference.drafts.draft_of`.
    context, observed
        ``(batch, channel, time)``. Channels that do not inform each other are rows of their own.
    horizon
        Steps ahead, at least 1.
    rule
        :class:`~ttm_sk.inference.acceptance.Lossless`, :class:`~ttm_sk.inference.acceptance.Tolerance` or
        :class:`~ttm_sk.inference.acceptance.Relaxed`.
    k
        Proposals of a round; never more than are still needed.
    is_adaptive
        One more after a round of which more than .7 was kept (up to 8), one less after one below .3, over all rows of
        the batch: within the rule, what a row's forecast is then depends on the rows beside it.
    generator
        Of everything random, on the CPU.
    is_traced
        Keep a row for each proposal in the report.

    Raises
    ------
    ConfigError, HorizonError
        If ``k`` or the horizon is below 1, or the rule draws and the draft has no variance.

    Examples
    --------
    >>> from ttm_sk.inference.acceptance import Tolerance
    >>> from ttm_sk.inference.drafts import draft_of
    >>> from ttm_sk.models.timer_xl import TimerXL, TimerXLConfig
    >>> target, context = TimerXL(TimerXLConfig.tiny()).eval(), torch.randn(2, 1, 64)
    >>> draft = draft_of(TimerXL(target.config.draft(0.5)).eval(), patch_length=8)
    >>> observed = torch.ones_like(context, dtype=torch.bool)
    >>> values, report = speculate(target, draft, context, observed, horizon=40, rule=Tolerance(0.5))
    >>> values.shape, report.n_patches
    (torch.Size([2, 1, 40]), 5)
    """
    if k < 1:
        raise ConfigError(f"k={k} must be at least 1: the number of patches that the draft proposes in a round")
    if rule.is_random and not draft.has_variance:
        raise ConfigError(
            "this draft forecasts no variance, so nothing can be drawn from it; use a draft with is_stochastic=True,"
            " or mode='tolerance'"
        )
    n_patches, n_channels = n_patches_of(horizon, target.patch_length), context.shape[1]
    if not target.mixes_channels:
        context, observed = (part.reshape(-1, 1, part.shape[-1]) for part in (context, observed))
    began = time.perf_counter()
    with torch.inference_mode():
        run = _Run(target, draft, rule, generator, n_patches, is_traced)
        known = run.decode(context, observed, k, is_adaptive)
    run.report.seconds = time.perf_counter() - began
    return Speculation(as_values(known, horizon).reshape(-1, n_channels, horizon), run.report)


def expected_patches(acceptance: float, k: int) -> float:
    """Patches of one round, if each proposal is kept with that probability: a geometric law capped at ``k + 1``.

    Examples
    --------
    >>> expected_patches(0.5, 2), expected_patches(1.0, 3)
    (1.75, 4.0)
    """
    return sum(acceptance**i for i in range(k + 1))


def predicted_speedup(acceptance: float, k: int, *, draft_cost: float, verify_cost: float = 1.0) -> float:
    """How many times faster than decoding patch after patch with the past kept.

    Parameters
    ----------
    draft_cost
        Of one proposal, in units of one of the target's steps.
    verify_cost
        Of the pass over ``k + 1`` patches, in the same units: 1 where a pass is all latency, ``k + 1`` where it is all
        arithmetic.

    Examples
    --------
    >>> round(predicted_speedup(0.8, 3, draft_cost=0.1), 3)
    2.271
    """
    return expected_patches(acceptance, k) / (verify_cost + k * draft_cost)


class _Run:
    """One speculation under way; ``rows`` are those that are not finished."""

    def __init__(
        self,
        target: AutoregressiveModule,
        draft: Draft,
        rule: Rule,
        generator: torch.Generator | None,
        n_patches: int,
        is_traced: bool,
    ) -> None:
        self.target, self.draft, self.rule, self.generator = target, draft, rule, generator
        self.n_patches, self.is_traced = n_patches, is_traced

    def decode(self, context: Tensor, observed: Tensor, k: int, is_adaptive: bool) -> Tensor:
        """All patches ``(batch, channel, patch, step)``."""
        self.report = Report(len(context), self.n_patches)
        is_needed = self.n_patches > 2  # the first patch and the last one are the target's own
        self.states, self.report.start_seconds = _timed(
            lambda: (self.target.start(context, observed), self.draft.start(context, observed) if is_needed else None)
        )
        self.unit = self.target.unit(self.states[0])
        self.rows, self.round = torch.arange(len(context), device=context.device), 0
        self.counts = torch.ones_like(self.rows)
        first = self._own(self.target.ahead(self.states[0]), None, torch.zeros_like(self.rows, dtype=torch.bool))
        room = first.new_zeros(*first.shape[:2], self.n_patches, first.shape[3])
        self.known = torch.cat([first, room], dim=2)  # one to spare
        result = torch.zeros_like(self.known)
        while self._put_finished_aside(result):
            share = self._next_round(min(k, self.n_patches - int(self.counts.min()) - 1))
            if is_adaptive:
                k = min(LARGEST_K, k + 1) if share > GROW else max(1, k - 1) if share < SHRINK else k
        return result[:, :, : self.n_patches]

    def _put_finished_aside(self, result: Tensor) -> bool:
        """Write the rows that are finished into ``result`` and go on without them; whether any are left."""
        is_open = self.counts < self.n_patches
        if not is_open.all():
            result[self.rows[~is_open]] = self.known[~is_open]
            target, draft = self.states
            keep = is_open.nonzero()[:, 0]
            if len(keep):
                self.states = self.target.select(target, keep), self.draft.select(draft, keep) if draft else None
            self.rows, self.counts, self.known, self.unit = (
                part[keep] for part in (self.rows, self.counts, self.known, self.unit)
            )
        return bool(len(self.rows))

    def _next_round(self, k: int) -> float:
        """Propose, verify, keep; the share of proposals that were kept."""
        target, draft = self.states
        newest = _gather(self.known, self.counts - 1)
        proposal = self._propose(draft, k) if k else None
        patches = newest if proposal is None else torch.cat([newest, proposal.patches], dim=2)
        (verdict, target), seconds = _timed(lambda: self.target.step(target, patches))
        self.report.target_seconds += seconds
        self.report.n_target_calls += 1
        self.round += 1
        kept, is_refused, refused = torch.zeros_like(self.counts), torch.zeros_like(self.counts).bool(), None
        if proposal is not None:
            kept, is_refused = self._judge(proposal, verdict, k)
            refused = _at(proposal.forecast, kept.clamp(max=k - 1))
        own = self._own(_at(verdict, kept), refused, is_refused)
        self._remember(proposal, kept, own)
        self.states = self.target.rewind(target, k - kept), self.states[1]
        return float(kept.float().mean() / k) if k else 0.5

    def _propose(self, state: Any, k: int) -> Proposal:
        (proposal, state), seconds = _timed(
            lambda: self.draft.propose(
                state, self.known, self.counts, k, is_random=self.rule.is_random, generator=self.generator
            )
        )
        self.states = self.states[0], state
        self.report.draft_seconds += seconds
        self.report.n_draft_calls += proposal.n_calls
        self.report.n_places += k
        return proposal

    def _judge(self, proposal: Proposal, verdict: PatchForecast, k: int) -> tuple[Tensor, Tensor]:
        """How many proposals of each row are kept, and whether the next one was refused.

        What a row does not need is not tested: had its last place been, the target's own patch there would have to
        depend on the outcome.
        """
        is_good, statistic = self.rule.judge(proposal, _until(verdict, k), self.unit, self.generator)
        kept = is_good.int().cumprod(dim=1).sum(dim=1)
        needed = (self.n_patches - self.counts - 1).clamp(max=k)  # behind them stands the target's own
        n_tested = torch.minimum(kept + 1, needed)
        n_accepted = torch.minimum(kept, needed)
        self.report.n_proposed += int(needed.sum())
        self.report.n_tested += int(n_tested.sum())
        self.report.n_accepted += int(n_accepted.sum())
        if self.is_traced:
            self._trace(statistic, needed, n_tested, n_accepted)
        return n_accepted, n_accepted < needed

    def _trace(self, statistic: Tensor, needed: Tensor, n_tested: Tensor, n_accepted: Tensor) -> None:
        for i, row in enumerate(self.rows.tolist()):
            self.report.trace += [
                TraceRow(
                    self.round,
                    row,
                    int(self.counts[i]) + j,
                    j < int(n_tested[i]),
                    j < int(n_accepted[i]),
                    float(statistic[i, j]),
                )
                for j in range(int(needed[i]))
            ]

    def _own(self, verdict: PatchForecast, refused: PatchForecast | None, is_refused: Tensor) -> Tensor:
        return self.rule.instead(verdict, refused, is_refused, self.unit, self.generator)

    def _remember(self, proposal: Proposal | None, kept: Tensor, own: Tensor) -> None:
        """Write what was kept, and the target's own patch behind it."""
        patches = own if proposal is None else torch.cat([proposal.patches, own], dim=2)
        order = torch.arange(patches.shape[2], device=kept.device)
        wanted = torch.where(order == kept[:, None], patches.shape[2] - 1, order)
        rows = torch.arange(len(kept), device=kept.device)[:, None]
        places = torch.where(order <= kept[:, None], self.counts[:, None] + order, self.known.shape[2] - 1)
        known = self.known.movedim(2, 1).clone()
        known[rows, places] = patches.movedim(2, 1)[rows, wanted]
        self.known, self.counts = known.movedim(1, 2), self.counts + kept + 1


def _gather(values: Tensor, places: Tensor) -> Tensor:
    """``(batch, channel, patch, step)`` at one place of each row: ``(batch, channel, 1, step)``."""
    return values[torch.arange(len(places), device=places.device), :, places][:, :, None]


def _at(forecast: PatchForecast, places: Tensor) -> PatchForecast:
    log_variance = None if forecast.log_variance is None else _gather(forecast.log_variance, places)
    return PatchForecast(_gather(forecast.mean, places), log_variance)


def _until(forecast: PatchForecast, k: int) -> PatchForecast:
    log_variance = forecast.log_variance
    return PatchForecast(forecast.mean[:, :, :k], None if log_variance is None else log_variance[:, :, :k])


def _timed(action: Callable[[], Result]) -> tuple[Result, float]:
    began = time.perf_counter()
    return action(), time.perf_counter() - began
