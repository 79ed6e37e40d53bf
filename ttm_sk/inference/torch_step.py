"""A torch module as a step on numpy arrays: what runs the walk where torch is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ttm_sk.checkpoints.architectures import AnyModule
from ttm_sk.device import is_out_of_memory
from ttm_sk.errors import DataError
from ttm_sk.inference.rollout import Step
from ttm_sk.inference.runner import Outline
from ttm_sk.layers.gaps import carry_forward
from ttm_sk.layers.smoothing import SHORTEST_TREND
from ttm_sk.models.forecast_module import ForecastModule

__all__ = ["TorchRunner", "torch_step"]

logger = logging.getLogger(__name__)


class TorchRunner:
    """A module in evaluation mode, on its own device; see :class:`~ttm_sk.inference.runner.Runner`.

    Examples
    --------
    >>> from ttm_sk import load_checkpoint
    >>> TorchRunner(load_checkpoint("ttm-tiny").build()).outline.prediction_length
    96
    """

    def __init__(self, module: AnyModule) -> None:
        self.module = module
        self.outline = Outline.of_config(module.config)

    def step(self, *, batch_size: int, resolution: int | None = None, horizon: int | None = None) -> Step:
        """One pass of the module; see :func:`torch_step`."""
        device = next(self.module.parameters()).device
        return torch_step(self.module, batch_size=batch_size, device=device, resolution=resolution, horizon=horizon)


def torch_step(
    module: ForecastModule,
    *,
    batch_size: int,
    device: torch.device,
    resolution: int | None = None,
    horizon: int | None = None,
) -> Step:
    """One pass of ``module``, at most ``batch_size`` rows at a time, without gradients.

    A point forecast becomes a quantile axis of length one. ``resolution`` is the token of all rows, for a module with a
    resolution prefix. A module that ``wants_filled_gaps`` is given the last observed value in every gap; one that
    ``wants_own_length`` is given each history without the pad in front of it, rows of one length together, so that a
    row's forecast does not depend on its batch; one that has a ``longest_pass`` is asked for ``horizon`` steps at
    once, as far as that reaches. What the step is given by name besides, such as covariates, a row for each row, goes
    to the module.
    """
    reach = min(horizon or 0, getattr(module, "longest_pass", 0))
    is_filled = getattr(module, "wants_filled_gaps", False)
    is_own_length = getattr(module, "wants_own_length", False)

    def one_pass(past: Tensor, observed: Tensor, given: dict[str, Tensor]) -> np.ndarray:
        if is_filled:
            past = carry_forward(past, observed)
        if is_own_length:
            past, observed = (_at_least(SHORTEST_TREND, part) for part in (past, observed))
        if reach:
            return module.forecast(past, observed, horizon=reach).quantiles.cpu().numpy()  # type: ignore[attr-defined]
        tokens = None if resolution is None else torch.full((len(past),), resolution, device=device)
        result = module(past, observed, resolution=tokens, **given)
        return (result.mean[..., None] if result.quantiles is None else result.quantiles).cpu().numpy()

    def step(context: np.ndarray, observed: np.ndarray, **given: np.ndarray) -> np.ndarray:
        def of_rows(rows: np.ndarray, start: int) -> np.ndarray:
            past, flags = (torch.from_numpy(part[rows][..., start:]).to(device) for part in (context, observed))
            more = {name: torch.from_numpy(values[rows]).to(device) for name, values in given.items()}
            return one_pass(past, flags, more)

        found = np.empty(0)
        with torch.inference_mode():
            for group, start in _groups(observed, batch_size, by_length=is_own_length):
                for rows, part in _within_memory(of_rows, group, start):
                    if not len(found):
                        found = np.empty((len(context), *part.shape[1:]), dtype=part.dtype)
                    found[rows] = part
        return found

    return step


def _within_memory(
    of_rows: Callable[[np.ndarray, int], np.ndarray], rows: np.ndarray, start: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows, and what one pass makes of them: all at once, or in halves where they find no room."""
    try:
        found = of_rows(rows, start)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if len(rows) == 1:
            raise DataError(
                f"found no memory for a pass over one series ({error}); give a smaller context_length, or free some"
            ) from error
        logger.warning("no memory for %d series at once; going on with half as many: lower batch_size", len(rows))
    else:
        yield rows, found
        return
    middle = len(rows) // 2  # outside of the handler, whose traceback would hold the tensors of the pass that failed
    yield from _within_memory(of_rows, rows[:middle], start)
    yield from _within_memory(of_rows, rows[middle:], start)


def _groups(observed: np.ndarray, batch_size: int, *, by_length: bool) -> Iterator[tuple[np.ndarray, int]]:
    """Rows of one pass, and the step at which they begin: that of the first observed value, or 0."""
    starts = observed.any(axis=1).argmax(axis=-1) if by_length else np.zeros(len(observed), dtype=int)
    for start in np.unique(starts):
        rows = np.flatnonzero(starts == start)
        for i in range(0, len(rows), batch_size):
            yield rows[i : i + batch_size], int(start)


def _at_least(n_steps: int, part: Tensor) -> Tensor:
    return functional.pad(part, (max(0, n_steps - part.shape[-1]), 0))
