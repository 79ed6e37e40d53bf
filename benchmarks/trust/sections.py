"""One section of the page for each noun that was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

__all__ = ["SECTIONS", "table"]

Found = dict[str, Any]


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
        " scikit-learn's contract demands, in its words, all others one of `ttm_sk.errors`"
        " ([what each says](trust-errors.md)).\n\n"
        f"{table(['part', 'causes'], rows)}"
    )


SECTIONS: dict[str, Callable[[Found], str]] = {"bad_input": bad_input}
