"""Write the figures of ``docs/patch-slstm.md`` from the files beside this script."""

from __future__ import annotations

import csv
import json
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "patch-slstm.md"


def main() -> int:
    """Replace what stands between the marks."""
    text = put(PAGE.read_text(encoding="utf-8"), "speed", speed(HERE / "speed.csv"))
    trained = HERE / "equal_seconds.json"
    if trained.exists():
        text = put(text, "equal-seconds", equal_seconds(trained))
    PAGE.write_text(text, encoding="utf-8")
    return 0


def put(text: str, name: str, block: str) -> str:
    """The text with a block between its marks."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    return f"{text.split(start)[0]}{start}\n\n{block}\n\n{end}{text.split(end)[1]}"


def speed(path: Path) -> str:
    """The comparison as a table, what was measured beside it as a list."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    machine = next(row["note"] for row in rows if row["case"] == "machine")
    compared = [row for row in rows if row["ratio"]]
    lines = ["| CPU time | tirex-ts, ms | ours, ms | ratio |", "|---|---|---|---|"]
    lines += ["| {case} | {theirs_ms} | {ours_ms} | {ratio} |".format(**row) for row in compared]
    notes = [f"- {row['case']}: {row['note']}" for row in rows if row["note"] and row["case"] != "machine"]
    return "\n".join([machine + ".", "", *lines, "", *notes])


def equal_seconds(path: Path) -> str:
    """What was trained, and its scores with both efforts."""
    found = json.loads(path.read_text())
    names = {"small": "PatchSLSTM `small`", "tiny": "PatchSLSTM `tiny`", "ttm-tiny": "TTM `tiny`"}
    columns = ("MASE", "CRPS", "MASE, short", "MASE, medium", "MASE, long", "seconds")
    lines = [f"| from random weights | windows, CPU seconds | effort | {' | '.join(columns)} |", "|---" * 9 + "|"]
    for name, one in sorted(found.items()):
        trained = f"{names[name]}, {one['parameters']:,} | {one['windows']:,}, {one['CPU seconds']:,}"
        for effort in ("plain", "fast"):
            scores = [f"{one[effort][column]:g}" for column in columns]
            lines.append(f"| {trained} | {effort} | {' | '.join(scores)} |")
    n_tasks = next(iter(found.values()))["plain"]["tasks"]
    return "\n".join(
        [*lines, "", f"{n_tasks} development tasks of GIFT-Eval, geometric means relative to seasonal naive."]
    )


if __name__ == "__main__":
    raise SystemExit(main())
