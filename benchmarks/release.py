"""Write what depends on the bundled weights: their ONNX file, the figures in the README and the model card.

``python benchmarks/release.py --results DIR --manifest CSV`` reads the bundled checkpoint's own provenance, the
results that ``ttm-sk gift-eval run`` wrote for it (folders ``ttm-tiny-<effort>``), the published results of other
models and the licences of the training data sets. Nothing is typed by hand; ``tests/test_release.py`` fails when README
or model card belong to other weights.
"""

from __future__ import annotations

import argparse
import csv
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ttm_sk import load_checkpoint
from ttm_sk.checkpoints.hub import locate
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.evaluation.leaderboard import (
    BASELINE,
    compare_models,
    markdown_table,
    published_results,
    read_results,
)
from ttm_sk.inference.export import export_checkpoint
from ttm_sk.inference.exported import open_exported

sys.path.insert(0, str(Path(__file__).parent / "gift_eval"))

from elsewhere import mean_scores  # noqa: E402

REPOSITORY = Path(__file__).parents[1]
ELSEWHERE = Path(__file__).parent / "gift_eval/results/elsewhere.csv"
LEAKAGE = Path(__file__).parent / "pretraining/leakage.csv"
START, END = "<!-- figures:start -->", "<!-- figures:end -->"
PEERS = {
    "TTM-R1-Pretrained": "TTM-R1 (0.8 M)",
    "TTM-R2-Pretrained": "TTM-R2 (3 M)",
    "chronos_bolt_small": "Chronos-Bolt-small (48 M)",
    "tabpfn_ts": "TabPFN-TS",
    "TTM-R3-PT": "TTM-R3 (1.4 M)",
    "TiRex": "TiRex (35 M)",
    "FlowState-9.1M": "FlowState (9.1 M)",
    "TimesFM-2.5": "TimesFM 2.5 (231 M)",
    "chronos-2": "Chronos-2 (120 M)",
}
NEIGHBOUR = "TiRex"  # the published model that is nearest: how far apart can the tasks tell them?


def main(argv: list[str] | None = None) -> int:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    arguments = parser.parse_args(argv)
    checkpoint = load_checkpoint("ttm-tiny")
    write_onnx(checkpoint)
    results = read_efforts(arguments.results, checkpoint)
    leakage = read_leakage(checkpoint)
    scores = score_table(results)
    neighbour = f"{beside_neighbour(results)}\n\n{read_elsewhere(checkpoint)}"
    write_readme(REPOSITORY / "README.md", checkpoint, scores, neighbour, n_tasks=len(next(iter(results.values()))))
    licences = read_licences(arguments.manifest)
    (REPOSITORY / "docs" / "model-card.md").write_text(
        model_card(
            checkpoint,
            scores,
            results,
            licences,
            read_coverage(arguments.results),
            leakage,
            notes=(neighbour.replace("(docs/", "("), read_costs(arguments.results)),
        ),
        encoding="utf-8",
    )
    return 0


def write_onnx(checkpoint: Checkpoint) -> None:
    """The bundled weights for ONNX Runtime, unless the file is theirs already."""
    path = locate("ttm-tiny").with_suffix(".onnx")
    if not path.exists() or open_exported(path).outline.hash != checkpoint.hash:
        export_checkpoint(checkpoint, path)


def read_efforts(folder: Path, checkpoint: Checkpoint) -> dict[str, pd.DataFrame]:
    """The results with each effort, all of which must belong to these weights."""
    results = {}
    for path in sorted(folder.glob("ttm-tiny-*")):
        if set(pd.read_csv(path / "runs.csv")["weights"]) != {checkpoint.hash}:
            sys.exit(
                f"{path} was measured with other weights than the bundled ones ({checkpoint.hash[:12]}); measure again"
            )
        results[path.name.removeprefix("ttm-tiny-")] = read_results(path)
    return results


def read_coverage(folder: Path) -> pd.DataFrame:
    """The share of values inside the 80 % interval, a column for each effort."""
    runs = {path.name.removeprefix("ttm-tiny-"): pd.read_csv(path / "runs.csv") for path in folder.glob("ttm-tiny-*")}
    return pd.DataFrame({effort: runs[effort].set_index("dataset")["coverage_80"] for effort in sorted(runs)})


def read_leakage(checkpoint: Checkpoint) -> pd.DataFrame:
    """What ``check_leakage.py`` found in the training data sets, which must be those of these weights."""
    found = pd.read_csv(LEAKAGE)
    if set(found["name"]) != set(checkpoint.provenance["datasets"]):
        sys.exit(
            f"{LEAKAGE} is about other data sets than the weights saw; run benchmarks/pretraining/check_leakage.py"
        )
    return found


def score_table(results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Geometric means of MASE and CRPS relative to seasonal naive over the tasks measured, ours and the peers'."""
    scores = compare_models(pd.concat(results.values()), models=tuple(PEERS))[["MASE", "CRPS"]]
    own = {f"ttm-tiny-{effort}": f"**ttm_sk `ttm-tiny`, {effort}**" for effort in results}
    return scores.rename(index=PEERS | own).rename_axis("model").map("{:.3f}".format)


def beside_neighbour(results: dict[str, pd.DataFrame]) -> str:
    """Whether the strongest effort and its neighbour in the table can be told apart."""
    row = compare_models(results["best"], models=(NEIGHBOUR,)).loc[NEIGHBOUR]
    low, high = row["lead_CRPS_low"], row["lead_CRPS_high"]
    known = "cannot be told apart" if low < 1 < high else "can be told apart"
    return fill(
        f"`best` and {NEIGHBOUR} {known} on these tasks: CRPS ratio {row['lead_CRPS']:.3f}, 95 % interval {low:.3f} to"
        f" {high:.3f} over data sets; {row['wins_CRPS']:.0f} of {row['wins_CRPS'] + row['losses_CRPS']:.0f} tasks won."
    )


def read_elsewhere(checkpoint: Checkpoint) -> str:
    """How the weights do where nothing was chosen by looking."""
    rows = pd.read_csv(ELSEWHERE)
    if set(rows["weights"]) != {checkpoint.hash[:12]}:
        sys.exit(f"{ELSEWHERE} was measured with other weights; run benchmarks/gift_eval/elsewhere.py")
    scores = {effort: mean_scores(rows, effort) for effort in ("best", "fast", "plain")}
    return fill(
        f"These tasks also chose between our recipes, so expect a little less elsewhere: on {len(rows)} tasks of"
        f" {rows['task'].str.split('/').str[0].nunique()} other real data sets, whose licences keep them out of"
        f" training, MASE / CRPS are {', '.join(f'{pair} (`{effort}`)' for effort, pair in scores.items())} of"
        " seasonal naive's ([elsewhere](docs/elsewhere.md))."
    )


def fill(text: str) -> str:
    """The text in lines, whose words are never broken."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def read_costs(folder: Path) -> str:
    """What all tasks took, of every effort, from the quickest on."""
    runs = [(path.name.removeprefix("ttm-tiny-"), pd.read_csv(path / "runs.csv")) for path in folder.glob("ttm-tiny-*")]
    runs.sort(key=lambda named: named[1]["seconds"].sum())
    seconds = ", ".join(f"{table['seconds'].sum():.0f} s (`{effort}`)" for effort, table in runs)
    return (
        f"All {len(runs[0][1])} tasks, {runs[0][1]['n_forecasts'].sum():,} forecasts, took {seconds} on two CPU cores."
    )


def relative_to_baseline(results: pd.DataFrame) -> pd.DataFrame:
    """MASE and CRPS of one effort over those of the published seasonal naive, indexed by task."""
    own = results.droplevel("model")[["MASE", "CRPS"]]
    return own / published_results().loc[BASELINE].loc[own.index, own.columns]


def write_readme(path: Path, checkpoint: Checkpoint, scores: pd.DataFrame, neighbour: str, *, n_tasks: int) -> None:
    """Replace the block between the two marks."""
    text = path.read_text(encoding="utf-8")
    about = (
        f"{n_tasks} of GIFT-Eval's 97 tasks, zero-shot (nothing was trained on their series). MASE is the error of"
        " the median, CRPS that of all quantiles, both over those of seasonal naive, which repeats the last season;"
        f" geometric means, lower is better. The bundled weights have {checkpoint.n_parameters:,} parameters and"
        f" saw {checkpoint.provenance['windows'] / 1e6:.1f} million windows; hash `{checkpoint.hash[:12]}`. Peers:"
        " published results, see the [model card](docs/model-card.md)."
    )
    block = f"{fill(about)}\n\n{markdown_table(scores)}\n\n{neighbour}"
    before, after = text.split(START)[0], text.split(END)[1]
    path.write_text(f"{before}{START}\n{block}\n{END}{after}", encoding="utf-8")


def read_licences(manifest: Path) -> dict[str, dict[str, str]]:
    """The manifest's row of each training data set."""
    with manifest.open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def model_card(
    checkpoint: Checkpoint,
    scores: pd.DataFrame,
    results: dict[str, pd.DataFrame],
    licences: dict[str, dict[str, str]],
    coverage: pd.DataFrame,
    leakage: pd.DataFrame,
    *,
    notes: tuple[str, str],
) -> str:
    """The whole card; ``notes`` stand below the table of scores and below the picture of costs."""
    provenance, config = checkpoint.provenance, checkpoint.config
    runs = "\n".join(
        f"| {i} | {run['windows']:,} | {run['seconds'] / 60:.0f} | {run['settings']['peak']}"
        f" | {run['settings']['decay_share']:.2f} | {run['settings']['synthetic_share']:.2f}"
        f" | {run['settings'].get('fed_back_share', 0):.2f}"
        f" | {run['settings']['batch_size']:,} | {run.get('hardware', 'two CPU cores')} |"
        for i, run in enumerate(provenance["runs"], start=1)
    )
    data = "\n".join(
        f"| {name} | {licences[name]['domain']} | {licences[name]['freq']} | {int(licences[name]['n_points']):,}"
        f" | {licences[name]['licence']} | {licences[name]['source'].split('@')[0]} |"
        for name in provenance["datasets"]
    )
    relative = {effort: relative_to_baseline(table) for effort, table in results.items()}
    named = {f"{effort} {score}": table[score] for effort, table in relative.items() for score in table}
    named |= {f"{effort} coverage": coverage[effort] for effort in results}
    tasks = markdown_table(pd.DataFrame(named).map("{:.3f}".format).rename_axis("task"))
    return CARD.format(
        hash=checkpoint.hash,
        parameters=f"{checkpoint.n_parameters:,}",
        context=config.context_length,
        views=", ".join(map(str, config.views)),
        horizon=config.prediction_length,
        levels=", ".join(f"{level:g}" for level in config.levels),
        windows=f"{provenance['windows']:,}",
        minutes=f"{provenance['seconds'] / 60:.0f}",
        n_datasets=len(provenance["datasets"]),
        runs=runs,
        averaged=averaged(provenance),
        data=data,
        scores=markdown_table(scores),
        neighbour=notes[0],
        costs=notes[1],
        n_tasks=len(next(iter(results.values()))),
        tasks=tasks,
        coverage=", ".join(f"{100 * coverage[effort].mean():.0f} % ({effort})" for effort in results),
        most_alike=leakage["correlation"].max(),
    )


def averaged(provenance: Mapping[str, Any]) -> str:
    """A paragraph where the weights are the mean of two, before and after the last run."""
    if "averaged" not in provenance:
        return ""
    shares, hashes = provenance["averaged"]["shares"], provenance["averaged"]["hashes"]
    parts = " and ".join(f"{share:g} of `{hash[:12]}`" for share, hash in zip(shares, hashes, strict=True))
    return f"\nThe weights are the weighted mean of those before and after the last run: {parts}.\n"


CARD = """# Model card: `ttm-tiny`

Written by `benchmarks/release.py` from the checkpoint's own provenance and the results in
`benchmarks/gift_eval/results`.

- Weights: SHA-256 of the tensors `{hash}`; {parameters} parameters; Apache-2.0.
- Architecture: TinyTimeMixer (arXiv 2401.03955) that sees {context} steps of context at the resolutions {views}.
  A direct horizon of {horizon} steps (longer ones by feeding forecasts back), quantiles at {levels}.
- Intended use: zero-shot forecasts of univariate or channel-wise multivariate series with uncertainty. Not for
  decisions where a wrong interval is dangerous and nobody checks it on past data.

## Training

{windows} windows in {minutes} minutes (bfloat16 autocast or float32, AdamW), pinball loss at 13 levels in scaled units.
Each window is synthetic or real with the share below, of random context length, one in ten with gaps, half of the real
ones at a coarser resolution; where they were drawn on a GPU, a fifth is modulated, a tenth mixed, a twentieth capped.
In the fed-back share the newest steps are the model's own forecast.

| run | windows | minutes | peak rate | decaying share | synthetic share | fed-back share | batch | hardware |
|---|---|---|---|---|---|---|---|---|
{runs}
{averaged}
## Accuracy

{n_tasks} development tasks of GIFT-Eval by the benchmark's protocol; geometric means relative to seasonal naive. The
tasks' data were not trained on. Peers: SalesforceAIResearch/gift-eval, results/, commit 4fd98a9 (Apache-2.0).

{scores}

{neighbour}

![CRPS against the number of parameters and against seconds](images/accuracy-against-cost.png)

(`benchmarks/cost_picture.py`; the other models' sizes as their makers state them, Reverso's are point forecasts.)
{costs}

The 80 % interval held this share of the values, mean over tasks: {coverage}.

Each task, relative to seasonal naive, and the share of values inside the 80 % interval (more than 80 % where many
values are equal, as in counts):

{tasks}

## Limits

- Horizons far beyond {horizon} steps are reached by feeding forecasts back: `fast` follows five possible futures,
  `plain` the median alone, whose later intervals are too narrow. A pure cycle slowly loses its height.
- Intervals around series without noise are too wide: there were few of them in training.
- The weights know neither exogenous variables nor relations between channels. `TTMForecaster` can regress on known
  columns of `X` beside them, and fine-tuning can add an exogenous mixer, static categories and channel mixing.
- There are no `small` weights (about 5 million parameters): the hours on a GPU that there were went into these.
- `best` chooses on little past where a data set has one or few series, and can then be worse than `fast` (the table
  shows where). Its rates, periods and weights were settled on the development tasks above; what it
  gains on other data stands in [Elsewhere](elsewhere.md).
- Values are treated as real numbers: forecasts of counts and shares may leave their range.

## What the weights saw, and what they did not

Synthetic series (`ttm_sk.data.synthetic`) and the {n_datasets} real data sets below, all of the licence classes "open"
and "copyleft package". No series of a GIFT-Eval test data set, in any resampling, was used as far as that could be
checked (the corpus' makers compared 54 of the 97 configurations; data sets named like the others were left out).
`benchmarks/pretraining/check_leakage.py` finds none of the benchmark's 28 data sets among them by name, and no copy of
the test series at hand, in any unit or coarser: where many windows of a training and a test series have the same
shape, their steps correlate by at most {most_alike:.2f}, as days of different places do
(`benchmarks/pretraining/leakage.csv`). The weights saw none of the series in [held-out.md](held-out.md): data sets are
refused by name, copies under other names by content.

| data set | domain | frequency | points | licence as stated at the source | source |
|---|---|---|---|---|---|
{data}
"""

if __name__ == "__main__":
    sys.exit(main())
