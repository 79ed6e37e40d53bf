"""How far TTM-R3 here is from granite-tsfm, for every case of ``tests/granite_r3_cases.py``: max|a - b| / max|b|.

Run it where granite-tsfm is installed (the environment of ``tox -e granite``)::

    python benchmarks/granite/r3_parity_grid.py

Where a float32 gradient is off by more than 1e-5, the last column says how far granite-tsfm's own float32 gradient of
that tensor is from its float64 one: a sum of many terms that cancel has no more digits on either side.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the cases are those of the tests

import granite_r3_run  # noqa: E402
from granite_parity import r3_reference as reference  # noqa: E402
from granite_r3_cases import CASES, Case, draw_inputs, draw_weights  # noqa: E402

COLUMNS = ("point", "quantiles", "loss", "gradient", "granite's own")


def compare(case: Case, dtype: torch.dtype) -> dict[str, float]:
    """The worst error of each column."""
    weights, inputs = draw_weights(case.values, dtype=dtype), draw_inputs(case, dtype=dtype)
    expected = reference.run(case, weights, inputs)
    found = granite_r3_run.differences(granite_r3_run.run(case, weights, inputs), expected)
    worst = max((name for name in found if name.startswith("grad")), key=found.__getitem__)
    row = {name: found.get(name, 0.0) for name in COLUMNS} | {"gradient": found[worst]}
    if found[worst] > reference.TOLERANCES[dtype]:
        wide = {name: value.double() for name, value in expected.items()}
        exact = reference.rounding(case, weights, inputs)
        row["granite's own"] = granite_r3_run.differences(wide, exact)[worst]
    return row


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
