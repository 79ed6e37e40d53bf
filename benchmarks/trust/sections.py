"""One section of the page for each noun that was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

__all__ = ["CAUSE", "SECTIONS", "defects", "table"]

Found = dict[str, Any]
CAUSE = "cause: "  # before the name of an entry in the catalogue of bad input, where that keeps a defect away


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def bad_input(found: Found) -> str:
    bare = sum(bool(cause["fault"]) for cause in found["causes"])
    n_contract = sum("(" in cause["error"] for cause in found["causes"])
    rows = [*found["parts"].items(), ("together", len(found["causes"]))]
    return (
        f"## Bad input\n\n{len(found['causes'])} causes were tried in {found['seconds']} seconds; {bare} gave an error"
        f" that does not say what was found and what to do. {n_contract} give the error that sktime's, skorch's or"
        " scikit-learn's contract demands, in its words, all others one of `ttm_sk.errors`, or the line of a command or"
        " the problem on the page that says it ([what each says](trust-errors.md)).\n\n"
        f"{table(['part', 'causes'], rows)}"
    )


def fuzz(found: Found) -> str:
    rows = [
        [
            row["target"],
            row["minutes"],
            row.get("core_minutes", ""),
            f"{row['executions']:,}",
            row["edges"],
            len(row["findings"]),
            f"`{row.get('commit', found['commit'])[:12]}`",
        ]
        for row in found["targets"]
    ]
    n_findings = sum(len(row["findings"]) for row in found["targets"])
    listed = "".join(f"\n- {row['target']}: `{text[:160]}`" for row in found["targets"] for text in row["findings"])
    return (
        "## Hostile files\n\nReaders, and the page of `ttm-sk app` (files sent to it; whole requests), under a"
        " coverage-guided fuzzer (atheris); a finding is any error but one of `ttm_sk.errors`, a status of 500, or a"
        f" crash. Findings in this run: {n_findings}.\n\n"
        f"{table(['reader', 'minutes', 'core-minutes', 'executions', 'edges', 'findings', 'commit'], rows)}{listed}"
    )


def kill(found: Found) -> str:
    names = ["kills", "damaged", "different", "left behind"]
    rows = [[row["work"], row["seconds"], *(row[name] for name in names)] for row in found["rows"]]
    total = sum(row["kills"] for row in found["rows"])
    return (
        f"## Kills\n\n{total} times SIGKILL at a random moment. *Damaged*: a file under its own name that cannot be"
        " read. *Different*: work that was killed up to four times and then left alone, with another result than"
        " undisturbed work, bit for bit. *Left behind*: hidden temporary files, which a kill cannot remove.\n\n"
        f"{table(['work', 'seconds undisturbed', *names], rows)}"
    )


def disk(found: Found) -> str:
    rows = [
        [row["fault"], row["command"], row["code"], f"`{row['said']}`", _yes(row["unchanged"])]
        for row in found["faults"]
    ]
    stops, memory = found["interrupts"], found["memory"]
    slowest = max(row["seconds"] for row in stops)
    clean = sum(row["code"] == 130 and not row["left"] for row in stops)
    room = (
        f"A panel of {memory['series']:,} series in one batch, with 1 GB of address space to take: halved"
        f" {memory['halved']} time(s),"
        f" exit code {memory['code']}, largest difference to whole batches {memory['difference']:.1g} deviations."
    )
    return (
        "## Full disks, read-only folders, Ctrl-C, scarce memory\n\n"
        f"{table(['fault', 'command', 'code', 'says', 'files unchanged'], rows)}\n\n"
        f"Ctrl-C in {len(stops)} trainings: {clean} ended with code 130 and left nothing, the slowest after {slowest}"
        f" s.\n\n{room}"
    )


def engines(found: Found) -> str:
    rows = [_engine_row(row) for row in found["rows"]]
    names = ["engine", "series", "worker killed", "lost", "doubled", "other rows", "largest difference"]
    return (
        "## A worker of a cluster engine killed\n\n`ttm_sk.distributed.forecast_frame` mapped over partitions of 5,000"
        " series, 7 days ahead. The first worker to have forecast the partition in the middle is killed (SIGKILL)"
        " before it hands its rows over. *Lost* and *doubled*: series. *Other rows*: those that differ in a single bit"
        f" from the forecasts of one process.\n\n{table(names, rows)}"
    )


def _engine_row(row: Found) -> list[Any]:
    if why := row.get("skipped") or row.get("failed"):
        return [row["engine"], *[""] * 5, why.replace("|", "/")]
    counts = [f"{row[name]:,}" for name in ("lost", "doubled", "different")]
    name = f"{row['engine'].capitalize()} {row['version']}"
    return [name, f"{row['series']:,}", _yes(row["worker_killed"]), *counts, f"{row['largest_difference']:g}"]


def _core(row: Found) -> str:
    return f" ({row['core_minutes']:g} of a core)" if "core_minutes" in row else ""


LOADS: dict[str, Callable[[Found], list[str]]] = {
    "together": lambda both: [
        f"{both['threads']} threads in {both['processes']} processes, {both['forecasts']} forecasts",
        f"the bits of serial ones: {_yes(both['identical'])}",
    ],
    "hours": lambda hours: [
        f"{hours['minutes']:g} minutes{_core(hours)}, {hours['forecasts']:,} forecasts",
        f"{hours['early_mb']} MB after a tenth of it, {hours['late_mb']} MB at the end",
    ],
    "long": lambda long: [f"a series of {long['size']:,} points", f"{long['seconds']} s, peak {long['peak_mb']:,} MB"],
    "panel": lambda panel: [
        f"a panel of {panel['size']:,} series",
        f"{panel['seconds']} s, peak {panel['peak_mb']:,} MB",
    ],
}


def load(found: Found) -> str:
    rows = [
        [*row(found[part]), f"`{found[part].get('commit', found['commit'])[:12]}`"]
        for part, row in LOADS.items()
        if found.get(part)
    ]
    return f"## Load\n\n{table(['load', 'what it gave', 'commit'], rows)}"


def app_load(found: Found) -> str:
    crowd = found["crowd"]
    memory = crowd["memory_mb"]
    rows = [
        [row["what"], row["status"], f"{row['seconds']} s", row["said"].replace("|", "/"), _yes(row["goes on"])]
        for row in found["limits"]
    ]
    return (
        f"## The page under load\n\n{crowd['people']} people at `ttm-sk app` at once, {crowd['rounds']} times each:"
        f" upload, forecast, download. Of {crowd['requests']:,} requests {crowd['busy']:,} were told at once that the"
        f" page is busy and came again; in the end {crowd['right']:,} forecasts were right to the last digit and"
        f" {crowd['wrong']} were not. The slowest answer took {crowd['slowest_seconds']} s. The page and the process"
        f" that forecasts for it had {memory[0]:,.0f} MB after the first round, {memory[len(memory) // 2]:,.0f} MB"
        f" after half of them, {memory[-1]:,.0f} MB at the end.\n\n"
        f"{table(['what comes', 'status', 'after', 'says', 'goes on'], rows)}"
    )


def determinism(found: Found) -> str:
    rows = [[row["what"], f"{row['difference']:.1g}", f"{row['tolerance']:g}"] for row in found["rows"]]
    return (
        "## Determinism\n\nForecasts in deviations of the series, weights relative to the largest.\n\n"
        f"{table(['same seed', 'largest difference', 'tolerance'], rows)}"
    )


def shipment(found: Found) -> str:
    rows = [[f"`{row['file']}`", row["MB"], _yes(row["runs"])] for row in found["files"]]
    content = ", ".join(f"{n} {ending or 'without ending'}" for ending, n in sorted(found["content"].items()))
    return (
        f"## What is shipped\n\n{table(['file', 'MB', 'installed offline, used from another folder'], rows)}\n\n"
        f"The wheel holds {content}."
    )


def versions(found: Found) -> str:
    names = list(found["bounds"])
    rows = [
        [row["python"], row["asked"], *(row["versions"].get(name, "") for name in names)] for row in found["resolved"]
    ]
    runs = [[row["python"], row["path"], _packages(row), _outcome(row)] for row in found["runs"]]
    return (
        "## Versions\n\nWhat a plain installation resolves to, with wheels alone: *lowest* is the lowest version of"
        " each that `pyproject.toml` allows and that has a wheel for that Python.\n\n"
        f"{table(['Python', 'asked for', *names], rows)}{_failures(found['resolved'])}\n\n"
        "What runs, in environments of their own: arrays and a long frame without torch; with it, in full: forecasts,"
        " fine-tuning, regression, features, a checkpoint written and read. Beside it stands the largest difference"
        " from the first row's forecasts, whose series have a deviation of about 1. The whole test suite runs on"
        " Python 3.11 with pandas 2.3 (`tox -e py`) and 3.0 (`tox -e core`).\n\n"
        f"{table(['Python', 'path', 'on', 'largest difference'], runs)}"
    )


def _packages(run: Found) -> str:
    return ", ".join(f"{name} {version}" for name, version in run["versions"].items())


def _outcome(row: Found) -> str:
    return f"**{row['failed']}**" if row["failed"] else f"{row['difference']:.1g}"


def _failures(rows: list[Found]) -> str:
    lines = [f"\n- {row['python']}, {row['asked']}: {row['failed']}" for row in rows if row["failed"]]
    return "\n" + "".join(lines) if lines else ""


def supply(found: Found) -> str:
    rows = [[row["name"], row["version"], row["licence"]] for row in found["components"]]
    hashes = [[f"`{name}`", f"`{digest[:16]}`"] for name, digest in found["weights"].items()]
    return (
        "## What it stands on\n\nWhat a plain installation needs, in the versions of `constraints/full.txt`; with"
        " hashes in `benchmarks/trust/results/sbom.json` (CycloneDX).\n\n"
        f"{table(['package', 'version', 'licence'], rows)}\n\n{table(['bundled file', 'SHA-256 begins'], hashes)}"
    )


def defects(rows: list[dict[str, str]]) -> str:
    """What was found on the way; each is kept from coming back by a test, or by a cause of the catalogue."""
    kept = {True: "catalogue of bad input: {}", False: "`{}`"}
    lines = []
    for row in rows:
        is_cause = row["kept by"].startswith(CAUSE)
        name = row["kept by"].removeprefix(CAUSE).rpartition("::")[2]
        lines.append([row["found by"], row["what happened"], row["what happens now"], kept[is_cause].format(name)])
    return (
        f"## Defects found and mended\n\n{len(rows)} of them, from `benchmarks/trust/defects.csv`; a test fails when"
        f" one comes back.\n\n{table(['found by', 'what happened', 'what happens now', 'kept by'], lines)}\n"
    )


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "**no**"


SECTIONS: dict[str, Callable[[Found], str]] = {
    section.__name__: section
    for section in (bad_input, fuzz, kill, engines, disk, load, app_load, determinism, shipment, versions, supply)
}
