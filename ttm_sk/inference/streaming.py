"""Forecasts that go on as values arrive: what a recurrent model knows of the past is kept, and only the new is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ttm_sk.data.padding import pad
from ttm_sk.errors import DataError
from ttm_sk.inference.quantiles import at_levels
from ttm_sk.models.patch_slstm import PatchSLSTM, PatchState

__all__ = ["Stream", "begin_stream", "forecast_stream", "read_on"]


@dataclass(frozen=True, eq=False)
class Stream:
    """What a model knows of several series, as a value.

    Attributes
    ----------
    states
        One for every ``batch_size`` series; with ``is_symmetric`` each knows the series and their mirror images.
    loc, scale
        Units of the series, ``(series, channel, 1)``, measured on the past that the stream began with.
    """

    states: tuple[PatchState, ...]
    loc: np.ndarray
    scale: np.ndarray
    batch_size: int
    is_symmetric: bool


def begin_stream(
    module: PatchSLSTM,
    histories: Sequence[np.ndarray],
    *,
    batch_size: int = 256,
    context_length: int | None = None,
    is_symmetric: bool = False,
) -> Stream:
    """The stream after these histories, arrays ``(channel, time)`` of any lengths, NaN = not observed.

    Raises
    ------
    DataError
        If a history has no observed value, or infinities.

    Examples
    --------
    >>> from ttm_sk.models.patch_slstm import PatchSLSTMConfig
    >>> module = PatchSLSTM(PatchSLSTMConfig.tiny()).eval()
    >>> stream = begin_stream(module, [np.arange(100.0)[None]])
    >>> stream = read_on(module, stream, np.arange(100.0, 132.0)[None, None])
    >>> forecast_stream(module, stream, 10, levels=(0.1, 0.5, 0.9)).shape
    (1, 1, 10, 3)
    """
    length = min(module.context_length, context_length or module.context_length)
    padded = pad(histories, context_length=length)
    loc, scale = padded.loc[..., 0], np.where(padded.scale[..., 0] == 0, 1.0, padded.scale[..., 0])
    stream = Stream((), loc, scale, batch_size, is_symmetric)
    with torch.inference_mode():
        states = [module.start(*part) for part in _parts(module, stream, padded.context, padded.observed)]
    return replace(stream, states=tuple(states))


def read_on(module: PatchSLSTM, stream: Stream, values: np.ndarray) -> Stream:
    """The stream after further values ``(series, channel, time)``, in whole patches; the one given stays as it is.

    The cost of a patch does not depend on how much was read before.

    Raises
    ------
    DataError
        If they are no whole patches, or hold infinities.
    """
    patch_length = module.config.patch_length
    if values.shape[-1] % patch_length or np.isinf(values).any():
        raise DataError(f"found {values.shape[-1]} steps; expected finite values or NaN in patches of {patch_length}")
    observed = np.isfinite(values)
    scaled = np.where(observed, (values - stream.loc) / stream.scale, 0.0).astype(np.float32)
    parts = _parts(module, stream, scaled, observed)
    with torch.inference_mode():
        states = tuple(module.step(state, *part) for state, part in zip(stream.states, parts, strict=True))
    return replace(stream, states=states)


def forecast_stream(module: PatchSLSTM, stream: Stream, horizon: int, *, levels: Sequence[float]) -> np.ndarray:
    """Quantiles ``(series, channel, horizon, level)`` of what follows, float64, in the units of the series."""
    found = []
    with torch.inference_mode():
        for state in stream.states:
            fan = module.continued(state, horizon=horizon).quantiles
            assert fan is not None  # the architecture has no point head
            if stream.is_symmetric:
                upright, mirrored = fan.chunk(2)
                fan = (upright - mirrored.flip(-1)) / 2
            found.append(fan.cpu().numpy())
    fans = np.concatenate(found).astype(np.float64) * stream.scale[..., None] + stream.loc[..., None]
    return at_levels(fans, known=module.levels, wanted=levels)


def _parts(
    module: PatchSLSTM, stream: Stream, values: np.ndarray, observed: np.ndarray
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Values and flags of so many series as one state holds."""
    device = module.norm.weight.device
    for start in range(0, len(values), stream.batch_size):
        rows = slice(start, start + stream.batch_size)
        part, flags = (torch.from_numpy(array[rows]).to(device) for array in (values, observed))
        if stream.is_symmetric:
            part, flags = torch.cat([part, -part]), torch.cat([flags, flags])
        yield part, flags
