"""Reconciling forecasts with each other and with variables whose future is known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.layers.mixing import MixerLayer, make_gate

__all__ = ["ForecastMixing"]


class ForecastMixing(nn.Module):
    """Corrects every step of every forecast by what stands around that step in all of them and in the covariates.

    A window of ``2 * reach + 1`` steps around each step, of every target and covariate, goes through (optional) mixer
    layers that mix the variables, a gate and one linear map; its result is added to the forecast. Before the first step
    stands the past, behind the last one zeros. All numbers should be in the same units: the layer does not scale.

    Parameters
    ----------
    n_targets, n_covariates
        Variables that are forecast, and variables whose future is known.
    reach
        Steps before and after; with 0 there are no windows, no layers and no past.
    n_layers
        Mixer layers on the windows, which are then embedded at twice their length; 0: none, nor an embedding.
    gate, **style
        As in :class:`~ttm_sk.layers.mixing.MixerLayer`.

    References
    ----------
    Ekambaram et al. (2024), arXiv:2401.03955, "exogenous mixer".

    Examples
    --------
    >>> mixing = ForecastMixing(
    ...     n_targets=1, n_covariates=2, reach=3, n_layers=0, gate="softmax", expansion=2, dropout=0.0
    ... )
    >>> mixing(torch.zeros(5, 1, 8), future=torch.zeros(5, 2, 8), past=torch.zeros(5, 3, 3)).shape
    torch.Size([5, 1, 8])
    """

    def __init__(
        self,
        *,
        n_targets: int,
        n_covariates: int,
        reach: int,
        n_layers: int,
        gate: str,
        expansion: int,
        dropout: float,
        gate_groups: int = 8,
        norm: str = "layer",
        epsilon: float = 1e-5,
        heads: int = 0,
    ) -> None:
        super().__init__()
        self.reach, n_variables = reach, n_targets + n_covariates
        window = 2 * reach + 1
        width = window * 2 if n_layers else window
        self.embedding = nn.Linear(window, width) if n_layers else None
        style: dict[str, Any] = {"expansion": expansion, "dropout": dropout, "gate": gate, "gate_groups": gate_groups}
        style |= {"norm": norm, "epsilon": epsilon, "heads": heads}
        self.layers = nn.ModuleList(MixerLayer(n_patches=n_variables, width=width, **style) for _ in range(n_layers))
        self.gate = make_gate(n_variables * width, gate, gate_groups)
        self.projection = nn.Linear(n_variables * width, n_targets)

    def forward(self, forecast: Tensor, *, future: Tensor | None = None, past: Tensor | None = None) -> Tensor:
        """The corrected forecast.

        Parameters
        ----------
        forecast
            ``(batch, target, horizon)``.
        future
            Known values of the covariates at the same steps, ``(batch, covariate, horizon)``; None without covariates.
        past
            The last ``reach`` steps before, targets first, ``(batch, target + covariate, reach)``; None stands for 0.
        """
        known = forecast if future is None else torch.cat([forecast, future], dim=1)
        windows = known[..., None] if not self.reach else self._windows(known, past)
        features = windows.movedim(1, 2)  # (batch, horizon, variable, step of the window)
        if self.embedding is not None:
            features = self.embedding(features)
        for layer in self.layers:
            features = layer(features)
        return forecast + self.projection(self.gate(features.flatten(-2))).transpose(1, 2)

    def _windows(self, known: Tensor, past: Tensor | None) -> Tensor:
        """``(batch, variable, horizon, step of the window)``."""
        before = known.new_zeros(*known.shape[:2], self.reach) if past is None else past
        return functional.pad(torch.cat([before, known], dim=-1), (0, self.reach)).unfold(-1, 2 * self.reach + 1, 1)
