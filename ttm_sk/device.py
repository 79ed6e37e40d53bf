"""Where tensors live: the one reading of ``device="auto"``."""

from __future__ import annotations

import torch

from ttm_sk.errors import ConfigError

__all__ = ["resolve_device"]


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """The device to compute on: ``"auto"`` is the first CUDA device where there is one, else the CPU.

    Raises
    ------
    ConfigError
        If the name is no device, or names one that this machine does not have.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(f"device={device!r} names no device; use 'auto', 'cpu', 'cuda' or 'cuda:0'") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device={device!r} was asked for, but this machine has no CUDA device; use device='auto' or 'cpu'"
        )
    return resolved
