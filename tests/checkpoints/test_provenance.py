"""The commit that weights and figures carry."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ttm_sk.checkpoints import provenance

GIT = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout of a package with the module in it, which believes that it runs from there."""
    if shutil.which("git") is None:
        pytest.skip("no git")
    file = tmp_path / "package" / "folder" / "provenance.py"
    file.parent.mkdir(parents=True)
    file.write_text("one = 1\n")
    monkeypatch.setattr(provenance, "__file__", str(file))
    provenance.source_commit.cache_clear()
    yield file
    provenance.source_commit.cache_clear()


def git(file: Path, *arguments: str) -> None:
    subprocess.run([*GIT, "-C", str(file.parents[2]), *arguments], check=True, capture_output=True)


@pytest.fixture
def committed(checkout):
    git(checkout, "init")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "one")
    return checkout


def test_when_committed_then_the_hash(committed):
    assert re.fullmatch("[0-9a-f]{40}", provenance.source_commit())


def test_when_the_package_was_changed_then_dirty_and_not_for_what_lies_beside_it(committed):
    (committed.parents[2] / "notes.txt").write_text("beside")
    assert not provenance.source_commit().endswith("-dirty")
    provenance.source_commit.cache_clear()
    committed.write_text("two = 2\n")
    assert provenance.source_commit().endswith("-dirty")


def test_when_not_tracked_by_the_checkout_around_it_then_nothing(checkout):
    git(checkout, "init")
    assert provenance.source_commit() == ""
