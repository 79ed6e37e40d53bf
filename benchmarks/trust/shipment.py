"""Build wheel and sdist, list and bound what is in them, install each offline, and forecast from another folder.

python benchmarks/trust/shipment.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections import Counter
from pathlib import Path

import record

REPOSITORY = Path(__file__).parents[2]
LARGEST_MB = {".whl": 10.0, ".gz": 20.0}  # the weights are most of it
ENDINGS = {".py", ".safetensors", ".onnx", ".csv", ".npz", ".md", ".typed", ".html", ".css", ".js", ".svg", ""}
USE = "import numpy, ttm_sk; print(ttm_sk.__file__, ttm_sk.forecast(numpy.arange(60.0), 5).shape)"


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=REPOSITORY, check=True)
        built = sorted(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
        rows = [{"file": path.name, "MB": round(path.stat().st_size / 1e6, 2), **_installed(path)} for path in built]
        content = _content(next(path for path in built if path.suffix == ".whl"))
    record.write("shipment", {"files": rows, "content": content, "largest_mb": LARGEST_MB})
    for row in rows:
        print(row)
    is_large = any(row["MB"] > LARGEST_MB[Path(row["file"]).suffix] for row in rows)
    return 1 if is_large or set(content) - ENDINGS or not all(row["runs"] for row in rows) else 0


def _content(wheel: Path) -> dict[str, int]:
    """Files of each ending, without those that describe the package."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    return dict(Counter(Path(name).suffix for name in names))


def _installed(path: Path) -> dict[str, object]:
    """Install into an environment of its own, without a network, and use it where no checkout is."""
    with tempfile.TemporaryDirectory() as name:
        venv.create(Path(name, "env"), with_pip=False, system_site_packages=False)
        python = str(Path(name, "env/bin/python"))
        site = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
        ).stdout.strip()
        # The dependencies of this environment stand behind the new one's own packages.
        others = [entry for entry in sys.path if entry.endswith("site-packages")]
        Path(site, "behind.pth").write_text("\n".join(others) + "\n")
        command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
        subprocess.run([*command, "--target", site, str(path)], check=True)
        plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run([python, "-c", USE], capture_output=True, text=True, cwd=name, env=plain)
    return {"runs": done.returncode == 0 and done.stdout.startswith(site), "said": done.stdout.strip()[-20:]}


if __name__ == "__main__":
    sys.exit(main())
