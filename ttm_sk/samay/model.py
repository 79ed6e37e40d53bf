"""Samay's TinyTimeMixer: one object that is configured, fine-tuned, evaluated, drawn, saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.data.frequency import resolution_token
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.inference.forecasting import forecast_series
from ttm_sk.models.forecast_module import Forecast
from ttm_sk.samay.configuration import Configuration, warn_if_untrained
from ttm_sk.samay.dataset import TinyTimeMixerDataset
from ttm_sk.samay.metric import INTERVAL, all_metrics, mse
from ttm_sk.training.finetune import FineTuneSettings, finetune

__all__ = ["TinyTimeMixerModel"]

BAND = (0.1, 0.9)  # quantiles around the forecast that `plot` draws
MOST_ROWS, FEWEST_WINDOWS = 256, 64  # series that a look at the validation part forecasts, and windows of all of them
LENGTHS = ("context_len", "horizon_len")
Evaluation = tuple[float, np.ndarray, np.ndarray, np.ndarray]


class TinyTimeMixerModel(nn.Module):
    """TinyTimeMixer with the methods of Samay's class; a torch module, so that ``.to`` and quantisation work.

    Parameters
    ----------
    config
        ``context_len`` (512), ``horizon_len`` (96), ``model_size`` (``"tiny"``) and, to leave the size's own
        architecture, ``d_model``, ``n_heads``, ``n_layers``, ``dropout``; ``seed`` for random weights. See
        :class:`~ttm_sk.samay.configuration.Configuration`.
    repo
        Other weights: a name, file or folder for :func:`ttm_sk.load_checkpoint`, such as an IBM Granite TTM, or a
        :class:`~ttm_sk.checkpoints.store.Checkpoint`. Then ``config`` may set lengths alone.

    Attributes
    ----------
    history
        What fine-tuning saw, a dictionary for each look at the validation windows; empty before.

    Warns
    -----
    UntrainedWarning
        If no pretrained weights are known for this architecture: they are random, from the seed.

    Raises
    ------
    ConfigError
        For unknown keys, impossible values, or a ``context_len`` beyond what the model can see.

    Examples
    --------
    >>> from ttm_sk.data.tables import EXAMPLES
    >>> windows = TinyTimeMixerDataset(
    ...     path=EXAMPLES / "airline.csv", datetime_col="time", mode="test", context_len=48, horizon_len=12
    ... )
    >>> model = TinyTimeMixerModel({"context_len": 48, "horizon_len": 12})
    >>> avg_loss, trues, preds, histories = model.evaluate(windows)
    >>> trues.shape, preds.shape, histories.shape
    ((4, 1, 12), (4, 1, 12), (4, 1, 48))
    """

    def __init__(self, config: Mapping[str, Any] | None = None, repo: str | Path | Checkpoint | None = None) -> None:
        super().__init__()
        self.configuration = Configuration.of(config)
        if repo is not None:
            refused = [key for key in config or {} if key not in LENGTHS]
            if refused:
                raise ConfigError(
                    f"found {', '.join(refused)} beside repo, whose weights have an architecture already; leave them"
                    " out, or leave repo out"
                )
            self._adopt(repo if isinstance(repo, Checkpoint) else load_checkpoint(repo))
        else:
            self._adopt(self.configuration.checkpoint())
        seen = self.architecture.context_length
        if self.context_len > seen:
            raise ConfigError(
                f"found context_len={self.context_len}; this model sees at most {seen} steps: ask for less"
            )

    def _adopt(self, checkpoint: Checkpoint) -> None:
        self.architecture = checkpoint.config
        self._provenance, self._calibration = checkpoint.provenance, checkpoint.calibration
        device = self.device if hasattr(self, "module") else None
        self.module = checkpoint.build().to(device)

    @property
    def context_len(self) -> int:
        """Newest steps that a forecast reads."""
        return self.configuration.context_len

    @property
    def horizon_len(self) -> int:
        """Steps that a forecast has where nothing else says how many."""
        return self.configuration.horizon_len

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def history(self) -> list[dict[str, Any]]:
        """``step``, ``epoch``, ``training_loss``, ``validation_loss``, ``is_best`` of every look, oldest first."""
        runs = self._provenance.get("finetuning", [])
        return [
            look | {"epoch": look["step"] / run.get("steps_per_epoch", np.nan)}
            for run in runs
            for look in run["history"]
        ]

    @property
    def checkpoint(self) -> Checkpoint:
        """The present weights as a value that the rest of the package takes.

        Raises
        ------
        ConfigError
            If the model was quantised.
        """
        weights = self.module.state_dict()
        if not all(isinstance(value, Tensor) for value in weights.values()):
            raise ConfigError(
                "found quantised layers, whose weights can be neither trained nor saved; save or fine-tune the model"
                " that was quantised, and quantise again"
            )
        kept = {name: value.detach().cpu().clone() for name, value in weights.items()}
        lengths = {name: getattr(self, name) for name in LENGTHS}
        return Checkpoint(self.architecture, kept, {**self._provenance, "samay": lengths}, self._calibration)

    def forward(self, context: Tensor, observed: Tensor | None = None) -> Forecast:
        """One pass of the network over ``(batch, channel, time)``; ``observed`` is True where a value is real."""
        return self.module(context, ~context.isnan() if observed is None else observed)

    def to(self, device: str | torch.device) -> Self:  # type: ignore[override]
        """The same model on another device: ``"auto"``, ``"cpu"``, ``"cuda"``; its numbers stay float32.

        Raises
        ------
        ConfigError
            If this machine has no such device.
        """
        return super().to(resolve_device(device))

    def finetune(
        self,
        dataset: TinyTimeMixerDataset,
        val_dataset: TinyTimeMixerDataset | None = None,
        *,
        epochs: int = 5,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        weight_decay: float = 0.01,
        trainable: str = "full",
        patience: int | None = None,
        seed: int = 0,
        is_quiet: bool = False,
    ) -> Self:
        """The model itself, adapted to these windows, with :attr:`history`.

        Parameters
        ----------
        dataset
            Windows to learn from.
        val_dataset
            Windows to examine by (evenly spaced ones that hold 256 series, but at least 64 windows); None takes the
            last fifth of the rows of ``dataset`` away from training. On them the model is never worse afterwards.
        epochs, learning_rate
            Passes over the windows, and the highest rate of the one cycle that it goes through; None looks for one.
        batch_size
            Windows in one step; None is the dataset's.
        weight_decay
            Of AdamW.
        trainable
            ``"full"``, or a part: ``"head"``, ``"minimal"`` (decoder and head), ``"bias"``, ``"adapter"``.
        patience
            Looks without improvement after which training stops early; None goes through all epochs.
        seed
            Of the order of windows, and of what is drawn.
        is_quiet
            Without a progress bar.

        Raises
        ------
        ConfigError, DataError
            As :func:`ttm_sk.finetune`; for a quantised model; and for what is no dataset of windows.

        Examples
        --------
        >>> from ttm_sk.data.tables import EXAMPLES
        >>> windows = TinyTimeMixerDataset(
        ...     path=EXAMPLES / "airline.csv", datetime_col="time", context_len=36, horizon_len=12, stride=4
        ... )
        >>> model = TinyTimeMixerModel({"context_len": 36, "horizon_len": 12})
        >>> tuned = model.finetune(windows, epochs=1, learning_rate=1e-4, is_quiet=True)
        >>> tuned is model, tuned.history[-1]["epoch"]
        (True, 1.0)
        """
        _check_dataset(dataset)
        if val_dataset is not None:
            _check_dataset(val_dataset)
            if val_dataset.n_channels != dataset.n_channels:
                raise DataError(
                    f"found {val_dataset.n_channels} channels to validate on, {dataset.n_channels} to learn from; give"
                    " the same columns"
                )
        for name, value in {"epochs": epochs, "batch_size": 1 if batch_size is None else batch_size}.items():
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ConfigError(f"found {name}={value!r}; expected a whole number of at least 1")
        context_len = min(self.context_len, dataset.context_len)
        windows = dataset.windows(
            context_len=context_len, horizon_len=min(dataset.horizon_len, self.architecture.horizon)
        )
        size = dataset.batch_size if batch_size is None else batch_size
        most_steps = epochs * max(1, len(windows))
        settings = FineTuneSettings(
            n_epochs=epochs,
            most_steps=most_steps,
            batch_size=size * dataset.n_channels,
            validation_windows=max(FEWEST_WINDOWS, MOST_ROWS // dataset.n_channels),
            peak=learning_rate,
            weight_decay=weight_decay,
            patience=most_steps if patience is None else patience,
            horizon=dataset.horizon_len,
            resolution=self._resolution(dataset),
            seed=seed,
        )
        validation = None if val_dataset is None else val_dataset.windows(context_len=context_len)
        tuned = finetune(
            self.checkpoint,
            windows,
            trainable=trainable,
            validation=validation,
            settings=settings,
            device=str(self.device),
            is_quiet=is_quiet,
        )
        self._adopt(tuned)
        return self

    @overload
    def evaluate(
        self, dataset: TinyTimeMixerDataset, metric_only: Literal[False] = False, *, effort: str = "fast"
    ) -> Evaluation: ...

    @overload
    def evaluate(
        self, dataset: TinyTimeMixerDataset, metric_only: Literal[True], *, effort: str = "fast"
    ) -> dict[str, float]: ...

    def evaluate(
        self, dataset: TinyTimeMixerDataset, metric_only: bool = False, *, effort: str = "fast"
    ) -> Evaluation | dict[str, float]:
        """How well the windows of a dataset are forecast, in its own units.

        Parameters
        ----------
        dataset
            Its ``horizon_len`` is forecast, from its pasts as far as ``context_len`` of the model goes.
        metric_only
            Return the metrics alone.
        effort
            ``"plain"``, ``"fast"`` or ``"best"``, as in :class:`~ttm_sk.TTMForecaster`.

        Returns
        -------
        avg_loss, trues, preds, histories
            The mean squared error (NaN among the truths does not count), and float64 arrays ``(window, channel,
            step)``: ``horizon_len`` steps of truths and of forecasts (medians), ``context_len`` of histories. Windows
            without a value among the newest steps that the model sees are left out.
        dict
            With ``metric_only``: mse, mae, mase, mape (per cent), rmse, nrmse, smape, nd and, of a model with
            quantiles, msis.

        Raises
        ------
        ConfigError, DataError
            As :func:`~ttm_sk.inference.forecasting.forecast_series`; and for what is no dataset of windows.
        """
        _check_dataset(dataset)
        histories, trues = dataset.arrays()
        is_seen = np.isfinite(histories[..., -self.context_len :]).any(axis=-1).all(axis=-1)
        histories, trues = histories[is_seen], trues[is_seen]  # the dataset looks further back than the model may
        has_interval = metric_only and len(self.architecture.levels) > 0
        levels = (0.5, *INTERVAL) if has_interval else (0.5,)
        quantiles = self._forecast(dataset, histories, levels, effort=effort)
        preds = quantiles[..., 0]
        if metric_only:
            return all_metrics(histories, trues, preds, quantiles[..., 1:] if has_interval else None)
        return mse(trues, preds), trues, preds, histories

    def plot(self, dataset: TinyTimeMixerDataset, *, window: int = 0, channel: int | str = 0, ax: Any = None) -> Any:
        """One window as a picture: its past, the forecast with the 80 % band where there are quantiles, the truth.

        Parameters
        ----------
        window
            Its number in the dataset.
        channel
            Number or name of the column.
        ax
            Axes of matplotlib to draw on; None makes a figure.

        Returns
        -------
        Axes
            Of matplotlib; ``axes.figure.savefig`` writes it.

        Raises
        ------
        DataError
            If there is no such window or channel.
        MissingExtraError
            If matplotlib is not installed.
        """
        from ttm_sk.plotting import plot_forecast

        _check_dataset(dataset)
        place = dataset.place_of(channel)
        history, true = dataset[window]
        past, future = dataset.stamps(window)
        levels = (BAND[0], 0.5, BAND[1]) if len(self.architecture.levels) else (0.5,)
        fan = self._forecast(dataset, history[None], levels, effort="fast")[0, place]
        quantiles = pd.DataFrame(fan, index=future, columns=list(levels))
        return plot_forecast(
            pd.Series(history[place], past),
            quantiles[0.5],
            quantiles if len(levels) > 1 else None,
            actual=pd.Series(true[place], future),
            ax=ax,
            title=dataset.columns[place],
        )

    def save(self, path: str | Path) -> Path:
        """Write the model as one safetensors file, whatever its ending, whole or not at all; returns its path.

        :meth:`load` opens it, and so does :func:`ttm_sk.load_checkpoint`, and all that takes a ``model_path``.

        Raises
        ------
        ConfigError
            If the model was quantised.
        """
        return save_checkpoint(self.checkpoint, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model that :meth:`save` wrote, bit for bit, with its lengths and its history.

        Any other checkpoint that :func:`ttm_sk.load_checkpoint` opens has its own horizon, and a context of 512 steps
        or of as many as it sees.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged or foreign.
        """
        checkpoint = load_checkpoint(path)
        warn_if_untrained(checkpoint, where=str(path))
        own = {"context_len": min(512, checkpoint.config.context_length), "horizon_len": checkpoint.config.horizon}
        return cls(checkpoint.provenance.get("samay", own), repo=checkpoint)

    def _forecast(
        self, dataset: TinyTimeMixerDataset, histories: np.ndarray, levels: tuple[float, ...], *, effort: str
    ) -> np.ndarray:
        """``(window, channel, horizon, level)``."""
        self.eval()
        return forecast_series(
            self.module,
            list(histories),
            dataset.horizon_len,
            levels=levels,
            effort=effort,
            batch_size=dataset.batch_size,
            context_length=self.context_len,
            resolution=self._resolution(dataset),
        )

    def _resolution(self, dataset: TinyTimeMixerDataset) -> int | None:
        """The token of the dataset's pace, for weights with a resolution prefix."""
        n_resolutions = getattr(self.architecture, "n_resolutions", 0)
        return resolution_token(dataset.frequency, n_resolutions=n_resolutions) if n_resolutions else None


def _check_dataset(found: object) -> None:
    if not isinstance(found, TinyTimeMixerDataset):
        raise DataError(
            f"found a {type(found).__name__} for windows; give a TinyTimeMixerDataset(path='data.csv', ...)"
        )
