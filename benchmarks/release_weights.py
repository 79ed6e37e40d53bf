"""Bundle new weights and write everything that depends on them, in one command.

``python benchmarks/release_weights.py CHECKPOINT --corpus CORPUS --storage STORAGE`` (``tox -e release-weights --``)
puts the checkpoint into the package, checks what it saw against the benchmark (where that was not done for the same
data sets before), measures it with every effort on the tasks in STORAGE and on data sets of CORPUS that it was not
trained on, and writes the ONNX file, the golden forecasts, the figures of README and model card, the pictures.
Results of other weights are removed only when those of the new ones are there. Stopped on the way, the same command
goes on; without CHECKPOINT everything is written anew for the weights that are bundled.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ttm_sk.checkpoints.hub import BUNDLED
from ttm_sk.checkpoints.store import read_checkpoint

HERE = Path(__file__).parent
RESULTS = HERE / "gift_eval/results"
LEAKAGE = HERE / "pretraining/leakage.csv"
EFFORTS = ("best", "fast", "plain")
MODEL = "ttm-tiny"


def main(argv: list[str] | None = None) -> int:
    """All steps, each a script of its own; the first that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, nargs="?")
    parser.add_argument("--corpus", type=Path, required=True, help="the folder that the weights were trained on")
    parser.add_argument("--storage", type=Path, required=True, help="the benchmark's data sets")
    parser.add_argument("--measured", type=Path, help="where the new results are kept until all are there")
    options = parser.parse_args(argv)
    if options.checkpoint is not None:
        bundle(options.checkpoint, BUNDLED / f"{MODEL}.safetensors")
    corpus, storage = options.corpus.resolve(), options.storage.resolve()
    weights = read_checkpoint(BUNDLED / f"{MODEL}.safetensors")
    measured = options.measured or Path(tempfile.gettempdir()) / f"{MODEL}-{weights.hash[:12]}"
    if checked() != set(weights.provenance["datasets"]):  # an hour, and the same for the same data sets
        run(HERE / "pretraining/check_leakage.py", corpus, "--storage", storage, "--output", LEAKAGE)
    run(HERE / "gift_eval/measure.py", "--storage", storage, "--results", measured)
    elsewhere = measured.with_name(f"{measured.name}-elsewhere")
    run(HERE / "gift_eval/elsewhere.py", "measure", corpus, "--output", elsewhere)
    keep(measured, RESULTS)
    run(HERE / "gift_eval/elsewhere.py", "page", "--output", elsewhere)
    run(HERE / "release.py", "--results", RESULTS, "--manifest", corpus / "MANIFEST.csv")
    run(HERE / "golden_forecasts.py")
    run(HERE / "comparisons.py")
    run(HERE / "cost_picture.py", HERE.parent / "docs/images/accuracy-against-cost.png")
    run("-m", "ttm_sk", "demo", "--output", HERE.parent / "docs/images/demo.png")
    return 0


def checked() -> set[str]:
    """The data sets that were compared with the benchmark's when it was last done."""
    with LEAKAGE.open(newline="", encoding="utf-8") as file:
        return {row["name"] for row in csv.DictReader(file)}


def bundle(checkpoint: Path, place: Path) -> None:
    """Copy a checkpoint that can be read to its place in the package, whole or not at all."""
    read_checkpoint(checkpoint)
    temporary = place.with_suffix(".tmp")
    shutil.copyfile(checkpoint, temporary)
    os.replace(temporary, place)


def keep(measured: Path, results: Path) -> None:
    """Put the results of all efforts, and the comparison, in the place of the old ones."""
    for effort in EFFORTS:
        old = results / f"{MODEL}-{effort}"
        shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(measured / old.name, old)
    for ending in ("md", "png"):
        shutil.copyfile(measured / f"comparison.{ending}", results / f"comparison.{ending}")


def run(*arguments: object) -> None:
    """Run Python; where it fails, end with its exit code."""
    command = [sys.executable, *map(str, arguments)]
    print("$", *command[1:], flush=True)
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
