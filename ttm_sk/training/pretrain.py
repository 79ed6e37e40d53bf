"""Pretraining from a configuration, or onwards from a checkpoint, on synthetic and real series."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from numbers import Integral
from typing import Any

import torch

from ttm_sk import __version__
from ttm_sk.checkpoints.architectures import AnyConfig, AnyModule, new_module
from ttm_sk.checkpoints.provenance import source_commit
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.corpora import Corpus
from ttm_sk.data.synthetic import WEIGHTS
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError
from ttm_sk.models.frozen_config import FrozenConfig
from ttm_sk.models.ttm_config import TTMConfig
from ttm_sk.training.loop import LoopSettings, train
from ttm_sk.training.objectives import FedBackLoss
from ttm_sk.training.recipes import recipe_of
from ttm_sk.training.schedule import Schedule

__all__ = ["PretrainSettings", "pretrain", "validation_loss"]

VALIDATION_SEED = 2**31  # no run of 32 bits draws the same windows


@dataclass(frozen=True)
class PretrainSettings:
    """How long and how to pretrain.

    Attributes
    ----------
    n_windows
        Windows to see in this run.
    batch_size
        Windows per step.
    peak
        Learning rate of the constant phase.
    warmup_share, decay_share
        Parts of the run that warm up and decay; a decay of 0 leaves weights to be trained on.
    synthetic_share
        Share of synthetic windows; without a corpus it is 1.
    reversed_share
        Share of the real windows that are read backwards in time.
    changed_share
        Share of windows whose movement is multiplied by a slowly changing size; half as many are mixed with other
        windows, a quarter are cut off at one of their values. None: what is usual for the architecture and the place
        where its windows are drawn, for TTM a fifth on a GPU and none on a CPU.
    fed_back_share
        Share of windows whose newest steps are the model's own forecast, so that it learns to forecast onwards from
        them (:class:`~ttm_sk.training.objectives.FedBackLoss`); for a TTM with quantiles.
    fed_back_weight
        What the model is told of how far such a step was observed, between 0 and 1 (as
        :class:`~ttm_sk.TTMConfig` has it); None leaves what ``start`` says.
    validation_share
        Part of the corpus that is kept back (:meth:`~ttm_sk.data.corpora.Corpus.split`); the loss of the trained
        weights on windows of it goes into the provenance. 0 keeps nothing back.
    seed
        Of the first weights and of the windows.
    """

    n_windows: int = 5_000_000
    batch_size: int = 512
    peak: float = 2e-3
    warmup_share: float = 0.02
    decay_share: float = 0.2
    synthetic_share: float = 0.5
    reversed_share: float = 0.0
    changed_share: float | None = None
    fed_back_share: float = 0.0
    fed_back_weight: float | None = None
    validation_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_windows", "batch_size"):
            if not isinstance(getattr(self, name), Integral):
                raise ConfigError(f"{name}={getattr(self, name)!r} must be a whole number")
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        shares = ("warmup_share", "decay_share", "synthetic_share", "reversed_share", "fed_back_share")
        for name in (*shares, "validation_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be a share from 0 to 1")
        if self.changed_share is not None and not 0 <= self.changed_share <= 1:
            raise ConfigError(f"changed_share={self.changed_share} must be a share from 0 to 1, or None")
        if self.fed_back_weight is not None and not self.fed_back_share:
            raise ConfigError(
                f"fed_back_weight={self.fed_back_weight} means nothing without windows that go on from a forecast;"
                " give a fed_back_share, or leave it out"
            )
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} must be 0 or above")

    def schedule(self) -> Schedule:
        """The learning rate, step by step."""
        n_steps = max(1, self.n_windows // self.batch_size)
        return Schedule(
            self.peak, n_steps, n_warmup=int(n_steps * self.warmup_share), n_decay=int(n_steps * self.decay_share)
        )


def pretrain(
    start: AnyConfig | Checkpoint,
    corpus: Corpus | None = None,
    *,
    settings: PretrainSettings | None = None,
    loop: LoopSettings | None = None,
    device: str = "auto",
    is_quiet: bool = False,
) -> Checkpoint:
    """A new checkpoint, trained from random weights (a config) or onwards (a checkpoint, which is left as it is).

    Parameters
    ----------
    start
        What to train: a config of an architecture in :data:`~ttm_sk.training.recipes.RECIPES`, or a checkpoint of one.
    corpus
        Real series; None trains on synthetic ones alone.
    settings, loop
        See :class:`PretrainSettings` and :class:`~ttm_sk.training.loop.LoopSettings`. With ``loop.state_file``
        a run that was killed continues exactly where it was last saved.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``.

    Returns
    -------
    Checkpoint
        The averaged weights; its provenance lists windows, seconds, data sets, settings and the code's commit, those
        of ``start`` included.

    Raises
    ------
    ConfigError
        If the settings contradict each other, or ``start`` is neither a config nor a checkpoint.
    CheckpointError
        If ``loop.state_file`` holds a run with another start, other data or other settings.

    Examples
    --------
    >>> from ttm_sk import TTMConfig
    >>> config = TTMConfig(
    ...     context_length=32,
    ...     prediction_length=8,
    ...     patch_length=8,
    ...     width=16,
    ...     n_levels=2,
    ...     n_layers=1,
    ...     decoder_width=8,
    ...     decoder_layers=1,
    ... )
    >>> checkpoint = pretrain(config, settings=PretrainSettings(n_windows=64, batch_size=16), is_quiet=True)
    >>> checkpoint.provenance["windows"]
    64
    """
    settings, loop = settings or PretrainSettings(), loop or LoopSettings()
    if corpus is None:
        settings = replace(settings, synthetic_share=1.0)
    if not isinstance(start, (FrozenConfig, Checkpoint)):
        raise ConfigError(f"start={start!r} must be a config or a Checkpoint; open a file with load_checkpoint")
    config = _with_weight(start.config if isinstance(start, Checkpoint) else start, settings)
    recipe, schedule = recipe_of(config), settings.schedule()
    if loop.is_compiled and not recipe.can_compile:
        raise ConfigError(f"is_compiled=True does nothing for {type(config).__name__}; leave it out")
    place, commit = resolve_device(device), source_commit()  # of the code that runs, even if it is edited meanwhile
    training, held_back = _sides(corpus, settings.validation_share)
    module = _first_module(start, config, settings.seed).to(place)
    sampler = recipe.sampler(
        config,
        n_steps=schedule.n_steps,
        corpus=training,
        synthetic_share=settings.synthetic_share,
        reversed_share=settings.reversed_share,
        changed_share=settings.changed_share,
        seed=settings.seed,
        device=place,
    )
    result = train(
        module,
        lambda index, size, rank: sampler.batch(index, size, rank=rank),
        FedBackLoss(settings.fed_back_share) if settings.fed_back_share else recipe.objective,
        schedule,
        replace(loop, batch_size=settings.batch_size),
        identity={
            "start": start.hash if isinstance(start, Checkpoint) else None,
            "datasets": sorted(corpus.datasets) if corpus else [],
            "series": corpus.digest() if corpus else None,
            "families": dict(WEIGHTS) if settings.synthetic_share else None,
            **asdict(settings),
            **loop.decisive(),
        },
        is_quiet=is_quiet,
    )
    weights = {name: value.cpu() for name, value in result.averaged.items()}
    n_windows = result.step * settings.batch_size
    provenance = _provenance(start, corpus, settings, place, n_windows=n_windows, seconds=result.seconds, commit=commit)
    checkpoint = Checkpoint(config, weights, provenance)
    if held_back is not None:
        provenance["runs"][-1]["validation_loss"] = validation_loss(checkpoint, held_back)
    return checkpoint


def validation_loss(checkpoint: Checkpoint, corpus: Corpus, *, n_windows: int = 2048, batch_size: int = 256) -> float:
    """The mean loss of a checkpoint on windows of a corpus, always the same ones, on the CPU.

    Parameters
    ----------
    checkpoint
        Of an architecture in :data:`~ttm_sk.training.recipes.RECIPES`; its own objective is what is measured.
    corpus
        Series to draw windows from, such as the second part of :meth:`~ttm_sk.data.corpora.Corpus.split`.
    n_windows, batch_size
        Windows in all (whole batches), and at a time.

    Raises
    ------
    ConfigError
        If the architecture is not pretrained here.

    Examples
    --------
    >>> import numpy as np
    >>> from ttm_sk import load_checkpoint
    >>> from ttm_sk.data.corpora import Corpus
    >>> corpus = Corpus.from_series([np.sin(np.arange(300) / period) for period in (3, 5, 8)])
    >>> validation_loss(load_checkpoint("ttm-tiny"), corpus, n_windows=8, batch_size=8) < 0.5
    True
    """
    recipe = recipe_of(checkpoint.config)
    n_steps = -(-n_windows // batch_size)
    sampler = recipe.sampler(
        checkpoint.config,
        n_steps=n_steps,
        corpus=corpus,
        synthetic_share=0.0,
        seed=VALIDATION_SEED,
        device=torch.device("cpu"),
    )
    module = checkpoint.build()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(VALIDATION_SEED)
        losses = [float(recipe.objective(module, sampler.batch(i, batch_size))) for i in range(n_steps)]
    return sum(losses) / n_steps


def _sides(corpus: Corpus | None, share: float) -> tuple[Corpus | None, Corpus | None]:
    """What to train on, and what is kept back."""
    if not share:
        return corpus, None
    if corpus is None:
        raise ConfigError(f"validation_share={share} keeps back a part of a corpus; give one, or leave it at 0")
    return corpus.split(share)


def _with_weight(config: AnyConfig, settings: PretrainSettings) -> AnyConfig:
    """The config with the weight of what is fed back, where something is."""
    if not settings.fed_back_share:
        return config
    if not (isinstance(config, TTMConfig) and config.levels):
        raise ConfigError(f"fed_back_share={settings.fed_back_share} is for a TTM with quantiles; leave it at 0")
    if settings.fed_back_weight is None:
        return config
    return replace(config, fed_back_weight=settings.fed_back_weight)


def _first_module(start: AnyConfig | Checkpoint, config: AnyConfig, seed: int) -> AnyModule:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = new_module(config)
    if isinstance(start, Checkpoint):
        module.load_state_dict({name: value.clone() for name, value in start.weights.items()})
    return module.eval()


def _provenance(
    start: AnyConfig | Checkpoint,
    corpus: Corpus | None,
    settings: PretrainSettings,
    device: torch.device,
    *,
    n_windows: int,
    seconds: float,
    commit: str,
) -> dict[str, Any]:
    before = dict(start.provenance) if isinstance(start, Checkpoint) else {}
    datasets = set(before.get("datasets", [])) | set(corpus.datasets if corpus else ())
    run = {
        "windows": n_windows,
        "seconds": round(seconds, 1),
        "settings": asdict(settings),
        "hardware": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper(),
        "version": __version__,
        "commit": commit,
    }
    return {
        **before,
        "windows": before.get("windows", 0) + n_windows,
        "seconds": round(before.get("seconds", 0.0) + seconds, 1),
        "datasets": sorted(datasets),
        "runs": [*before.get("runs", []), run],
    }
