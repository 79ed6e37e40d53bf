"""Draw three series of every synthetic family: ``python benchmarks/pretraining/draw_families.py FILE.png``."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from ttm_sk.data.synthetic import FAMILIES
from ttm_sk.plotting import blank_figure, to_image

LENGTH, EACH = 600, 3


def main(path: Path) -> None:
    figure, axes = blank_figure(len(FAMILIES))
    figure.set_size_inches(12, 0.9 * len(FAMILIES))
    for axis, (name, family) in zip(axes, FAMILIES.items(), strict=True):
        series = family(EACH, LENGTH, torch.Generator().manual_seed(4))
        for i, row in enumerate(series):
            spread = (row - row.mean()) / row.std().clamp(min=1e-6)
            axis.plot(spread.clamp(-4, 4).numpy() - 7 * i, linewidth=0.8)
        axis.set_title(name, loc="left", fontsize=9)
        axis.set_axis_off()
    path.write_bytes(to_image(figure, "png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
