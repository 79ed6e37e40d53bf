"""Results beside published models, on the tasks that were measured: means relative to seasonal naive, and wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ttm_sk.errors import ConfigError, DataError
from ttm_sk.evaluation.gift_eval_tasks import CONFIGURATIONS

__all__ = [
    "BASELINE",
    "GROUPINGS",
    "PEERS",
    "compare_groups",
    "compare_models",
    "markdown_report",
    "markdown_table",
    "published_results",
    "read_costs",
    "read_results",
]

BASELINE = "seasonal_naive"
PEERS = ("TTM-R1-Pretrained", "TTM-R2-Pretrained", "chronos_bolt_small", "tabpfn_ts", "TTM-R3-PT", "TiRex")
SCORES = {"MASE": "eval_metrics/MASE[0.5]", "CRPS": "eval_metrics/mean_weighted_sum_quantile_loss"}
SCORES |= {"MAE": "eval_metrics/MAE[0.5]", "MSE": "eval_metrics/MSE[mean]"}
RELATIVE = ("MASE", "CRPS")
COSTS = ("seconds", "n_forecasts")
GROUPINGS = ("term", "domain", "frequency")
PUBLISHED = Path(__file__).with_name("gift_eval_published.csv")
FREQUENCIES = {"S": "seconds", "T": "minutes", "H": "hours", "D": "days", "W": "weeks", "M": "months", "Q": "quarters"}
FREQUENCIES |= {"A": "years"}
N_RESAMPLES = 2000


def published_results() -> pd.DataFrame:
    """MASE, CRPS, MAE and MSE of published models, indexed by model and task; 97 tasks each.

    Source: SalesforceAIResearch/gift-eval, results/, commit 4fd98a9 (Apache-2.0).

    Examples
    --------
    >>> float(published_results().loc[("seasonal_naive", "ett1/H/short"), "MASE"])
    0.977318
    """
    frame = pd.read_csv(PUBLISHED).rename(columns=str.upper)
    return frame.set_index(["MODEL", "CONFIG"]).rename_axis(["model", "task"])


def read_results(folder: Path | str) -> pd.DataFrame:
    """The rows of an ``all_results.csv``, ours or one from the leaderboard, indexed by model and task.

    Raises
    ------
    DataError
        If the folder has no such file, the file has no such columns or no rows, or a task is none of the 97 or twice.
    """
    path = Path(folder) / "all_results.csv" if Path(folder).is_dir() else Path(folder)
    if not path.is_file():
        raise DataError(f"found no {path}; give a folder that gift-eval run has written")
    try:
        frame = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not readable as a table ({error}); give a folder of gift-eval run") from error
    if missing := {"dataset", "model", *SCORES.values()} - set(frame.columns):
        raise DataError(
            f"{path}: found no column {sorted(missing)[0]}, expected the leaderboard's; choose another file"
        )
    if frame.empty:
        raise DataError(f"{path}: found no finished task; run gift-eval run first")
    known = {task.name for task in CONFIGURATIONS}
    if bad := [name for name in frame["dataset"] if name not in known] or list(
        frame["dataset"][frame.duplicated(["dataset", "model"])]
    ):
        raise DataError(f"{path}: found the task {bad[0]!r} twice, or unknown; expected each of the 97 once at most")
    own = frame.rename(columns={column: name for name, column in SCORES.items()})
    return own.set_index(["model", "dataset"])[list(SCORES)].rename_axis(["model", "task"])


def read_costs(folder: Path | str) -> pd.DataFrame:
    """Seconds and forecasts (windows of all series) of each task, from the ``runs.csv`` of a folder.

    Returns
    -------
    pandas.DataFrame
        Indexed by model and task as `read_results`; columns seconds and n_forecasts. No rows where there is no such
        file, as in a folder of the leaderboard.

    Raises
    ------
    DataError
        As `read_results`, and where ``runs.csv`` lacks a task or a column.
    """
    keys = read_results(folder).index
    path = Path(folder) / "runs.csv"
    if not path.is_file():
        return pd.DataFrame(columns=list(COSTS), index=keys[:0], dtype=float)
    try:
        runs = pd.read_csv(path, usecols=["dataset", *COSTS]).set_index("dataset")
        return runs.loc[keys.get_level_values("task")].set_axis(keys)
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"{path}: not the runs of these results ({error}); give a folder of gift-eval run") from error


def compare_models(own: pd.DataFrame, *, models: Sequence[str] = PEERS, seed: int = 0) -> pd.DataFrame:
    """Models side by side on the tasks that all of ``own`` have, best CRPS first.

    Parameters
    ----------
    own
        Results indexed by model and task, with the columns MASE and CRPS, as `read_results` gives; several may be
        put together with ``pandas.concat``, the first being the one that ``wins`` and ``losses`` speak of.
    models
        Published models to set beside them.
    seed
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        Indexed by model. ``MASE`` and ``CRPS`` are geometric means of the ratio to the published seasonal naive;
        ``MASE_low`` to ``CRPS_high`` their 95 % bootstrap intervals, resampling data sets, since the tasks of one data
        set are alike (one data set alone has no interval: NaN); ``wins_MASE`` and ``wins_CRPS`` on how many tasks the
        first model of ``own`` is better than this one; ``is_own`` whether it is of ``own``.

    Raises
    ------
    ConfigError
        For a published model that does not exist. One that was measured, too, is left out.
    DataError
        If the measured models have no task in common.
    """
    ratios = _ratios(own, models)
    names = list(dict.fromkeys(own.index.get_level_values("model")))
    table = pd.DataFrame({score: np.exp(np.log(ratios[score]).mean(axis=0)) for score in RELATIVE})
    for score in RELATIVE:
        low, high = _interval(np.log(ratios[score]), seed=seed)
        table[f"{score}_low"], table[f"{score}_high"] = low, high
        logs = np.log(ratios[score])
        pairs = -logs.sub(logs[names[0]], axis=0)
        low, high = _interval(pairs, seed=seed)
        table[f"lead_{score}"], table[f"lead_{score}_low"], table[f"lead_{score}_high"] = (
            np.exp(pairs.mean()),
            low,
            high,
        )
        table[f"wins_{score}"] = ratios[score].gt(ratios[score][names[0]], axis=0).sum()
        table[f"losses_{score}"] = ratios[score].lt(ratios[score][names[0]], axis=0).sum()
    table["is_own"] = table.index.isin(names)
    return table.rename_axis("model").sort_values("CRPS")


def compare_groups(own: pd.DataFrame, *, by: str, models: Sequence[str] = PEERS) -> pd.DataFrame:
    """The geometric means by term, domain or frequency.

    Returns
    -------
    pandas.DataFrame
        Indexed by score (MASE, CRPS) and model, a column for each group with at least one task, in the order of the
        benchmark; ``attrs["n_tasks"]`` counts the tasks of each.

    Raises
    ------
    ConfigError, DataError
        As `compare_models`, and for another ``by`` than those of ``GROUPINGS``.
    """
    if by not in GROUPINGS:
        raise ConfigError(f"found the grouping {by!r}; expected one of {', '.join(GROUPINGS)}")
    ratios = _ratios(own, models)
    groups = _groups(by).reindex(ratios["CRPS"].index)
    order = [group for group in dict.fromkeys(_groups(by)) if (groups == group).any()]
    means = {score: np.exp(np.log(ratios[score]).groupby(groups, sort=False).mean()).T for score in RELATIVE}
    table = pd.concat({score: frame[order] for score, frame in means.items()}, names=["score"])
    table.attrs["n_tasks"] = {group: int((groups == group).sum()) for group in order}
    return table


def markdown_report(own: pd.DataFrame, *, models: Sequence[str] = PEERS, costs: pd.DataFrame | None = None) -> str:
    """All of it as Markdown: the models, their means by term, domain and frequency, and how to read them.

    With ``costs``, as `read_costs` gives them, the seconds of each task as well.
    """
    table = compare_models(own, models=models)
    first = own.index.get_level_values("model")[0]
    n_tasks = len(_common_tasks(own))
    n_datasets = len({_dataset(task) for task in _common_tasks(own)})
    lines = [
        f"{n_tasks} of GIFT-Eval's 97 tasks, {n_datasets} data sets. Geometric means of MASE and CRPS",
        "relative to seasonal naive (lower is better), with 95 % bootstrap intervals over data sets. The last columns:",
        f"the mean of {first} over the model's, task by task (below 1, {first} is better), and the tasks that it wins.",
        "",
        markdown_table(_readable(table, first=first)),
    ]
    for by in GROUPINGS:
        groups = compare_groups(own, by=by, models=models)
        counts = groups.attrs["n_tasks"]
        for score in RELATIVE:
            part = groups.loc[score].reindex(table.index).map("{:.3f}".format)
            part = _emphasised(part, table["is_own"]).rename(columns=lambda group: f"{group} ({counts[group]})")  # noqa: B023
            lines += ["", f"### {score} by {by} (number of tasks)", "", markdown_table(part)]
    if costs is not None and not costs.empty:
        lines += ["", "### Seconds by task, as measured", "", markdown_table(_seconds(costs, _common_tasks(own)))]
    lines += ["", "Published: SalesforceAIResearch/gift-eval, results/, commit 4fd98a9 (Apache-2.0)."]
    return "\n".join(lines) + "\n"


def markdown_table(table: pd.DataFrame) -> str:
    """A frame of text as a Markdown table, its index as first column.

    Examples
    --------
    >>> print(markdown_table(pd.DataFrame({"MASE": ["0.67"]}, index=pd.Index(["a"], name="model"))))
    | model | MASE |
    |---|---|
    | a | 0.67 |
    """
    head = [str(table.index.name or ""), *map(str, table.columns)]
    rows = [[str(key), *map(str, row)] for key, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(f"| {' | '.join(cells)} |" if cells else "|---" * len(head) + "|" for cells in [head, [], *rows])


def _seconds(costs: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """A row for each task and one for all, a column for each measured model."""
    seconds, counts = (costs[name].unstack("model").reindex(tasks) for name in COSTS)
    seconds = seconds[list(dict.fromkeys(costs.index.get_level_values("model")))].rename(columns="**{}**".format)
    seconds.insert(0, "forecasts", counts.max(axis=1))
    seconds.loc["all"] = seconds.sum(skipna=False)
    text = seconds.map(lambda value: "" if pd.isna(value) else f"{value:,.2f}")
    return text.assign(forecasts=[f"{count:,.0f}" for count in seconds["forecasts"]]).rename_axis("task")


def _readable(table: pd.DataFrame, *, first: str) -> pd.DataFrame:
    text = {score: _with_intervals(table, score) for score in RELATIVE}
    for score in RELATIVE:
        played = table[f"wins_{score}"] + table[f"losses_{score}"]
        leads = zip(_with_intervals(table, f"lead_{score}"), table[f"wins_{score}"], played, strict=True)
        text[f"{score}: {first} / model, wins"] = [f"{lead}, {wins} of {n}" for lead, wins, n in leads]
    readable = pd.DataFrame(text, index=table.index)
    readable.loc[first, list(readable.columns[2:])] = ""
    return _emphasised(readable, table["is_own"])


def _with_intervals(table: pd.DataFrame, name: str) -> list[str]:
    bounds = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return [f"{mean:.3f}" + ("" if np.isnan(low) else f" ({low:.3f} to {high:.3f})") for mean, low, high in bounds]


def _emphasised(table: pd.DataFrame, is_own: pd.Series) -> pd.DataFrame:
    return table.rename(index=lambda name: f"**{name}**" if is_own[name] else name)


def _ratios(own: pd.DataFrame, models: Sequence[str]) -> Mapping[str, pd.DataFrame]:
    """For MASE and CRPS a frame ``(task, model)``: each model over the published seasonal naive."""
    if own.index.has_duplicates:
        twice = own.index[own.index.duplicated()][0]
        raise DataError(f"found two results of {twice}; give each model and task once, under names of their own")
    published, models = published_results(), list(dict.fromkeys(models))
    tasks = _common_tasks(own)
    names = list(dict.fromkeys(own.index.get_level_values("model")))
    known = published.index.get_level_values("model").unique()
    if unknown := [model for model in models if model not in known]:
        raise ConfigError(f"found the model {unknown[0]!r}; expected some of {', '.join(known)}")
    peers = [model for model in models if model not in names]
    everything = pd.concat([own, published.loc[peers]]) if peers else own
    ratios = {}
    for score in RELATIVE:
        table = everything[score].unstack("model").reindex(tasks)[[*names, *peers]]
        ratios[score] = table.div(published.loc[BASELINE, score].reindex(tasks), axis=0)
        if not (np.isfinite(ratios[score]) & (ratios[score] > 0)).all(axis=None):
            raise DataError(f"found a {score} that is not a positive number; a geometric mean needs positive numbers")
    return ratios


def _common_tasks(own: pd.DataFrame) -> list[str]:
    """The tasks that every measured model has, in the benchmark's order."""
    seen = [set(part.index.get_level_values("task")) for _, part in own.groupby("model", sort=False)]
    tasks = [task.name for task in CONFIGURATIONS if seen and all(task.name in names for names in seen)]
    if not tasks:
        raise DataError("found no task that all of the results have; compare folders that share some")
    return tasks


def _groups(by: str) -> pd.Series:
    named = {"frequency": lambda task: FREQUENCIES[task.unit]}.get(by, lambda task: getattr(task, by))
    return pd.Series({task.name: named(task) for task in CONFIGURATIONS})


def _dataset(task: str) -> str:
    return task.partition("/")[0]


def _interval(logs: pd.DataFrame, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The 2.5 % and 97.5 % points of each column's geometric mean when whole data sets are drawn again."""
    groups = logs.groupby(logs.index.map(_dataset), sort=False)
    sums, counts = groups.sum().to_numpy(), groups.size().to_numpy()
    if len(counts) < 2:
        nothing = np.full(logs.shape[1], np.nan)
        return nothing, nothing
    drawn = np.random.default_rng(seed).integers(len(counts), size=(N_RESAMPLES, len(counts)))
    means = np.exp(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1, keepdims=True))
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low, high
