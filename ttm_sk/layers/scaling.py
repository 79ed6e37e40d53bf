"""Instance scaling: every series is forecast in units of its own recent past.

A scaler returns the scaled values **and** a :class:`ScaleState`, a plain value that undoes the scaling;
nothing is remembered on the module. Only observed values count.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ttm_sk.errors import ConfigError

__all__ = ["SCALINGS", "ScaleState", "Scaling", "measure_scale", "scale_series"]

Scaling = Literal["asinh", "std", "mean", "none"]
SCALINGS: tuple[str, ...] = ("asinh", "std", "mean", "none")

# A spread below this share of the largest value is float32 rounding, not movement.
CONSTANT_TOLERANCE = 1e-6


class ScaleState(NamedTuple):
    """What :func:`scale_series` took away: ``loc`` and ``scale`` are ``(batch, channel, 1)``.

    ``scale`` is 0 for a constant series, so that whatever is forecast for it comes back as that constant.
    """

    loc: Tensor
    scale: Tensor
    is_asinh: bool

    def apply(self, values: Tensor) -> Tensor:
        """``values`` ``(batch, channel, time)`` in this state's units; a constant series is only shifted."""
        scaled = self.standardise(values)
        return torch.asinh(scaled) if self.is_asinh else scaled

    def standardise(self, values: Tensor) -> Tensor:
        """The linear part of :meth:`apply`, which commutes with means over blocks of steps."""
        return (values - self.loc) / torch.where(self.scale == 0, torch.ones_like(self.scale), self.scale)

    def inverse(self, scaled: Tensor) -> Tensor:
        """Original units again: ``(batch, channel, horizon)`` or ``(batch, channel, horizon, quantile)``."""
        extra = scaled.dim() - self.loc.dim()
        loc, scale = (part.reshape(*part.shape, *[1] * extra) for part in (self.loc, self.scale))
        return (torch.sinh(scaled) if self.is_asinh else scaled) * scale + loc


def scale_series(
    context: Tensor, observed: Tensor, *, scaling: str, minimum_variance: float = 0.0
) -> tuple[Tensor, ScaleState]:
    """Scaled values, 0 where nothing was observed, and the state that undoes the scaling.

    Parameters
    ----------
    context
        ``(batch, channel, time)``, floating point, finite; what stands at unobserved places is ignored.
    observed
        Same shape, boolean: True = a real value. A row without any gives ``loc`` 0 and ``scale`` 0.
    scaling
        ``"std"``: minus the mean, over the standard deviation. ``"asinh"``: the same, then the inverse
        hyperbolic sine, so that an outlier enters by its logarithm. ``"mean"``: over the mean absolute
        value, no shift. ``"none"``: values as they are.
    minimum_variance
        Added to the variance under the root (IBM's checkpoints: 1e-5); for ``"mean"`` the least scale (1e-10 there).
        With the default 0 the result is exactly equivariant, ``f(a * y + b) == a * f(y) + b`` for ``a > 0``.

    Raises
    ------
    ConfigError
        If ``scaling`` has no such name.

    Examples
    --------
    >>> context, observed = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.ones(1, 1, 3, dtype=torch.bool)
    >>> scaled, state = scale_series(context, observed, scaling="std")
    >>> torch.allclose(state.inverse(scaled), context)
    True
    """
    state = measure_scale(context, observed, scaling=scaling, minimum_variance=minimum_variance)
    return torch.where(observed & (state.scale != 0), state.apply(context), torch.zeros_like(context)), state


def measure_scale(context: Tensor, observed: Tensor, *, scaling: str, minimum_variance: float = 0.0) -> ScaleState:
    """The state alone, as in :func:`scale_series`."""
    values = torch.where(observed, context, torch.zeros_like(context))
    return ScaleState(*_statistics(values, observed.to(context.dtype), scaling, minimum_variance), scaling == "asinh")


def _statistics(values: Tensor, weight: Tensor, scaling: str, minimum_variance: float) -> tuple[Tensor, Tensor]:
    n_observed = weight.sum(-1, keepdim=True).clamp(min=1)
    if scaling in ("std", "asinh"):
        loc = values.sum(-1, keepdim=True) / n_observed
        variance = (((values - loc) * weight) ** 2).sum(-1, keepdim=True) / n_observed
        scale = (variance + minimum_variance).sqrt()
    elif scaling == "mean":
        scale = (values.abs().sum(-1, keepdim=True) / n_observed).clamp(min=minimum_variance)
        loc = torch.zeros_like(scale)
    elif scaling == "none":
        loc = torch.zeros_like(n_observed)
        return loc, torch.ones_like(n_observed)
    else:
        raise ConfigError(f"unknown scaling {scaling!r}; choose one of {', '.join(SCALINGS)}")
    if minimum_variance == 0:
        largest = values.abs().amax(-1, keepdim=True)
        scale = torch.where(scale <= CONSTANT_TOLERANCE * largest, torch.zeros_like(scale), scale)
    return loc, scale
