"""What speculative decoding buys: seconds, acceptance and errors beside decoding without it, and what the law says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.long_horizon_sets import LongHorizonSet
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.inference.acceptance import rule_of
from ttm_sk.inference.decoding import decode
from ttm_sk.inference.drafts import Draft, draft_of
from ttm_sk.inference.speculative import Report, TraceRow, predicted_speedup, speculate
from ttm_sk.models.timer_xl import TimerXL
from ttm_sk.scoring import metrics

__all__ = [
    "Options",
    "Outcome",
    "Windows",
    "breakdown",
    "compare",
    "cut_windows",
    "speculate_windows",
    "sweep",
    "trace_table",
]


class Windows(NamedTuple):
    """Test windows: ``context`` ``(window, channel, time)`` float32, all observed, and ``target`` float64 after it."""

    context: Tensor
    target: np.ndarray


@dataclass(frozen=True)
class Options:
    """How to speculate; the words are those of :class:`~ttm_sk.SpeculativeForecaster`."""

    mode: str = "tolerance"
    k: int = 3
    tolerance: float = 0.1
    sigma: float | None = None
    accept_bias: float = 1.0
    is_adaptive: bool = False

    def keywords(self) -> dict[str, Any]:
        """What :func:`~ttm_sk.inference.speculative.speculate` takes."""
        rule = rule_of(self.mode, tolerance=self.tolerance, sigma=self.sigma, accept_bias=self.accept_bias)
        return {"rule": rule, "k": self.k, "is_adaptive": self.is_adaptive}


class Outcome(NamedTuple):
    """Forecasts ``(window, channel, horizon)``, a report of each batch, and the seconds of all."""

    values: np.ndarray
    reports: list[Report]
    seconds: float


def cut_windows(
    data: LongHorizonSet, *, context_length: int, horizon: int, n_windows: int, is_univariate: bool = True
) -> Windows:
    """Windows evenly over the test part; what precedes it is their past.

    With ``is_univariate`` every channel of a window is a row of its own, as it is for a model that does not mix them.

    Raises
    ------
    DataError, HorizonError
        If there is too little past, or the horizon is longer than the test part.
    """
    _check_counts(n_windows=n_windows)
    starts = data.starts(horizon)
    if starts[0] < context_length:
        raise DataError(f"{data.name} has {starts[0]} steps before its test part, expected {context_length} or more")
    chosen = [starts[i] for i in np.linspace(0, len(starts) - 1, min(n_windows, len(starts))).round().astype(int)]
    context = np.stack([data.values[:, start - context_length : start] for start in chosen])
    target = np.stack([data.values[:, start : start + horizon] for start in chosen])
    if is_univariate:
        context, target = (part.reshape(-1, 1, part.shape[-1]) for part in (context, target))
    return Windows(torch.from_numpy(context.astype(np.float32)), target)


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ConfigError(f"{name}={value} must be at least 1")


def speculate_windows(
    target: TimerXL,
    draft: Draft,
    windows: Windows,
    options: Options,
    *,
    batch_size: int = 32,
    is_traced: bool = False,
    seed: int = 0,
) -> Outcome:
    """All windows, batch after batch, with the draft's help."""
    generator = torch.Generator().manual_seed(seed)
    reports: list[Report] = []

    def forecast(context: Tensor, observed: Tensor, horizon: int) -> Tensor:
        values, report = speculate(
            target,
            draft,
            context,
            observed,
            horizon=horizon,
            generator=generator,
            is_traced=is_traced,
            **options.keywords(),
        )
        reports.append(report)
        return values

    values, seconds = _in_batches(forecast, windows, batch_size, next(target.parameters()).device)
    return Outcome(values, reports, seconds)


def compare(
    target: Checkpoint,
    drafts: Mapping[str, Checkpoint],
    windows: Windows,
    options: Options,
    *,
    batch_size: int = 32,
    n_repeats: int = 1,
    with_uncached: bool = True,
    device: str = "auto",
) -> pd.DataFrame:
    """Decoding without a draft, all over again or with the past kept, beside each draft.

    Returns
    -------
    DataFrame
        A row for each way: method, horizon, batch_size, seconds (of a batch, the least of ``n_repeats``), speedup (over
        ``cached``), acceptance, target_calls, mse, mae (of the values as given, over all windows, steps and channels),
        draft_cost (of one proposal, in steps of the target), law (the capped geometric speed-up of that acceptance and
        cost, where verifying costs a step) and law_measured (with the cost of verifying as it was).
    """
    if taken := {"cached", "uncached"} & set(drafts):
        raise ConfigError(f"{taken.pop()!r} is a way without a draft; call the draft something else")
    _check_counts(batch_size=batch_size, n_repeats=n_repeats)
    module = _target_module(target, device)
    proposers = {name: _draft_of(draft, module, device) for name, draft in drafts.items()}
    ways: dict[str, Callable[[], Outcome]] = {}
    if with_uncached:
        ways["uncached"] = partial(_plain, module, windows, batch_size, is_cached=False)
    ways["cached"] = partial(_plain, module, windows, batch_size, is_cached=True)
    for name, draft in proposers.items():
        ways[name] = partial(speculate_windows, module, draft, windows, options, batch_size=batch_size)
    outcomes = _best_of(ways, n_repeats)
    step = _step_seconds(outcomes["cached"].seconds, module, windows, batch_size)
    rows = [_row(name, outcome, windows, batch_size, options.k, step) for name, outcome in outcomes.items()]
    table = pd.DataFrame(rows)
    cached = table.loc[table["method"] == "cached", "seconds"].iloc[0]
    table.insert(4, "speedup", cached / table["seconds"])
    return table


def sweep(
    target: Checkpoint,
    draft: Checkpoint,
    windows: Windows,
    grid: Iterable[Options],
    *,
    batch_size: int = 32,
    n_repeats: int = 1,
    device: str = "auto",
) -> pd.DataFrame:
    """One row for each of the options, and ``mse_change``: the share by which the error differs from the target's.

    Columns: those of the options, and seconds, speedup, acceptance, mse, mae, mse_change, law, law_measured.
    """
    module = _target_module(target, device)
    proposer = _draft_of(draft, module, device)
    plain = _best_of({"cached": partial(_plain, module, windows, batch_size, is_cached=True)}, n_repeats)["cached"]
    step = _step_seconds(plain.seconds, module, windows, batch_size)
    error = metrics.mse(target=windows.target, forecast=plain.values)
    rows = []
    for options in grid:
        way = partial(speculate_windows, module, proposer, windows, options, batch_size=batch_size)
        found = _best_of({"it": way}, n_repeats)["it"]
        row = _row(options.mode, found, windows, batch_size, options.k, step)
        row |= {"mode": options.mode, "k": options.k, "tolerance": options.tolerance, "sigma": options.sigma}
        row |= {"accept_bias": options.accept_bias, "is_adaptive": options.is_adaptive}
        rows.append(row | {"speedup": plain.seconds / found.seconds, "mse_change": row["mse"] / error - 1})
    if not rows:
        raise ConfigError("found nothing to sweep over; give at least one value of an option")
    first = ["mode", "k", "tolerance", "sigma", "accept_bias", "is_adaptive"]
    measured = ["seconds", "speedup", "acceptance", "mse", "mae", "mse_change", "law", "law_measured"]
    return pd.DataFrame(rows)[first + measured]


def breakdown(reports: Sequence[Report]) -> pd.DataFrame:
    """Where the time of each batch went: seconds of the context, the draft, the target, and of everything else."""
    rows = []
    for i, report in enumerate(reports):
        parts = {name: getattr(report, f"{name}_seconds") for name in ("start", "draft", "target")}
        rest = report.seconds - sum(parts.values())
        counts = {"rows": report.n_rows, "acceptance": report.acceptance, "target_calls": report.n_target_calls}
        rows.append(
            {"batch": i, **counts, "draft_calls": report.n_draft_calls, **parts, "rest": rest, "all": report.seconds}
        )
    return pd.DataFrame(rows)


def trace_table(reports: Sequence[Report]) -> pd.DataFrame:
    """A row for each proposed patch of all batches; see :class:`~ttm_sk.inference.speculative.TraceRow`."""
    rows = [(i, *row) for i, report in enumerate(reports) for row in report.trace]
    return pd.DataFrame(rows, columns=["batch", *TraceRow._fields])


def _plain(module: TimerXL, windows: Windows, batch_size: int, *, is_cached: bool) -> Outcome:
    def forecast(context: Tensor, observed: Tensor, horizon: int) -> Tensor:
        return decode(module, context, observed, horizon=horizon, is_cached=is_cached)

    values, seconds = _in_batches(forecast, windows, batch_size, next(module.parameters()).device)
    return Outcome(values, [], seconds)


def _in_batches(
    forecast: Callable[[Tensor, Tensor, int], Tensor], windows: Windows, batch_size: int, device: torch.device
) -> tuple[np.ndarray, float]:
    """The forecasts of all windows, and the mean seconds of a batch."""
    horizon, parts, seconds = windows.target.shape[-1], [], 0.0
    for context in windows.context.split(batch_size):
        context = context.to(device)
        began = time.perf_counter()
        values = forecast(context, torch.ones_like(context, dtype=torch.bool), horizon).cpu()
        seconds += time.perf_counter() - began
        parts.append(values.double().numpy())
    return np.concatenate(parts), seconds / len(parts)


def _best_of(ways: Mapping[str, Callable[[], Outcome]], n_repeats: int) -> dict[str, Outcome]:
    """The fastest run of each, all of them in turn, so that a busy machine hits them alike."""
    best: dict[str, Outcome] = {}
    for _ in range(n_repeats):
        for name, way in ways.items():
            outcome = way()
            if name not in best or outcome.seconds < best[name].seconds:
                best[name] = outcome
    return best


def _step_seconds(cached: float, module: TimerXL, windows: Windows, batch_size: int) -> float:
    """Of one of the target's steps on a batch: what decoding takes beyond its pass over the context."""
    n_patches = -(-windows.target.shape[-1] // module.patch_length)
    context = windows.context[:batch_size].to(next(module.parameters()).device)
    with torch.inference_mode():
        began = time.perf_counter()
        module.start(context, torch.ones_like(context, dtype=torch.bool))
        start = time.perf_counter() - began
    return max(cached - start, cached / 10) / max(1, n_patches - 1)


def _row(name: str, outcome: Outcome, windows: Windows, batch_size: int, k: int, step: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "method": name,
        "horizon": windows.target.shape[-1],
        "batch_size": batch_size,
        "seconds": outcome.seconds,
    }
    reports = outcome.reports
    tested, places = (sum(getattr(report, part) for report in reports) for part in ("n_tested", "n_places"))
    row["acceptance"] = sum(report.n_accepted for report in reports) / tested if tested else np.nan
    row["target_calls"] = np.mean([report.n_target_calls for report in reports]) if reports else np.nan
    row["mse"] = metrics.mse(target=windows.target, forecast=outcome.values)
    row["mae"] = metrics.mae(target=windows.target, forecast=outcome.values)
    row |= {"draft_cost": np.nan, "law": np.nan, "law_measured": np.nan}
    if places:
        cost = sum(report.draft_seconds for report in reports) / places / step
        n_rounds = sum(report.n_target_calls - 1 for report in reports)
        verify = sum(report.target_seconds for report in reports) / n_rounds / step
        k = min(k, -(-places // n_rounds))  # near the end of a horizon fewer are proposed
        row["draft_cost"] = cost
        row["law"] = predicted_speedup(row["acceptance"], k, draft_cost=cost)
        row["law_measured"] = predicted_speedup(row["acceptance"], k, draft_cost=cost, verify_cost=verify)
    return row


def _target_module(target: Checkpoint, device: str) -> TimerXL:
    module = target.build()
    if not isinstance(module, TimerXL):
        raise ConfigError(f"a target is a Timer-XL, found {type(module).__name__}; give a checkpoint of 'timer-xl'")
    return module.to(resolve_device(device))


def _draft_of(draft: Checkpoint, target: TimerXL, device: str) -> Draft:
    return draft_of(draft.build().to(resolve_device(device)), patch_length=target.patch_length)
