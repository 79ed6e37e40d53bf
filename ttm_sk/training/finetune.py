"""Fine-tuning: a checkpoint adapts to series of one's own, and is never worse on their last part than it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ttm_sk import __version__
from ttm_sk.checkpoints.architectures import AnyModule, new_module
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.window_dataset import WindowDataset
from ttm_sk.data.windows import Batch
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.models.patch_slstm_config import PatchSLSTMConfig
from ttm_sk.models.ttm_config import TTMConfig
from ttm_sk.training.early_stopping import Callback, EarlyStopping, examine
from ttm_sk.training.extension import new_parts, with_channel_mixing, with_drivers, with_static
from ttm_sk.training.loop import LoopSettings, train
from ttm_sk.training.objectives import rolled_loss, scaled_loss
from ttm_sk.training.rate_finder import find_rate
from ttm_sk.training.schedule import OneCycle
from ttm_sk.training.trainable import RANK, check_trainable, choose_trainable, merged

__all__ = ["FineTuneSettings", "finetune"]

logger = logging.getLogger(__name__)

NEARLY_ALL = 0.8  # of the gain: the smallest share of what was learnt that has it is kept, as it is the safest
MIXER_PEAK = 0.06  # the exogenous mixer begins at zero and maps standardised values: it has far to go, and may
BLENDS = (0.125, 0.25, 0.5, 0.75, 1.0)  # shares of what was learnt, of which the validation part chooses


@dataclass(frozen=True)
class FineTuneSettings:
    """How long and how to fine-tune.

    Attributes
    ----------
    n_epochs, most_steps
        Passes over the training windows, and the limit on steps, whichever comes first.
    batch_size
        Channels of windows in one step.
    peak
        Highest learning rate; None looks for one (:func:`~ttm_sk.training.rate_finder.find_rate`).
    weight_decay, head_dropout
        Of AdamW; and in decoder and head while training, None for the checkpoint's own.
    few_shot
        Newest part of the training windows to learn from: a share below 1, or a count; None is all of them.
    validation_share
        Last part of every series, on which training is examined and from which it does not learn.
    validation_windows
        At most so many windows are examined, evenly spaced.
    patience
        Examinations without improvement after which training stops.
    horizon
        Steps ahead that matter; None is the checkpoint's own. What is learnt is one pass of the checkpoint; a horizon
        beyond it is examined by feeding forecasts back, and the validation part decides whether they still hold there.
    mixes_channels
        Add channel mixing to the decoder, so that the columns of a multivariate series inform each other.
    resolution
        Token of the pace of the series, for a checkpoint with a resolution prefix.
    rank
        Of low-rank adapters.
    seed
        Of everything random.
    time_limit
        Seconds after which training ends with the best weights so far; None has no limit.
    """

    n_epochs: int = 20
    most_steps: int = 400
    batch_size: int = 64
    peak: float | None = None
    weight_decay: float = 0.01
    head_dropout: float | None = None
    few_shot: float | None = None
    validation_share: float = 0.2
    validation_windows: int = 256
    patience: int = 5
    horizon: int | None = None
    mixes_channels: bool = False
    resolution: int | None = None
    rank: int = RANK
    seed: int = 0
    time_limit: float | None = None

    def __post_init__(self) -> None:
        counts = ("n_epochs", "most_steps", "batch_size", "validation_windows", "patience", "rank")
        for name in ("validation_share", "few_shot", "peak", "head_dropout", "weight_decay", "horizon", *counts):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float, np.number))):
                raise ConfigError(f"{name}={value!r} must be a number")
        for name in counts:
            if not isinstance(getattr(self, name), Integral) or getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be a whole number of at least 1")
        if self.peak is not None and not self.peak > 0:
            raise ConfigError(f"peak={self.peak} must be above 0; None looks for a rate")
        if not 0 <= self.weight_decay < float("inf"):
            raise ConfigError(f"weight_decay={self.weight_decay} must be 0 or above, and finite")
        if self.head_dropout is not None and not 0 <= self.head_dropout < 1:
            raise ConfigError(f"head_dropout={self.head_dropout} must lie in [0, 1)")
        if not 0 < self.validation_share < 1:
            raise ConfigError(f"validation_share={self.validation_share} must lie inside (0, 1)")
        if self.few_shot is not None and not self.few_shot > 0:
            raise ConfigError(f"few_shot={self.few_shot} must be a share in (0, 1) or a count of windows")
        if self.horizon is not None and self.horizon < 1:
            raise ConfigError(f"horizon={self.horizon} must be at least 1; None is all that the checkpoint has")
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} must be 0 or above")


def finetune(
    checkpoint: Checkpoint,
    windows: WindowDataset | Sequence[np.ndarray],
    *,
    trainable: str = "minimal",
    validation: WindowDataset | None = None,
    settings: FineTuneSettings | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "auto",
    is_quiet: bool = False,
) -> Checkpoint:
    """A new checkpoint, adapted to these series; the one given is left as it is.

    Training minimises the checkpoint's own loss in scaled units (pinball, or squared error of a point head) with AdamW
    and one cycle of the learning rate. On the validation part it then keeps what was learnt, a share of it (the
    weights are interpolated towards those it began with), or nothing: **there it is never worse than the checkpoint
    was**, and ``provenance["finetuning"][-1]`` says which, with the losses.

    Parameters
    ----------
    checkpoint
        What to begin with.
    windows
        Windows to learn from, or the series themselves: arrays ``(time,)`` or ``(channel, time)``, NaN = not observed.
        Windows with drivers give the result an exogenous mixer, those with static categories an embedding of them;
        its module then needs ``covariates``, or ``static``.
    trainable
        ``"head"``, ``"minimal"`` (decoder and head), ``"bias"``, ``"adapter"`` (low-rank) or ``"full"``.
    validation
        Windows to examine by; None takes the last ``settings.validation_share`` of every series away from training.
    settings
        See :class:`FineTuneSettings`.
    callbacks
        Called with an :class:`~ttm_sk.training.early_stopping.Examination` after every look at the validation part; one
        that returns True ends the training.
    device, is_quiet
        ``"auto"``, ``"cpu"``, ``"cuda"``; and no progress bar.

    Raises
    ------
    ConfigError
        For an unknown ``trainable``, settings that contradict each other, or series with another number of channels
        than the checkpoint mixes.
    DataError
        If the series are too short to learn from and to examine by.

    References
    ----------
    .. [1] Ekambaram et al. (2024), Tiny Time Mixers, arXiv:2401.03955: few-shot fine-tuning of decoder and head.
    .. [2] Wortsman et al. (2022), Robust fine-tuning of zero-shot models, arXiv:2109.01903: interpolated weights.

    Examples
    --------
    >>> from ttm_sk import load_checkpoint
    >>> weeks = np.tile([1.0, 2.0, 4.0, 8.0, 4.0, 2.0, 0.0], 20)
    >>> short = FineTuneSettings(most_steps=4, batch_size=8, peak=1e-3, validation_windows=8)
    >>> tuned = finetune(load_checkpoint("ttm-tiny"), [weeks], settings=short, is_quiet=True)
    >>> outcome = tuned.provenance["finetuning"][-1]
    >>> outcome["validation_loss"] <= outcome["zero_shot_loss"]
    True
    """
    settings = settings or FineTuneSettings()
    check_trainable(trainable)
    if _config_of(checkpoint).n_resolutions and settings.resolution is None:
        raise ConfigError(
            "this checkpoint is told the pace of a series; give its token: FineTuneSettings(resolution=...), see"
            " ttm_sk.data.frequency.resolution_token"
        )
    windows = _as_windows(checkpoint, windows, settings)
    _refuse_mixing(checkpoint, windows, settings)
    start = _grown(checkpoint, windows, settings)
    training, held_back = _parts(windows, validation, settings)
    run = _Run(start, training, held_back, settings, device=device)
    run.learn(trainable, also=new_parts(checkpoint, start), callbacks=callbacks, is_quiet=is_quiet)
    weights = run.choose_blend(start)
    note = run.outcome | {"trainable": trainable, "settings": asdict(settings), "version": __version__}
    logger.info("fine-tuning (%s): %s", trainable, note["outcome"])
    return Checkpoint(start.config, weights, _provenance(checkpoint, note), checkpoint.calibration)


def _grown(checkpoint: Checkpoint, windows: WindowDataset, settings: FineTuneSettings) -> Checkpoint:
    """The checkpoint with the parts that these windows and settings need and it lacks."""
    config, seed = _config_of(checkpoint), settings.seed
    sizes: tuple[int, ...] = ()
    if windows.static is not None and not config.static_sizes:
        sizes = tuple(int(size) for size in windows.static.max(axis=0) + 1)
    if windows.drivers is not None and not config.covariate_channels:
        if settings.mixes_channels:
            raise ConfigError("drivers are mixed in behind the head, channels before it: give one of them alone")
        return with_drivers(
            checkpoint,
            len(windows.drivers[0]),
            n_targets=windows.n_channels,
            horizon=windows.prediction_length,
            static_sizes=sizes,
            seed=seed,
        )
    if sizes:
        return with_static(checkpoint, sizes, n_channels=windows.n_channels, seed=seed)
    return with_channel_mixing(checkpoint, windows.n_channels, seed=seed) if settings.mixes_channels else checkpoint


def _as_windows(
    checkpoint: Checkpoint, windows: WindowDataset | Sequence[np.ndarray], settings: FineTuneSettings
) -> WindowDataset:
    config = _config_of(checkpoint)
    if isinstance(windows, WindowDataset):
        if windows.prediction_length > config.horizon:
            raise ConfigError(
                f"found windows of {windows.prediction_length} steps ahead, more than this checkpoint's"
                f" {config.horizon}; cut shorter ones"
            )
        return windows
    return WindowDataset.from_series(
        windows,
        context_length=config.context_length,
        prediction_length=min(config.horizon, settings.horizon or config.horizon),
        is_univariate=not (config.is_fixed or settings.mixes_channels),
    )


def _config_of(checkpoint: Checkpoint) -> TTMConfig | PatchSLSTMConfig:
    if not isinstance(checkpoint.config, (TTMConfig, PatchSLSTMConfig)):
        raise ConfigError(
            f"fine-tuning adapts a TTM or a PatchSLSTM, found a {type(checkpoint.config).__name__}; choose another"
        )
    return checkpoint.config


def _refuse_mixing(checkpoint: Checkpoint, windows: WindowDataset, settings: FineTuneSettings) -> None:
    """Raise where channels or drivers should inform each other in an architecture without a place for it."""
    is_asked = settings.mixes_channels or windows.drivers is not None or windows.static is not None
    if is_asked and not isinstance(_config_of(checkpoint), TTMConfig):
        raise ConfigError(
            f"a {checkpoint.architecture} forecasts channels one by one, without drivers or categories; use a TTM"
        )


def _parts(
    windows: WindowDataset, validation: WindowDataset | None, settings: FineTuneSettings
) -> tuple[WindowDataset, WindowDataset]:
    """What to learn from and what to examine by."""
    training, held_back = windows, validation
    if held_back is None:
        training, held_back = windows.split(settings.validation_share)
        if (settings.horizon or 0) > windows.prediction_length and windows.drivers is None:
            held_back = windows.reaching(settings.horizon or 1).split(settings.validation_share)[1]
    if settings.few_shot is not None and len(training):
        _check_reach(training, settings.few_shot, held_back.prediction_length)
        training = training.last(settings.few_shot)
    for part, name in ((training, "learn from"), (held_back, "examine by")):
        if not len(part):
            longest = max((array.shape[1] for array in windows.series), default=0)
            raise DataError(
                f"found no window to {name} in {len(windows.series)} series of at most {longest} steps; give longer"
                " ones, a larger few_shot, another validation_share, or forecast zero-shot"
            )
    n_passes = -(-held_back.prediction_length // windows.prediction_length)
    return training, held_back.thinned(max(16, settings.validation_windows // n_passes))


def _check_reach(training: WindowDataset, few_shot: float, horizon: int) -> None:
    span = int(few_shot * training.index[:, 2].max())
    if few_shot < 1 and span < horizon:
        raise DataError(
            f"few_shot={few_shot} is {span} steps, fewer than the {horizon} steps ahead that matter: too few to learn"
            " from; give a larger share, or a count of windows"
        )


@dataclass
class _Run:
    """One fine-tuning run: the module that learns, what it learns from, and what came out."""

    start: Checkpoint
    training: WindowDataset
    validation: WindowDataset
    settings: FineTuneSettings
    device: str
    outcome: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.module = new_module(_config_of(self.start)).to(resolve_device(self.device))
        self.module.load_state_dict(dict(self.start.weights))
        self.rows_per_step = max(1, self.settings.batch_size // self.training.n_channels)

    def learn(self, trainable: str, *, also: Sequence[str], callbacks: Sequence[Callback], is_quiet: bool) -> None:
        """Train the module; afterwards it has the weights that were best, or the last where none beat the first."""
        settings, module = self.settings, self.module
        steps_per_epoch = -(-len(self.training) // self.rows_per_step)
        n_steps = min(settings.n_epochs * steps_per_epoch, settings.most_steps)
        with merged(module):
            n_trained = choose_trainable(module, trainable, also=also, rank=settings.rank, seed=settings.seed)
            zero_shot = self._examine()
            watch = EarlyStopping(
                module, self._examine, _spacing(n_steps, steps_per_epoch), settings.patience, zero_shot, callbacks
            )
            loop = LoopSettings(
                batch_size=self.rows_per_step,
                weight_decay=settings.weight_decay,
                average=0.0,
                time_limit=settings.time_limit,
            )
            with _dropout(module, settings.head_dropout):
                peak = settings.peak or find_rate(module, self._batch, scaled_loss, loop, n_steps=min(30, n_steps))
                loop = replace(loop, faster={"forecast_mixing.": max(1.0, MIXER_PEAK / peak)})
                result = train(
                    module, self._batch, scaled_loss, OneCycle(peak, n_steps), loop, after_step=watch, is_quiet=is_quiet
                )
            watch.restore()
        self.outcome = {
            "trained_parameters": n_trained,
            "training_windows": len(self.training),
            "steps": result.step,
            "steps_per_epoch": steps_per_epoch,
            "seconds": round(result.seconds, 1),
            "peak": peak,
            "zero_shot_loss": zero_shot,
            "history": [asdict(look) for look in watch.history],
        }

    def choose_blend(self, start: Checkpoint) -> dict[str, Tensor]:
        """The weights that are best on the validation part, between those of the beginning and the best learnt ones."""
        learnt = {name: value.detach().cpu().clone() for name, value in self.module.state_dict().items()}
        losses = {0.0: self.outcome["zero_shot_loss"]}
        for blend in BLENDS:
            self.module.load_state_dict(_between(start.weights, learnt, blend))
            losses[blend] = self._examine()
        nearly_all = 1.0 if self.training.drivers is not None else NEARLY_ALL  # half a driver's effect is too little
        gain = (1 - nearly_all) * losses[0.0] + nearly_all * min(losses.values())
        blend = min(share for share, loss in losses.items() if loss <= gain)
        self.outcome |= {"blend": blend, "validation_loss": losses[blend], "outcome": _in_words(blend, losses)}
        return _between(start.weights, learnt, blend)

    def _batch(self, index: int, size: int, rank: int) -> Batch:
        """Batch ``index``: every epoch goes through all windows, in an order of its own."""
        n = len(self.training)
        epoch, position = divmod(index, -(-n // size))
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(n)
        return self._told(self.training.batch(order[position * size : (position + 1) * size]))

    def _told(self, batch: Batch) -> Batch:
        """The batch with the token of its pace, where the module has a resolution prefix."""
        if self.settings.resolution is None:
            return batch
        return replace(batch, resolution=torch.full((len(batch),), self.settings.resolution))

    def _examine(self) -> float:
        n_rows = max(1, 256 // self.training.n_channels)
        return examine(self.module, self.validation, lambda m, b: rolled_loss(m, self._told(b)), batch_size=n_rows)


@contextmanager
def _dropout(module: AnyModule, rate: float | None) -> Iterator[None]:
    """Inside, decoder and head drop out at this rate; None leaves them as they are."""
    places = [part for name in ("decoder", "head") for part in getattr(module, name, nn.Module()).modules()]
    before = {part: part.p for part in places if isinstance(part, nn.Dropout) and rate is not None}
    for part in before:
        part.p = rate or 0.0
    try:
        yield
    finally:
        for part, own in before.items():
            part.p = own


def _spacing(n_steps: int, steps_per_epoch: int) -> int:
    """Steps between two examinations: an epoch, but at least ten looks and at most twenty."""
    return max(1, n_steps // 20, min(steps_per_epoch, n_steps // 10))


def _between(start: Mapping[str, Tensor], learnt: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    if share == 0:
        return {name: start[name].clone() for name in learnt}
    return {name: torch.lerp(start[name], value, share) for name, value in learnt.items()}


def _in_words(blend: float, losses: dict[float, float]) -> str:
    before, after = losses[0.0], losses[blend]
    if blend == 0:
        return f"kept the weights as they were: nothing learnt was better on the validation part (loss {before:.4f})"
    return f"kept {blend:.0%} of what was learnt: validation loss {before:.4f} -> {after:.4f}"


def _provenance(checkpoint: Checkpoint, note: dict[str, Any]) -> dict[str, Any]:
    before = dict(checkpoint.provenance)
    return before | {"finetuning": [*before.get("finetuning", []), note]}
