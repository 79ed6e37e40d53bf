"""Short code within a sentence or a cell stays on one line: no option is parted behind its hyphens."""

from __future__ import annotations

import re
from typing import Any

# The narrowest screen holds so many characters beside a bullet.
SHORT = re.compile(r"<code>(?=[^<]{1,32}</code>)")


def on_page_content(html: str, **_: Any) -> str:
    """The page with its short code marked; called by mkdocs for every page."""
    return SHORT.sub('<code class="short">', html)
