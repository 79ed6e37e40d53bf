"""How far TTM-R3 here is from granite-tsfm, for every case of ``tests/granite_r3_cases.py``: max|a - b| / max|b|.

Run it where granite-tsfm is installed (the environment of ``tox -e granite``)::

    python benchmarks/granite/r3_parity_grid.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the cases are those of the tests

import granite_r3_run  # noqa: E402
from granite_parity import r3_reference as reference  # noqa: E402
from granite_r3_cases import CASES, Case, draw_inputs, draw_weights  # noqa: E402

COLUMNS = ("point", "quantiles", "loss", "gradient")


def compare(case: Case, dtype: torch.dtype) -> dict[str, float]:
    """The worst error of each column."""
    weights, inputs = draw_weights(case.values, dtype=dtype), draw_inputs(case, dtype=dtype)
    found = granite_r3_run.differences(granite_r3_run.run(case, weights, inputs), reference.run(case, weights, inputs))
    gradients = [value for name, value in found.items() if name.startswith("grad")]
    return {name: found.get(name, 0.0) for name in COLUMNS} | {"gradient": max(gradients)}


def main() -> None:
    torch.set_num_threads(1)
    for dtype, limit in reference.TOLERANCES.items():
        print(f"\n{str(dtype).removeprefix('torch.')}, limit {limit:g}")
        print(f"{'case':<40}" + "".join(f" {column:>13}" for column in COLUMNS))
        rows = []
        for name, case in CASES.items():
            rows.append(compare(case, dtype))
            print(f"{name:<40}" + "".join(f" {rows[-1][column]:>13.1e}" for column in COLUMNS), flush=True)
        print(f"{f'worst of {len(rows)}':<40}" + "".join(f" {max(r[c] for r in rows):>13.1e}" for c in COLUMNS))


if __name__ == "__main__":
    main()
