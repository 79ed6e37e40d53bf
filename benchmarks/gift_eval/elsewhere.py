"""Weights on real data that they were not trained on and that chose nothing, by GIFT-Eval's protocol.

``python benchmarks/gift_eval/elsewhere.py measure CORPUS --output FOLDER`` takes the data sets of a corpus folder that
the checkpoint was not trained on (their licences keep them out of weights), looks for copies of them among those that
it was trained on, and scores seasonal naive and every effort on what is left: the last tenth of up to 10 series of
each, in up to 8 windows, 10 and 15 times as far ahead too where the series are long enough. FOLDER keeps a row of each
task. ``python benchmarks/gift_eval/elsewhere.py page --output FOLDER`` writes ``results/elsewhere.csv`` and the table
of ``docs/elsewhere.md``. Needs the extra ``gift-eval``.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ttm_sk import load_checkpoint
from ttm_sk.data.corpora import as_float
from ttm_sk.data.held_out import HELD_OUT_DATASETS
from ttm_sk.errors import DataError
from ttm_sk.evaluation.contenders import CheckpointContender, Contender, SeasonalNaiveContender
from ttm_sk.evaluation.gift_eval_predictor import score
from ttm_sk.evaluation.gift_eval_storage import PERIOD_NAMES, Series, Task
from ttm_sk.evaluation.gift_eval_tasks import PREDICTION_LENGTHS, TERMS, Configuration, parse_frequency
from ttm_sk.inference.forecasting import EFFORTS

for folder in ("", "pretraining"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

from check_leakage import COPY, Likeness, TestCodes, values_of  # noqa: E402
from marks import put  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "elsewhere.csv"
PAGE = Path(__file__).parents[2] / "docs" / "elsewhere.md"
MOST_SERIES = 10
MOST_WINDOWS = 8
N_WEAKEST = 6
MOST_STEPS = 20_000  # of a series, the newest
LEAST_SHARE = 10  # a series must be so many times as long as the horizon
LEAST_SEASONS = 1.5
LENGTHS = PREDICTION_LENGTHS | {"B": 30, "Q": 8, "A": 6}  # the last two as the benchmark has them for M4
NAMED_PERIODS = PERIOD_NAMES | {"B": "D"}  # pandas has no periods of business days any more; nothing here reads dates
TWINS = {  # of what the bundled weights saw, at another resolution or longer
    "sunspots_daily": "darts_monthly_sunspots",
    "vic_electricity_30min": "vic_elecdemand_2014_30min",
}
METRICS = {"MASE": "MASE[0.5]", "CRPS": "mean_weighted_sum_quantile_loss"}


@dataclass(frozen=True)
class Elsewhere(Configuration):
    """A configuration that the benchmark does not have."""

    @property
    def prediction_length(self) -> int:
        return LENGTHS[self.unit] * TERMS[self.term]

    def n_windows(self, shortest: int) -> int:
        return min(super().n_windows(shortest), MOST_WINDOWS)


def main(argv: list[str] | None = None) -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("measure")
    command.add_argument("corpus", type=Path)
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--model", default="ttm-tiny")
    command = commands.add_parser("page")
    command.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(argv)
    if options.command == "measure":
        measure(options.corpus, options.output, options.model)
    else:
        write_page(options.output)


def measure(corpus: Path, output: Path, model: str) -> None:
    """A row for every task that has none yet."""
    contenders: dict[str, Contender] = {"seasonal_naive": SeasonalNaiveContender()}
    contenders |= {effort: CheckpointContender(model, effort=effort) for effort in EFFORTS}
    weights = load_checkpoint(model)
    seen = weights.provenance["datasets"]
    output.mkdir(parents=True, exist_ok=True)
    datasets = dict(unseen_datasets(corpus, seen))
    copies = copies_of(corpus, seen, datasets, output / "copies.csv")
    for name, (manifest, series) in tqdm(datasets.items(), unit="data set", file=sys.stderr):
        path = output / f"{name}.csv"
        if path.exists() or name in copies:
            continue
        rows = [row_of(task, contenders) | {"weights": weights.hash[:12]} for task in tasks_of(name, manifest, series)]
        if rows:
            unfinished = path.with_suffix(".part")
            pd.DataFrame(rows).to_csv(unfinished, index=False)
            unfinished.replace(path)


def unseen_datasets(corpus: Path, seen: Sequence[str]) -> Iterator[tuple[str, tuple[dict[str, str], list[np.ndarray]]]]:
    """Those whose frequency the benchmark knows, with up to ten of their series."""
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        manifest = [row for row in csv.DictReader(file) if row["name"] not in {*seen, *TWINS, *HELD_OUT_DATASETS}]
    for row in manifest:
        try:
            unit, _ = parse_frequency(row["freq"])
        except DataError:
            continue
        if unit in LENGTHS:
            yield row["name"], (row, some_series(corpus / f"{row['name']}.npz", least=LEAST_SHARE * LENGTHS[unit] // 2))


def some_series(path: Path, *, least: int) -> list[np.ndarray]:
    """From all over the data set, those of at least so many steps if there are any."""
    with np.load(path, allow_pickle=False) as stored:
        values, offsets = as_float(stored["values"]).astype(np.float64), stored["offsets"]
        loc, scale = stored["loc"], stored["scale"]
    lengths = np.diff(offsets)
    usable = np.flatnonzero(lengths >= min(least, lengths.max()))
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, min(MOST_SERIES, len(usable))).astype(int))]
    whole = [values[offsets[i] : offsets[i + 1]] * scale[i] + loc[i] for i in chosen]
    return [series[-MOST_STEPS:] for series in whole]


def copies_of(
    corpus: Path, seen: Sequence[str], datasets: dict[str, tuple[dict[str, str], list[np.ndarray]]], path: Path
) -> set[str]:
    """Data sets of which the weights saw a copy under another name; what was found is kept in ``path``."""
    if not path.exists():
        others = {name: series for name, (_, series) in datasets.items()}
        tested, rows = TestCodes.of(others, ()), []
        for name in tqdm(seen, unit="data set", desc="copies", file=sys.stderr):
            values = values_of(corpus, name)
            while others and (found := tested.most_like(values)).correlation >= COPY:
                rows.append({"name": name, **found._asdict()})
                del others[found.test_dataset]
                tested = TestCodes.of(others, ()) if others else tested
        pd.DataFrame(rows, columns=["name", *Likeness._fields]).to_csv(path, index=False)
    return set(pd.read_csv(path, keep_default_na=False)["test_dataset"])


def tasks_of(name: str, manifest: dict[str, str], series: Sequence[np.ndarray]) -> Iterator[Task]:
    """The short task, and the longer ones for which the series last."""
    unit, multiple = parse_frequency(manifest["freq"])
    frequency = f"{multiple if multiple > 1 else ''}{unit}"
    first = pd.Period("2000-01-01", freq=f"{multiple if multiple > 1 else ''}{NAMED_PERIODS.get(unit, unit)}")
    shortest = min(map(len, series))
    for term in TERMS:
        configuration = Elsewhere(name, name, frequency, term, manifest["domain"], 1)
        if term != "short" and shortest < LEAST_SHARE * configuration.prediction_length:
            return
        least = max(2 * configuration.prediction_length, LEAST_SEASONS * configuration.seasonality)
        kept = [x for x in series if len(x) > least]
        if kept:
            named = tuple(Series(f"{name}-{i}", first, x) for i, x in enumerate(kept))
            yield Task(configuration, named, configuration.n_windows(min(map(len, kept))))


def row_of(task: Task, contenders: dict[str, Contender]) -> dict[str, Any]:
    """Scores of every contender on one task."""
    row: dict[str, Any] = {
        "task": task.configuration.name,
        "domain": task.configuration.domain,
        "series": len(task.series),
        "windows": task.n_windows,
    }
    for model, contender in contenders.items():
        found = score(contender, task)
        row |= {f"{model} {name}": float(f"{found[metric]:.6g}") for name, metric in METRICS.items()}
        row[f"{model} coverage"] = round(found["coverage[0.9]"] - found["coverage[0.1]"], 4)
    return row


def write_page(output: Path) -> None:
    """All rows in one file, and their means between the marks of the page."""
    parts = sorted(path for path in output.glob("*.csv") if path.name != "copies.csv")
    if not parts:
        raise SystemExit(f"{output} holds no results; run `elsewhere.py measure` first")
    rows = pd.concat(map(pd.read_csv, parts), ignore_index=True)
    rows.to_csv(RESULTS, index=False)
    put(PAGE, "elsewhere", "\n\n".join([means(rows), by_domain(rows), weakest(rows)]))


def means(rows: pd.DataFrame) -> str:
    """Of every effort: geometric means relative to seasonal naive, and what its intervals hold."""
    terms = rows["task"].str.rsplit("/", n=1).str[-1]
    parts = {f"CRPS, {term} ({(terms == term).sum()})": rows[terms == term] for term in TERMS if (terms == term).any()}
    titles = ["effort", *METRICS, *parts, "80 % interval holds", "tasks behind seasonal naive"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for effort in EFFORTS:
        shown = [f"{_mean(relative(rows, effort, metric)):.3f}" for metric in METRICS]
        shown += [f"{_mean(relative(part, effort, 'CRPS')):.3f}" for part in parts.values()]
        shown += [f"{rows[f'{effort} coverage'].mean():.1%}", str((relative(rows, effort, "MASE") > 1).sum())]
        lines.append(f"| `{effort}` | {' | '.join(shown)} |")
    return "\n".join(lines)


def by_domain(rows: pd.DataFrame) -> str:
    """MASE / CRPS of every effort in each domain, largest domains first."""
    lines = [f"| domain | tasks | {' | '.join(f'`{effort}`' for effort in EFFORTS)} |", "|---" * 5 + "|"]
    for domain in rows["domain"].value_counts().index:
        part = rows[rows["domain"] == domain]
        lines.append(f"| {domain} | {len(part)} | {' | '.join(mean_scores(part, effort) for effort in EFFORTS)} |")
    return "\n".join(lines)


def weakest(rows: pd.DataFrame) -> str:
    """The tasks where ``best`` is furthest behind seasonal naive or behind ``fast``."""
    behind = np.maximum(relative(rows, "best", "MASE"), rows["best MASE"] / rows["fast MASE"])
    lines = ["| task | series | best, of seasonal naive | best, of fast |", "|---" * 4 + "|"]
    for _, row in rows.loc[behind.sort_values(ascending=False).index[:N_WEAKEST]].iterrows():
        pairs = (
            " / ".join(f"{row[f'best {metric}'] / row[f'{other} {metric}']:.2f}" for metric in METRICS)
            for other in ("seasonal_naive", "fast")
        )
        lines.append(f"| {row['task']} | {row['series']} | {' | '.join(pairs)} |")
    return "\n".join(lines)


def mean_scores(rows: pd.DataFrame, effort: str) -> str:
    """MASE / CRPS of an effort relative to seasonal naive, geometric means."""
    return " / ".join(f"{_mean(relative(rows, effort, metric)):.3f}" for metric in METRICS)


def relative(rows: pd.DataFrame, effort: str, metric: str) -> pd.Series:
    """Score of each task over that of seasonal naive."""
    return rows[f"{effort} {metric}"] / rows[f"seasonal_naive {metric}"]


def _mean(ratios: pd.Series) -> float:
    return float(np.exp(np.log(ratios).mean()))


if __name__ == "__main__":
    main()
