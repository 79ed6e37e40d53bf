"""From a name to a file: bundled weights, a local path, the cache, or a download pinned by its hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ttm_sk.errors import CheckpointError, MissingExtraError

__all__ = ["BUNDLED", "HubFile", "cache_folder", "fetch", "locate"]

BUNDLED = Path(__file__).parent / "bundled"
ENDING = ".safetensors"


@dataclass(frozen=True)
class HubFile:
    """A file of a model hub, pinned: repository, revision, file name and the SHA-256 that it must have."""

    repository: str
    revision: str
    filename: str
    sha256: str


# Names of weights that are too large for the wheel. None has been published yet.
PUBLISHED: dict[str, HubFile] = {}


def locate(name: str | Path) -> Path:
    """The file that a name or path stands for.

    In this order: bundled weights of that name, a local path, a published name in the cache, a published name
    downloaded (extra ``hub``) and checked against its hash.

    Raises
    ------
    CheckpointError
        If there is none; the message lists the known names.
    MissingExtraError
        If a download is needed and the extra is not installed.

    Examples
    --------
    >>> locate("ttm-tiny").name
    'ttm-tiny.safetensors'
    """
    text = os.fspath(name)
    bundled = BUNDLED / f"{text}{ENDING}"
    if text in bundled_names():
        return bundled
    if Path(text).exists():
        return Path(text)
    if text in PUBLISHED:
        return fetch(PUBLISHED[text])
    known = ", ".join(repr(known) for known in [*bundled_names(), *PUBLISHED])
    raise CheckpointError(f"found no checkpoint {text!r}: it is no existing path, and known names are {known}")


def bundled_names() -> list[str]:
    """Names of the weights inside the package."""
    return sorted(path.name.removesuffix(ENDING) for path in BUNDLED.glob(f"*{ENDING}"))


def cache_folder() -> Path:
    """Where downloads are kept: ``$TTM_SK_CACHE``, else ``~/.cache/ttm_sk``."""
    return Path(os.environ.get("TTM_SK_CACHE") or Path.home() / ".cache" / "ttm_sk")


def fetch(file: HubFile, *, download: Callable[[HubFile, Path], Path] | None = None) -> Path:
    """The pinned file, from the cache or downloaded; it is used only if its hash is the pinned one.

    Parameters
    ----------
    download
        Brings the file into a folder and returns its path; None asks the model hub through the extra ``hub``.

    Raises
    ------
    CheckpointError
        If what arrived is not the pinned file.
    """
    target = cache_folder() / file.sha256 / file.filename
    if not target.exists():
        arrived = (download or _download_from_hub)(file, target.parent)
        if arrived != target:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(arrived, target)
    found = hashlib.sha256(target.read_bytes()).hexdigest()
    if found != file.sha256:
        target.unlink()
        raise CheckpointError(
            f"{file.repository}/{file.filename} arrived with hash {found[:12]}, expected {file.sha256[:12]};"
            " it was deleted"
        )
    return target


def _download_from_hub(file: HubFile, folder: Path) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtraError("hub", package="huggingface_hub") from error
    return Path(hf_hub_download(file.repository, file.filename, revision=file.revision, local_dir=folder))
