"""What every forecaster here owes to sktime: panels in, rows out, and a failure that changes nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import pandas as pd
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon

from ttm_sk.errors import ConfigError, DataError, HorizonError
from ttm_sk.estimators.frames import (
    Panel,
    from_forecast,
    refuse_disorder,
    shown_frequency,
    steps_ahead,
    text_columns,
    to_panel,
)
from ttm_sk.estimators.rollback import unchanged_by_failure

__all__ = ["PanelForecaster"]


class PanelForecaster(BaseForecaster):
    """A forecaster of series, panels and hierarchies, by a function from histories to quantiles.

    A subclass opens its model in ``_fit`` and calls ``_remember(y)``; it forecasts in :meth:`_forecast`. What it
    cannot forecast from it refuses in :meth:`_refuse`.
    """

    _tags = {
        "authors": ["ttm_sk developers"],
        "maintainers": ["ttm_sk developers"],
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "capability:multivariate": True,
        "capability:exogenous": False,
        "capability:missing_values": True,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
        "requires-fh-in-fit": False,
        "X-y-must-have-same-index": False,
        "enforce_index_type": None,
    }
    # What was fitted is needed to predict, so it is remembered whatever sktime's default; sktime 1.2 warns of a coming
    # change of that default on every construction unless warnings are off.
    _config = {"remember_data": True, "warnings": "off"}
    _y: Any  # what sktime remembers

    def fit(self, y: Any, X: Any = None, fh: Any = None) -> Self:
        """Remember ``y`` and open the weights; see :meth:`sktime.forecasting.base.BaseForecaster.fit`.

        A fit that fails leaves the forecaster as it was, and so do ``update`` and ``pretrain``.
        """
        with self._unchanged_by_failure(y):
            refuse_disorder(y)
            _refuse_duplicates(X)
            return super().fit(y, X=X, fh=fh)

    def update(self, y: Any, X: Any = None, update_params: bool = True) -> Self:
        """Add what came since; the same columns and kind of time stamps as in ``fit``, series in any order.

        Raises
        ------
        DataError
            For other columns, another kind of data (a panel for a single series), or other time stamps.
        """
        with self._unchanged_by_failure(y):
            refuse_disorder(y)
            _refuse_duplicates(X)
            return super().update(self._as_fitted(y), X=X, update_params=update_params)

    def pretrain(self, y: Any, X: Any = None, fh: Any = None) -> Self:
        with self._unchanged_by_failure(y):
            refuse_disorder(y)
            return super().pretrain(y, X=X, fh=fh)

    @contextmanager
    def _unchanged_by_failure(self, y: Any) -> Iterator[None]:
        try:
            with unchanged_by_failure(self):
                yield
        except TypeError as error:
            if names := text_columns(y):
                found = ", ".join(map(repr, names))
                error.add_note(f"text in column {found}: convert it to numbers, for example with pd.to_numeric")
            raise

    def _check_fh(self, fh: Any, pred_int: bool = False) -> ForecastingHorizon:
        # sktime compares dates with the cutoff as periods, which have no time zone; pandas warns of that.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Converting to PeriodArray/Index representation will drop timezone")
            before = getattr(self, "_fh", None)
            try:
                found = super()._check_fh(fh, pred_int)
                if self.is_fitted and found is not None:
                    steps_ahead(found, self._panel)
                return found
            except (HorizonError, NotImplementedError):  # sktime keeps a horizon before it looks at it
                self._fh = before
                raise
            except AssertionError as error:  # all that sktime says of dates where periods are needed, or the reverse
                self._fh = before
                raise HorizonError(
                    "the horizon has other time stamps than the series, which ends with a"
                    f" {type(self.cutoff).__name__}; give both the same kind, or ask for numbers of steps"
                ) from error

    def _set_cutoff_from_y(self, y: pd.DataFrame) -> None:
        # The dates of a panel do not carry their frequency; without it sktime refuses dates as a horizon.
        before = self.cutoff
        super()._set_cutoff_from_y(y)
        cutoff = self.cutoff
        if isinstance(cutoff, pd.DatetimeIndex) and cutoff.freq is None:
            frequency = shown_frequency(y) or getattr(before, "freq", None)
            if frequency is not None and frequency.is_on_offset(cutoff[0]):
                self._set_cutoff(pd.DatetimeIndex(cutoff, freq=frequency))

    def _update(self, y: pd.DataFrame, X: Any = None, update_params: bool = True) -> Self:
        if self._y is None:
            raise ConfigError("update needs what fit has seen; fit with set_config(remember_data=True), the default")
        fitted = self._panel.columns.tolist()
        if others := [name for name in self._y.columns.tolist() if name not in fitted]:  # sktime adds them to the past
            raise DataError(
                f"update found the column {others[0]!r}, expected {', '.join(map(repr, fitted))}; name it as in fit"
            )
        ordered = self._panel.in_order(self._y)  # sktime sorts, and what was fitted goes by place
        self._y = ordered
        self._remember(ordered)
        return self

    def _as_fitted(self, y: Any) -> Any:
        """The ``y`` of an update with its columns in the order of ``fit``; raises for what cannot go on from there."""
        if self.is_fitted and isinstance(y, np.ndarray):  # sktime would count its rows from 0, over the first ones
            raise DataError(
                "found an array, which has no time stamps; give a Series whose index goes on where fit ended"
            )
        if not self.is_fitted or not isinstance(y, (pd.Series, pd.DataFrame)) or _holds_objects(y):
            return y
        self._panel.refuse_other_kind(y.index)
        fitted = self._panel.columns.tolist()
        if isinstance(y, pd.Series) or set(y.columns) - set(fitted):
            return y
        if missing := [name for name in fitted if name not in y.columns]:
            raise DataError(f"update lacks the column {missing[0]!r}, which fit had; add it, its values may be NaN")
        return y[fitted]

    def _remember(self, y: pd.DataFrame) -> None:
        panel = to_panel(y)
        self._refuse(panel)
        self._panel = panel

    def _predict(self, fh: ForecastingHorizon, X: Any) -> pd.DataFrame:
        forecast = self._forecast(fh, levels=(0.5,), **self._known_ahead(fh, X))
        return from_forecast([part[..., 0].T for part in forecast], self._panel, fh, self._panel.columns)

    def _predict_quantiles(self, fh: ForecastingHorizon, X: Any, alpha: list[float]) -> pd.DataFrame:
        forecast = self._forecast(fh, levels=alpha, **self._known_ahead(fh, X))
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        rows = [part.transpose(1, 0, 2).reshape(part.shape[1], -1) for part in forecast]
        return from_forecast(rows, self._panel, fh, columns)

    def _known_ahead(self, fh: ForecastingHorizon, X: Any) -> dict[str, Any]:
        """What else :meth:`_forecast` is to be given, for those that can use ``X``."""
        return {}

    def _refuse(self, panel: Panel) -> None:
        """Raise for a panel that cannot be forecast."""
        raise NotImplementedError

    def _forecast(self, fh: ForecastingHorizon, *, levels: tuple[float, ...] | list[float]) -> list[np.ndarray]:
        """For each instance of the panel an array ``(channel, step, level)``, the steps of ``fh`` in its order."""
        raise NotImplementedError


def _refuse_duplicates(X: Any) -> None:
    """Name the first row of ``X`` whose time stamp is there twice; raises ``DataError``."""
    if isinstance(X, (pd.Series, pd.DataFrame)) and X.index.has_duplicates:
        twice = X.index[X.index.duplicated()][0]
        raise DataError(f"X: the time stamp {twice} is a duplicate; keep one row for each, or their mean")


def _holds_objects(y: pd.Series | pd.DataFrame) -> bool:
    """Whether cells hold text, or series, as in one of sktime's layouts of a panel."""
    dtypes = [y.dtype] if isinstance(y, pd.Series) else y.dtypes
    return any(pd.api.types.is_object_dtype(dtype) for dtype in dtypes)
