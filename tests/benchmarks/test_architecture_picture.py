from __future__ import annotations

import importlib.util
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).parents[2]


def test_when_the_architecture_is_drawn_anew_then_the_committed_pictures_stay_as_they_are(tmp_path):
    spec = importlib.util.spec_from_file_location("picture", REPOSITORY / "benchmarks" / "architecture_picture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(str(tmp_path)) == 0
    for name in ("architecture-walk.svg", "architecture-model.svg"):
        drawn = (tmp_path / name).read_text(encoding="utf-8")
        assert drawn == (REPOSITORY / "docs" / "images" / name).read_text(encoding="utf-8")
        assert ElementTree.fromstring(drawn).tag.endswith("svg")
