"""Series, panels and hierarchies as arrays: the instances of a frame, and what may go on from them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ttm_sk.data.frequency import resolution_token
from ttm_sk.errors import DataError

__all__ = ["Panel", "describe"]


@dataclass(frozen=True)
class Panel:
    """The instances of a frame.

    Attributes
    ----------
    instances
        The upper levels of the index, one row for each instance; None for a single series.
    histories
        Float64 arrays ``(channel, time)``, NaN = not observed; one per instance, of any length. Copies: what
        becomes of the frame later does not matter.
    ends
        The last time stamp of each instance.
    frequencies
        The pandas offset of each instance where time stamps are dates, else None.
    names
        Names of all index levels.
    columns
        The channels.
    """

    instances: pd.Index | None
    histories: tuple[np.ndarray, ...]
    ends: pd.Index
    frequencies: tuple[Any, ...]
    names: tuple[Hashable, ...]
    columns: pd.Index

    def describe(self, i: int) -> str:
        """How messages call the ``i``-th instance."""
        return describe(self.instances, i)

    def end(self, i: int) -> pd.Index:
        """The last time stamp of the ``i``-th instance, as an index of length one that knows its frequency."""
        end = self.ends[[i]]
        return pd.DatetimeIndex(end, freq=self.frequencies[i]) if isinstance(end, pd.DatetimeIndex) else end

    def resolution(self, n_resolutions: int) -> int | None:
        """The token of the pace of these series, for a model that has so many; None for one without any."""
        if not n_resolutions:
            return None
        frequency = next((offset for offset in self.frequencies if offset is not None), None)
        return resolution_token(getattr(frequency, "freqstr", None), n_resolutions=n_resolutions)

    def refuse_unseen(self, context_length: int) -> None:
        """Name a series that a model which sees ``context_length`` steps knows nothing of.

        Raises
        ------
        DataError
            If all of the newest steps of a channel are missing.
        """
        for i, history in enumerate(self.histories):
            is_empty = np.isnan(history[:, -context_length:]).all(axis=1)
            if is_empty.any():
                column = self.columns[int(np.argmax(is_empty))]
                raise DataError(
                    f"{self.describe(i)}, column {column!r}: no value among the newest {context_length} steps, which is"
                    " all that the model looks at; fill the gap, or cut the rows off that are missing at the end"
                )

    def refuse_other_kind(self, index: pd.Index) -> None:
        """Raise where rows with this index cannot go on from this panel.

        Raises
        ------
        DataError
            For a panel where there was a single series, or the reverse, and for other time stamps.
        """
        if (index.nlevels > 1) != (self.instances is not None):
            kinds = ("a single series", "a panel")
            raise DataError(
                f"found {kinds[index.nlevels > 1]}, expected {kinds[self.instances is not None]} as in fit; give rows"
                " of the same kind, or fit again"
            )
        times = index.get_level_values(-1)
        found, expected = _kind(times), _kind(self.ends)
        if found != expected:
            raise DataError(f"found time stamps that are {found}, expected {expected} as in fit; convert the index")

    def in_order(self, y: pd.DataFrame) -> pd.DataFrame:
        """A frame with the columns and the instances of this panel in its order, new instances behind them."""
        y = y[self.columns]
        if self.instances is None:
            return y
        upper = y.index.droplevel(-1)
        new = upper.unique().difference(self.instances, sort=False)
        place = self.instances.append(new).get_indexer(upper)
        return y if (np.diff(place) >= 0).all() else y.iloc[np.argsort(place, kind="stable")]


def describe(instances: pd.Index | None, i: int) -> str:
    """How messages call the ``i``-th instance."""
    return "y" if instances is None else f"series {instances[i : i + 1].tolist()[0]!r}"


def _kind(times: pd.Index) -> str:
    """What time stamps are, in words; two kinds cannot stand in one index."""
    if isinstance(times, pd.DatetimeIndex):
        return "dates" if times.tz is None else "dates with a time zone"
    if isinstance(times, pd.PeriodIndex):
        return f"periods of {times.freqstr}"
    return "whole numbers" if pd.api.types.is_integer_dtype(times.dtype) else f"of the type {times.dtype}"
