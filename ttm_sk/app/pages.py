"""The page's HTML, from templates that escape every name they are given."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from ttm_sk import __version__
from ttm_sk.app.analysis import OURS, Analysis
from ttm_sk.app.chart import chart_of
from ttm_sk.app.choices import EFFORT_LABELS, MOST_STEPS, MOST_WINDOWS, STRATEGY_LABELS
from ttm_sk.app.problem import FIELDS, Problem
from ttm_sk.app.shelf import StoredTable
from ttm_sk.data.tables import numeric_columns, time_column
from ttm_sk.errors import DataError, MissingExtraError
from ttm_sk.estimators.forecast_table import readable
from ttm_sk.evaluation.backtest import NAIVE

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
except ImportError as error:
    raise MissingExtraError("app", package="jinja2") from error

__all__ = ["analysis_page", "columns_page", "problem_page", "upload_page"]

PREVIEW_ROWS = 5
MOST_ROWS = 500  # of a table on the page; the download has them all
USUAL_STEPS = 24
TEMPLATES = Environment(
    loader=PackageLoader("ttm_sk.app"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals |= {"version": __version__, "fields": FIELDS}


def upload_page(*, limit: int, problem: Problem | None = None) -> str:
    """Where a file is dropped; ``limit`` is in bytes."""
    return _render("upload.html", limit=limit, problem=problem)


def columns_page(
    key: str, table: StoredTable, *, filled: dict[str, list[str]] | None = None, problem: Problem | None = None
) -> str:
    """A table's first rows and the form about its columns: as it was filled in, else with what is usual."""
    numbers = numeric_columns(table.frame)
    filled = filled if filled is not None else {"target": _only_target(table), "horizon": [str(USUAL_STEPS)]}
    return _render(
        "columns.html",
        key=key,
        table=table,
        n_rows=len(table.frame),
        preview=_cells(table.frame.head(PREVIEW_ROWS).astype(object).where(table.frame.notna(), "")),
        columns=list(table.frame.columns),
        numbers=numbers,
        filled=filled,
        efforts=EFFORT_LABELS,
        strategies=STRATEGY_LABELS,
        most_steps=MOST_STEPS,
        most_windows=MOST_WINDOWS,
        problem=problem,
    )


def _only_target(table: StoredTable) -> list[str]:
    """The column of numbers that is no time, where there is one alone; among several, people choose."""
    try:
        time = time_column(table.frame)
    except DataError:
        time = None
    found = numeric_columns(table.frame, taken=[time])
    return found if len(found) == 1 else []


def analysis_page(key: str, table: StoredTable, number: int, *, position: int) -> str:
    """Chart, backtest and table of one series of a forecast."""
    analysis = table.analyses[number]
    rows = readable(analysis.part_table(position))
    return _render(
        "analysis.html",
        key=key,
        table=table,
        number=number,
        analysis=analysis,
        position=position,
        parts=[name if part is None else f"{part}: {name}" for part, name in analysis.parts()],
        chart=chart_of(analysis, position),
        scores=_scores(analysis),
        verdict=_verdict(analysis),
        no_backtest=Problem.of(analysis.no_backtest),
        rows=_cells(rows.head(MOST_ROWS)),
        n_hidden=max(0, len(rows) - MOST_ROWS),
    )


def problem_page(status: int, problem: Problem) -> str:
    """What went wrong, where there is no form to show it beside."""
    return _render("problem.html", status=status, problem=problem)


def _render(name: str, **values: Any) -> str:
    return TEMPLATES.get_template(name).render(values)


def _cells(frame: pd.DataFrame) -> dict[str, Any]:
    """Names and rows as text."""
    return {
        "names": [str(name) for name in frame.columns],
        "rows": [[str(value) for value in row] for row in frame.itertuples(index=False, name=None)],
    }


def _scores(analysis: Analysis) -> list[dict[str, str]]:
    """A row for each method, the numbers as text."""
    if analysis.backtest is None:
        return []
    summary = analysis.backtest.summary().astype({"method": str})
    mae = readable(summary[["mae"]])["mae"]
    return [
        {"method": row["method"], "mae": mae[i], "seconds": f"{row['seconds']:.1f}"}
        | {name: _shown(row[name], "{:.3f}") for name in ("mase", "wql")}
        | {"coverage": _shown(100 * row["coverage"], "{:.0f} %")}
        for i, row in summary.iterrows()
    ]


def _shown(value: float, form: str) -> str:
    return form.format(value) if math.isfinite(value) else "none"


def _verdict(analysis: Analysis) -> str:
    """The backtest in one sentence."""
    if analysis.backtest is None:
        return ""
    means = analysis.backtest.summary().set_index("method")["mase"]
    ratio = means[OURS] / means[NAIVE]
    if math.isnan(ratio):
        return "There is no MASE here: the past repeats itself exactly, or too little of it was observed."
    if abs(ratio - 1) < 0.005:
        return "On these windows the error was that of seasonal naive."
    change = f"{abs(1 - ratio):.0%}".replace("%", "\N{NO-BREAK SPACE}%")
    return f"On these windows the error (MASE) was {change} {'below' if ratio < 1 else 'above'} seasonal naive's."
