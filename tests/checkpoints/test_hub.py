"""From a name to a file: bundled, local, cached, downloaded; and nothing that has another hash."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from ttm_sk.checkpoints import hub
from ttm_sk.errors import CheckpointError, MissingExtraError

CONTENT = b"weights"
FILE = hub.HubFile("someone/ttm-large", "v1", "ttm-large.safetensors", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TTM_SK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "PUBLISHED", {"ttm-large": FILE})
    return tmp_path / "cache"


class Server:
    """A hub that lies in a local folder and counts its downloads."""

    def __init__(self, content: bytes, *, filename: str = FILE.filename) -> None:
        self.content, self.filename, self.n_downloads = content, filename, 0

    def __call__(self, file: hub.HubFile, folder: Path) -> Path:
        self.n_downloads += 1
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.filename).write_bytes(self.content)
        return folder / self.filename


def refuse(file: hub.HubFile, folder: Path) -> Path:
    raise AssertionError("nothing should be downloaded")


def test_when_the_name_is_bundled_then_the_bundled_file_is_found_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("ttm-tiny").write_bytes(b"a file of the same name")
    assert hub.locate("ttm-tiny").parent == hub.BUNDLED


def test_when_a_path_exists_then_it_is_found_before_a_published_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "_download_from_hub", refuse)
    Path("ttm-large").write_bytes(CONTENT)
    assert hub.locate("ttm-large") == Path("ttm-large")
    assert hub.locate(tmp_path / "ttm-large") == tmp_path / "ttm-large"


def test_when_published_and_not_cached_then_it_is_downloaded_once(monkeypatch, cache):
    server = Server(CONTENT)
    monkeypatch.setattr(hub, "_download_from_hub", server)
    assert hub.locate("ttm-large").read_bytes() == CONTENT
    assert hub.locate("ttm-large").is_relative_to(cache)
    assert server.n_downloads == 1


def test_when_cached_then_nothing_is_downloaded():
    hub.fetch(FILE, download=Server(CONTENT))
    assert hub.fetch(FILE, download=refuse).read_bytes() == CONTENT


def test_when_the_download_has_another_name_then_it_is_moved_to_its_own():
    path = hub.fetch(FILE, download=Server(CONTENT, filename="blob"))
    assert path.name == FILE.filename
    assert [entry.name for entry in path.parent.iterdir()] == [FILE.filename]


def test_when_the_download_has_the_wrong_hash_then_it_is_deleted(cache):
    with pytest.raises(CheckpointError, match=f"expected {FILE.sha256[:12]}; it was deleted"):
        hub.fetch(FILE, download=Server(b"something else"))
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_when_the_cached_file_was_changed_then_it_is_deleted_and_fetched_again():
    hub.fetch(FILE, download=Server(CONTENT)).write_bytes(b"changed")
    with pytest.raises(CheckpointError, match="deleted"):
        hub.fetch(FILE, download=refuse)
    assert hub.fetch(FILE, download=Server(CONTENT)).read_bytes() == CONTENT


def test_when_the_name_is_unknown_then_the_known_ones_are_listed():
    with pytest.raises(CheckpointError, match=r"found no checkpoint 'ttm-huge'.*'ttm-tiny', 'ttm-large'"):
        hub.locate("ttm-huge")


def test_when_the_hub_package_is_missing_then_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r'pip install "ttm-sk\[hub\]"'):
        hub.locate("ttm-large")


def test_when_no_cache_is_named_then_it_lies_in_the_home_folder(monkeypatch):
    monkeypatch.delenv("TTM_SK_CACHE")
    assert hub.cache_folder() == Path.home() / ".cache" / "ttm_sk"


class FolderServer:
    """A hub of folders that counts its downloads."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, folder: hub.HubFolder, filename: str, target: Path) -> Path:
        self.asked.append(f"{folder.repository}@{folder.revision}/{filename}")
        target.mkdir(parents=True, exist_ok=True)
        (target / filename).write_bytes(filename.encode())
        return target / filename


def test_when_a_model_is_named_with_its_revision_then_its_two_files_are_downloaded_once(cache, monkeypatch):
    server = FolderServer()
    monkeypatch.setattr(hub, "_download_one_of", server)
    folder = hub.locate("owner/model@512-192-r2")
    assert hub.locate("owner/model@512-192-r2") == folder
    assert server.asked == ["owner/model@512-192-r2/config.json", "owner/model@512-192-r2/model.safetensors"]
    assert folder.parent == cache
    assert hub.locate("owner/model@other") != folder


def test_when_the_official_weights_arrive_changed_then_they_are_deleted(cache):
    r1 = hub.HubFolder("ibm-granite/granite-timeseries-ttm-r1", "main")
    with pytest.raises(CheckpointError, match="expected 30f8d9be6195: they were deleted"):
        hub.fetch_folder(r1, download=FolderServer())
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_when_a_model_is_named_without_its_revision_then_the_error_asks_for_it():
    with pytest.raises(CheckpointError, match="owner/model@REVISION"):
        hub.locate("owner/model")
