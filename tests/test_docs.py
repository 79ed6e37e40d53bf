"""The commands on the pages for beginners run as they stand there, one after the other, on a small file."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

import ttm_sk
from ttm_sk import TTM, TTMConfig
from ttm_sk.checkpoints import hub
from ttm_sk.checkpoints.granite import to_granite
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.cli import main
from ttm_sk.cli.parser import make_parser
from ttm_sk.data.tables import load_example

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
WALKED = ("tutorial.md", "own-csv.md", "panels.md", "intervals.md")
NOT_PARSED = ("experiments.md", "adr")  # a record of what was; other pages say what is
BLOCK = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")


def commands_of(page: Path) -> list[str]:
    """The lines of its unmarked code blocks that call our command."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
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


def unprompted(page: Path) -> list[str]:
    """The Python of a page that doctest does not run, since what it names is not in the package."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [block for language, block in found if language == "python" and ">>>" not in block]


def test_when_a_granite_model_lies_where_the_page_says_then_its_lines_forecast(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TTMConfig.granite(context_length=64, prediction_length=12, patch_length=8)
    folder = to_granite(Checkpoint(config, TTM(config).state_dict()), "granite-timeseries-ttm-r2")
    asked = []
    monkeypatch.setattr(hub, "fetch_folder", lambda place: asked.append(place) or folder)
    names: dict = {}
    for block in unprompted(DOCS / "granite.md"):
        exec(block, names)  # noqa: S102
        forecaster = names.pop("forecaster").fit(load_example("airline"))
        assert forecaster.predict(fh=[1, 12]).shape == (2, 1)
    assert asked == [hub.HubFolder("ibm-granite/granite-timeseries-ttm-r2", "512-192-r2")]


def test_when_the_lines_of_the_readme_are_pasted_then_the_band_is_printed(capsys):
    [block] = unprompted(REPOSITORY / "README.md")
    exec(block, {})  # noqa: S102
    assert "1961-01" in capsys.readouterr().out


def test_when_pages_hold_python_then_doctest_runs_it():
    exempt = {"granite.md"}  # run above
    assert [page.name for page in DOCS.rglob("*.md") if unprompted(page) and page.name not in exempt] == []


def test_when_the_citation_is_read_then_it_is_of_this_version_and_licence():
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {ttm_sk.__version__}\n" in citation
    assert "\nlicense: Apache-2.0\n" in citation


def test_when_pages_are_written_then_all_of_them_are_in_the_navigation():
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert not [page for page in pages if f": {page}\n" not in navigation]


def hook(name: str):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_when_code_within_a_sentence_is_short_then_it_is_marked_to_stay_on_one_line():
    marked = hook("short_code").on_page_content
    assert marked("<code>--effort best</code>") == '<code class="short">--effort best</code>'
    for other in (f"<code>{'x' * 33}</code>", "<pre><code><span>a</span></code></pre>", '<code class="a">b</code>'):
        assert marked(other) == other


def test_when_a_page_has_sessions_then_they_are_marked_to_be_copied_without_prompts():
    marked = hook("copyable").on_page_markdown
    assert marked("```python\n>>> 1\n```") == "```pycon\n>>> 1\n```"
    assert marked("```python\n1\n```") == "```python\n1\n```"
