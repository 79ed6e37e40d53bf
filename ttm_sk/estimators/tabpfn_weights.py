"""Weights of TabPFN: the file that they are in, or where to get it; nothing here or in what it calls goes online.

The package ``tabpfn`` downloads what it misses, swallows the error where it cannot, and reports its use to its makers.
So its weights are looked for before it is asked, and :func:`offline` switches the reports off while it works.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ttm_sk.checkpoints.tensor_file import write_atomically
from ttm_sk.errors import CheckpointError, MissingExtraError

__all__ = ["LICENCES", "offline", "weights_file", "write_random_weights"]

LICENCES = (
    "TabPFN's code is Apache-2.0. Its v2 weights are under the Prior Labs License (Apache-2.0 with attribution);"
    " those of v2.5 and later are for non-commercial use only."
)
REMEDY = (
    "get tabpfn-v2-regressor.ckpt (44 MB) from huggingface.co/Prior-Labs/TabPFN-v2-reg, or accept the licence of newer"
    " weights at huggingface.co/Prior-Labs, and give the file's path as model_path, or put it there"
)
# as the package reads them; a model that is built once serves every series
SETTINGS = {"TABPFN_DISABLE_TELEMETRY": "1", "TABPFN_MODEL_CACHE_SIZE": "1"}
V2_BUCKETS = 5_000
V2_LAYERS = 12


def weights_file(model_path: str | Path | None = None) -> Path:
    """The file of weights; that it exists is what decides whether TabPFN-TS can forecast.

    Parameters
    ----------
    model_path
        A ``.ckpt`` or ``.safetensors`` file of the package's own; None stands for the weights that the installed
        ``tabpfn-time-series`` uses by default, in its cache folder (``$TABPFN_MODEL_CACHE_DIR``).

    Raises
    ------
    CheckpointError
        If there is no such file, with where to get one.
    MissingExtraError
        If None was given and the package is not installed.
    """
    path = _default_file() if model_path is None else Path(model_path)
    if not path.is_file():
        raise CheckpointError(f"found no weights of TabPFN at {path}, and none are downloaded: {REMEDY}. {LICENCES}")
    return path.absolute()


@contextmanager
def offline() -> Iterator[None]:
    """While it is open, TabPFN reports nothing to its makers and does not warn that a CPU is slow."""
    before = {name: os.environ.get(name) for name in SETTINGS}
    os.environ.update(SETTINGS)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Running TabPFN locally on CPU", UserWarning)
            warnings.filterwarnings("ignore", r"Running on CPU with more than", UserWarning)
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def write_random_weights(
    path: str | Path, *, seed: int = 0, n_layers: int = V2_LAYERS, n_buckets: int = V2_BUCKETS
) -> int:
    """Write a random-initialised checkpoint of TabPFN v2's architecture, and return its number of parameters.

    It forecasts nothing of use. By its size (the defaults are the real v2 regressor's) it costs what the real one
    costs, so seconds and memory can be measured where the weights cannot be had, and the bridge can be tested.

    Parameters
    ----------
    path
        A ``.safetensors`` file, in ``tabpfn``'s own layout.

    Raises
    ------
    MissingExtraError
        If ``tabpfn`` is not installed.
    """
    with offline():
        try:
            from tabpfn.architectures import tabpfn_v2
            from tabpfn.architectures.shared.bar_distribution import FullSupportBarDistribution
            from tabpfn.checkpoint import save_as_safetensors
        except ImportError as error:
            raise MissingExtraError("tabpfn", package="tabpfn-time-series") from error
        config = {"max_num_classes": 0, "num_buckets": n_buckets, "nlayers": n_layers}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = tabpfn_v2.get_architecture(tabpfn_v2.parse_config(config)[0])
            for parameter in module.parameters():  # what it starts at zero would hide how the input is read
                parameter.data.add_(0.05 * torch.randn_like(parameter))
        criterion = FullSupportBarDistribution(_normal_borders(n_buckets)).state_dict()
        checkpoint = {
            "state_dict": module.state_dict() | {f"criterion.{name}": value for name, value in criterion.items()},
            "config": config,
            "architecture_name": "tabpfn_v2",
        }
        _save(save_as_safetensors, checkpoint, Path(path))
    return sum(parameter.numel() for parameter in module.parameters())


def _save(save: Any, checkpoint: dict[str, Any], path: Path) -> None:
    """Written beside its place and renamed."""
    draft = path.with_name(f".{path.name}.draft.safetensors")
    try:
        save(checkpoint, draft)
        write_atomically(path, draft.read_bytes())
    finally:
        draft.unlink(missing_ok=True)


def _normal_borders(n_buckets: int) -> torch.Tensor:
    """Borders of equally likely buckets of a standard normal, ``(bucket + 1,)``."""
    probabilities = torch.linspace(0, 1, n_buckets + 1, dtype=torch.float64)[1:-1]
    inner = torch.special.ndtri(probabilities)
    ends = torch.tensor([-6.0, 6.0], dtype=torch.float64)
    return torch.cat([ends[:1], inner, ends[1:]]).float()


def _default_file() -> Path:
    with offline():
        try:
            from tabpfn_time_series.defaults import resolve_default_model_path
        except ImportError as error:
            raise MissingExtraError("tabpfn", package="tabpfn-time-series") from error
        return Path(resolve_default_model_path({}, client=False)["model_path"])
