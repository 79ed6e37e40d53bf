"""Keep what granite-tsfm gives for every architecture of ``tests/granite_r3_cases.py``, for the default tests.

Run it where granite-tsfm is installed (the environment of ``tox -e granite``)::

    python benchmarks/granite/make_r3_golden.py

Weights and inputs are not kept: both are drawn from their names.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

TESTS = Path(__file__).parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from granite_parity import r3_reference as reference  # noqa: E402
from granite_r3_cases import ARCHITECTURES, draw_inputs, draw_weights  # noqa: E402


def main() -> None:
    torch.set_num_threads(1)
    kept: dict[str, np.ndarray] = {}
    for name, case in ARCHITECTURES.items():
        weights = draw_weights(case.values, dtype=torch.float64)
        result = reference.run(case, weights, draw_inputs(case, dtype=torch.float64))
        kept[f"{name}|point"] = result["point"].numpy()
        if "quantiles" in result:
            kept[f"{name}|quantiles"] = result["quantiles"][-1].float().numpy()
        kept[f"{name}|loss"] = result["loss"].numpy()
        sizes = [float(value.norm()) for key, value in sorted(result.items()) if key.startswith("grad")]
        kept[f"{name}|sizes"] = np.array(sizes)
    path = TESTS / "golden" / "granite_r3.npz"
    np.savez_compressed(path, **kept)
    print(f"wrote {path.name}: {len(ARCHITECTURES)} cases, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
