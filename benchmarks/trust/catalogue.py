"""Do everything that the catalogue of bad input holds, and keep the error of each.

python benchmarks/trust/catalogue.py
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import record
from bad_input import CAUSES
from bad_input.cause import Cause, Verdict, judge

from ttm_sk import errors


def main() -> int:
    began = time.monotonic()
    rows = [_row(cause) for cause in CAUSES.values()]
    bare = [row for row in rows if row["fault"]]
    kinds = Counter(row["part"] for row in rows)
    record.write("bad_input", {"seconds": round(time.monotonic() - began, 1), "parts": kinds, "causes": rows})
    for row in bare:
        print(f"{row['cause']}: {row['fault']}: {row['message']}")
    return 1 if bare else 0


def _row(cause: Cause) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        verdict = judge(cause, Path(folder))
    text = re.sub(re.escape(folder) + r"/?", "", verdict.message)
    part = cause.act.__module__.rpartition(".")[2]
    return {"part": part, "cause": cause.name, "error": _named(verdict, cause), "message": text, "fault": verdict.fault}


def _named(verdict: Verdict, cause: Cause) -> str:
    if verdict.error == "CommandError":
        return "`ttm-sk`, code 2"
    if verdict.error == "PageError":
        return "`ttm-sk app`, with its status"
    is_ours = verdict.error in errors.__all__
    return verdict.error if is_ours or not cause.contract else f"{verdict.error} ({cause.contract})"


if __name__ == "__main__":
    sys.exit(main())
