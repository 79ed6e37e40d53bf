"""PatchSLSTM: scale -> patches with observed flags -> sLSTM blocks -> quantiles of the next patch, after every patch.

Rebuilt from the papers: Beck et al. (2024), xLSTM, arXiv:2405.04517, and Auer et al. (2025), TiRex, arXiv:2505.23719,
whose published size :meth:`PatchSLSTMConfig.full` has. None of their code or weights is here.

A patch whose values are not observed is a patch like any other. So gaps need no filling, and a long horizon is read in
one pass: behind the past stand patches of the future, of which nothing is observed yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttm_sk.errors import HorizonError
from ttm_sk.layers.scaling import ScaleState, measure_scale
from ttm_sk.layers.slstm import SLSTMState
from ttm_sk.layers.slstm_block import ResidualMLP, SLSTMBlock
from ttm_sk.models.forecast_module import Forecast, refuse_unusable_inputs
from ttm_sk.models.patch_slstm_config import PatchSLSTMConfig

__all__ = ["PatchSLSTM", "PatchSLSTMConfig", "PatchState"]

LARGEST_SCALED = 10.0  # as in TTM: further than sinh(10) standard deviations away is a mistake
LEAST_SCALE = 1e-5

Cells = tuple[SLSTMState, ...]


class PatchState(NamedTuple):
    """What is kept of a past: enough to read on, and to forecast, at a cost that does not depend on its length.

    ``cells`` has one state for each block, ``newest`` ``(row, feature)`` is what the blocks made of the newest patch (a
    row is a channel of a series), ``scale`` the scaling, measured once, on the past that was given first.
    """

    cells: Cells
    newest: Tensor
    scale: ScaleState


class PatchSLSTM(nn.Module):
    """A PatchSLSTM as its config describes it, with random weights.

    Channels are forecast one by one.

    Parameters
    ----------
    config
        The architecture; see :class:`PatchSLSTMConfig`.

    Examples
    --------
    >>> module = PatchSLSTM(PatchSLSTMConfig.tiny()).eval()
    >>> context = torch.randn(2, 1, 100)
    >>> observed = torch.ones_like(context, dtype=torch.bool)
    >>> module(context, observed).quantiles.shape, module.forecast(context, observed, horizon=300).mean.shape
    (torch.Size([2, 1, 128, 13]), torch.Size([2, 1, 300]))
    """

    def __init__(self, config: PatchSLSTMConfig) -> None:
        super().__init__()
        self.config = c = config
        self.embeddings = ResidualMLP(n_inputs=2 * c.patch_length, width=c.hidden_width, n_outputs=c.width)
        self.backbone = nn.ModuleList(
            SLSTMBlock(width=c.width, n_heads=c.n_heads, expanded_width=c.expanded_width, epsilon=c.norm_epsilon)
            for _ in range(c.n_blocks)
        )
        self.norm = nn.RMSNorm(c.width, eps=c.norm_epsilon)
        self.head = ResidualMLP(n_inputs=c.width, width=c.hidden_width, n_outputs=c.patch_length * len(c.levels))

    @property
    def context_length(self) -> int:
        """Most steps of the past that are read at the start; earlier ones are cut off."""
        return self.config.context_length

    @property
    def prediction_length(self) -> int:
        """Steps of the future that one call gives; :meth:`forecast` gives any number."""
        return self.config.prediction_length

    @property
    def longest_pass(self) -> int:
        """Steps up to which :meth:`forecast` is to be asked; beyond, what was forecast is fed back."""
        return self.config.longest_pass

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels of the head."""
        return self.config.levels

    @contextmanager
    def compiled(self) -> Iterator[PatchSLSTM]:
        """Inside, the arithmetic of a step is one kernel: equal numbers but for rounding, fewer launches on a GPU.

        The kernels are made by ``torch.compile`` at the first call, in some seconds.
        """
        layers = [block.slstm for block in self.backbone if isinstance(block, SLSTMBlock)]
        for layer in layers:
            layer.is_compiled = True
        try:
            yield self
        finally:
            for layer in layers:
                layer.is_compiled = False

    def forward(
        self,
        context: Tensor,
        observed: Tensor,
        *,
        resolution: Tensor | None = None,
        covariates: Tensor | None = None,
        covariates_observed: Tensor | None = None,
        static: Tensor | None = None,
    ) -> Forecast:
        """The next ``prediction_length`` steps, in the units of ``context``.

        Parameters
        ----------
        context, observed
            ``(batch, channel, time)`` of any length from one step; where ``observed`` is False the value is ignored and
            may be NaN. What lies before the first observed patch of a row does not count.

        Raises
        ------
        ConfigError
            If any other argument is given: this architecture has no use for it.
        """
        scaled, scale = self.forecast_scaled(
            context,
            observed,
            resolution=resolution,
            covariates=covariates,
            covariates_observed=covariates_observed,
            static=static,
        )
        return self._unscaled(scaled, scale)

    def forecast(self, context: Tensor, observed: Tensor, *, horizon: int) -> Forecast:
        """The next ``horizon`` steps, in one pass; ``context`` and ``observed`` as in :meth:`forward`.

        Raises
        ------
        HorizonError
            If ``horizon`` is below 1.
        """
        scaled, scale = self.forecast_scaled(context, observed, horizon=horizon)
        return self._unscaled(scaled, scale)

    def forecast_scaled(
        self, context: Tensor, observed: Tensor, *, horizon: int | None = None, **further: Tensor | None
    ) -> tuple[Tensor, ScaleState]:
        """The head's output in scaled units, ``(batch, channel, horizon, quantile)``, and the scaling.

        What a training loss compares: quantiles here may still cross. ``further`` inputs are refused, as in
        :meth:`forward`.
        """
        refuse_unusable_inputs("PatchSLSTM", **further)
        horizon = self.prediction_length if horizon is None else horizon
        n_ahead = self._count_patches(horizon)
        values, weight, scale = self.scale(context, observed)
        features, _ = self._read_past(values, weight, n_ahead=n_ahead - 1, n_last=n_ahead)
        return self._quantiles(features, context.shape[:2])[:, :, :horizon], scale

    def predict_patches(self, values: Tensor, weight: Tensor) -> Tensor:
        """After every patch the quantiles of the next one, scaled: ``(batch, channel, patch, step, quantile)``.

        ``values`` (0 where unobserved) and ``weight`` (1 = observed) ``(batch, channel, time)``, in whole patches, are
        as :meth:`scale` gives them. For training; what is said before the first observed patch of a row means nothing.
        """
        features, _ = self._read_past(values, weight, n_ahead=0, n_last=None)
        p = self.config.patch_length
        return self._quantiles(features, values.shape[:2]).unflatten(2, (-1, p))

    def start(self, context: Tensor, observed: Tensor) -> PatchState:
        """The state after a past, as in :meth:`forward`; :meth:`step` reads on from it, :meth:`continued` forecasts."""
        values, weight, scale = self.scale(context, observed)
        features, cells = self._read_past(values, weight, n_ahead=0, n_last=1)
        return PatchState(cells, features[-1], scale)

    def step(self, state: PatchState, values: Tensor, observed: Tensor) -> PatchState:
        """The state after further whole patches, ``(batch, channel, time)``, scaled as the first past was.

        Every patch costs the same, however long the past is; ``state`` stays as it is.
        """
        scaled = torch.where(observed & (state.scale.scale != 0), state.scale.apply(values), 0.0)
        tokens = self._tokens(scaled.to(state.newest.dtype), observed.to(state.newest.dtype))
        features, cells = self._read(self.embeddings(tokens), state.cells, n_last=1)
        return PatchState(cells, features[-1], state.scale)

    def continued(self, state: PatchState, *, horizon: int) -> Forecast:
        """The forecast of the ``horizon`` steps after a state."""
        n_ahead = self._count_patches(horizon)
        features = state.newest[None]
        if n_ahead > 1:
            blank = self._blank(n_ahead - 1, len(state.newest))
            ahead, _ = self._read(blank, state.cells, n_last=n_ahead - 1)
            features = torch.cat([features, ahead])
        scaled = self._quantiles(features, state.scale.loc.shape[:2])[:, :, :horizon]
        return self._unscaled(scaled, state.scale)

    def scale(self, context: Tensor, observed: Tensor) -> tuple[Tensor, Tensor, ScaleState]:
        """Scaled values (0 where unobserved), weights (1 = observed), in whole patches, and the scaling."""
        context, observed = context[..., -self.context_length :], observed[..., -self.context_length :]
        missing = (-context.shape[-1] % self.config.patch_length, 0)
        context, observed = functional.pad(context, missing), functional.pad(observed, missing)
        state = measure_scale(context, observed, scaling=self.config.scaling)
        if self.config.scales_constants:
            size = torch.where(observed.any(-1, keepdim=True), state.loc.abs() + LEAST_SCALE, 1.0)
            state = state._replace(scale=torch.where(state.scale == 0, size, state.scale))
        values = torch.where(observed & (state.scale != 0), state.apply(context), torch.zeros_like(context))
        return values, observed.to(context.dtype), state

    def _count_patches(self, horizon: int) -> int:
        if horizon < 1:
            raise HorizonError(f"found a horizon of {horizon} steps; it must be at least 1")
        return -(-horizon // self.config.patch_length)

    def _unscaled(self, scaled: Tensor, scale: ScaleState) -> Forecast:
        if scale.is_asinh:
            scaled = scaled.clamp(-LARGEST_SCALED, LARGEST_SCALED)
        values = scale.inverse(scaled.to(scale.loc.dtype)).sort(dim=-1).values
        return Forecast(values[..., self.levels.index(0.5)], values, self.levels)

    def _tokens(self, values: Tensor, weight: Tensor) -> Tensor:
        """``(batch, channel, time)`` in whole patches as ``(patch, row, value and flag)``."""
        p = self.config.patch_length
        both = [part.flatten(0, 1).unflatten(-1, (-1, p)) for part in (values, weight)]
        return torch.cat(both, dim=-1).transpose(0, 1).contiguous()  # else each layer copies its weight for every patch

    def _blank(self, n_patches: int, n_rows: int) -> Tensor:
        """``n_patches`` of which nothing is observed, embedded: they are all alike."""
        one = self.embeddings(self.norm.weight.new_zeros(1, 1, 2 * self.config.patch_length))
        return one.expand(n_patches, n_rows, -1)

    def _read_past(self, values: Tensor, weight: Tensor, *, n_ahead: int, n_last: int | None) -> tuple[Tensor, Cells]:
        """Features ``(patch, row, feature)`` of the newest ``n_last`` patches (None: all), ``n_ahead`` blank ones last.

        Patches before the first observed one are left out where every row has them; in a row that has more of them
        than others the recurrence begins anew at its first observed patch. A config with ``pads_context`` reads them,
        and those that fill up the context: as they are the same for every row, for one row.
        """
        tokens = self._tokens(values, weight)
        is_seen = weight.flatten(0, 1).unflatten(-1, (-1, self.config.patch_length)).any(-1)
        first = torch.where(is_seen.any(-1), is_seen.int().argmax(-1), len(tokens) - 1)
        n_common = 0 if n_last is None else min(int(first.min()), len(tokens) - 1)
        x, cells, fresh = self.embeddings(tokens[n_common:]), None, {}
        if self.config.pads_context:
            cells = self._after_blanks(n_common + self.config.n_patches - len(tokens), x.shape[1])
        else:
            fresh = {int(step): torch.nonzero(first == step)[:, 0] for step in first.unique() if step > n_common}
            fresh = {step - n_common: rows for step, rows in fresh.items()}
        if n_ahead:
            x = torch.cat([x, self._blank(n_ahead, x.shape[1])])
        return self._read(x, cells, fresh=fresh, n_last=n_last)

    def _after_blanks(self, n_patches: int, n_rows: int) -> Cells | None:
        """The cells after blank patches alone, computed for one row."""
        if n_patches < 1:
            return None
        _, cells = self._read(self._blank(n_patches, 1), None, n_last=1)
        return tuple(cell.expand(n_rows) for cell in cells)

    def _read(
        self, x: Tensor, cells: Cells | None, *, fresh: dict[int, Tensor] | None = None, n_last: int | None
    ) -> tuple[Tensor, Cells]:
        """Embedded patches ``(patch, row, feature)`` through all blocks: the newest ``n_last``, and the cells after."""
        after = []
        x = x.to(self.norm.weight.dtype)  # what the blocks add to stays exact where autocast rounds products
        for i, block in enumerate(self.backbone):
            is_last = i == len(self.backbone) - 1
            x, cell = block(x, None if cells is None else cells[i], fresh=fresh, n_last=n_last if is_last else None)
            after.append(cell)
        return self.norm(x), tuple(after)

    def _quantiles(self, features: Tensor, shape: torch.Size) -> Tensor:
        """``(patch, row, feature)`` as ``(batch, channel, step, quantile)``."""
        output = self.head(features).unflatten(-1, (len(self.levels), self.config.patch_length))
        return output.permute(1, 0, 3, 2).flatten(1, 2).unflatten(0, tuple(shape))
