"""Drafts: what proposes patches cheaply, for a target to verify. Any forecaster of this package can be one."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ttm_sk.errors import ConfigError
from ttm_sk.inference.decoding import draw
from ttm_sk.layers.gaps import carry_forward
from ttm_sk.models.forecast_module import AutoregressiveModule, ForecastModule, PatchForecast
from ttm_sk.models.timer_xl import TimerXL

__all__ = ["AutoregressiveDraft", "Draft", "OneShotDraft", "Proposal", "draft_of"]


class Proposal(NamedTuple):
    """Patches ``(batch, channel, patch, step)``, the distributions that they come from, and how many calls it took."""

    patches: Tensor
    forecast: PatchForecast
    n_calls: int


class Draft(Protocol):
    """What speculative decoding asks of a draft; states are values, as a target's are."""

    has_variance: bool

    def start(self, context: Tensor, observed: Tensor) -> Any:
        """The state after a context ``(batch, channel, time)``."""
        ...

    def propose(
        self, state: Any, known: Tensor, counts: Tensor, k: int, *, is_random: bool, generator: torch.Generator | None
    ) -> tuple[Proposal, Any]:
        """``k`` patches that may follow.

        ``known`` ``(batch, channel, patch, step)`` holds what has been decided after the context: ``counts``
        ``(batch,)`` patches of each row, at least one; what stands beyond is not read.
        """
        ...

    def select(self, state: Any, rows: Tensor) -> Any:
        """The state of some rows."""
        ...


def draft_of(module: Any, *, patch_length: int) -> Draft:
    """The draft that a module is: patch after patch, or several patches in one call.

    Raises
    ------
    ConfigError
        If its patches, or what it forecasts in one call, do not fit the target's patches.
    """
    if isinstance(module, TimerXL):
        if module.patch_length != patch_length:
            raise ConfigError(
                f"the draft's patches have {module.patch_length} steps, the target's {patch_length};"
                " they must be equal: make it with target.config.draft(...)"
            )
        return AutoregressiveDraft(module)
    return OneShotDraft(module, patch_length)


class AutoregressiveDraft:
    """A small autoregressive module: one pass over one patch for each proposal, the past kept."""

    def __init__(self, module: AutoregressiveModule) -> None:
        self.module, self.has_variance = module, module.has_variance

    def start(self, context: Tensor, observed: Tensor) -> tuple[Any, Tensor]:
        """The module's state, and for each row how many decided patches that has seen."""
        return self.module.start(context, observed), torch.zeros(len(context), dtype=torch.long, device=context.device)

    def propose(
        self,
        state: tuple[Any, Tensor],
        known: Tensor,
        counts: Tensor,
        k: int,
        *,
        is_random: bool,
        generator: torch.Generator | None,
    ) -> tuple[Proposal, tuple[Any, Tensor]]:
        """Take back what was not kept, read the newest decided patches, go on from there.

        The newest one or two are read again, the same number in every row: after a round in which all was kept, the
        last proposal has not been read yet.
        """
        inner, seen = state
        n_newest = min(2, int(counts.min()))
        inner = self.module.rewind(inner, seen - (counts - n_newest))
        rows = torch.arange(len(known), device=known.device)[:, None]
        places = counts[:, None] + torch.arange(-n_newest, 0, device=counts.device)
        newest = known.movedim(2, 1)[rows, places].movedim(1, 2)
        forecast, inner = self.module.step(inner, newest)
        patches, steps = [], []
        for i in range(k):
            steps.append(_last(forecast))
            patches.append(draw(steps[-1], generator) if is_random else steps[-1].mean)
            if i + 1 < k:
                forecast, inner = self.module.step(inner, patches[-1])
        return Proposal(torch.cat(patches, dim=2), _joined(steps), k), (inner, counts + k - 1)

    def select(self, state: tuple[Any, Tensor], rows: Tensor) -> tuple[Any, Tensor]:
        """The state of some rows."""
        return self.module.select(state[0], rows), state[1][rows]


class OneShotDraft:
    """A module that forecasts many steps in one call, such as a TTM: as many patches as fit, fed back for more.

    It reads the context with what was decided since, scaled anew.
    """

    has_variance = False

    def __init__(self, module: ForecastModule, patch_length: int) -> None:
        if getattr(module, "wants_own_length", False) or getattr(getattr(module, "config", None), "is_fixed", False):
            raise ConfigError(
                f"this {type(module).__name__} reads histories of its own length or mixes a fixed number of channels;"
                " it cannot be a draft: use a TTM without channel mixing, or a Timer-XL"
            )
        self.module, self.patch_length = module, patch_length
        self.n_fitting = module.prediction_length // patch_length
        if not self.n_fitting:
            raise ConfigError(
                f"the draft forecasts {module.prediction_length} steps in one call, the target's patches have"
                f" {patch_length}; it must forecast at least one patch"
            )

    def start(self, context: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """The context itself."""
        return context, observed

    def propose(
        self,
        state: tuple[Tensor, Tensor],
        known: Tensor,
        counts: Tensor,
        k: int,
        *,
        is_random: bool,
        generator: torch.Generator | None,
    ) -> tuple[Proposal, tuple[Tensor, Tensor]]:
        """The means of the next patches."""
        if is_random:
            raise ConfigError("this draft forecasts no variance, so nothing can be drawn from it; use mode='tolerance'")
        values, observed = self._history(*state, known, counts)
        parts: list[Tensor] = []
        while len(parts) * self.n_fitting < k:
            past, is_real = (part[..., -self.module.context_length :] for part in (values, observed))
            if getattr(self.module, "wants_filled_gaps", False):
                past = carry_forward(past, is_real)
            mean = self.module(past, is_real).mean[..., : self.n_fitting * self.patch_length]
            parts.append(mean.unflatten(-1, (-1, self.patch_length)))
            values = torch.cat([values, mean], dim=-1)
            observed = torch.cat([observed, torch.ones_like(mean, dtype=torch.bool)], dim=-1)
        patches = torch.cat(parts, dim=2)[:, :, :k]
        return Proposal(patches, PatchForecast(patches), len(parts)), state

    def _history(self, context: Tensor, observed: Tensor, known: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Context and decided patches of each row, all of them ending at the last step."""
        values = torch.cat([context, known.flatten(-2)], dim=-1)
        is_real = torch.cat([observed, torch.ones_like(known.flatten(-2), dtype=torch.bool)], dim=-1)
        stops = context.shape[-1] + counts * self.patch_length
        length = int(stops.max())
        places = stops[:, None] - length + torch.arange(length, device=stops.device)
        index = places.clamp(min=0)[:, None].expand(-1, values.shape[1], -1)
        return values.gather(-1, index), is_real.gather(-1, index) & (places >= 0)[:, None]

    def select(self, state: tuple[Tensor, Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
        """The contexts of some rows."""
        return state[0][rows], state[1][rows]


def _last(forecast: PatchForecast) -> PatchForecast:
    log_variance = forecast.log_variance
    return PatchForecast(forecast.mean[:, :, -1:], None if log_variance is None else log_variance[:, :, -1:])


def _joined(steps: list[PatchForecast]) -> PatchForecast:
    variances = [step.log_variance for step in steps if step.log_variance is not None]
    return PatchForecast(
        torch.cat([step.mean for step in steps], dim=2), torch.cat(variances, dim=2) if variances else None
    )
