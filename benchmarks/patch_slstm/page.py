"""Write the figures of ``docs/patch-slstm.md`` from the files beside this script."""

from __future__ import annotations

import csv
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "patch-slstm.md"


def main() -> int:
    """Replace what stands between the marks."""
    text = put(PAGE.read_text(encoding="utf-8"), "speed", speed(HERE / "speed.csv"))
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


if __name__ == "__main__":
    raise SystemExit(main())
