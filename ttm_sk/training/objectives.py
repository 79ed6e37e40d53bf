"""What training minimises: functions from a module and a batch to one number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.windows import Batch
from ttm_sk.errors import ConfigError
from ttm_sk.layers.scaling import ScaleState
from ttm_sk.models.ttm import TTM
from ttm_sk.scoring.losses import huber, mae, mse, pinball

__all__ = ["FedBackLoss", "Objective", "UnscaledLoss", "rolled_loss", "scaled_loss"]

Objective = Callable[[Any, Batch], Tensor]
WEIGHTS = (0.1, 4.0)  # so that no window counts for nothing, nor for all
LEAST_FED_BACK = 16  # observed steps that a forecast to be fed back needs
LARGEST_TARGET = 1e4  # in standard deviations of the context; further out a target teaches nothing but noise


def scaled_loss(module: TTM, batch: Batch) -> Tensor:
    """Pinball loss of a quantile head, squared error of a point head, both in scaled units.

    Every window counts alike whatever its units; a history without movement, which no model can scale, is
    left out. Where the batch has weights, errors count in units of the series instead: calm windows less, wild ones
    more, as the usual scores do. A target of fewer steps than the module forecasts is compared with the first ones.
    """
    output, state = module.forecast_scaled(batch.context, batch.observed, **_besides(batch))
    return _scaled_difference(module, batch, output[:, :, : batch.target.shape[-1]], state)


@dataclass(frozen=True)
class FedBackLoss:
    """:func:`scaled_loss`, where some windows had their newest steps replaced by the module's own forecast of them.

    What a long forecast feeds back is not what happened, and a model that was never shown that takes it for the past:
    far ahead it is too sure, and drifts. Here the newest one to ``most`` horizons are forecast from what lies before,
    pass after pass, along one of the module's quantiles, half of the time its median; nothing is learnt through that.
    Draws from torch's own generator.

    Attributes
    ----------
    share
        Of the windows of a batch; windows with fewer than 16 observed steps before are left as they are.
    most
        Horizons that are fed back at most, the number drawn for each batch.
    levels
        That are followed, as often as they stand here; those that the module does not forecast are left out.
    """

    share: float = 0.3
    most: int = 7
    levels: tuple[float, ...] = (0.1, 0.3, 0.5, 0.5, 0.5, 0.5, 0.7, 0.9)

    def __call__(self, module: TTM, batch: Batch) -> Tensor:
        """A scalar, in scaled units."""
        chosen = torch.randperm(len(batch), device=batch.context.device)[: round(self.share * len(batch))]
        if len(chosen):
            batch = self._fed_back(module, batch, chosen)
        return scaled_loss(module, batch)

    @torch.no_grad()
    def _fed_back(self, module: TTM, batch: Batch, chosen: Tensor) -> Batch:
        context, observed = batch.context[chosen], batch.observed[chosen]
        n_passes = int(torch.randint(1, self.most + 1, ()))
        n_steps = min(n_passes * module.prediction_length, context.shape[-1])
        past, seen = (functional.pad(part[..., :-n_steps], (n_steps, 0)) for part in (context, observed))
        weight = module.config.fed_back_weight
        if weight < 1:
            observed, seen = observed.to(context.dtype), seen.to(context.dtype)
        is_enough = (seen > 0).sum(-1, keepdim=True) >= LEAST_FED_BACK
        known = [module.levels.index(level) for level in self.levels if level in module.levels]
        followed = torch.tensor(known, device=context.device)
        path = followed[torch.randint(len(followed), (len(chosen),), device=context.device)]
        for _ in range(-(-n_steps // module.prediction_length)):
            fan = module(past, seen).quantiles
            ahead = fan.gather(-1, path[:, None, None, None].expand(*fan.shape[:3], 1))[..., 0]
            past = torch.cat([past[..., ahead.shape[-1] :], ahead.to(past.dtype)], dim=-1)
            seen = torch.cat([seen[..., ahead.shape[-1] :], torch.full_like(ahead, weight, dtype=seen.dtype)], dim=-1)
        return replace(
            batch,
            context=batch.context.index_copy(0, chosen, torch.where(is_enough, past, context)),
            observed=batch.observed.to(seen.dtype).index_copy(0, chosen, torch.where(is_enough, seen, observed)),
        )


def rolled_loss(module: Any, batch: Batch) -> Tensor:
    """:func:`scaled_loss` for a target of any length: beyond the module's own horizon its median is fed back.

    For examining, not for training: nothing is learnt through what was fed back.
    """
    n_steps = batch.target.shape[-1]
    if n_steps <= module.prediction_length:
        return scaled_loss(module, batch)
    if n_steps <= getattr(module, "longest_pass", 0):  # it reaches as far in one pass
        output, state = module.forecast_scaled(batch.context, batch.observed, horizon=n_steps, **_besides(batch))
        return _scaled_difference(module, batch, output, state)
    state = module.scale(batch.context, batch.observed)[2]
    context, observed, parts, longest = batch.context, batch.observed, [], module.context_length
    weight = getattr(module.config, "fed_back_weight", 1.0)
    observed = observed if weight == 1 else observed.to(context.dtype)
    for _ in range(-(-n_steps // module.prediction_length)):
        forecast = module(context, observed, resolution=batch.resolution, static=batch.static)
        parts.append(forecast.mean[..., None] if forecast.quantiles is None else forecast.quantiles)
        median = forecast.mean.detach()
        context = torch.cat([context, median], dim=-1)[..., -longest:]
        observed = torch.cat([observed, torch.full_like(median, weight, dtype=observed.dtype)], dim=-1)[..., -longest:]
    output = state.apply(torch.cat(parts, dim=2)[:, :, :n_steps].movedim(-1, 0)).movedim(0, -1)
    return _scaled_difference(module, batch, output if module.levels else output[..., 0], state)


def _scaled_difference(module: TTM, batch: Batch, output: Tensor, state: ScaleState) -> Tensor:
    target = state.apply(batch.target).float()
    counts = batch.target_observed & (state.scale != 0) & (target.abs() < LARGEST_TARGET)
    target, output = torch.where(counts, target, torch.zeros_like(target)), output.float()
    if batch.weight is not None:
        weight = (batch.weight[..., None] * state.scale).clamp(*WEIGHTS)
        target, output = target * weight, output * (weight[..., None] if module.levels else weight)
    if module.levels:
        return pinball(quantiles=output, target=target, levels=module.levels, observed=counts)
    return mse(forecast=output, target=target, observed=counts)


@dataclass(frozen=True)
class UnscaledLoss:
    """A loss of the point forecast in the units of the series, as IBM Granite's models were trained with.

    A series of large numbers weighs more than one of small numbers, so all should be of one size. The batch's target
    has the channels and steps of the forecast.

    Attributes
    ----------
    name
        ``"mse"``, ``"mae"``, ``"huber"`` or ``"pinball"``.
    level
        Of the pinball loss ``max(level * e, (level - 1) * e)``, without the factor 2 of :mod:`ttm_sk.scoring.losses`.
    delta
        Of the Huber loss, in units of the series.

    Raises
    ------
    ConfigError
        If there is no such loss, for a level outside of (0, 1), or a delta that is not above 0.
    """

    name: str = "mse"
    level: float = 0.5
    delta: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in ("mse", "mae", "huber", "pinball"):
            raise ConfigError(f"unknown loss {self.name!r}; choose one of 'mse', 'mae', 'huber', 'pinball'")
        if not 0 < self.level < 1 or not self.delta > 0:
            raise ConfigError(f"level={self.level} must lie inside (0, 1), and delta={self.delta} above 0")

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> UnscaledLoss:
        """The loss that the config.json of a Granite checkpoint names.

        Raises
        ------
        ConfigError
            If the checkpoint names none.
        """
        values = checkpoint.provenance.get("granite", {})
        if values.get("loss", "mse") is None or not values:
            raise ConfigError("this checkpoint names no loss; choose one, for example UnscaledLoss('mae')")
        return cls(values.get("loss", "mse"), values.get("quantile", 0.5), values.get("huber_delta", 1))

    def __call__(self, module: TTM, batch: Batch) -> Tensor:
        """The mean over the observed entries of the target; see :mod:`ttm_sk.scoring.losses`."""
        forecast = module(batch.context, batch.observed, **_besides(batch)).mean
        return self.between(forecast=forecast, target=batch.target, observed=batch.target_observed)

    def between(self, *, forecast: Tensor, target: Tensor, observed: Tensor) -> Tensor:
        """The loss of a point forecast, in whatever units both are."""
        if self.name == "pinball":
            return pinball(quantiles=forecast[..., None], target=target, observed=observed, levels=[self.level]).div(2)
        if self.name == "huber":
            return huber(forecast=forecast, target=target, observed=observed, delta=self.delta)
        return (mse if self.name == "mse" else mae)(forecast=forecast, target=target, observed=observed)


def _besides(batch: Batch) -> dict[str, Tensor | None]:
    """What a module is given besides the past."""
    return {
        "resolution": batch.resolution,
        "covariates": batch.covariates,
        "covariates_observed": batch.covariates_observed,
        "static": batch.static,
    }
