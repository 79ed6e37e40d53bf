"""A forecast as a picture: what came before, the median, and a fan of nested bands."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ttm_sk.errors import DataError, MissingExtraError

try:
    from matplotlib import dates, ticker
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
except ImportError as error:
    raise MissingExtraError("plot", package="matplotlib") from error

__all__ = ["blank_figure", "plot_forecast", "plot_leaderboard", "plot_speculation", "to_image"]

INK = "#33383f"
QUIET = "#8b929b"
GRID = "#e9ebee"
BLUE = "#2463a8"
ORANGE = "#d9731a"
MANY_POINTS = 400  # from here on lines are drawn thinner


def plot_forecast(
    history: pd.Series | pd.DataFrame,
    forecast: pd.Series | pd.DataFrame,
    quantiles: pd.DataFrame | None = None,
    *,
    actual: pd.Series | pd.DataFrame | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """The axes with history, forecast and bands drawn, without any state of ``pyplot``.

    Parameters
    ----------
    history, forecast
        One series each, over dates, periods or numbers; NaN is a gap in the line.
    quantiles
        The index of ``forecast``; a column for each level in (0, 1). The lowest and the highest are the outermost
        band, and so on inwards; a level without partner is no band.
    actual
        What really came.
    ax
        Where to draw; None makes a figure of 1200 x 500 pixels (``axes.figure``).
    title
        Above the picture, on the left.

    Returns
    -------
    Axes
        Save it with :func:`to_image` or ``axes.figure.savefig``.

    Raises
    ------
    DataError
        If a frame has more than one column, or columns of ``quantiles`` are no levels.
    MissingExtraError
        On import, if matplotlib (extra ``plot``) is not installed.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=6)
    >>> axes = plot_forecast(pd.Series(range(4), days[:4]), pd.Series([4, 5], days[4:]), title="sales")
    >>> axes.get_title(loc="left")
    'sales'
    """
    axes = blank_figure()[1][0] if ax is None else ax
    past, median = _line(history), _line(forecast)
    last = past.dropna().tail(1)
    width = 1.1 if len(past) + len(median) > MANY_POINTS else 1.6
    bands = [] if quantiles is None else _bands(quantiles)
    for position, (low, high, label) in enumerate(bands):
        low, high = _joined(last, low), _joined(last, high)
        shade = 0.13 + 0.2 * position / max(1, len(bands))
        axes.fill_between(low.index, low, high, color=BLUE, alpha=shade, linewidth=0, label=label, zorder=2)
    axes.plot(past.index, past, color=INK, linewidth=width, label="history", zorder=3)
    if actual is not None:
        came = _joined(last, _line(actual))
        axes.plot(came.index, came, color=ORANGE, linewidth=width, label="what came", zorder=4)
    joined = _joined(last, median)
    axes.plot(joined.index, joined, color=BLUE, linewidth=width + 0.5, label="forecast", zorder=5)
    _tidy(axes, title=title, with_dates=isinstance(joined.index, pd.DatetimeIndex))
    if bands or actual is not None:
        _legend(axes)
    return axes


def blank_figure(n_axes: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure 1200 pixels wide with so many axes, two side by side from the second on.

    Examples
    --------
    >>> figure, axes = blank_figure(3)
    >>> len(axes), figure.get_size_inches().tolist()
    (3, [12.0, 7.0])
    """
    n_columns = 1 if n_axes == 1 else 2
    n_rows = -(-n_axes // n_columns)
    spaced = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(12, 5 if n_rows == 1 else 3.5 * n_rows), dpi=100, layout=spaced)
    return figure, [figure.add_subplot(n_rows, n_columns, position + 1) for position in range(n_axes)]


def plot_leaderboard(table: pd.DataFrame) -> Figure:
    """Models as rows, the best on top: geometric means of MASE and CRPS relative to seasonal naive, with intervals.

    Parameters
    ----------
    table
        From :func:`ttm_sk.evaluation.leaderboard.compare_models`; its rows of ``is_own`` are drawn in colour.

    Returns
    -------
    Figure
        Save it with :func:`to_image`.

    Examples
    --------
    >>> columns = {f"{score}{end}": [0.7] for score in ("MASE", "CRPS") for end in ("", "_low", "_high")}
    >>> figure = plot_leaderboard(pd.DataFrame(columns | {"is_own": [True]}, index=["mine"]))
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['mine']
    """
    spaced = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(12, 1.6 + 0.36 * len(table)), dpi=100, layout=spaced)
    rows = range(len(table), 0, -1)
    for position, score in enumerate(("CRPS", "MASE")):
        axes = figure.add_subplot(1, 2, position + 1)
        for row, (_, values) in zip(rows, table.iterrows(), strict=True):
            color = ORANGE if values["is_own"] else BLUE
            axes.plot(
                [values[f"{score}_low"], values[f"{score}_high"]], [row, row], color=color, alpha=0.4, linewidth=3
            )
            axes.plot(values[score], row, "o", color=color, markersize=7)
            axes.annotate(f"{values[score]:.3f}", (values[score], row), (0, 7), textcoords="offset points", ha="center")
        axes.axvline(1.0, color=QUIET, linewidth=1, linestyle="--")
        _tidy(axes, title=f"{score} relative to seasonal naive (lower is better)", with_dates=False)
        axes.set_yticks(list(rows), list(table.index) if position == 0 else [""] * len(table))
        axes.set_ylim(0.4, len(table) + 0.8)
    return figure


def plot_speculation(table: pd.DataFrame) -> Figure:
    """What speculative decoding buys and costs: the speed-up over acceptance, and the error's change over the speed-up.

    Parameters
    ----------
    table
        From :func:`ttm_sk.evaluation.speculation.sweep`; a line for each ``k``.

    Returns
    -------
    Figure
        Save it with :func:`to_image`.

    Examples
    --------
    >>> row = {"k": 3, "acceptance": 0.8, "speedup": 1.9, "law": 2.1, "mse_change": 0.002}
    >>> len(plot_speculation(pd.DataFrame([row])).axes)
    2
    """
    figure, (left, right) = blank_figure(2)
    for place, (k, rows) in enumerate(table.groupby("k")):
        shade = 0.35 + 0.65 * (place + 1) / table["k"].nunique()
        by_acceptance = rows.sort_values("acceptance")
        left.plot(
            by_acceptance["acceptance"], by_acceptance["law"], color=BLUE, alpha=shade, linewidth=1.2, linestyle="--"
        )
        left.plot(
            by_acceptance["acceptance"], by_acceptance["speedup"], "o-", color=BLUE, alpha=shade, label=f"k = {k}"
        )
        right.plot(rows["speedup"], 100 * rows["mse_change"], "o", color=ORANGE, alpha=shade, label=f"k = {k}")
    left.axhline(1.0, color=QUIET, linewidth=1)
    right.axhline(0.0, color=QUIET, linewidth=1)
    _tidy(left, title="times faster than without a draft, over the share kept", with_dates=False)
    _tidy(right, title="% of squared error added, over times faster", with_dates=False)
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    left.set_xlabel("share of tested patches that were kept; dashed: the capped geometric law", color=INK)
    right.set_xlabel("times faster", color=INK)
    return figure


def to_image(figure: Figure, kind: str = "png") -> bytes:
    """The figure as a file's content: ``"png"``, ``"svg"`` or ``"pdf"``.

    Examples
    --------
    >>> to_image(blank_figure()[0])[1:4]
    b'PNG'
    """
    content = io.BytesIO()
    figure.savefig(content, format=kind, facecolor="white")
    return content.getvalue()


def _line(values: pd.Series | pd.DataFrame) -> pd.Series:
    if isinstance(values, pd.DataFrame):
        if len(values.columns) != 1:
            raise DataError(f"found {len(values.columns)} columns to draw, expected one series; choose a column")
        values = values.iloc[:, 0]
    return values.set_axis(_axis(values.index)).astype(float)


def _axis(index: pd.Index) -> pd.Index:
    if isinstance(index, pd.MultiIndex):
        raise DataError("found a panel to draw, expected one series; choose one with frame.loc[key]")
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index


def _bands(quantiles: pd.DataFrame) -> list[tuple[pd.Series, pd.Series, str]]:
    """Lower and upper edge and name of each band, the outermost first."""
    try:
        levels = sorted(float(level) for level in quantiles.columns)
        curves = quantiles.set_axis([float(level) for level in quantiles.columns], axis=1)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"found quantile columns {list(quantiles.columns)}; expected levels such as 0.1, 0.9"
        ) from error
    pairs = [(low, high) for low, high in zip(levels, reversed(levels), strict=True) if low < 0.5 < high]
    return [(_line(curves[low]), _line(curves[high]), _share(low, high)) for low, high in pairs]


def _share(low: float, high: float) -> str:
    return f"{100 * (high - low):.3g} % band" if np.isclose(low + high, 1) else f"{low:g} to {high:g}"


def _joined(last: pd.Series, curve: pd.Series) -> pd.Series:
    """The curve, beginning where the history ends, so that no gap is seen between them."""
    return curve if last.empty else pd.concat([last, curve])


def _tidy(axes: Axes, *, title: str | None, with_dates: bool) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6, labelcolor=INK, labelsize=10)
    axes.margins(x=0.01, y=0.06)
    _label_numbers(axes)
    if with_dates:
        locator = dates.AutoDateLocator(minticks=4, maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    if title:
        axes.set_title(title, loc="left", fontsize=13, color=INK, pad=11, parse_math=False)  # names hold $ signs


def _label_numbers(axes: Axes) -> None:
    largest = max(map(abs, axes.get_ylim()))
    if 10_000 <= largest < 1e10:
        axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    order: Sequence[int] = sorted(range(len(labels)), key=lambda i: "band" in labels[i] or " to " in labels[i])
    axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(labels),
        frameon=False,
        fontsize=10,
        labelcolor=INK,
        handlelength=1.4,
        columnspacing=1.4,
        borderaxespad=0.3,
    )
