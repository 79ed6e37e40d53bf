"""Parameters of forecasters, models and training that nothing can have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bad_input.cause import SMALL, Cause, days
from ttm_sk import (
    PatchSLSTMForecaster,
    SpeculativeForecaster,
    TimerXLForecaster,
    TTMForecaster,
    finetune,
    pretrain,
)
from ttm_sk.errors import CheckpointError, ConfigError, DataError
from ttm_sk.training.finetune import FineTuneSettings
from ttm_sk.training.loop import LoopSettings
from ttm_sk.training.pretrain import PretrainSettings

__all__ = ["CAUSES"]


def _with(estimator=TTMForecaster, **parameters):
    def act(place):
        chosen = {"model_path": place.weights} | parameters if estimator is TTMForecaster else parameters
        return estimator(**chosen).fit(days(), fh=[1]).predict()

    return act


def _config(**changes):
    return lambda place: replace(SMALL, **changes)


def _pretrain(**changes):
    few = {"n_windows": 8, "batch_size": 4}
    return lambda place: pretrain(place.weights, settings=PretrainSettings(**few | changes), is_quiet=True)


def _finetune(series=None, trainable="minimal", **changes):
    few = {"most_steps": 1, "n_epochs": 1}
    past = [np.arange(200.0)[None]] if series is None else series
    return lambda place: finetune(place.weights, past, trainable=trainable, settings=FineTuneSettings(**few | changes))


def _loop(**changes):
    return lambda place: pretrain(
        place.weights,
        settings=PretrainSettings(n_windows=8, batch_size=4),
        loop=LoopSettings(**changes),
        is_quiet=True,
    )


CAUSES = [
    Cause("weights of an unknown name", _with(model_path="ttm-tinny"), "ttm-tinny", CheckpointError),
    Cause("weights are a number", _with(model_path=7), "7", Exception),
    Cause("weights are None", _with(model_path=None), "None", Exception),
    Cause("an unknown effort", _with(effort="quick"), "quick", ConfigError),
    Cause("an effort of None", _with(effort=None), "None", ConfigError),
    Cause("an unknown fit strategy", _with(fit_strategy="everything"), "everything", ConfigError),
    Cause("an unknown backend", _with(backend="abacus"), "abacus", ConfigError),
    Cause("an unknown device", _with(device="abacus"), "abacus", ConfigError),
    Cause("a device without a number", _with(device=3.5), "3.5", ConfigError),
    Cause("a context of no step", _with(context_length=0), "0", ConfigError),
    Cause("a negative context", _with(context_length=-4), "-4", ConfigError),
    Cause("a context of text", _with(context_length="long"), "long", ConfigError),
    Cause("a context of 1.5 steps", _with(context_length=1.5), "1.5", ConfigError),
    Cause("a batch of no series", _with(batch_size=0), "0", ConfigError),
    Cause("a batch of text", _with(batch_size="big"), "big", ConfigError),
    Cause("a batch of half a series", _with(batch_size=0.5), "0.5", ConfigError),
    Cause("no steps of fine-tuning", _with(fit_strategy="head", fit_steps=0), "0", ConfigError),
    Cause("steps of fine-tuning in words", _with(fit_strategy="head", fit_steps="many"), "many", ConfigError),
    Cause("a validation part of everything", _with(fit_strategy="head", validation_split=1.0), "1", ConfigError),
    Cause("a negative validation part", _with(fit_strategy="head", validation_split=-0.2), "-0.2", ConfigError),
    Cause("few-shot of nothing", _with(fit_strategy="head", few_shot=0), "0", ConfigError),
    Cause("a seed of text", _with(fit_strategy="head", random_state="lucky"), "lucky", ConfigError),
    Cause("past columns without X", _with(past_columns=("rain",)), "rain", ConfigError),
    Cause("channels that mix, without training", _with(mixes_channels=True), "mixes_channels", ConfigError),
    Cause("a PatchSLSTM of an unknown size", _with(PatchSLSTMForecaster, config="giant"), "giant", ConfigError),
    Cause("a Timer-XL without weights or config", _with(TimerXLForecaster), "model_path|config|None", Exception),
    Cause("a Timer-XL whose config is text", _with(TimerXLForecaster, config="giant"), "giant", ConfigError),
    Cause("speculation without a target", _with(SpeculativeForecaster), "target|None", Exception),
    Cause("speculation in an unknown mode", _with(SpeculativeForecaster, mode="lucky"), "lucky|target", Exception),
    Cause("a context that patches do not divide", _config(context_length=50), "50", ConfigError),
    Cause("a model of width 0", _config(width=0), "0", ConfigError),
    Cause("a model of negative depth", _config(n_layers=-1), "-1", ConfigError),
    Cause("a model of half a layer", _config(n_layers=0.5), "0.5", ConfigError),
    Cause("levels out of order", _config(levels=(0.9, 0.5)), "0.9", ConfigError),
    Cause("a level of one", _config(levels=(0.5, 1.0)), "1", ConfigError),
    Cause("levels without a median", _config(levels=(0.1, 0.9)), "0.1|0.5", ConfigError),
    Cause("an unknown scaling", _config(scaling="log"), "log", ConfigError),
    Cause("an unknown gate", _config(gate="garden"), "garden", ConfigError),
    Cause("a dropout of 1.5", _config(dropout=1.5), "1.5", ConfigError),
    Cause("pretraining on no windows", _pretrain(n_windows=0), "0", ConfigError),
    Cause("pretraining on windows in words", _pretrain(n_windows="many"), "'many'", ConfigError),
    Cause("pretraining in batches of 0", _pretrain(batch_size=0), "0", ConfigError),
    Cause("a learning rate of 0", _pretrain(peak=0.0), "0", ConfigError),
    Cause("a learning rate of NaN", _pretrain(peak=float("nan")), "nan", ConfigError),
    Cause("an infinite learning rate", _pretrain(peak=float("inf")), "inf", ConfigError),
    Cause(
        "warm-up and decay beyond the run",
        _pretrain(n_windows=40, warmup_share=0.8, decay_share=0.8),
        "warm|0.8",
        ConfigError,
    ),
    Cause("a synthetic share of 3", _pretrain(synthetic_share=3.0), "3", ConfigError),
    Cause("a negative seed", _pretrain(seed=-1), "-1", ConfigError),
    Cause("training from text", lambda place: pretrain("ttm-tiny"), "ttm-tiny", ConfigError),
    Cause("an average that never forgets", _loop(average=1.5), "1.5", ConfigError),
    Cause("a weight decay below 0", _loop(weight_decay=-0.1), "-0.1", ConfigError),
    Cause("a negative time limit", _loop(time_limit=-1.0), "-1", ConfigError),
    Cause("fine-tuning an unknown part", _finetune(trainable="knees"), "knees", ConfigError),
    Cause("fine-tuning on nothing", _finetune([]), "no|0", DataError),
    Cause("fine-tuning on NaN", _finetune([np.full((1, 300), np.nan)]), "no window to learn from", DataError),
    Cause("fine-tuning on infinity", _finetune([np.full((1, 300), np.inf)]), "infinite", DataError),
    Cause("fine-tuning on text", _finetune([np.array([["a"] * 300])]), "text|'a'|str|<U1|dtype", DataError),
    Cause("fine-tuning for no epoch", _finetune(n_epochs=0), "0", ConfigError),
    Cause("fine-tuning for epochs in words alone", _finetune(n_epochs="many"), "'many'", ConfigError),
    Cause("fine-tuning with a decay that is infinite", _finetune(weight_decay=float("inf")), "inf", ConfigError),
    Cause("fine-tuning at a rate of -1", _finetune(peak=-1.0), "-1", ConfigError),
    Cause("fine-tuning without patience", _finetune(patience=0), "0", ConfigError),
    Cause("adapters of rank 0", _finetune(trainable="adapter", rank=0), "0", ConfigError),
]
