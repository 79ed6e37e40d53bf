"""What the backbone makes of a window: one vector that a classifier, a clustering or a detector can use."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from ttm_sk.data.padding import pad
from ttm_sk.errors import ConfigError
from ttm_sk.models.ttm import TTM

__all__ = ["embed_windows", "pool_patches", "stretch"]


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

    A point beside an unobserved step is unobserved (NaN).

    Examples
    --------
    >>> stretch(np.array([[[0.0, 2.0]]]), 3)
    array([[[0., 1., 2.]]])
    """
    position = np.linspace(0, windows.shape[-1] - 1, length)
    left = np.minimum(position.astype(int), max(windows.shape[-1] - 2, 0))
    right = np.minimum(left + 1, windows.shape[-1] - 1)
    share = position - left
    between = windows[..., left] * (1 - share) + windows[..., right] * share
    return np.where(share == 0, windows[..., left], np.where(share == 1, windows[..., right], between))


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
