"""Every window of some series, cut out when it is needed; what fine-tuning learns from and is examined on."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from ttm_sk.data.known import driver_window
from ttm_sk.data.padding import Padded, pad
from ttm_sk.data.windows import Batch, batch_from_arrays
from ttm_sk.errors import ConfigError, DataError

__all__ = ["WindowDataset"]

MOST_WINDOWS = 200_000  # an index of more than that is thinned out evenly
LEAST_SHARE = 4  # past and future of a window are at least a quarter of a short series


@dataclass(frozen=True, eq=False)
class WindowDataset:
    """Windows of several series, ordered by series and time.

    Attributes
    ----------
    series
        Float64 arrays ``(channel, time)``, NaN = not observed.
    context_length, prediction_length
        Longest past, and the steps of the future, of a window.
    index
        ``(window, 3)`` integers: the series, the cutoff (its first step is the first of the target), and the step at
        which the target ends, at most ``prediction_length`` after the cutoff.
    drivers
        For each series an array ``(covariate, time)`` of columns that are known ahead, or None.
    static
        ``(series, n_static)`` integers, or None.

    Examples
    --------
    >>> windows = WindowDataset.from_series([np.arange(40.0)], context_length=16, prediction_length=4)
    >>> training, validation = windows.split(0.25)
    >>> len(windows), len(training), len(validation)
    (27, 17, 7)
    >>> training.batch([0]).context.shape, int(training.index[:, 2].max()), int(validation.index[:, 1].min())
    (torch.Size([1, 1, 10]), 30, 30)
    """

    series: tuple[np.ndarray, ...]
    context_length: int
    prediction_length: int
    index: np.ndarray
    drivers: tuple[np.ndarray, ...] | None = None
    static: np.ndarray | None = None

    @classmethod
    def from_series(
        cls,
        series: Iterable[np.ndarray],
        *,
        context_length: int,
        prediction_length: int,
        is_univariate: bool = False,
        drivers: Sequence[np.ndarray] | None = None,
        static: np.ndarray | None = None,
    ) -> WindowDataset:
        """All windows of the series in which something is known, at a stride of one step.

        A series that is long enough has whole windows alone; of a short one the past, the future or both are cut, so
        that some are left. Past and target of a window hold at least one observed value in every channel.

        Parameters
        ----------
        series
            ``(time,)`` or ``(channel, time)``, of any lengths; NaN = not observed.
        context_length, prediction_length
            At least 1.
        is_univariate
            Make every channel a series of its own, which is what a model without channel mixing learns from.
        drivers
            ``(covariate, time)`` for each series, of its length, without gaps.
        static
            ``(series, n_static)`` integers.

        Raises
        ------
        ConfigError, DataError
            For lengths below 1, drivers of other lengths than the series, or infinite values.
        """
        if context_length < 1 or prediction_length < 1:
            raise ConfigError(f"context_length={context_length} and prediction_length={prediction_length} must be >= 1")
        if isinstance(series, np.ndarray) and series.ndim == 1 and series.dtype != object:
            raise DataError(f"found one array of {len(series)} steps; give a list of series, [array]")
        try:
            arrays = [np.atleast_2d(np.asarray(values, dtype=np.float64)) for values in series]
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the series are no arrays of numbers ({error}); expected (time,) or (channel, time)"
            ) from error
        _check(arrays, drivers)
        kept = None if drivers is None else [np.atleast_2d(np.asarray(values, dtype=np.float64)) for values in drivers]
        if is_univariate:
            owners = [i for i, array in enumerate(arrays) for _ in array]
            arrays = [channel[None] for array in arrays for channel in array]
            kept = None if kept is None else [kept[i] for i in owners]
            static = None if static is None else static[owners]
        index = [_windows_of(i, array, context_length, prediction_length) for i, array in enumerate(arrays)]
        everything = np.concatenate([np.empty((0, 3), dtype=np.int64), *index])
        known = None if kept is None else tuple(kept)
        whole = cls(tuple(arrays), context_length, prediction_length, everything, known, static)
        return whole.thinned(MOST_WINDOWS)

    @classmethod
    def at_cutoffs(
        cls, values: np.ndarray, cutoffs: np.ndarray, *, context_length: int, prediction_length: int
    ) -> WindowDataset:
        """Windows of one series ``(channel, time)`` at chosen steps, but for those in which a channel shows nothing.

        Parameters
        ----------
        values
            NaN = not observed.
        cutoffs
            First steps of the targets, ascending, each at most the series' length less ``prediction_length``.

        Raises
        ------
        DataError
            For infinite values.

        Examples
        --------
        >>> at = np.array([4, 8])
        >>> len(WindowDataset.at_cutoffs(np.ones((2, 12)), at, context_length=4, prediction_length=4))
        2
        """
        array = np.atleast_2d(np.asarray(values, dtype=np.float64))
        _check([array], None)
        index = _observed_windows(0, array, cutoffs, cutoffs + prediction_length, context_length=context_length)
        return cls((array,), context_length, prediction_length, index).thinned(MOST_WINDOWS)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def n_channels(self) -> int:
        """Channels of a window."""
        return self.series[0].shape[0] if self.series else 0

    def split(self, share: float) -> tuple[WindowDataset, WindowDataset]:
        """Windows whose target ends before the last ``share`` of their series, and those that begin in it.

        Raises
        ------
        ConfigError
            If ``share`` is not inside (0, 1).
        """
        _check_share(share, "validation share")
        lengths = np.array([array.shape[1] for array in self.series], dtype=np.int64)
        border = lengths - np.maximum(1, np.round(lengths * share)).astype(np.int64)
        early = self.index.copy()
        early[:, 2] = np.minimum(early[:, 2], border[early[:, 0]])
        least = np.array([_least(length, self.prediction_length) for length in border], dtype=np.int64)
        early = early[early[:, 2] - early[:, 1] >= least[early[:, 0]]]
        sizes = self.context_length, self.prediction_length
        late = [_windows_of(i, array, *sizes, border=border[i]) for i, array in enumerate(self.series)]
        return self._observed(early), replace(self, index=np.concatenate([early[:0], *late]))

    def reaching(self, n_steps: int) -> WindowDataset:
        """All windows of the same series with targets of ``n_steps``."""
        return WindowDataset.from_series(
            self.series,
            context_length=self.context_length,
            prediction_length=n_steps,
            drivers=self.drivers,
            static=self.static,
        )

    def last(self, amount: float) -> WindowDataset:
        """Few shots: the newest windows.

        Parameters
        ----------
        amount
            Below 1, a share: windows whose target lies in that last part of what the windows of their series span.
            From 1, a count of windows, those that end closest to the end of their series.

        Raises
        ------
        ConfigError
            If ``amount`` is not above 0.
        """
        if not amount > 0:
            raise ConfigError(f"few shots: found {amount!r}, expected a share in (0, 1) or a count of windows")
        ends = np.zeros(len(self.series), dtype=np.int64)
        np.maximum.at(ends, self.index[:, 0], self.index[:, 2])
        if amount < 1:
            border = np.floor(ends * (1 - amount)).astype(np.int64)
            return replace(self, index=self.index[self.index[:, 1] >= border[self.index[:, 0]]])
        age = ends[self.index[:, 0]] - self.index[:, 1]
        newest = np.argsort(age, kind="stable")[: int(amount)]
        return replace(self, index=self.index[np.sort(newest)])

    def thinned(self, most: int) -> WindowDataset:
        """At most ``most`` windows, evenly spaced."""
        if len(self) <= most:
            return self
        return replace(self, index=self.index[np.linspace(0, len(self) - 1, most).round().astype(np.int64)])

    def batch(self, rows: Sequence[int] | np.ndarray) -> Batch:
        """The windows with these numbers, each centred and scaled by its own past, in float32.

        ``weight`` says what that scale is in units of the whole series, so that a loss can count errors in its units.
        """
        chosen = self.index[np.asarray(rows, dtype=np.int64)]
        padded = pad([self._past(i, cutoff) for i, cutoff, _ in chosen], context_length=self.context_length)
        target = np.stack([self._target(*window) for window in chosen])
        batch = batch_from_arrays(
            np.where(padded.observed, padded.context, np.float32(np.nan)), _in_units_of(padded, target)
        )
        unit = padded.scale[..., 0, 0] / self._spreads[chosen[:, 0]]
        batch = replace(batch, weight=torch.from_numpy(unit.astype(np.float32)))
        if self.drivers is not None:
            batch = replace(batch, covariates=self._covariates(chosen, padded.context.shape[-1]))
        if self.static is not None:
            batch = replace(batch, static=torch.from_numpy(self.static[chosen[:, 0]]))
        return batch

    @cached_property
    def _spreads(self) -> np.ndarray:
        """``(series, channel)``: the deviation of every series, 1 for a constant one."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a channel without values has no window
            spreads = np.array([np.nanstd(array, axis=1) for array in self.series])
        return np.where(np.nan_to_num(spreads) > 0, spreads, 1.0)

    def _past(self, i: int, cutoff: int) -> np.ndarray:
        return self.series[i][:, max(0, cutoff - self.context_length) : cutoff]

    def _target(self, i: int, cutoff: int, stop: int) -> np.ndarray:
        target = np.full((self.n_channels, self.prediction_length), np.nan)
        target[:, : stop - cutoff] = self.series[i][:, cutoff:stop]
        return target

    def _covariates(self, chosen: np.ndarray, n_past: int) -> torch.Tensor:
        """``(batch, covariate, time + horizon)``; see :func:`~ttm_sk.data.known.driver_window`."""
        assert self.drivers is not None
        sizes = {"n_past": n_past, "n_future": self.prediction_length}
        parts = [driver_window(self.drivers[i], cutoff, **sizes) for i, cutoff, _ in chosen]
        return torch.from_numpy(np.stack(parts))

    def _observed(self, index: np.ndarray) -> WindowDataset:
        """The dataset with those of these windows whose target still holds a value."""
        counts = [np.isfinite(self.series[i][:, cutoff:stop]).any(axis=1).all() for i, cutoff, stop in index]
        return replace(self, index=index[np.array(counts, dtype=bool)])


def _windows_of(
    i: int, array: np.ndarray, context_length: int, prediction_length: int, *, border: int = 0
) -> np.ndarray:
    """The index of one series; with a border, of what begins there or later."""
    length = array.shape[1]
    least = min(prediction_length, length - border) if border else _least(length, prediction_length)
    first = border or min(context_length, max(1, length // LEAST_SHARE))
    cutoffs = np.arange(first, length - least + 1)
    stops = np.minimum(cutoffs + prediction_length, length)
    return _observed_windows(i, array, cutoffs, stops, context_length=context_length)


def _observed_windows(
    i: int, array: np.ndarray, cutoffs: np.ndarray, stops: np.ndarray, *, context_length: int
) -> np.ndarray:
    """The index of those of these windows whose past and target show a value of every channel."""
    seen = np.concatenate([np.zeros((len(array), 1), dtype=np.int64), np.isfinite(array).cumsum(axis=1)], axis=1)
    past = seen[:, cutoffs] - seen[:, np.maximum(0, cutoffs - context_length)]
    future = seen[:, stops] - seen[:, cutoffs]
    is_known = ((past > 0) & (future > 0)).all(axis=0)
    return np.stack([np.full(len(cutoffs), i), cutoffs, stops], axis=1)[is_known]


def _least(length: int, prediction_length: int) -> int:
    return int(min(prediction_length, max(1, length // LEAST_SHARE)))


def _in_units_of(padded: Padded, target: np.ndarray) -> np.ndarray:
    loc, scale = padded.loc[..., 0], padded.scale[..., 0]
    return ((target - loc) / np.where(scale == 0, 1.0, scale)).astype(np.float32)


def _check(arrays: list[np.ndarray], drivers: Sequence[np.ndarray] | None) -> None:
    for i, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[0] != arrays[0].shape[0]:
            raise DataError(
                f"series {i} has shape {array.shape}, read as (channel, time); expected {arrays[0].shape[0]} channel(s)"
            )
        if np.isinf(array).any():
            raise DataError(f"series {i} holds an infinite value; replace it by NaN where the value is unknown")
    if drivers is None:
        return
    if len(drivers) != len(arrays):
        raise DataError(f"found drivers for {len(drivers)} series, expected one array for each of {len(arrays)}")
    for i, (array, values) in enumerate(zip(arrays, drivers, strict=True)):
        if np.shape(values)[-1] != array.shape[1]:
            raise DataError(
                f"the drivers of series {i} have {np.shape(values)[-1]} steps, expected {array.shape[1]}, as it has"
            )
        if not np.isfinite(values).all():
            raise DataError(f"the drivers of series {i} have gaps or infinite values; fill them in")


def _check_share(share: float, name: str) -> None:
    if not 0 < share < 1:
        raise ConfigError(f"{name}={share!r} must lie inside (0, 1)")
