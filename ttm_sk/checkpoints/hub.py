"""From a name to a file: bundled weights, a local path, the cache, or a download pinned by its hash or revision."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ttm_sk.errors import CheckpointError, MissingExtraError

__all__ = ["BUNDLED", "HubFile", "HubFolder", "cache_folder", "fetch", "fetch_folder", "locate"]

BUNDLED = Path(__file__).parent / "bundled"
ENDING = ".safetensors"


@dataclass(frozen=True)
class HubFile:
    """A file of a model hub, pinned: repository, revision, file name and the SHA-256 that it must have."""

    repository: str
    revision: str
    filename: str
    sha256: str


@dataclass(frozen=True)
class HubFolder:
    """The folder of a model on a hub, ``config.json`` and ``model.safetensors``, pinned by its revision."""

    repository: str
    revision: str


HUB_NAME = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
FOLDER_FILES = ("config.json", "model.safetensors")
# What IBM's own weights are, by repository and revision, wherever they come from.
KNOWN_SHA256 = {
    ("ibm-granite/granite-timeseries-ttm-r1", "main"): (
        "30f8d9be619518e18c4c15c6ee504e491b9624b48e251661cd5f967bce097731"
    ),
    ("ibm-granite/granite-timeseries-ttm-r1", "1024_96_v1"): (
        "52b46320096e115cbac8b4cf42c0cd37d71def0ac9ddcfcbec6621e3d99b0f20"
    ),
}

# Names of weights that are too large for the wheel. None has been published yet.
PUBLISHED: dict[str, HubFile] = {}


def locate(name: str | Path) -> Path:
    """The file or folder that a name or path stands for.

    In this order: bundled weights of that name, a local path, a published name in the cache, a published name
    downloaded (extra ``hub``) and checked against its hash, and ``owner/name@revision``, a model on the hub.

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
    if not isinstance(name, (str, os.PathLike)):
        raise CheckpointError(f"found {name!r} for a checkpoint; give a name such as 'ttm-tiny', or a path")
    text = os.fspath(name)
    bundled = BUNDLED / f"{text}{ENDING}"
    if text in bundled_names():
        return bundled
    if Path(text).exists():
        return Path(text)
    if text in PUBLISHED:
        return fetch(PUBLISHED[text])
    named = HUB_NAME.fullmatch(text)
    if named and named["revision"]:
        return fetch_folder(HubFolder(named["repository"], named["revision"]))
    known = ", ".join(repr(known) for known in [*bundled_names(), *PUBLISHED])
    pinned = f"; a model on the hub is called with its revision: {text}@REVISION" if named else ""
    raise CheckpointError(f"found no checkpoint {text!r}: it is no existing path, and known names are {known}{pinned}")


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


def fetch_folder(folder: HubFolder, *, download: Callable[[HubFolder, str, Path], Path] | None = None) -> Path:
    """A local folder with the model's files, from the cache or downloaded.

    What is in the cache is used as it is: a branch that moved is not noticed, a commit never moves.

    Parameters
    ----------
    download
        Brings one file into a folder and returns its path; None asks the model hub through the extra ``hub``.

    Raises
    ------
    CheckpointError
        If the weights are not those that IBM published under this name, where their hash is known.
    """
    name = f"{folder.repository}@{folder.revision}".replace("/", "--")
    target = cache_folder() / name
    for filename in FOLDER_FILES:
        if not (target / filename).exists():
            arrived = (download or _download_one_of)(folder, filename, target)
            if arrived != target / filename:
                target.mkdir(parents=True, exist_ok=True)
                os.replace(arrived, target / filename)
    expected = KNOWN_SHA256.get((folder.repository, folder.revision))
    if expected is None:
        return target
    found = hashlib.sha256((target / "model.safetensors").read_bytes()).hexdigest()
    if found != expected:
        for filename in FOLDER_FILES:
            (target / filename).unlink()
        raise CheckpointError(
            f"the weights of {folder.repository}@{folder.revision} have hash {found[:12]}, expected {expected[:12]}:"
            " they were deleted; pin the commit that you want"
        )
    return target


def _download_one_of(folder: HubFolder, filename: str, target: Path) -> Path:
    return _download_from_hub(HubFile(folder.repository, folder.revision, filename, sha256=""), target)


def _download_from_hub(file: HubFile, folder: Path) -> Path:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # it is read when the package is imported
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtraError("hub", package="huggingface_hub") from error
    return Path(hf_hub_download(file.repository, file.filename, revision=file.revision, local_dir=folder))
