"""What the package sets out to reach in speed, beside what one run of ``compare.py`` reached.

Ratios are to granite-tsfm with the same weights at batch 1 / 64 / 1024, one thread, the better of ONNX Runtime and
OpenVINO where an export is meant; a goal whose peer is not installed is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from peers import OURS

Rows = list[dict[str, object]]
FORWARD = "forward, Granite's weights"
F32, LOW = ("ONNX Runtime, f32", "OpenVINO, f32"), ("ONNX Runtime, int8", "OpenVINO, bf16")
BATCHES = (1, 64, 1024)


def goals(results: Mapping[str, Rows]) -> Rows:
    """A row for each goal: what at least, what at best, what was reached, and whether that is enough."""
    return [*_forwards(results.get(FORWARD, [])), *_panel(results), *_start(results)]


def _forwards(rows: Rows) -> Iterator[dict[str, object]]:
    times = {(row["engine"], row["batch"]): row for row in rows}
    if not times:
        return
    for name, engines, least, aim in (
        ("forward, eager", (OURS,), (1.4, 1.2, 1.3), (2, 1.5, 1.6)),
        ("forward, f32 export", F32, (4, 2.5, 3), None),
        ("forward, low precision", LOW, (6, 3.5, 4.5), (8, 4.5, 6)),
    ):
        found = [
            max(float(times[engine, batch]["times"]) for engine in engines if (engine, batch) in times)
            for batch in BATCHES
        ]
        yield {
            "work": f"{name}, batch 1 / 64 / 1024",
            "at least": " / ".join(f"{value:g}" for value in least),
            "aim": " / ".join(f"{value:g}" for value in aim or ()),
            "reached": " / ".join(f"{value:.2f}" for value in found),
            "holds": " / ".join("yes" if value >= want else "no" for value, want in zip(found, least, strict=True)),
        }
    yield _row("share of the sgemm rate, batch 1024", 0.4, float(times[OURS, 1024]["share of sgemm"]), is_aim=True)


def _panel(results: Mapping[str, Rows]) -> Iterator[dict[str, object]]:
    rows = {row["forecaster"]: row for row in results.get("panel", [])}
    for peer, ours, least, aim in (
        ("sktime's wrapper", "ttm_sk with Granite's weights", 20, 40),
        ("AutoETS", "ttm_sk, plain", 50, None),
    ):
        if peer in rows and ours in rows:
            ratio = float(rows[peer]["seconds"]) / float(rows[ours]["seconds"])
            errors = f"MASE {float(rows[ours]['MASE']):.3f}, theirs {float(rows[peer]['MASE']):.3f}"
            yield _row(f"panel, fit and predict: {ours} against {peer} ({errors})", least, ratio, aim=aim)


def _start(results: Mapping[str, Rows]) -> Iterator[dict[str, object]]:
    start = {row["import"]: float(row["ms"]) for row in results.get("start", [])}
    if start:
        yield _row("import ttm_sk, ms", 50, start["import ttm_sk"], is_most=True)
        ratio = start["TTMForecaster"] / start["torch and sktime's base"]
        yield _row("importing TTMForecaster, times torch and sktime", 1.15, ratio, is_most=True)
    for row in results.get("warm", []):
        yield _row(str(row["what"]) + ", ms", 10, float(row["ms"]), aim=4, is_most=True)


def _row(
    work: str, least: float, found: float, *, aim: float | None = None, is_aim: bool = False, is_most: bool = False
) -> dict[str, object]:
    sign = "<= " if is_most else ""
    return {
        "work": work,
        "at least": "" if is_aim else f"{sign}{least:g}",
        "aim": f"{sign}{least:g}" if is_aim else "" if aim is None else f"{sign}{aim:g}",
        "reached": in_words(found),
        "holds": "yes" if (found <= least if is_most else found >= least) else "no",
    }


def in_words(value: float) -> str:
    """Three figures, never as a power of ten.

    >>> in_words(0.04567), in_words(12.34), in_words(3421.7)
    ('0.0457', '12.3', '3,420')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1_000 else f"{rounded:.3g}"
