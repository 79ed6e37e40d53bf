"""Writes the help of every command into the page of the command line, where it says so."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

from ttm_sk.cli.parser import make_parser

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with the help where the mark is; called by mkdocs for every page."""
    if MARK not in markdown:
        return markdown
    with mock.patch.dict(os.environ, COLUMNS="80"):  # argparse's width
        parts = [f"## {parser.prog}\n\n```text\n{parser.format_help()}```\n" for parser in _commands(make_parser())]
    return markdown.replace(MARK, "\n".join(parts))


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The commands, and instead of one that has commands of its own, these."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                below = list(_commands(inner))
                yield from below or [inner]
