"""What IBM trains a TTM-R3 on: quantiles in the units of the series, or trend, residual and sum in scaled units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Self

import torch
from torch import Tensor

from ttm_sk.data.windows import Batch
from ttm_sk.errors import ConfigError
from ttm_sk.layers.gaps import carry_forward
from ttm_sk.layers.smoothing import robust_trend
from ttm_sk.models.ttm_r3 import TTMR3, DecomposedTTM, point_of
from ttm_sk.scoring.losses import mae, pinball, width
from ttm_sk.training.objectives import UnscaledLoss

__all__ = ["R3Objective"]

WIDTHS = ("boundary", "wis")
SLOPE_WEIGHT = 0.1

# Granite's key -> our field.
GRANITE_KEYS = {
    "point_extra_weight": "median_weight",
    "penalize_large_width_ratio": "width_weight",
    "width_penalty_mode": "width",
    "joint_loss_weight": "joint_weight",
    "trend_loss_weight": "trend_weight",
    "residual_loss_weight": "residual_weight",
}


@dataclass(frozen=True)
class R3Objective:
    """The loss of a :class:`~ttm_sk.models.ttm_r3.TTMR3` or of a decomposed pair; call it with module and batch.

    A quantile head learns from the mean pinball loss, ``max(level * e, (level - 1) * e)``, plus ``median_weight`` times
    the mean absolute error of the median plus ``width_weight`` times the width of the intervals; a point head from
    ``point``. A single model is compared in the units of the series. A decomposed one is compared in scaled units,
    three times: trend and residual with those of past and future smoothed together, and their sum with the series; the
    trend's slope counts by a tenth. Only observed targets count; in the smoothing, a gap holds the value before it.

    Attributes
    ----------
    point
        Of a point head.
    median_weight, width_weight, width
        Of a quantile head; ``"boundary"`` is the widest interval, ``"wis"`` the mean of all.
    joint_weight, trend_weight, residual_weight
        Of a decomposed model.

    Raises
    ------
    ConfigError
        If a name is unknown or a weight negative.

    Examples
    --------
    >>> R3Objective.from_granite({"point_extra_weight": 0.5}).median_weight
    0.5
    """

    point: UnscaledLoss = UnscaledLoss()
    median_weight: float = 0.0
    width_weight: float = 0.0
    width: str = "boundary"
    joint_weight: float = 1.0
    trend_weight: float = 1.0
    residual_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.width not in WIDTHS:
            raise ConfigError(f"unknown width {self.width!r}; choose one of {', '.join(WIDTHS)}")
        for name in ("median_weight", "width_weight", "joint_weight", "trend_weight", "residual_weight"):
            if not 0 <= getattr(self, name) < inf:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative, nor infinite")

    @classmethod
    def from_granite(cls, keys: Mapping[str, Any]) -> Self:
        """The objective that Granite's keys name, which a checkpoint keeps as ``provenance["granite"]``.

        Raises
        ------
        ConfigError
            If they name none.
        """
        if keys.get("loss", "mse") is None and not keys.get("multi_quantile_head"):
            raise ConfigError("loss=None: this configuration names no loss; choose one, for example R3Objective()")
        point = UnscaledLoss(keys.get("loss") or "mse", keys.get("quantile", 0.5), keys.get("huber_delta", 1))
        return cls(point, **{field: keys[key] for key, field in GRANITE_KEYS.items() if keys.get(key) is not None})

    def __call__(self, module: TTMR3 | DecomposedTTM, batch: Batch) -> Tensor:
        """A scalar that can be differentiated."""
        if isinstance(module, DecomposedTTM):
            return self._of_parts(module, batch)
        forecast = module(batch.context, batch.observed, resolution=batch.resolution)
        values = forecast.mean if forecast.quantiles is None else forecast.quantiles
        return self._of(values, batch.target, batch.target_observed, module.levels)

    def _of_parts(self, module: DecomposedTTM, batch: Batch) -> Tensor:
        values, state = module.scale(batch.context, batch.observed)
        trend, residual = module.forecast_parts(values, batch.observed, resolution=batch.resolution)
        observed, levels = batch.target_observed, module.levels
        target = state.standardise(batch.target)
        with torch.no_grad():
            whole = torch.cat([values, target], dim=-1)
            is_known = torch.cat([torch.ones_like(values, dtype=torch.bool), observed], dim=-1)
            slow = robust_trend(carry_forward(whole, is_known))[..., -target.shape[-1] :]
        slope, slow_slope = point_of(trend, levels).diff(), slow.diff()
        error = mae if levels else self.point.between
        slope_loss = error(forecast=slope, target=slow_slope, observed=observed[..., 1:] & observed[..., :-1])
        return (
            self.joint_weight * self._of(module.join(trend, residual), target, observed, levels)
            + self.trend_weight * (self._of(trend, slow, observed, levels) + SLOPE_WEIGHT * slope_loss)
            + self.residual_weight * self._of(residual, target - slow, observed, levels)
        )

    def _of(self, values: Tensor, target: Tensor, observed: Tensor, levels: tuple[float, ...]) -> Tensor:
        if not levels:
            return self.point.between(forecast=values, target=target, observed=observed)
        loss = pinball(quantiles=values, target=target, observed=observed, levels=levels) / 2
        if self.median_weight:
            median = point_of(values, levels)
            loss = loss + self.median_weight * mae(forecast=median, target=target, observed=observed)
        if self.width_weight:
            is_outermost = self.width == "boundary"
            loss = loss + self.width_weight * width(quantiles=values, observed=observed, is_outermost=is_outermost)
        return loss
