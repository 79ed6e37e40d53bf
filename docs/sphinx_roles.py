"""Docstrings are numpydoc; this makes Markdown of the few things in them that Sphinx alone would understand."""

from __future__ import annotations

import re
from typing import Any

import griffe

from ttm_sk import _HOMES

ROLE = re.compile(r":(?:class|func|meth|mod|attr|exc):`(?P<short>~?)(?P<name>[\w.]+)`")
REFERENCE = re.compile(r"^\.\. \[(\d+)\] ", flags=re.MULTILINE)
LITERAL = re.compile(r"::\n\n(?=    )")


class SphinxRoles(griffe.Extension):
    """A role becomes a link where the reference has its target, and the bare name elsewhere."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for every module, class and function that it reads."""
        if obj.docstring is not None:
            text = ROLE.sub(_link, obj.docstring.value)
            obj.docstring.value = LITERAL.sub("\n", REFERENCE.sub(r"\\[\1\\] ", text))


def _link(role: re.Match[str]) -> str:
    name = role["name"]
    package, _, public = name.rpartition(".")
    target = f"{_HOMES[public]}.{public}" if package == "ttm_sk" and public in _HOMES else name
    shown = name.rpartition(".")[2] if role["short"] else name
    return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'
