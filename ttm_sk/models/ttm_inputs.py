"""What a TinyTimeMixer may be given, checked, and covariates put in their places among the channels."""

from __future__ import annotations

import torch
from torch import Tensor

from ttm_sk.errors import ConfigError
from ttm_sk.models.ttm_config import TTMConfig

__all__ = ["check_inputs", "join_covariates"]


def check_inputs(
    c: TTMConfig,
    context: Tensor,
    *,
    resolution: Tensor | None,
    covariates: Tensor | None,
    covariates_observed: Tensor | None,
    static: Tensor | None,
) -> None:
    """Raise ``ConfigError`` for what this architecture has no use for, or lacks, and for a wrong number of channels."""
    _check_resolution(c, resolution)
    _check_covariates(c, context, covariates, covariates_observed)
    _check_static(c, static)
    if c.is_fixed and context.shape[1] + len(c.covariate_channels) != c.n_channels:
        among = f" (of which {len(c.covariate_channels)} are covariates)" if c.covariate_channels else ""
        raise ConfigError(f"found {context.shape[1]} channels, but this TTM mixes exactly {c.n_channels}{among}")


def join_covariates(
    c: TTMConfig, context: Tensor, observed: Tensor, covariates: Tensor, covariates_observed: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """All channels of the past in their order, whether they were observed, and the future of the covariates.

    Values that were not observed become 0, but for ``keeps_unobserved``.
    """
    known = torch.isfinite(covariates) if covariates_observed is None else covariates_observed
    covariates = torch.nan_to_num(covariates) if c.keeps_unobserved else torch.where(known, covariates, 0.0)
    n_past = context.shape[-1]
    others = [i for i in range(c.n_channels) if i not in c.covariate_channels]
    order = torch.tensor([*others, *c.covariate_channels], device=context.device).argsort()
    context = torch.cat([context, covariates[..., :n_past]], dim=1)[:, order]
    observed = torch.cat([observed, known[..., :n_past]], dim=1)[:, order]
    return context, observed, covariates[..., n_past:]


def _unusable(name: str) -> ConfigError:
    return ConfigError(f"this TTM was built without a use for {name}; leave it out or use a checkpoint that has it")


def _check_resolution(c: TTMConfig, resolution: Tensor | None) -> None:
    if resolution is None and c.n_resolutions:
        raise ConfigError(
            f"this TTM has a resolution prefix: pass resolution, (batch,) integers below {c.n_resolutions}"
        )
    if resolution is not None and not c.n_resolutions:
        raise ConfigError("this TTM has no resolution prefix; leave resolution out")


def _check_covariates(
    c: TTMConfig, context: Tensor, covariates: Tensor | None, covariates_observed: Tensor | None
) -> None:
    if not c.covariate_channels:
        for name, value in (("covariates", covariates), ("covariates_observed", covariates_observed)):
            if value is not None:
                raise _unusable(name)
        return
    if covariates is None:
        raise ConfigError(
            f"this TTM needs covariates, (batch, covariate, time + horizon), for {len(c.covariate_channels)} channel(s)"
        )
    expected = (context.shape[0], len(c.covariate_channels), context.shape[-1] + c.horizon)
    for name, value in (("covariates", covariates), ("covariates_observed", covariates_observed)):
        if value is not None and tuple(value.shape) != expected:
            raise ConfigError(
                f"found {name} of shape {tuple(value.shape)}, expected {expected}: (batch, covariate, time + horizon)"
            )


def _check_static(c: TTMConfig, static: Tensor | None) -> None:
    if not c.static_sizes:
        if static is not None:
            raise _unusable("static")
        return
    if static is None or static.dim() != 2 or static.shape[1] != len(c.static_sizes):
        found = None if static is None else tuple(static.shape)
        raise ConfigError(
            f"this TTM has {len(c.static_sizes)} static categories: pass static, (batch, n_static) integers;"
            f" found {found}"
        )
