"""Keep what tirex-ts gives for the cases of ``tests/tirex_cases.py``, for the default tests, and say how far ours is.

Run it where tirex-ts is installed (the environment of ``tox -e tirex``)::

    python benchmarks/patch_slstm/make_golden.py

Weights and series are not kept: both are drawn from their names.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

TESTS = Path(__file__).parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from tirex_cases import CASES, HYPER_PARAMETERS, draw_weights  # noqa: E402
from tirex_parity import reference  # noqa: E402


def main() -> None:
    torch.set_num_threads(1)
    model, kept, apart = reference.build(HYPER_PARAMETERS, draw_weights()), {}, []
    for case in CASES:
        series = case.series()
        shipped = reference.quantiles(model, series, case.horizon)
        with reference.single_precision():
            exact = reference.quantiles(model, series, case.horizon)
        distance = exact - torch.nan_to_num(series.nanmean(-1))[:, None, None]
        apart.append(float((shipped - exact).abs().amax() / distance.abs().amax()))
        kept[f"{case}"] = exact[:, :: case.horizon // 16].numpy()
    path = TESTS / "golden" / "tirex.npz"
    np.savez_compressed(path, **kept)
    print(f"wrote {path.name}: {len(CASES)} cases, {path.stat().st_size:,} bytes")
    print(f"the package as shipped against itself in float32: {max(apart):.2e} at most, {np.median(apart):.2e} median")


if __name__ == "__main__":
    main()
