"""What drives the browser: the links of a site, and the whole walk through the local page where there is a browser."""

from __future__ import annotations

import os
import shutil

import pytest
from scripts import script

pytest.importorskip("playwright", reason="tox -e browser installs it")


def test_when_a_link_leads_nowhere_then_it_is_dead(tmp_path):
    is_there = script("browser/pages").is_there
    (tmp_path / "effort").mkdir()
    (tmp_path / "effort" / "index.html").write_text('<h2 id="what-best-chooses">')
    for link in ("/effort/", "/effort/#what-best-chooses", "/effort/#__tabbed"):
        assert is_there(tmp_path, link), link
    for link in ("/", "/efforts/", "/effort/#what-fast-chooses"):
        assert not is_there(tmp_path, link), link


@pytest.mark.slow
@pytest.mark.skipif(not (os.environ.get("CHROMIUM") or shutil.which("chromium")), reason="needs chromium")
def test_when_only_the_keyboard_is_used_then_the_page_gives_a_forecast(tmp_path, capsys):
    assert script("browser/app").main(["--pictures", str(tmp_path), "--widths", "390"]) == 0
    assert "forgotten" in capsys.readouterr().out
    assert len(list(tmp_path.glob("*.png"))) >= 9
