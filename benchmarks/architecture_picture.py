"""Draw the model and the walk around it: ``python benchmarks/architecture_picture.py docs/images``."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

WIDTH, ROW, BOX_HEIGHT = 370, 62, 44
LEFT = 4
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; } .axes { font-size: 11.5px; fill: #5c6470; }
.head { font-weight: 600; font-size: 14px; } rect { fill: #f5f7f9; stroke: #aab2bd; }
.model { fill: #e6eef8; stroke: #2463a8; }
path { fill: none; stroke: #5c6470; stroke-width: 1.5; } .tip { fill: #5c6470; stroke: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e7eb; } .axes { fill: #a0a8b3; } rect { fill: #22272e; stroke: #59626e; }
  .model { fill: #1d3047; stroke: #76b0ee; }
  path { stroke: #a0a8b3; } .tip { fill: #a0a8b3; stroke: none; }
}
"""
AROUND = [
    ("a frame, a file, an array", "series, panels, hierarchies; NaN is unobserved", False),
    ("frames: what was observed", "batch channel time", False),
    ("drivers: their effect taken out", "ridge on surprises; put back at the end", False),
    ("readings of the past", "as it is, coarser, by phase, shorter, beside theta", False),
    ("the series and its negative", "two passes, averaged", False),
    ("the model", "drawn beside this", True),
    ("feedback beyond one pass", "five possible futures, or the median", False),
    ("quantiles at the levels asked for", "sorted, interpolated, in the units of the series", False),
    ("the rows that were asked for", "horizon quantile", False),
]
MODEL = [
    ("scale", "centre and spread of what was observed; asinh", True),
    ("views", "every step, means of blocks, means of long blocks", True),
    ("patches, with observed flags", "batch channel patch feature", True),
    ("backbone: split, mix, merge", "three levels, the finest first; no attention", True),
    ("decoder", "narrower mixers; what fine-tuning trains first", True),
    ("seasonal templates, last value", "read off the past, not learnt", True),
    ("head: median, and steps outwards", "batch channel horizon quantile; never crossing", True),
    ("unscale", "the units of the series", True),
]


def main(folder: str) -> int:
    """Write both pictures: apart, so that a phone can show one below the other."""
    for name, title, rows in (("walk", "A forecast on its way", AROUND), ("model", "Inside the model", MODEL)):
        (Path(folder) / f"architecture-{name}.svg").write_text(picture(title, rows), encoding="utf-8")
    return 0


def picture(title: str, rows: list[tuple[str, str, bool]]) -> str:
    """One column of boxes, read downwards."""
    size = f'viewBox="0 0 {WIDTH} {_top(len(AROUND)) - ROW + BOX_HEIGHT + 4}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
        f'<title id="title">{escape(title)}</title>',
        f"<style>{STYLE}</style>",
        _text(LEFT, 24, title, "head"),
        *_column(rows),
    ]
    return "\n".join([*parts, "</svg>", ""])


def _top(row: int) -> int:
    return 40 + ROW * row


def _column(rows: list[tuple[str, str, bool]]) -> list[str]:
    parts = []
    for i, (name, detail, is_model) in enumerate(rows):
        box = f'x="{LEFT}" y="{_top(i)}" width="{WIDTH - 2 * LEFT}" height="{BOX_HEIGHT}" rx="6"'
        parts.append(f'<rect class="{"model" if is_model else "around"}" {box}/>')
        parts.append(_text(LEFT + 12, _top(i) + 18, name))
        parts.append(_text(LEFT + 12, _top(i) + 35, detail, "axes"))
        if i + 1 < len(rows):
            parts += _arrow(WIDTH / 2, _top(i) + BOX_HEIGHT, _top(i + 1))
    return parts


def _arrow(x: float, top: float, bottom: float) -> list[str]:
    tip = f'<path class="tip" d="M{x - 4} {bottom - 6}h8l-4 6z"/>'
    return [f'<path d="M{x} {top}V{bottom - 5}"/>', tip]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x}" y="{y}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</text>'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
