"""What TTMRegressor and TTMFeatures refuse, in scikit-learn's contract."""

from __future__ import annotations

import numpy as np
from sklearn.exceptions import NotFittedError

from bad_input.cause import Cause
from ttm_sk import TTMFeatures, TTMRegressor
from ttm_sk.errors import CheckpointError, ConfigError

__all__ = ["CAUSES"]

X = np.random.default_rng(0).normal(size=(24, 64))
Y = X[:, -1]


def _fit(X=X, y=Y, **parameters):
    few = {"max_epochs": 1, "device": "cpu"}
    return lambda place: TTMRegressor(place.weights, **few | parameters).fit(X, y)


def _predict(X_new):
    return lambda place: TTMRegressor(place.weights, max_epochs=1).fit(X, Y).predict(X_new)


def _features(X=X, **parameters):
    return lambda place: TTMFeatures(place.weights, **{"length": 64} | parameters).fit(X).transform(X)


CAUSES = [
    Cause("windows with infinity", _fit(np.full_like(X, np.inf)), "inf", ValueError, "scikit-learn"),
    Cause("targets with NaN", _fit(y=Y * np.nan), "NaN", ValueError, "scikit-learn"),
    Cause("targets with infinity", _fit(y=Y * np.inf), "inf", ValueError, "scikit-learn"),
    Cause("fewer targets than windows", _fit(y=Y[:5]), "5", ValueError, "scikit-learn"),
    Cause("windows of one dimension", _fit(Y, Y), "1D|1 dim|dimension", ValueError, "scikit-learn"),
    Cause("windows of four dimensions", _fit(np.zeros((2, 2, 2, 2)), np.zeros(2)), "dim", ValueError, "scikit-learn"),
    Cause("no window", _fit(X[:0], Y[:0]), "0 sample", ValueError, "scikit-learn"),
    Cause("windows of no step", _fit(X[:, :0], Y), "0 feature", ValueError, "scikit-learn"),
    Cause("windows of text", _fit(np.full((4, 64), "a"), Y[:4]), "'a'|str|numeric", ValueError, "scikit-learn"),
    Cause("targets of text", _fit(y=np.full(24, "a")), "'a'|str|numeric|<U1", ValueError, "scikit-learn"),
    Cause("targets are None", _fit(y=None), "y", ValueError, "scikit-learn"),
    Cause("windows of another length than in fit", _predict(X[:, :32]), "32", ValueError, "scikit-learn"),
    Cause(
        "prediction before fit",
        lambda place: TTMRegressor(place.weights).predict(X),
        "fit",
        NotFittedError,
        "scikit-learn",
    ),
    Cause("training an unknown part", _fit(trainable="knees"), "knees", ConfigError),
    Cause("an unknown scale of the target", _fit(target_scale="log"), "log", ConfigError),
    Cause("a lead of 0 steps", _fit(lead=0), "0", ConfigError),
    Cause("a learning rate of -1", _fit(lr=-1.0), "-1", Exception),
    Cause("batches of 0 windows", _fit(batch_size=0), "0", Exception),
    Cause("a parameter that skorch does not know", _fit(optimzer="adam"), "optimzer", TypeError, "scikit-learn"),
    Cause("weights that are not there", lambda place: TTMRegressor("nowhere").fit(X, Y), "nowhere", CheckpointError),
    Cause("features of no channel", _features(n_channels=0), "0", ConfigError),
    Cause("features of channels that do not divide the window", _features(n_channels=5), "64|5"),
    Cause("features of a window of 0 steps", _features(length=0), "0", ConfigError),
    Cause("features of infinity", _features(np.full_like(X, np.inf)), "inf", ValueError, "scikit-learn"),
    Cause("features of text", _features(np.full((4, 64), "a")), "'a'|str|numeric", ValueError, "scikit-learn"),
    Cause(
        "features before fit",
        lambda place: TTMFeatures(place.weights).transform(X),
        "fit",
        NotFittedError,
        "scikit-learn",
    ),
]
