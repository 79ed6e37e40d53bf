"""Windows of one part of a file: what Samay's TinyTimeMixer learns from and is measured on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ttm_sk.data.sources import read_series
from ttm_sk.data.window_dataset import WindowDataset
from ttm_sk.errors import ConfigError, DataError, PlaceError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TinyTimeMixerDataset"]

MODES = (None, "train", "val", "test")
AUTOMATIC = (0, 0, 0)
SHARES = (0.5, 0.7)  # where training and validation end without boundaries, as in Samay


class TinyTimeMixerDataset:
    """Every ``stride``-th window of the training, validation or test rows of a file.

    Parameters
    ----------
    name
        Kept for you; nothing depends on it.
    datetime_col
        Column of the time stamps, which must be regular (or see ``freq``). All columns of numbers are channels.
    path
        A CSV file, or any file that :func:`~ttm_sk.data.sources.read_series` reads as one series. Required.
    boundaries
        ``[begin, end of training, end of validation]`` in rows: ``[0, 10000, 15000]`` trains on rows 0 to 9,999,
        validates on 10,000 to 14,999 and tests on the rest. ``[0, 0, 0]`` trains on the first half, validates on the
        next fifth and tests on the rest.
    batch_size
        Windows in one step of training, and series in one pass of evaluation.
    mode
        ``"train"``, ``"val"``, ``"test"``; None is every row of the file.
    stride
        Steps from one window to the next.
    context_len, horizon_len
        Steps of the past and of the future of a window; all windows are whole.
    freq
        A pandas frequency whose grid the stamps are put on, missing rows NaN; None reads it from the stamps.

    Attributes
    ----------
    columns, frequency
        Names of the channels, and the pandas frequency (None without dates).
    values
        Float64 ``(channel, time)``: the rows of the part and, of validation and test, the ``context_len`` rows before
        it, from which the first window reads its past. NaN is a missing value.

    Raises
    ------
    ConfigError
        For a missing path, an unknown mode, lengths, strides and batch sizes below 1, and what is of another type.
    DataError
        For a file that cannot be read, boundaries that do not fit it, and a part without a whole window.

    Notes
    -----
    Windows in which some channel has no value in the past, or none in the future, are left out; of more than 200,000
    windows that many are kept, evenly spaced. What is forecast always lies inside the part.

    Examples
    --------
    >>> from ttm_sk.data.tables import EXAMPLES
    >>> windows = TinyTimeMixerDataset(
    ...     path=EXAMPLES / "airline.csv", datetime_col="time", mode="test", context_len=36, horizon_len=12, stride=1
    ... )
    >>> history, true = windows[0]
    >>> len(windows), history.shape, true.shape
    (33, (1, 36), (1, 12))
    """

    def __init__(
        self,
        name: str | None = None,
        datetime_col: str = "ds",
        path: str | Path | None = None,
        boundaries: Sequence[int] = AUTOMATIC,
        batch_size: int = 128,
        mode: str | None = None,
        stride: int = 10,
        context_len: int = 512,
        horizon_len: int = 64,
        *,
        freq: str | None = None,
    ) -> None:
        if path is None:
            raise ConfigError("found no path; give the path of a CSV file: TinyTimeMixerDataset(path='data.csv', ...)")
        if not isinstance(path, (str, os.PathLike)):
            raise ConfigError(f"found path={path!r}; give the path of a CSV file, such as 'data.csv'")
        if not isinstance(datetime_col, str):
            raise ConfigError(f"found datetime_col={datetime_col!r}; give the name of the column of time stamps")
        if mode not in MODES:
            raise ConfigError(f"found mode={mode!r}; choose one of {', '.join(map(repr, MODES))}")
        counts = {"batch_size": batch_size, "stride": stride, "context_len": context_len, "horizon_len": horizon_len}
        for count, value in counts.items():
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"found {count}={value!r}; expected a whole number of at least 1")
        self.name, self.path, self.mode, self.datetime_col = name, Path(path), mode, datetime_col
        self.batch_size, self.stride = int(batch_size), int(stride)
        self.context_len, self.horizon_len = int(context_len), int(horizon_len)
        if not isinstance(boundaries, Sequence | np.ndarray):
            raise ConfigError(f"found boundaries={boundaries!r}; give three row numbers, or [0, 0, 0]")
        self._read(freq, tuple(boundaries))

    def _read(self, freq: str | None, boundaries: tuple[int, ...]) -> None:
        frame = read_series(self.path, time=self.datetime_col, freq=freq)
        if frame.index.nlevels > 1:
            raise DataError(
                f"{self.path} holds {len(frame.index.unique(0))} series; expected one, a column for each channel: pivot"
                " it, or use TTMForecaster, which takes panels"
            )
        self.columns = [str(column) for column in frame.columns]
        self.frequency: str | None = getattr(frame.index, "freqstr", None)
        self.boundaries = _boundaries(boundaries, len(frame), self.path)
        begin, stop = self._part(len(frame))
        n_before = min(begin, self.context_len) if self.mode in ("val", "test") else 0
        rows = slice(begin - n_before, stop)
        self.values, self._index = frame.to_numpy(dtype=np.float64, copy=True)[rows].T, frame.index[rows]
        self._cutoffs = self.windows().index[:, 1]
        if not len(self):
            needed = self.context_len + self.horizon_len - n_before
            raise DataError(
                f"{self.path}: rows {begin} to {stop} (mode={self.mode!r}) hold no whole window of {self.context_len} +"
                f" {self.horizon_len} steps in which every channel has a value; expected at least {needed} such rows:"
                " give a smaller context_len or horizon_len, other boundaries, or a longer file"
            )

    def _part(self, n_rows: int) -> tuple[int, int]:
        begin, middle, late = self.boundaries
        return {"train": (begin, middle), "val": (middle, late), "test": (late, n_rows)}.get(
            str(self.mode), (0, n_rows)
        )

    @property
    def n_channels(self) -> int:
        """Columns that are forecast."""
        return len(self.values)

    def windows(self, *, context_len: int | None = None, horizon_len: int | None = None) -> WindowDataset:
        """The windows, for training: at the same places, with a shorter past or future where one is given."""
        last = self.values.shape[1] - self.horizon_len
        cutoffs = np.arange(self.context_len, last + 1, self.stride)
        return WindowDataset.at_cutoffs(
            self.values,
            cutoffs,
            context_length=context_len or self.context_len,
            prediction_length=horizon_len or self.horizon_len,
        )

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Float64 histories ``(window, channel, context_len)`` and truths ``(window, channel, horizon_len)``."""
        pairs = [self[i] for i in range(len(self))]
        return np.stack([history for history, _ in pairs]), np.stack([true for _, true in pairs])

    def stamps(self, i: int) -> tuple[pd.Index, pd.Index]:
        """Time stamps of the past and of the future of window ``i``."""
        past, future = self._places(i)
        return self._index[past], self._index[future]

    def place_of(self, channel: int | str) -> int:
        """The number of a channel, by its number or its name.

        Raises
        ------
        DataError
            If there is no such channel.
        """
        known: list[int | str] = [*range(self.n_channels), *self.columns]
        if channel not in known:
            raise DataError(
                f"found no channel {channel!r}; expected one of {', '.join(self.columns)}, or a number below"
                f" {self.n_channels}"
            )
        return known.index(channel) % self.n_channels

    def __len__(self) -> int:
        return len(self._cutoffs)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """History ``(channel, context_len)`` and truth ``(channel, horizon_len)`` of window ``i``, copies.

        Raises
        ------
        PlaceError
            If there is no such window.
        """
        past, future = self._places(i)
        return self.values[:, past].copy(), self.values[:, future].copy()

    def _places(self, i: int) -> tuple[slice, slice]:
        if not isinstance(i, (int, np.integer)) or not -len(self) <= i < len(self):
            raise PlaceError(
                f"found window {i!r}; this dataset has {len(self)}: ask for a number below that, from 0 on"
            )
        cutoff = int(self._cutoffs[i])
        return slice(cutoff - self.context_len, cutoff), slice(cutoff, cutoff + self.horizon_len)

    def __repr__(self) -> str:
        return f"TinyTimeMixerDataset({str(self.path)!r}, mode={self.mode!r}, windows={len(self)})"


def _boundaries(given: tuple[int, ...], n_rows: int, path: Path) -> tuple[int, int, int]:
    if given == AUTOMATIC:
        return 0, int(n_rows * SHARES[0]), int(n_rows * SHARES[1])
    is_whole = all(isinstance(row, (int, np.integer)) and not isinstance(row, bool) for row in given)
    if len(given) != 3 or not is_whole or not 0 <= given[0] < given[1] <= given[2] <= n_rows:
        raise DataError(
            f"found boundaries={list(given)} for the {n_rows} rows of {path}; expected three row numbers, [begin, end"
            f" of training, end of validation], ascending and at most {n_rows}; [0, 0, 0] cuts after 50 and 70 %"
        )
    return int(given[0]), int(given[1]), int(given[2])
