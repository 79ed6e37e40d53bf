"""Where tensors live: the one reading of ``device="auto"``."""

from __future__ import annotations

import torch

from ttm_sk.errors import ConfigError

__all__ = ["is_out_of_memory", "resolve_device"]

ALLOCATORS = ("can't allocate memory", "not enough memory", "bad_alloc")  # how torch says it on a CPU


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a tensor or array found no room: of Python, numpy, torch on a CPU, or CUDA.

    Examples
    --------
    >>> (
    ...     is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory")),
    ...     is_out_of_memory(RuntimeError("x")),
    ... )
    (True, False)
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error) for part in ALLOCATORS)
