"""Draw the model and the walk around it: ``python benchmarks/architecture_picture.py docs/images/architecture.svg``."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

WIDTH, ROW, BOX_HEIGHT = 860, 62, 44
LEFT, LEFT_WIDTH, RIGHT, RIGHT_WIDTH = 24, 330, 430, 406
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
    ("readings of the past", "as it is, coarser, by phase, shorter", False),
    ("the series and its negative", "two passes, averaged", False),
    ("the model", "on the right", True),
    ("feedback beyond one pass", "five possible futures, or the median", False),
    ("quantiles at the levels asked for", "sorted, interpolated, in the units of the series", False),
    ("the rows that were asked for", "horizon quantile", False),
]
MODEL = [
    ("scale", "centre and spread of what was observed; asinh", True),
    ("views", "every step, means over blocks, means over long blocks", True),
    ("patches, with observed flags", "batch channel patch feature", True),
    ("backbone: split, mix, merge", "three levels, the finest first; no attention", True),
    ("decoder", "narrower mixers; what fine-tuning trains first", True),
    ("seasonal templates, last value", "read off the past, not learnt", True),
    ("head: median, and steps outwards", "batch channel horizon quantile; never crossing", True),
    ("unscale", "the units of the series", True),
]


def main(output: str) -> int:
    """Write the picture."""
    height = 60 + ROW * max(len(AROUND), len(MODEL))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">',
        '<title id="title">A forecast on its way: around the model on the left, through the model on the right</title>',
        f"<style>{STYLE}</style>",
        _text(LEFT, 24, "A forecast on its way", "head"),
        _text(RIGHT, 24, "Inside the model", "head"),
        *_column(AROUND, LEFT, LEFT_WIDTH),
        *_column(MODEL, RIGHT, RIGHT_WIDTH),
    ]
    row = next(i for i, (_, _, is_model) in enumerate(AROUND) if is_model)
    parts += _brace(_top(row) + BOX_HEIGHT / 2, _top(0), _top(len(MODEL) - 1) + BOX_HEIGHT)
    Path(output).write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")
    return 0


def _top(row: int) -> float:
    return 40 + ROW * row


def _column(rows: list[tuple[str, str, bool]], left: float, width: float) -> list[str]:
    parts = []
    for i, (name, detail, is_model) in enumerate(rows):
        box = f'x="{left}" y="{_top(i)}" width="{width}" height="{BOX_HEIGHT}" rx="6"'
        parts.append(f"<rect {box}{' class=' + chr(34) + 'model' + chr(34) if is_model else ''}/>")
        parts.append(_text(left + 12, _top(i) + 18, name))
        parts.append(_text(left + 12, _top(i) + 35, detail, "axes"))
        if i + 1 < len(rows):
            parts += _arrow(left + width / 2, _top(i) + BOX_HEIGHT, _top(i + 1))
    return parts


def _arrow(x: float, top: float, bottom: float) -> list[str]:
    tip = f'<path class="tip" d="M{x - 4} {bottom - 6}h8l-4 6z"/>'
    return [f'<path d="M{x} {top}V{bottom - 5}"/>', tip]


def _brace(y: float, top: float, bottom: float) -> list[str]:
    """From the box called the model to all that is inside it."""
    x, inner = LEFT + LEFT_WIDTH, RIGHT - 14
    return [f'<path d="M{x} {y}H{inner - 24}M{inner} {top}h-12V{bottom}h12M{inner - 12} {y}h-14"/>']


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x}" y="{y}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</text>'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
