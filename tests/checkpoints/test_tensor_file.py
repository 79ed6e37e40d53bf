"""Files appear whole or not at all, and their hash covers everything that a tensor is."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from ttm_sk.checkpoints.tensor_file import hash_tensors, read_header, read_tensors, write_atomically, write_tensors

PLAIN = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_when_a_step_of_writing_fails_then_nothing_is_left_behind(tmp_path, monkeypatch, step):
    def fail(*_):
        raise OSError("broken")

    path = tmp_path / "file"
    path.write_bytes(b"before")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="broken"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file"]


def test_when_the_disk_is_full_then_the_error_names_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*weights\.st") as caught:
        write_atomically(tmp_path / "weights.st", b"content")
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_when_the_folder_is_a_file_then_the_error_names_the_path(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OSError, match=r"folder/weights\.st"):
        write_atomically(tmp_path / "folder" / "weights.st", b"content")


def test_when_interrupted_then_nothing_is_left_behind(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"content")
    assert os.listdir(tmp_path) == []


def test_when_written_then_others_may_read_the_file(tmp_path):
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_when_written_then_tensors_of_every_type_come_back(tmp_path):
    tensors = {
        "step": torch.tensor(3.0),
        "half": torch.randn(3).bfloat16(),
        "count": torch.tensor([1, 2]),
        "view": torch.randn(4, 6)[:, ::2],
    }
    write_tensors(tmp_path / "file", tensors, {"kind": "test"})
    found, header = read_tensors(tmp_path / "file")
    assert header == {"kind": "test"}
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in tensors.items())


def test_when_only_the_header_is_asked_for_then_it_holds_the_hash(tmp_path):
    write_tensors(tmp_path / "file", PLAIN, {})
    assert read_header(tmp_path / "file")["tensors_sha256"] == hash_tensors(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        {"a": PLAIN["a"], "c": PLAIN["b"]},
        {"a": PLAIN["a"].reshape(3, 2), "b": PLAIN["b"]},
        {"a": PLAIN["a"].view(torch.int32), "b": PLAIN["b"]},
        {"a": PLAIN["a"], "b": PLAIN["b"] + 1e-6},
        {"a": PLAIN["a"]},
    ],
    ids=["name", "shape", "type", "value", "number"],
)
def test_when_anything_differs_then_the_hash_does(other):
    assert hash_tensors(other) != hash_tensors(PLAIN)


def test_when_the_order_differs_then_the_hash_does_not():
    assert hash_tensors(dict(reversed(PLAIN.items()))) == hash_tensors(PLAIN)


def test_when_the_path_is_a_link_then_what_it_stands_for_is_written(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_when_a_file_is_private_then_it_stays_private(tmp_path):
    path = tmp_path / "mine"
    path.write_bytes(b"old")
    path.chmod(0o600)
    write_atomically(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_when_a_name_is_as_long_as_names_may_be_then_it_is_written(tmp_path):
    path = tmp_path / ("n" * 250)
    write_atomically(path, b"content")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
