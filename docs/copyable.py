"""Examples with prompts become sessions, so that the site can copy what was typed without prompts and answers."""

from __future__ import annotations

import re
from typing import Any

SESSION = re.compile(r"^```python\n(?=>>> )", flags=re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with its sessions marked; called by mkdocs for every page."""
    return SESSION.sub("```pycon\n", markdown)
