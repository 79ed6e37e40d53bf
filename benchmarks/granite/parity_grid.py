"""How far this package is from granite-tsfm, for every case of ``tests/granite_cases.py``: max|a - b| / max|b|.

Run it where granite-tsfm is installed (the environment of ``tox -e granite``)::

    python benchmarks/granite/parity_grid.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the cases are those of the tests

import granite_run  # noqa: E402
from granite_cases import CASES, draw_inputs, draw_weights  # noqa: E402
from granite_parity import reference  # noqa: E402

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def main() -> None:
    torch.set_num_threads(1)
    heads = [f"{name} {part}" for name in DTYPES for part in ("forecast", "loss", "gradient")]
    print(f"{'case':<40} {'gradients':>9}" + "".join(f" {head:>17}" for head in heads))
    worst = dict.fromkeys(DTYPES, 0.0)
    for name, case in CASES.items():
        row = ""
        for dtype_name, dtype in DTYPES.items():
            weights, inputs = draw_weights(case.values, dtype=dtype), draw_inputs(case, dtype=dtype)
            found = granite_run.differences(
                granite_run.run(case, weights, inputs), reference.run(case, weights, inputs)
            )
            gradients = [value for key, value in found.items() if key.startswith(("grad", "buffer"))]
            row += "".join(f" {value:>17.1e}" for value in (found["forecast"], found["loss"], max(gradients)))
            worst[dtype_name] = max(worst[dtype_name], *found.values())
        print(f"{name:<40} {len(gradients):>9}{row}")
    print(f"{len(CASES)} cases; worst: " + ", ".join(f"{value:.1e} in {name}" for name, value in worst.items()))


if __name__ == "__main__":
    main()
