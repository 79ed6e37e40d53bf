"""What more windows bought, and what more would: weights by the windows they saw.

``python benchmarks/pretraining/learning_curve.py CHECKPOINT ... --corpus CORPUS --storage STORAGE --output FOLDER``
takes decayed weights of one architecture, measures each (the loss of one pass on the same windows of the corpus, and
GIFT-Eval's tasks in STORAGE with one pass), fits ``a + b * windows ** -c`` to both, and writes ``learning_curve.csv``
beside this script, a picture, and the table of ``docs/ablations.md``. FOLDER keeps what is done.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from on_gpu import CLASSES
from scipy.optimize import curve_fit

from ttm_sk.checkpoints.store import read_checkpoint
from ttm_sk.cli import main as ttm_sk
from ttm_sk.data.corpora import Corpus, read_corpus
from ttm_sk.evaluation.leaderboard import compare_models, read_results
from ttm_sk.plotting import BLUE, ORANGE, blank_figure, to_image
from ttm_sk.training.pretrain import validation_loss

sys.path.insert(0, str(Path(__file__).parents[1]))

from marks import put  # noqa: E402

RESULTS = Path(__file__).parent / "learning_curve.csv"
DOCS = Path(__file__).parents[2] / "docs"
AHEAD = 150.0  # millions of windows to look ahead to
FITTED = {"loss": "loss of one pass", "CRPS": "CRPS, one pass"}


def main() -> None:
    """Measure, fit, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--storage", type=Path, required=True, help="the benchmark's data sets")
    parser.add_argument("--output", type=Path, required=True, help="a folder for the runs")
    options = parser.parse_args()
    corpus = read_corpus(options.corpus, licence_classes=CLASSES)
    rows = [measured(path, corpus, options.storage, options.output) for path in options.checkpoints]
    table = pd.DataFrame(rows).sort_values("millions", kind="stable")
    table.to_csv(RESULTS, index=False, float_format="%.5f")
    fits = {score: fitted(table["millions"], table[score]) for score in FITTED}
    draw(table, fits, DOCS / "images" / "learning-curve.png")
    write(table, fits)


def measured(path: Path, corpus: Corpus, storage: Path, output: Path) -> dict[str, float | str]:
    """Windows, loss and scores of one checkpoint."""
    checkpoint = read_checkpoint(path)
    folder = output / checkpoint.hash[:12]
    chosen = ["--model", str(path), "--effort", "plain", "--storage", str(storage), "--output", str(folder)]
    if code := ttm_sk(["gift-eval", "run", *chosen]):
        raise SystemExit(code)
    scores = compare_models(read_results(folder), models=()).iloc[0]
    runs = checkpoint.provenance["runs"]
    is_fed_back = any(run["settings"].get("fed_back_share") for run in runs)
    return {
        "weights": checkpoint.hash[:8],
        "millions": checkpoint.provenance["windows"] / 1e6,
        "fed back": "yes" if is_fed_back else "no",
        "loss": validation_loss(checkpoint, corpus, n_windows=8192),
        "MASE": scores["MASE"],
        "CRPS": scores["CRPS"],
    }


def power_law(millions: np.ndarray, floor: float, gain: float, rate: float) -> np.ndarray:
    return floor + gain * millions**-rate


def fitted(millions: pd.Series, values: pd.Series) -> np.ndarray:
    """Floor, gain and rate by least squares; a floor below 0 or a curve that rises makes no sense."""
    begin = (0.95 * values.min(), values.max() - values.min(), 0.5)
    bounds = ([0, 0, 0.05], [values.min(), np.inf, 3])
    return curve_fit(power_law, millions, values, p0=begin, bounds=bounds)[0]


def draw(table: pd.DataFrame, fits: dict[str, np.ndarray], path: Path) -> None:
    """A panel each for the loss and for CRPS: points, fit, and where the fit is at what lies ahead."""
    figure, axes = blank_figure(len(FITTED))
    line = np.geomspace(table["millions"].min(), AHEAD, 200)
    for axis, (score, label) in zip(axes, FITTED.items(), strict=True):
        axis.plot(line, power_law(line, *fits[score]), color=BLUE)
        axis.scatter(table["millions"], table[score], color=BLUE, zorder=3)
        axis.scatter([AHEAD], [power_law(np.array([AHEAD]), *fits[score])[0]], color=ORANGE, zorder=3)
        axis.set(xscale="log", xlabel="windows seen, millions", ylabel=label)
    path.write_bytes(to_image(figure))


def write(table: pd.DataFrame, fits: dict[str, np.ndarray]) -> None:
    """The table and the projection, between the marks of the page."""
    columns = ["weights", "millions of windows", "fed back", "loss", "MASE", "CRPS"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in table.to_dict("records"):
        lines.append("| {weights} | {millions:.1f} | {fed back} | {loss:.4f} | {MASE:.3f} | {CRPS:.3f} |".format(**row))
    newest, ahead = table["millions"].max(), []
    for score in FITTED:
        then, now = power_law(np.array([AHEAD, newest]), *fits[score])
        floor, gain, rate = fits[score]
        ahead.append(
            f"- {score}: {floor:.4f} + {gain:.4f} x millions^-{rate:.2f}; {now:.4f} at {newest:.0f} million,"
            f" {then:.4f} at {AHEAD:.0f} million ({then / now - 1:+.2%})."
        )
    put(DOCS / "ablations.md", "curve", "\n".join([*lines, "", "Fitted curves:", "", *ahead]))


if __name__ == "__main__":
    main()
