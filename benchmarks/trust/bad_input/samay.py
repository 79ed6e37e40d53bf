"""Configurations, files and calls that Samay's two classes cannot meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from bad_input.cause import Cause
from ttm_sk.errors import CheckpointError, ConfigError
from ttm_sk.samay import TinyTimeMixerDataset, TinyTimeMixerModel, mae, mape, mse

__all__ = ["CAUSES"]

N_ROWS = 60
LENGTHS = {"context_len": 16, "horizon_len": 4}
SHORT = LENGTHS | {"stride": 4, "batch_size": 8}


def _frame(**columns: Any) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=N_ROWS).strftime("%Y-%m-%d")
    return pd.DataFrame({"ds": days, "load": np.sin(np.arange(N_ROWS)) + 5, "oil": np.arange(N_ROWS)} | columns)


def _data(place: Any, frame: pd.DataFrame | None = None, **options: Any) -> TinyTimeMixerDataset:
    path = place.csv(_frame() if frame is None else frame)
    return TinyTimeMixerDataset(**{"path": path} | SHORT | options)


def _config(**config: Any) -> Callable[[Any], object]:
    return lambda place: TinyTimeMixerModel(config)


def _windows(frame: pd.DataFrame | None = None, **options: Any) -> Callable[[Any], object]:
    return lambda place: _data(place, frame, **options)


def _file(content: str | bytes, name: str = "data.csv") -> Callable[[Any], object]:
    return lambda place: TinyTimeMixerDataset(path=place.file(name, content), **SHORT)


def _model(place: Any) -> TinyTimeMixerModel:
    return TinyTimeMixerModel(LENGTHS, repo=place.model)


def _finetune(**options: Any) -> Callable[[Any], object]:
    few = {"epochs": 1, "learning_rate": 1e-3, "is_quiet": True}
    return lambda place: _model(place).finetune(_data(place), **few | options)


def _called(name: str, *arguments: Any, **options: Any) -> Callable[[Any], object]:
    """A method of a model with a dataset, and more arguments."""
    return lambda place: getattr(_model(place), name)(_data(place), *arguments, **options)


def _with(name: str, data: Any) -> Callable[[Any], object]:
    """A method of a model with something else for a dataset."""
    return lambda place: getattr(_model(place), name)(data)


def _quantised(name: str) -> Callable[[Any], object]:
    def act(place: Any) -> object:
        model = torch.ao.quantization.quantize_dynamic(_model(place), {torch.nn.Linear}, dtype=torch.qint8)
        return model.save(place.folder / "x") if name == "save" else model.finetune(_data(place), is_quiet=True)

    return act


def _case(name: str, act: Callable[[Any], object], found: str) -> Cause:
    return Cause(name, act, found, ConfigError)


LONG = pd.concat([_frame(unique_id=key).rename(columns={"load": "y"}).drop(columns="oil") for key in "ab"])
CAUSES = [
    _case("a configuration with a key misspelt", _config(contextlen=16), "'contextlen'.*did you mean 'context_len'"),
    _case(
        "a configuration that is a list",
        lambda place: TinyTimeMixerModel(["context_len", 16]),
        r"\['context_len', 16\]",
    ),
    _case("a configuration that is a name", lambda place: TinyTimeMixerModel("ttm-tiny"), "ttm-tiny"),
    _case("a context_len of 0", _config(context_len=0), "context_len=0"),
    _case("a context_len of text", _config(context_len="long"), "context_len='long'"),
    _case("a context_len beyond the model", _config(context_len=5000), "context_len=5000"),
    _case("a horizon_len of 9.5", _config(horizon_len=9.5), "horizon_len=9.5"),
    _case("a horizon_len of None", _config(horizon_len=None), "horizon_len=None"),
    _case("a model_size that there is not", _config(model_size="huge"), "'huge'"),
    _case("a model_size of a list", _config(model_size=["tiny"]), "tiny"),
    _case("a d_model of 0", _config(d_model=0), "d_model=0"),
    _case("a d_model that does not divide", _config(d_model=30), "30"),
    _case("heads that do not divide the width", _config(n_heads=5), "5"),
    _case("a negative number of layers", _config(n_layers=-1), "n_layers=-1"),
    _case("a dropout of 1", _config(dropout=1.0), "dropout=1.0"),
    _case("a dropout of text", _config(dropout="some"), "'some'"),
    _case("a dropout of NaN", _config(dropout=float("nan")), "nan"),
    _case("a seed of -1 in a configuration", _config(seed=-1), "seed=-1"),
    _case(
        "a width beside other weights", lambda place: TinyTimeMixerModel({"d_model": 8}, repo=place.model), "d_model"
    ),
    Cause("a repo that is not there", lambda place: TinyTimeMixerModel(repo="no/model"), "no/model", CheckpointError),
    Cause("a repo that is a number", lambda place: TinyTimeMixerModel(repo=7), "found 7", CheckpointError),
    Cause("a repo that is a CSV file", lambda place: TinyTimeMixerModel(repo=place.sales), "data.csv", CheckpointError),
    Cause("loading what is not there", lambda place: TinyTimeMixerModel.load("gone.pt"), "gone.pt", CheckpointError),
    Cause(
        "loading a pickle",
        lambda place: TinyTimeMixerModel.load(place.file("m.pt", b"\x80\x04N.")),
        "m.pt",
        CheckpointError,
    ),
    _case("a model on an unknown device", lambda place: _model(place).to("abacus"), "abacus"),
    _case("a model on a device that is missing", lambda place: _model(place).to("cuda:77"), "cuda"),
    _case("a dataset without a path", lambda place: TinyTimeMixerDataset(), "no path"),
    Cause("a dataset whose file is missing", lambda place: TinyTimeMixerDataset(path="gone.csv"), "gone.csv"),
    _case("a path that is a number", lambda place: TinyTimeMixerDataset(path=7), "path=7"),
    Cause("a path that is a folder of nothing", lambda place: TinyTimeMixerDataset(path=place.folder), "found|no"),
    _case("an unknown mode", _windows(mode="valid"), "'valid'"),
    _case("a mode of a list", _windows(mode=["train"]), "train"),
    _case("a stride of 0", _windows(stride=0), "stride=0"),
    _case("a batch_size of 2.5", _windows(batch_size=2.5), "batch_size=2.5"),
    _case("a context_len of True", _windows(context_len=True), "context_len=True"),
    _case("a horizon_len of -4", _windows(horizon_len=-4), "horizon_len=-4"),
    Cause("two boundaries", _windows(boundaries=[0, 30]), r"boundaries=\[0, 30\]"),
    Cause("boundaries that go back", _windows(boundaries=[0, 40, 30]), r"boundaries=\[0, 40, 30\]"),
    Cause("boundaries beyond the file", _windows(boundaries=[0, 40, 61]), "61"),
    Cause("boundaries below 0", _windows(boundaries=[-5, 40, 50]), "-5"),
    Cause("boundaries as shares", _windows(boundaries=[0.0, 0.5, 0.7]), "0.5"),
    _case("boundaries that are a number", _windows(boundaries=40), "boundaries=40"),
    _case("boundaries that are None", _windows(boundaries=None), "boundaries=None"),
    Cause("boundaries of text", _windows(boundaries="abc"), "abc|'a'"),
    Cause("a part too short for a window", _windows(boundaries=[0, 40, 58], mode="test"), "rows 58 to 60"),
    Cause("a context longer than the file", _windows(context_len=58), "58"),
    Cause("a column of time that there is not", _windows(datetime_col="date"), "'date'"),
    _case("a column of time that is None", _windows(datetime_col=None), "datetime_col=None"),
    _case("a column of time that is a number", _windows(datetime_col=0), "datetime_col=0"),
    Cause("a column of time that is no time", _windows(_frame(ds="some day")), "some day"),
    Cause("a file for Samay with a row missing", _windows(_frame().drop(index=30)), "2024-01-3[01]|irregular"),
    Cause("a grid for Samay that there is not", _windows(freq="often"), "'often'"),
    Cause("a grid for Samay that is a number", _windows(freq=3), "freq=3"),
    Cause("a file for Samay without numbers", _windows(_frame(load="a", oil="b")), "load|oil|number"),
    Cause("a channel that is all missing", _windows(_frame(oil=np.nan)), "oil|no whole window"),
    Cause("an infinite channel", _windows(_frame(oil=np.inf)), "infinite|inf"),
    Cause("two series in one file for Samay", _windows(LONG), "2 series"),
    Cause("an empty file for Samay", _file(""), "data.csv"),
    Cause("a picture for Samay", _file(b"\x89PNG\r\n\x1a\n\x00\xff", "me.png"), "me.png"),
    Cause(
        "a window beyond the last", lambda place: _data(place)[1000], "window 1000", IndexError, "Python's sequences"
    ),
    Cause("a channel that there is not", lambda place: _data(place).place_of("gas"), "'gas'.*load, oil"),
    Cause("a picture of a channel that there is not", _called("plot", channel=9), "9"),
    Cause("a picture of a window that there is not", _called("plot", window=1000), "1000"),
    Cause("a picture of half a window", _called("plot", window=0.5), r"0\.5"),
    _case("an evaluation with an unknown effort", _called("evaluate", effort="quick"), "'quick'"),
    Cause("an evaluation of a frame", _with("evaluate", _frame()), "a DataFrame"),
    Cause("an evaluation of a path", _with("evaluate", "data.csv"), "a str"),
    Cause("fine-tuning on a frame", _with("finetune", _frame()), "a DataFrame"),
    _case("fine-tuning for 0 epochs", _finetune(epochs=0), "0"),
    _case("fine-tuning for epochs in words", _finetune(epochs="many"), "many"),
    _case("fine-tuning for half an epoch", _finetune(epochs=0.5), "0.5"),
    _case("fine-tuning by a rate of 0", _finetune(learning_rate=0.0), "0"),
    _case("fine-tuning by a rate in words", _finetune(learning_rate="fast"), "fast"),
    _case("fine-tuning in batches of 0", _finetune(batch_size=0), "0"),
    _case("fine-tuning in batches of text", _finetune(batch_size="big"), "big"),
    _case("fine-tuning by a negative decay", _finetune(weight_decay=-1.0), "-1"),
    _case("fine-tuning of an unknown part by Samay", _finetune(trainable="knees"), "knees"),
    _case("fine-tuning with a patience of 0 by Samay", _finetune(patience=0), "0"),
    _case("fine-tuning with a seed of -1", _finetune(seed=-1), "-1"),
    Cause("a validation part that is a path", _finetune(val_dataset="val.csv"), "a str"),
    _case("a quantised model that is trained", _quantised("finetune"), "quantised"),
    _case("a quantised model that is saved", _quantised("save"), "quantised"),
    Cause("truths and forecasts of two shapes", lambda place: mse(np.zeros(3), np.zeros(4)), "3|4"),
    Cause("a forecast that is not finite", lambda place: mae(np.zeros(3), np.full(3, np.nan)), "nan|finite|NaN"),
    Cause("truths of text", lambda place: mape(["a"], [1.0]), "'a'"),
]
