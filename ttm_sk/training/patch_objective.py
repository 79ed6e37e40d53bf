"""What a PatchSLSTM learns from a window: the quantiles of every next patch, some of the past hidden from it.

Hiding several patches in a row teaches what a long horizon needs: patches of which nothing is observed. Source: Auer et
al. (2025), TiRex, arXiv:2505.23719, "contiguous patch masking".
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ttm_sk.data.windows import Batch
from ttm_sk.models.patch_slstm import PatchSLSTM
from ttm_sk.scoring.losses import pinball
from ttm_sk.training.objectives import LARGEST_TARGET

__all__ = ["hidden_futures", "hidden_runs", "patch_loss"]

LONGEST_RUN = 5  # patches that are hidden together, at most
LARGEST_SHARE = 0.25  # of the patches that are hidden in a window, at most
HIDDEN_FUTURES = 0.5  # share of the windows whose whole future is hidden, as it is in a forecast
EARLIER_FUTURES = 0.5  # share of those whose future begins earlier, by up to half of the past: a long horizon


def patch_loss(module: PatchSLSTM, batch: Batch) -> Tensor:
    """Pinball loss in scaled units, over all patches of past and future that follow an observed one.

    The scale is that of the past. A window without movement, and targets further than 10,000 standard deviations away,
    teach nothing. What is hidden is drawn from torch's random state, which the loop seeds by the step.
    """
    values, weight, scale = module.scale(batch.context, batch.observed)
    target = scale.apply(batch.target)
    counts = batch.target_observed & (scale.scale != 0) & (target.abs() < LARGEST_TARGET)
    missing = (0, -target.shape[-1] % module.config.patch_length)
    values = torch.cat([values, functional.pad(torch.where(counts, target, 0.0), missing)], dim=-1)
    weight = torch.cat([weight * (scale.scale != 0), functional.pad(counts.to(weight), missing)], dim=-1)
    seen = weight * _shown(weight, module.config.patch_length, n_ahead=target.shape[-1])
    quantiles = module.predict_patches(values * seen, seen)[:, :, :-1].flatten(2, 3)
    begins = _in_patches(seen, module.config.patch_length).any(-1).cummax(-1).values[..., :-1]
    later = slice(module.config.patch_length, None)
    observed = weight[..., later].bool() & begins.repeat_interleave(module.config.patch_length, dim=-1)
    return pinball(
        quantiles=quantiles.float(), target=values[..., later].float(), observed=observed, levels=module.levels
    )


def hidden_runs(n_patches: int, shape: tuple[int, ...], device: torch.device | None = None) -> Tensor:
    """Which patches of each row are hidden, ``(*shape, patch)``: runs of 1 to 5 patches, at most about a quarter.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> hidden = hidden_runs(64, (500,))
    >>> 0.05 < float(hidden.float().mean()) < 0.2
    True
    """
    longest = torch.randint(1, LONGEST_RUN + 1, (*shape, 1), device=device)
    share = torch.rand(*shape, 1, device=device) * LARGEST_SHARE
    begins = torch.rand(*shape, n_patches, device=device) < share / longest
    place = torch.arange(n_patches, device=device)
    newest = torch.where(begins, place, -LONGEST_RUN).cummax(-1).values
    return place - newest < longest


def hidden_futures(first: Tensor, n_patches: int, *, n_ahead: int) -> Tensor:
    """Which patches of each row are hidden because they lie ahead, ``(..., patch)``.

    ``first`` ``(..., 1)`` is the first patch with something in it, of ``n_patches`` patches, of which the last
    ``n_ahead`` are the future: nothing is hidden in half the rows, in others the future, in the rest up to half of the
    past with it.
    """
    hides, goes_back, share = (torch.rand(first.shape, device=first.device) for _ in range(3))
    n_past = (n_patches - n_ahead - first).clamp(min=0)
    n_more = ((goes_back < EARLIER_FUTURES) * share * (n_past // 2 + 1)).long()
    place = torch.arange(n_patches, device=first.device)
    return (hides < HIDDEN_FUTURES) & (place >= n_patches - n_ahead - n_more)


def _shown(weight: Tensor, patch_length: int, *, n_ahead: int) -> Tensor:
    """1 where a step is shown to the module, 0 where its patch is hidden; ``(batch, channel, time)``."""
    n_patches = weight.shape[-1] // patch_length
    hidden = hidden_runs(n_patches, tuple(weight.shape[:2]), weight.device)
    first = _in_patches(weight, patch_length).any(-1).int().argmax(-1, keepdim=True)
    hidden = hidden | hidden_futures(first, n_patches, n_ahead=-(-n_ahead // patch_length))
    return (~hidden).to(weight).repeat_interleave(patch_length, dim=-1)


def _in_patches(weight: Tensor, patch_length: int) -> Tensor:
    return weight.bool().unflatten(-1, (-1, patch_length))
