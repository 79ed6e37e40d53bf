"""TabPFNTSForecaster: the package tabpfn-time-series in the sktime contract, to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError, DataError, MissingExtraError
from ttm_sk.estimators.frames import Panel, steps_ahead
from ttm_sk.estimators.panel_forecaster import PanelForecaster
from ttm_sk.estimators.tabpfn_weights import offline, weights_file

__all__ = ["TabPFNTSForecaster"]

LONGEST_CONTEXT = 32_768  # the package's own default
FEWEST_VALUES = 2  # TabPFN fits a table of two rows at least
OWN_SETTINGS = ("model_path", "device", "random_state")
UNCOUNTED_START = "2000-01-01"  # where series without dates are put; no feature reads it


class TabPFNTSForecaster(PanelForecaster):
    """TabPFN-TS: a tabular foundation model that reads a series as a table of calendar and seasonal features.

    A thin face over the package ``tabpfn-time-series`` (extra ``tabpfn``), so that it can be compared with ours on
    equal terms. Its weights are not part of it and are never downloaded: ``fit`` looks for the file, and says where to
    get it.

    Parameters
    ----------
    model_path : str or path, optional
        A weights file of TabPFN (``tabpfn-v2-regressor.ckpt``). None stands for the file that the package uses by
        default, in its cache folder.
    context_length : int, optional
        Newest observed values to use; None uses the package's own limit of 32,768.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one), ``"cpu"``, ``"cuda"``.
    random_state : int, optional
        Seed of TabPFN's ensemble; None is its own, 0. Forecasts are deterministic either way.
    config : dict, optional
        Further settings of ``tabpfn.TabPFNRegressor``, such as ``{"n_estimators": 1}``.

    Attributes
    ----------
    weights_file_ : Path
        What was used.

    Notes
    -----
    **Licence**: TabPFN's code is Apache-2.0. The v2 weights are under the Prior Labs License (Apache-2.0 with
    a duty of attribution); the weights of v2.5 and later are for non-commercial use only.

    Each column of each series is forecast by itself, one after the other: a pass over one series takes TabPFN seconds
    on a CPU. Missing values are left out. Series without dates (whole numbers as time stamps) are read without the
    calendar's features. The package's reports to its makers are switched off while it works. Exogenous variables ``X``
    are not used, as the tag ``capability:exogenous`` says.

    On a CPU, TabPFN by itself refuses tables of more than 1,000 rows as slow; here ``context_length`` is the limit.

    References
    ----------
    .. [1] Hoo et al. (2025), From Tables to Time: How TabPFN-v2 Outperforms Specialized Time Series Forecasting
       Models, arXiv:2501.02945.

    Examples
    --------
    >>> from ttm_sk import TabPFNTSForecaster
    >>> from sktime.datasets import load_airline
    >>> forecaster = TabPFNTSForecaster("tabpfn-v2-regressor.ckpt")  # doctest: +SKIP
    >>> forecaster.fit(load_airline()).predict(fh=[1, 2, 3])  # doctest: +SKIP
    """

    _tags = {"python_dependencies": ["tabpfn-time-series"]}

    def __init__(
        self,
        model_path: str | Path | None = None,
        context_length: int | None = None,
        device: str = "auto",
        random_state: int | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.model_path = model_path
        self.context_length = context_length
        self.device = device
        self.random_state = random_state
        self.config = config
        if find_spec("tabpfn_time_series") is None:  # of which sktime would only warn here
            raise MissingExtraError("tabpfn", package="tabpfn-time-series")
        super().__init__()

    def _fit(self, y: pd.DataFrame, X: Any, fh: ForecastingHorizon | None) -> TabPFNTSForecaster:
        self._check_parameters()
        self.weights_file_ = weights_file(self.model_path)
        self._remember(y)
        return self

    def _refuse(self, panel: Panel) -> None:
        for i, history in enumerate(panel.histories):
            n_seen = (~np.isnan(history)).sum(axis=1)
            if (n_seen < FEWEST_VALUES).any():
                column = panel.columns[int(np.argmin(n_seen))]
                raise DataError(
                    f"{panel.describe(i)}, column {column!r}: found {n_seen.min()} observed value(s); TabPFN-TS needs"
                    f" {FEWEST_VALUES} at least: drop it, or give a longer history"
                )

    def _forecast(self, fh: ForecastingHorizon, *, levels: tuple[float, ...] | list[float]) -> list[np.ndarray]:
        """For each instance an array ``(channel, step, level)``, the steps of ``fh`` in its order."""
        steps = steps_ahead(fh, self._panel)
        wanted = [float(level) for level in levels]
        forecast = []
        with offline():
            pipeline = self._make_pipeline()
            for i, asked in enumerate(steps):
                stamps = _stamps(self._panel, i, int(asked.max()))
                channels = [_quantiles(pipeline, values, stamps, wanted) for values in self._panel.histories[i]]
                forecast.append(np.stack(channels)[:, asked - 1])
        return forecast

    def _make_pipeline(self) -> Any:
        """The package's own pipeline, around weights whose file was there when they were fitted."""
        from tabpfn_time_series import TABPFN_TS_DEFAULT_FEATURES, TabPFNMode, TabPFNTSPipeline
        from tabpfn_time_series.features import CalendarFeature

        is_dated = isinstance(self._panel.ends, (pd.DatetimeIndex, pd.PeriodIndex))
        features = [
            feature for feature in TABPFN_TS_DEFAULT_FEATURES if is_dated or not isinstance(feature, CalendarFeature)
        ]
        return TabPFNTSPipeline(
            max_context_length=self.context_length or LONGEST_CONTEXT,
            temporal_features=features,
            tabpfn_mode=TabPFNMode.LOCAL,
            tabpfn_model_config={
                "ignore_pretraining_limits": True,
                **(self.config or {}),
                "model_path": str(weights_file(self.weights_file_)),
                "device": str(resolve_device(self.device)),
                "random_state": self.random_state or 0,
            },
        )

    def _check_parameters(self) -> None:
        if not isinstance(self.model_path, (str, Path, type(None))):
            raise ConfigError(f"model_path={self.model_path!r} must be the path of a file, or None")
        for name, least in (("context_length", FEWEST_VALUES), ("random_state", 0)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise ConfigError(f"{name}={value!r} must be None or a whole number of at least {least}")
        if taken := [name for name in self.config or () if name in OWN_SETTINGS]:
            raise ConfigError(f"found {taken[0]!r} in config; give it to the forecaster itself")
        resolve_device(self.device)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Parameters for sktime's own checks, which need the package's default weights."""
        return [{"context_length": 32}, {"context_length": 64, "random_state": 3, "config": {"n_estimators": 1}}]


def _stamps(panel: Panel, i: int, horizon: int) -> pd.DatetimeIndex:
    """Dates of the ``i``-th history and of ``horizon`` steps after it; local times, without a zone.

    Raises
    ------
    DataError
        If they end after what a date of pandas in nanoseconds can hold, the year 2262.
    """
    n_past = panel.histories[i].shape[1]
    try:
        if isinstance(panel.ends, pd.PeriodIndex):
            first = panel.ends[i] - (n_past - 1) * panel.ends.freq.n
            periods = pd.period_range(first, periods=n_past + horizon, freq=panel.ends.freq)
            return periods.to_timestamp().as_unit("ns")
        if not isinstance(panel.ends, pd.DatetimeIndex):
            return pd.date_range(UNCOUNTED_START, periods=n_past + horizon, freq="min", unit="ns")
        end, frequency = panel.ends[i], panel.frequencies[i]
        past = pd.date_range(end=end, periods=n_past, freq=frequency)
        future = pd.date_range(end, periods=horizon + 2, freq=frequency)
        dates = past.append(future[future > end][:horizon])
        return dates.tz_localize(None).as_unit("ns")
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        raise DataError(
            f"{panel.describe(i)}: its dates or those of its forecast lie outside of 1677 to 2262, which TabPFN-TS"
            " cannot read; move the series to other dates"
        ) from error


def _quantiles(pipeline: Any, values: np.ndarray, stamps: pd.DatetimeIndex, levels: Sequence[float]) -> np.ndarray:
    """``(step, level)`` of what follows ``values``; one series at a time, in this process.

    The package would start a process for each of eight series, whose network nobody watches, and print a bar.
    """
    from tabpfn_time_series import TimeSeriesDataFrame

    past, future = pd.DataFrame({"target": values}), pd.DataFrame({"target": np.nan}, index=stamps[len(values) :])
    future = future.reset_index(names="timestamp")
    past, future = (
        TimeSeriesDataFrame.from_data_frame(frame.assign(item_id=0))
        for frame in (past.assign(timestamp=stamps[: len(values)]), future)
    )
    past, future = pipeline.featurize(past, future)
    answer = pipeline.predictor.inference_routine(
        past.drop(columns="target"), past["target"], future.drop(columns="target"), quantiles=list(levels)
    )
    return np.stack([np.asarray(answer[level], dtype=np.float64) for level in levels], axis=-1)
