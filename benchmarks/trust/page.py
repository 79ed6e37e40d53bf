"""Write docs/trust.md and docs/trust-errors.md from the results beside this file; nothing on them is typed by hand.

python benchmarks/trust/page.py
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import record
import sections

DOCS = Path(__file__).parents[2] / "docs"
DEFECTS = Path(__file__).with_name("defects.csv")
HEAD = """# Trust: what breaks, what holds

What the package does when input is bad, files are hostile, processes are killed and disks are full, measured by
`python -m tox -e trust` and written by `benchmarks/trust/page.py`. Each part says when, of which commit and on what
kind of machine it was measured; a part may be a shorter run than that command makes.
"""
ERRORS = """# What the errors say

Every cause in the catalogue of bad input (`benchmarks/trust/bad_input/`), with the error that it gives. Where
a contract that the package stands in demands its own error, its owner stands in brackets.
Written by `benchmarks/trust/page.py`.
"""


def main() -> None:
    parts = [HEAD]
    for noun, section in sections.SECTIONS.items():
        found = record.read(noun)
        if found is not None:
            parts.append(f"{section(found)}\n\n{_origin(found)}\n")
    parts.append(sections.defects(read_defects()))
    write(DOCS / "trust.md", parts)
    causes = record.read("bad_input")
    if causes is not None:
        write(DOCS / "trust-errors.md", [ERRORS, *_tables(causes["causes"])])


def read_defects() -> list[dict[str, str]]:
    with DEFECTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, parts: list[str]) -> None:
    path.write_text("\n".join(parts), encoding="utf-8")
    print(f"wrote {path.name}")


def _origin(found: dict[str, Any]) -> str:
    commit = found["commit"][:12] + ("-dirty" if found["commit"].endswith("-dirty") else "")
    return f"Measured {found['date']}, commit `{commit}`, Python {found['python']}, {found['machine']}."


def _tables(causes: list[dict[str, str]]) -> list[str]:
    tables = []
    for part in dict.fromkeys(cause["part"] for cause in causes):
        rows = [[c["cause"], c["error"], _code(c["message"])] for c in causes if c["part"] == part]
        tables.append(f"## {part.capitalize()}\n\n{sections.table(['cause', 'error', 'what it says'], rows)}\n")
    return tables


def _code(text: str) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in text).replace("`", "'").replace("|", "/")
    return f"`{plain if len(plain) <= 300 else plain[:297] + '...'}`"


if __name__ == "__main__":
    main()
