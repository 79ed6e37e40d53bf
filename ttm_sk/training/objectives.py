"""What training minimises: functions from a module and a batch to one number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.windows import Batch
from ttm_sk.errors import ConfigError
from ttm_sk.models.ttm import TTM
from ttm_sk.scoring.losses import huber, mae, mse, pinball

__all__ = ["Objective", "UnscaledLoss", "scaled_loss"]

Objective = Callable[[TTM, Batch], Tensor]
LARGEST_TARGET = 1e4  # in standard deviations of the context; further out a target teaches nothing but noise


def scaled_loss(module: TTM, batch: Batch) -> Tensor:
    """Pinball loss of a quantile head, squared error of a point head, both in scaled units.

    Every window counts alike whatever its units, and a history without movement, which no model can scale, is
    left out.
    """
    output, state = module.forecast_scaled(batch.context, batch.observed, resolution=batch.resolution)
    target = state.apply(batch.target).float()
    counts = batch.target_observed & (state.scale != 0) & (target.abs() < LARGEST_TARGET)
    target = torch.where(counts, target, torch.zeros_like(target))
    if module.levels:
        return pinball(quantiles=output.float(), target=target, levels=module.levels, observed=counts)
    return mse(forecast=output.float(), target=target, observed=counts)


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
        If there is no such loss.
    """

    name: str = "mse"
    level: float = 0.5
    delta: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in ("mse", "mae", "huber", "pinball"):
            raise ConfigError(f"unknown loss {self.name!r}; choose one of 'mse', 'mae', 'huber', 'pinball'")

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
        forecast = module(
            batch.context,
            batch.observed,
            resolution=batch.resolution,
            covariates=batch.covariates,
            covariates_observed=batch.covariates_observed,
            static=batch.static,
        ).mean
        return self.between(forecast=forecast, target=batch.target, observed=batch.target_observed)

    def between(self, *, forecast: Tensor, target: Tensor, observed: Tensor) -> Tensor:
        """The loss of a point forecast, in whatever units both are."""
        if self.name == "pinball":
            return pinball(quantiles=forecast[..., None], target=target, observed=observed, levels=[self.level]).div(2)
        if self.name == "huber":
            return huber(forecast=forecast, target=target, observed=observed, delta=self.delta)
        return (mse if self.name == "mse" else mae)(forecast=forecast, target=target, observed=observed)
