"""Where a script's figures stand in a Markdown file: between two lines that name them."""

from __future__ import annotations

from pathlib import Path


def put(page: Path, name: str, block: str) -> None:
    """Replace what stands between ``<!-- name:start -->`` and ``<!-- name:end -->``; without both, write nothing."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    text = page.read_text(encoding="utf-8")
    if not 0 <= text.find(start) < text.find(end):
        raise SystemExit(f"{page} has no {start} before {end}; write both lines where the figures belong")
    page.write_text(f"{text.split(start)[0]}{start}\n\n{block}\n\n{end}{text.split(end)[1]}", encoding="utf-8")
