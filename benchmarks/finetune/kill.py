"""SIGKILL in the middle of ``ttm-sk finetune``: no file changes, none is half written, and the next run succeeds.

python benchmarks/finetune/kill.py --data airline.csv --target passengers_thousands
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--after", type=float, default=25.0, help="seconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        output = folder / "mine.safetensors"
        command = [sys.executable, "-m", "ttm_sk", "finetune", arguments.data, "--target", arguments.target]
        command += ["--trainable", "full", "--threads", "1", "--force", "--output", str(output)]
        subprocess.run([*command, "--steps", "2"], check=True)
        before = digests(folder)
        process = subprocess.Popen([*command, "--steps", "100000", "--epochs", "100000"], stderr=subprocess.DEVNULL)
        time.sleep(arguments.after)
        assert process.poll() is None, "it ended before it could be killed; give a smaller --after"
        os.kill(process.pid, signal.SIGKILL)
        print(f"killed after {arguments.after:.0f} s, exit code {process.wait()}")
        after = digests(folder)
        print(f"before {before}\nafter  {after}\nunchanged: {before == after}")
        subprocess.run([*command, "--steps", "3"], check=True)
        subprocess.run([sys.executable, "-m", "ttm_sk", "info", str(output)], check=True)


if __name__ == "__main__":
    main()
