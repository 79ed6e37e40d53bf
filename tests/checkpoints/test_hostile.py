"""What a file claims is not believed: nothing is allocated, unpacked or built before it is checked."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ttm_sk.checkpoints import foreign
from ttm_sk.checkpoints.foreign import holds_name

SCARCE = """
import resource, sys, tempfile
from pathlib import Path
from bad_input.cause import Place
from bad_input.hostile import HEADERS
from ttm_sk import load_checkpoint
from ttm_sk.errors import CheckpointError
folder = Path(tempfile.mkdtemp())
good = Path(Place(folder).model).read_bytes()
load_checkpoint(folder / "small.safetensors")
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 300_000_000,) * 2)
for name, make in HEADERS.items():
    path = folder / "hostile.safetensors"
    path.write_bytes(make(good))
    try:
        load_checkpoint(path)
        print("opened", name)
    except CheckpointError:
        print("refused", name)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts address space as Linux does")
def test_when_memory_is_short_then_hostile_headers_are_refused_without_more():
    trust = Path(__file__).parents[2] / "benchmarks/trust"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(trust)!r})\n{SCARCE}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    words = [line.split()[0] for line in done.stdout.splitlines()]
    assert set(words) == {"refused"}
    assert len(words) > 30


def archive(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model/data.pkl", content)
    return path


def test_when_an_archive_unpacks_to_too_much_then_it_is_not_unpacked(tmp_path, monkeypatch):
    path = archive(tmp_path / "bomb.ckpt", b"weight" + bytes(10_000))
    assert holds_name(path, "weight")
    monkeypatch.setattr(foreign, "LARGEST_PICKLE", 1000)
    assert not holds_name(path, "weight")


@pytest.mark.parametrize("at", range(0, 160, 7))
def test_when_an_archive_is_damaged_then_looking_into_it_never_fails(tmp_path, at):
    content = bytearray(archive(tmp_path / "good.ckpt", b"weight" * 20).read_bytes())
    at %= len(content)
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(content)
    assert holds_name(path, "weight") in (True, False)


def test_when_only_the_end_of_an_archive_is_there_then_it_holds_nothing(tmp_path):
    buffer = io.BytesIO(b"PK\x05\x06" + bytes(18))
    path = tmp_path / "end.ckpt"
    path.write_bytes(buffer.getvalue())
    assert not holds_name(path, "weight")
