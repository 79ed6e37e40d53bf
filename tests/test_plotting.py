"""A forecast as a picture."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pandas as pd
import pytest

from ttm_sk.errors import DataError, MissingExtraError

DAYS = pd.date_range("2024-01-01", periods=30, freq="D")
HISTORY = pd.Series(np.arange(20.0), DAYS[:20])
FORECAST = pd.Series(np.arange(20.0, 30.0), DAYS[20:])
QUANTILES = pd.DataFrame({level: FORECAST + 10 * (level - 0.5) for level in (0.1, 0.3, 0.5, 0.7, 0.9)})


@pytest.fixture
def plotting():
    pytest.importorskip("matplotlib")
    return importlib.import_module("ttm_sk.plotting")


def labels(axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_when_quantiles_are_given_then_bands_are_nested(plotting):
    axes = plotting.plot_forecast(HISTORY, FORECAST, QUANTILES)
    outer, inner = (band.get_datalim(axes.transData) for band in axes.collections)
    assert outer.y0 < inner.y0 < inner.y1 < outer.y1
    assert labels(axes) == ["history", "forecast", "80 % band", "40 % band"]


def test_when_what_came_is_given_then_it_is_drawn_and_named(plotting):
    axes = plotting.plot_forecast(HISTORY, FORECAST, actual=FORECAST + 1)
    assert len(axes.lines) == 3
    assert "what came" in labels(axes)


def test_when_there_is_nothing_to_tell_apart_then_there_is_no_legend(plotting):
    assert labels(plotting.plot_forecast(HISTORY, FORECAST)) == []


def test_when_the_history_ends_then_the_forecast_begins_there(plotting):
    line = plotting.plot_forecast(HISTORY, FORECAST).lines[-1]
    assert (len(line.get_xdata()), line.get_ydata()[0]) == (11, 19.0)


@pytest.mark.parametrize("index", [pd.RangeIndex(30), pd.period_range("2024-01", periods=30, freq="M")])
def test_when_the_index_is_of_another_type_then_it_is_drawn(plotting, index):
    axes = plotting.plot_forecast(HISTORY.set_axis(index[:20]), FORECAST.set_axis(index[20:]))
    assert len(plotting.to_image(axes.figure)) > 1000


def test_when_no_axes_are_given_then_the_picture_has_1200_by_500_pixels(plotting):
    image = plotting.to_image(plotting.plot_forecast(HISTORY, FORECAST, QUANTILES, title="x").figure)
    assert (int.from_bytes(image[16:20]), int.from_bytes(image[20:24])) == (1200, 500)


def test_when_axes_are_given_then_they_are_drawn_on(plotting):
    figure, axes = plotting.blank_figure(4)
    assert plotting.plot_forecast(HISTORY, FORECAST, ax=axes[2]) is axes[2]
    assert len(figure.axes) == 4


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_when_another_kind_is_asked_for_then_it_is_written(plotting, kind):
    assert plotting.to_image(plotting.blank_figure()[0], kind)


def test_when_a_picture_is_drawn_then_pyplot_is_not_loaded(plotting, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # to import it would raise
    image = plotting.to_image(plotting.plot_forecast(HISTORY, FORECAST, QUANTILES).figure)
    assert image.startswith(b"\x89PNG")


def test_when_there_are_several_series_then_one_is_asked_for(plotting):
    with pytest.raises(DataError, match="2 columns"):
        plotting.plot_forecast(pd.DataFrame({"a": HISTORY, "b": HISTORY}), FORECAST)
    with pytest.raises(DataError, match="panel"):
        plotting.plot_forecast(pd.concat({"a": HISTORY}), FORECAST)
    with pytest.raises(DataError, match="expected levels"):
        plotting.plot_forecast(HISTORY, FORECAST, QUANTILES.set_axis(list("abcde"), axis=1))


def test_when_matplotlib_is_missing_then_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "ttm_sk.plotting", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"ttm-sk\[plot\]"):
        importlib.import_module("ttm_sk.plotting")


def test_when_a_name_holds_dollar_signs_then_it_is_no_formula(plotting):
    past = pd.Series(np.arange(30.0), index=pd.date_range("2024-01-01", periods=30))
    figure, [ax] = plotting.blank_figure()
    plotting.plot_forecast(past, past.set_axis(past.index + pd.Timedelta("30D")), ax=ax, title="rate ($%/$) & rev_$x")
    assert plotting.to_image(figure)[1:4] == b"PNG"
