"""What the backbone makes of a window: one vector that a classifier, a clustering or a detector can use."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from ttm_sk.data.padding import CONSTANT_TOLERANCE, pad
from ttm_sk.errors import ConfigError
from ttm_sk.models.ttm import TTM

__all__ = ["N_DETAILS", "embed_in_detail", "embed_windows", "pool_patches", "stretch"]

N_DETAILS = 6  # whole, parts' mean and parts' deviation, of values and of changes


def pool_patches(features: Tensor, *, n_views: int) -> Tensor:
    """The mean over the patches of each view.

    ``(batch, channel, patch, feature)`` -> ``(batch, channel, view * feature)``. A prefix, where the model has one, is
    left out.

    Examples
    --------
    >>> pool_patches(torch.ones(2, 1, 12, 5), n_views=3).shape
    torch.Size([2, 1, 15])
    """
    per_view = features.shape[2] // n_views
    views = features[:, :, features.shape[2] - n_views * per_view :].unflatten(2, (n_views, per_view))
    return views.mean(dim=3).flatten(2)


def stretch(windows: np.ndarray, length: int) -> np.ndarray:
    """``(batch, channel, time)`` read at ``length`` evenly spaced points from first to last step, linearly.

    A point beside an unobserved step is unobserved (NaN); where that would leave nothing of a channel, its points have
    the value of the nearest observed step.

    Examples
    --------
    >>> stretch(np.array([[[0.0, 2.0]]]), 3)
    array([[[0., 1., 2.]]])
    """
    position = np.linspace(0, windows.shape[-1] - 1, length)
    left = np.minimum(position.astype(int), max(windows.shape[-1] - 2, 0))
    right = np.minimum(left + 1, windows.shape[-1] - 1)
    share = position - left
    between = windows[..., left] + share * (windows[..., right] - windows[..., left])  # exact where it is level
    found = np.where(share == 0, windows[..., left], np.where(share == 1, windows[..., right], between))
    for row, channel in np.argwhere(np.isnan(found).all(axis=-1) & ~np.isnan(windows).all(axis=-1)):
        seen = np.flatnonzero(~np.isnan(windows[row, channel]))
        found[row, channel] = windows[row, channel, seen[np.abs(position[:, None] - seen).argmin(axis=1)]]
    return found


def embed_windows(module: TTM, windows: np.ndarray, *, length: int | None = None, batch_size: int = 256) -> np.ndarray:
    """Backbone features of each window, the mean over the patches of each view.

    The forward pass is in double precision: a row's vector does not depend on the rows beside it.

    Parameters
    ----------
    module
        A model in evaluation mode; it is not changed.
    windows
        ``(batch, channel, time)``, NaN = not observed; the newest step last.
    length
        Windows are first stretched or squeezed to so many steps; None takes them as they are. The model reads patches
        of 64 steps, so that a window of 24 steps is no more than a corner of one patch.
    batch_size
        Windows in one pass.

    Returns
    -------
    ndarray
        Float64 ``(batch, channel, view * feature)``.

    Raises
    ------
    ConfigError
        If the model has a resolution prefix or mixes channels.
    DataError
        If a channel of a window has no observed value, or an infinite one.
    """
    config = module.config
    if config.n_resolutions or config.mixes_channels:
        raise ConfigError("embeddings need weights without a resolution prefix and without channel mixing")
    double = copy.deepcopy(module).double().eval()
    device = next(double.parameters()).device
    parts = []
    with torch.inference_mode():
        for start in range(0, len(windows), batch_size):
            rows = windows[start : start + batch_size]
            padded = pad(list(rows if length is None else stretch(rows, length)), context_length=config.context_length)
            context, observed = (torch.from_numpy(part).to(device) for part in (padded.context, padded.observed))
            values, weight, _ = double.scale(context.double(), observed)
            features = double.encode(values, weight)
            parts.append(pool_patches(features, n_views=len(config.views)).cpu().numpy())
    return np.concatenate(parts)


def embed_in_detail(
    module: TTM, windows: np.ndarray, *, length: int | None = None, batch_size: int = 256
) -> np.ndarray:
    """What :func:`embed_windows` gives for the window, for its changes from step to step, and for parts of both.

    A part is a quarter of the window, each half a part after the one before it, and is scaled by itself; mean and
    deviation over the parts say what shapes occur, wherever they do. Sixteen contexts are read for each window.

    Parameters
    ----------
    module, windows, length, batch_size
        As in :func:`embed_windows`.

    Returns
    -------
    ndarray
        Float64 ``(batch, channel, detail * view * feature)``; the details are whole, mean over the parts and deviation
        over the parts, of the values and then of the changes.

    Raises
    ------
    ConfigError, DataError
        As :func:`embed_windows`. Parts without any observed value are left out.
    """
    rows = windows if length is None else stretch(windows, length)
    details = []
    for values in (rows, _changes(rows)):
        parts = _parts(values)
        is_seen = ~np.isnan(parts).all(axis=-1)
        is_seen |= ~is_seen.any(axis=-1, keepdims=True)  # changes beside gaps may all be unknown: then read as none
        flat = _known(parts).reshape(len(parts), -1, parts.shape[-1])
        features = embed_windows(module, flat, batch_size=batch_size).reshape(*parts.shape[:3], -1)
        mean = np.mean(features, axis=2, where=is_seen[..., None])
        spread = np.std(features, axis=2, where=is_seen[..., None])
        whole = values if values is rows else _known(values)
        details += [embed_windows(module, whole, batch_size=batch_size), mean, spread]
    return np.concatenate(details, axis=-1)


def _changes(rows: np.ndarray) -> np.ndarray:
    """Differences from step to step, the first one 0; exactly 0 where only rounding differs."""
    changes = np.diff(rows, axis=-1, prepend=rows[..., :1])
    size = np.where(np.isnan(rows), 0.0, np.abs(rows)).max(axis=-1, keepdims=True)
    return np.where(np.abs(changes) <= CONSTANT_TOLERANCE * size, 0.0, changes)


def _parts(rows: np.ndarray) -> np.ndarray:
    """``(batch, channel, time)`` -> ``(batch, channel, part, time of a part)``, the last part at the end."""
    n_steps = rows.shape[-1]
    part_length = max(n_steps // 4, 1)
    stride = max(part_length // 2, 1)
    parts = np.lib.stride_tricks.sliding_window_view(rows, part_length, axis=-1)
    return parts[:, :, (n_steps - part_length) % stride :: stride]


def _known(values: np.ndarray) -> np.ndarray:
    """Values with zeros where a whole window is unknown."""
    return np.where(np.isnan(values).all(axis=-1, keepdims=True), 0.0, values)
