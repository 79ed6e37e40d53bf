"""TTMFeatures: windows in, the pretrained model's view of them out, for any scikit-learn estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.estimators.rollback import unchanged_by_failure
from ttm_sk.estimators.weights import open_weights, own_ttm
from ttm_sk.inference.embedding import N_DETAILS, embed_in_detail, embed_windows

__all__ = ["TTMFeatures"]


class TTMFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Embeddings of windows by the backbone of a pretrained TinyTimeMixer, to classify, cluster or score them.

    Nothing is trained. A row of ``X`` is a window, the oldest step first; each channel of it is scaled by itself, read
    by the backbone, and the patches of each view are averaged. Level and spread of the window, which scaling takes
    away, stand beside the embedding.

    Parameters
    ----------
    model_path : str, path or Checkpoint, default="ttm-tiny"
        Bundled weights by name, a checkpoint file, or a :class:`~ttm_sk.checkpoints.store.Checkpoint`.
    n_channels : int, default=1
        Channels of a window: a row is then one channel after the other, ``(channel * time,)``.
    length : int or None, default=512
        Windows are stretched or squeezed to so many steps before they are read, so that short ones fill the model's
        patches of 64 steps; None reads them as they are, which suits long windows that end now.
    with_parts : bool, default=False
        Whether the window's changes from step to step, and parts of window and changes, are read as well: six times as
        many features, which tell classes apart better, at sixteen times the cost.
    with_level : bool, default=True
        Whether mean and standard deviation of each channel are among the features.
    batch_size : int, default=256
        Windows in one pass; the result does not depend on it.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one), ``"cpu"``, ``"cuda"``.

    Attributes
    ----------
    n_features_in_ : int
        Values in a row.

    Notes
    -----
    NaN are unobserved steps (pad shorter windows with NaN on the left); a window without any value raises
    ``DataError``, infinities raise ``ValueError``. The features have the type of ``X``, float64 or float32, and are
    computed in double precision: a row's do not depend on the other rows.

    Examples
    --------
    >>> import numpy as np
    >>> from ttm_sk import TTMFeatures
    >>> windows = np.sin(np.arange(100) / np.array([[3.0], [4.0]]))
    >>> features = TTMFeatures()
    >>> features.fit_transform(windows).shape
    (2, 578)
    >>> features.get_feature_names_out()[:2]
    array(['ttmfeatures0', 'ttmfeatures1'], dtype=object)
    """

    def __init__(
        self,
        model_path: str | Path | Checkpoint = "ttm-tiny",
        *,
        n_channels: int = 1,
        length: int | None = 512,
        with_parts: bool = False,
        with_level: bool = True,
        batch_size: int = 256,
        device: str = "auto",
    ) -> None:
        self.model_path = model_path
        self.n_channels = n_channels
        self.length = length
        self.with_parts = with_parts
        self.with_level = with_level
        self.batch_size = batch_size
        self.device = device

    def fit(self, X: Any, y: Any = None) -> TTMFeatures:
        """Check the parameters and remember the width of the windows; ``y`` is ignored."""
        with unchanged_by_failure(self):
            return self._fit(X)

    def _fit(self, X: Any) -> TTMFeatures:
        checkpoint = self._check_parameters()
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
        if X.shape[1] % self.n_channels:
            raise DataError(
                f"found rows of {X.shape[1]} values, which {self.n_channels} channels of one length cannot have;"
                " expected channel after channel, each with the same number of steps"
            )
        config = own_ttm(checkpoint).config
        self._checkpoint = checkpoint
        n_embedded = len(config.views) * config.width * (N_DETAILS if self.with_parts else 1)
        self._n_features_out = self.n_channels * (n_embedded + 2 * bool(self.with_level))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """``(row, feature)``: for each channel the views, coarsest first, then its mean and standard deviation.

        With parts, the views come six times: of the window, mean and deviation over its parts, and so of its changes.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
        windows = X.astype(np.float64).reshape(len(X), self.n_channels, -1)
        module = own_ttm(self._checkpoint).to(resolve_device(self.device))
        embed = embed_in_detail if self.with_parts else embed_windows
        features = embed(module, windows, length=self.length, batch_size=self.batch_size)
        if self.with_level:
            level = [np.nanmean(windows, axis=-1), np.nanstd(windows, axis=-1)]
            features = np.concatenate([features, np.stack(level, axis=-1)], axis=-1)
        return features.reshape(len(X), -1).astype(X.dtype)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_n_features_out")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.requires_fit = True
        return tags

    def _check_parameters(self) -> Checkpoint:
        for name in ("n_channels", "batch_size", "length"):
            value = getattr(self, name)
            is_count = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1
            if not is_count and not (value is None and name == "length"):
                raise ConfigError(f"{name}={value!r} must be a whole number of at least 1")
        if not isinstance(self.model_path, (str, Path, Checkpoint)):
            raise ConfigError(f"model_path={self.model_path!r} must be a name, a path or a Checkpoint")
        resolve_device(self.device)
        return open_weights(self.model_path)
