"""The commands on the pages for beginners run as they stand there, one after the other, on a small file."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import ttm_sk
from ttm_sk.cli import main
from ttm_sk.cli.parser import make_parser
from ttm_sk.data.tables import load_example

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
WALKED = ("tutorial.md", "own-csv.md", "panels.md", "intervals.md")
NOT_PARSED = ("experiments.md", "adr")  # a record of what was; other pages say what is


def commands_of(page: Path) -> list[str]:
    """The lines of its unmarked code blocks that call our command."""
    blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"))
    lines = [line for language, block in blocks if not language for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    return [line for line in lines if re.match(r"ttm-sk \w", line)]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Where the reader of the pages stands: in a folder with the files that they name."""
    monkeypatch.chdir(tmp_path)
    load_example("airline").to_csv("passengers.csv")
    shops = [f"2024-{i // 28 + 1:02d}-{i % 28 + 1:02d}" for i in range(336)]
    rows = [(day, shop, (k + 1) * (10 + i % 7)) for k, shop in enumerate("ab") for i, day in enumerate(shops)]
    header = "day,shop,units"
    Path("stores.csv").write_text("\n".join([header, *(f"{d},{s},{u}" for d, s, u in rows[:28] + rows[336:364])]))
    Path("sales.csv").write_text("\n".join(["day,units", *(f"{i},{u}" for i, (_, _, u) in enumerate(rows[:140]))]))


@pytest.mark.parametrize("page", WALKED)
def test_when_the_commands_of_a_page_are_run_in_order_then_each_succeeds(page, files):
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    commands = [line for line in commands_of(DOCS / page) if not line.startswith("ttm-sk app")]
    assert commands
    for line in commands:
        assert main(shlex.split(line)[1:]) == 0, line


def test_when_a_page_names_a_command_then_the_parser_knows_it():
    pages = [page for page in DOCS.rglob("*.md") if not set(page.relative_to(DOCS).parts) & set(NOT_PARSED)]
    lines = [(page.name, line) for page in [*pages, REPOSITORY / "README.md"] for line in commands_of(page)]
    assert len(lines) > 20
    for page, line in lines:
        parsed = make_parser().parse_args(shlex.split(line.replace("...", ""))[1:])
        assert parsed.command, page


def test_when_the_citation_is_read_then_it_is_of_this_version_and_licence():
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {ttm_sk.__version__}\n" in citation
    assert "\nlicense: Apache-2.0\n" in citation


def test_when_pages_are_written_then_all_of_them_are_in_the_navigation():
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert not [page for page in pages if f": {page}\n" not in navigation]
