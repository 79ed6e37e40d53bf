"""Columns of X to arrays: encoded as in fit, aligned with the series, and complete, or an error says what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.data.known import Known
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.estimators.frames import Panel, from_forecast, steps_ahead
from ttm_sk.inference.covariates import lagged

__all__ = ["Drivers", "future_rows"]

MOST_CATEGORIES = 50


@dataclass(frozen=True)
class Drivers:
    """How the columns of a user's X become drivers.

    Attributes
    ----------
    categories
        For every column, by name: the values of a categorical one, each of which becomes a driver; None for numbers.
    past_columns
        Columns of which the future is not known.
    lag
        Steps by which those count later.
    static_columns
        Categorical columns that never change within a series of a panel, but from series to series.
    """

    categories: dict[Any, tuple[Any, ...] | None]
    past_columns: tuple[Any, ...]
    lag: int
    static_columns: tuple[Any, ...] = ()

    @classmethod
    def of(cls, X: pd.DataFrame, *, past_columns: Sequence[Any], lag: int) -> Drivers:
        """The reading of this X.

        Raises
        ------
        ConfigError, DataError
            For past columns that are not there, missing values, or more than 50 categories.
        """
        if unknown := [name for name in past_columns if name not in X.columns]:
            found = ", ".join(map(repr, X.columns))
            raise ConfigError(f"past_columns names {unknown[0]!r}, which X does not have; name some of {found}")
        if not len(X.columns):
            raise DataError("found X without columns; leave X out")
        categories = {name: _categories(X[name]) for name in X.columns}
        static = tuple(name for name, values in categories.items() if values is not None and _is_static(X[name]))
        return cls(categories, tuple(name for name in past_columns if name not in static), lag, static)

    @property
    def known(self) -> list[Any]:
        """Columns that are known ahead, and change."""
        return [name for name in self._moving if name not in self.past_columns]

    @property
    def _moving(self) -> list[Any]:
        return [name for name in self.categories if name not in self.static_columns]

    def beside(self, X: pd.DataFrame | None, y: pd.DataFrame) -> list[Known]:
        """What is known of each instance of ``y`` up to its end.

        Raises
        ------
        DataError
            If X lacks columns or rows, holds missing values, or a static column changes.
        """
        past: Sequence[np.ndarray | None] = self.past(X, y) if self._moving else [None] * len(_bounds(y.index))
        static = self._static(X, y.index, of="y")
        return [Known(drivers, codes) for drivers, codes in zip(past, static, strict=True)]

    def ahead(
        self,
        X: pd.DataFrame | None,
        rows: pd.Index,
        steps: Sequence[np.ndarray],
        *,
        known: Sequence[Known],
        unlagged: Sequence[np.ndarray],
    ) -> list[Known]:
        """What :meth:`beside` gave, with the drivers of the horizon behind it, up to its last step.

        Steps between, which were not asked for, have the values of the step before that was, or of the first one.
        Arguments and errors as in :meth:`future`.
        """
        if X is not None and self.static_columns and set(self.static_columns) <= set(X.columns):
            for series, codes in zip(known, self._static(X, rows, of="the horizon"), strict=True):
                if codes is not None and series.static is not None and (codes != series.static).any():
                    raise DataError(f"a static column of X ({self._names_static}) is not what it was in fit")
        if not self._moving:
            return list(known)
        found = []
        for series, part, asked in zip(known, self.future(X, rows, steps, unlagged=unlagged), steps, strict=True):
            nearest = np.maximum(0, np.searchsorted(asked, np.arange(1, asked.max() + 1), side="right") - 1)
            both = [drivers for drivers in (series.drivers, part[:, nearest]) if drivers is not None]
            found.append(Known(np.concatenate(both, axis=1), series.static))
        return found

    def _static(self, X: pd.DataFrame | None, index: pd.Index, *, of: str) -> Sequence[np.ndarray | None]:
        """For each instance the numbers of its categories, ``(n_static,)``; None without static columns."""
        bounds = _bounds(index)
        if not self.static_columns:
            return [None] * len(bounds)
        values = [self._rows(X, index, [name], of=of).argmax(axis=1) for name in self.static_columns]
        codes = np.stack(values, axis=1)
        if any((codes[start:stop] != codes[start]).any() for start, stop in bounds):
            raise DataError(f"a static column of X ({self._names_static}) changes within a series; in fit it did not")
        return [codes[start] for start, _ in bounds]

    @property
    def _names_static(self) -> str:
        return ", ".join(map(repr, self.static_columns))

    def past(self, X: pd.DataFrame | None, y: pd.DataFrame) -> list[np.ndarray]:
        """For each instance of ``y`` an array ``(covariate, time)``, a column for every row of it.

        Raises
        ------
        DataError
            If X lacks columns or rows, or holds missing values.
        """
        values = self._rows(X, y.index, self._moving, of="y")
        n_known = self._width(self.known)
        parts = []
        for start, stop in _bounds(y.index):
            part = values[start:stop].T
            moved = lagged(part[n_known:], horizon=self.lag)[:, : stop - start]
            parts.append(np.concatenate([part[:n_known], moved]))
        return parts

    def future(
        self, X: pd.DataFrame | None, rows: pd.Index, steps: Sequence[np.ndarray], *, unlagged: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """For each instance an array ``(covariate, step)`` for the steps of the horizon.

        Parameters
        ----------
        rows
            Index of what is to be forecast, instance after instance; see :func:`future_rows`.
        steps
            For each instance the steps ahead, from 1.
        unlagged
            For each instance its past columns as they were, ``(covariate, time)``.

        Raises
        ------
        DataError
            If X lacks columns or rows, or holds missing values.
        """
        values = self._rows(X, rows, self.known, of="the horizon") if self.known else np.empty((len(rows), 0))
        stops = np.cumsum([len(asked) for asked in steps])
        parts = []
        for asked, stop, columns in zip(steps, stops, unlagged, strict=True):
            n_steps = columns.shape[1]
            seen = np.clip(n_steps + asked - 1 - self.lag, 0, n_steps - 1)
            parts.append(np.concatenate([values[stop - len(asked) : stop].T, columns[:, seen]]))
        return parts

    def unlagged(self, X: pd.DataFrame | None, y: pd.DataFrame) -> list[np.ndarray]:
        """For each instance its past columns as they are, ``(covariate, time)``."""
        values = self._rows(X, y.index, list(self.past_columns), of="y") if self.past_columns else np.empty((len(y), 0))
        return [values[start:stop].T for start, stop in _bounds(y.index)]

    def _width(self, names: Sequence[Any]) -> int:
        return sum(len(self.categories[name] or (0,)) for name in names)

    def _rows(self, X: pd.DataFrame | None, index: pd.Index, names: Sequence[Any], *, of: str) -> np.ndarray:
        """``(row, covariate)``, known columns first, for every row of ``index``."""
        wanted = ", ".join(map(repr, names))
        if X is None:
            raise DataError(
                f"found no X, but this forecaster was fitted with the column(s) {wanted}; pass X with a row for every"
                f" row of {of}, from {_last(index[0])} to {_last(index[-1])}"
            )
        if missing := [name for name in names if name not in X.columns]:
            found = ", ".join(map(repr, X.columns))
            raise DataError(f"X lacks the column {missing[0]!r}, which fit had; found {found}: add it")
        place = X.index.get_indexer(index) if _same_kind(X.index, index) else np.full(len(index), -1)
        if (place < 0).any():
            first = index[int(np.argmax(place < 0))]
            raise DataError(
                f"X has no row for {_show(first)}; it must have one for every row of {of} ({int((place < 0).sum())} of"
                f" {len(index)} are missing, its own rows go from {_show(X.index[0])} to {_show(X.index[-1])})"
            )
        ordered = [name for name in names if name not in self.past_columns]
        ordered += [name for name in names if name in self.past_columns]
        return np.concatenate([self._encode(X[name].iloc[place], name) for name in ordered], axis=1)

    def _encode(self, column: pd.Series, name: Any) -> np.ndarray:
        """``(row, covariate)`` float64."""
        if self.categories[name] is None and not pd.api.types.is_numeric_dtype(column.dtype):
            raise DataError(f"column {name!r} of X has the type {column.dtype}, in fit it held numbers; convert it")
        if column.isna().any() or (self.categories[name] is None and np.isinf(column.to_numpy(float)).any()):
            values = column.isna() if column.isna().any() else np.isinf(column.to_numpy(float))
            row = column.index[int(np.argmax(values))]
            raise DataError(
                f"column {name!r} of X has no finite value at {_show(row)}; fill it in, for example with X.ffill()"
            )
        categories = self.categories[name]
        if categories is None:
            return column.to_numpy(dtype=np.float64)[:, None]
        if unknown := set(column) - set(categories):
            raise DataError(f"column {name!r} of X holds {sorted(map(str, unknown))[0]!r}, which fit did not see")
        return np.stack([(column == value).to_numpy(dtype=np.float64) for value in categories], axis=1)


def future_rows(panel: Panel, fh: ForecastingHorizon) -> pd.Index:
    """The index of a forecast, as ``predict`` returns it."""
    empty = [np.empty((len(asked), 0)) for asked in steps_ahead(fh, panel)]
    return from_forecast(empty, panel, fh, pd.Index([])).index


def _categories(column: pd.Series) -> tuple[Any, ...] | None:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return None
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise DataError(f"column {column.name!r} of X holds dates; convert it to numbers, or leave it out")
    values = column.dropna().unique()
    if len(values) > MOST_CATEGORIES:
        raise DataError(
            f"column {column.name!r} of X is text with {len(values)} different values, more than {MOST_CATEGORIES};"
            " convert it to numbers, or leave it out"
        )
    return tuple(sorted(values, key=str))


def _is_static(column: pd.Series) -> bool:
    """Whether a column of a panel differs between its series, and within none."""
    if column.index.nlevels == 1 or column.isna().any():
        return False
    counts = column.groupby(level=list(range(column.index.nlevels - 1)), observed=True).nunique()
    return bool((counts == 1).all()) and column.nunique() > 1


def _bounds(index: pd.Index) -> list[tuple[int, int]]:
    """First row of every instance, and the one after its last."""
    if not isinstance(index, pd.MultiIndex):
        return [(0, len(index))]
    upper = index.droplevel(-1)
    codes = pd.factorize(upper)[0]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(index)], strict=True))


def _same_kind(left: pd.Index, right: pd.Index) -> bool:
    return left.nlevels == right.nlevels


def _show(stamp: Any) -> str:
    return ", ".join(map(str, stamp)) if isinstance(stamp, tuple) else str(stamp)


def _last(stamp: Any) -> str:
    return str(stamp[-1] if isinstance(stamp, tuple) else stamp)
