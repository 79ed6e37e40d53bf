"""TTMRegressor: windows in, numbers out; scikit-learn outside, skorch inside."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from skorch.history import History

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.device import resolve_device
from ttm_sk.errors import ConfigError
from ttm_sk.estimators.regression_net import TARGET_SCALES, RegressionNet, WindowRegression, seeded, training_team
from ttm_sk.estimators.regressor_file import read_regressor, write_regressor
from ttm_sk.estimators.rollback import unchanged_by_failure
from ttm_sk.estimators.window_rows import (
    WindowUnits,
    describe_rows,
    in_double,
    in_single,
    refuse_empty_rows,
    repeat_rows,
)
from ttm_sk.inference.quantiles import at_levels
from ttm_sk.models.ttm import DEFAULT_LEVELS, TTMConfig
from ttm_sk.training.trainable import check_trainable

__all__ = ["TTMRegressor"]

NET_PREFIXES = ("module__", "optimizer__", "criterion__", "callbacks__", "iterator_train__", "iterator_valid__")
WINDOWS: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
_INITIALISING = threading.Lock()  # first weights are drawn from torch's global random numbers
OF_NET = ("max_epochs", "lr", "batch_size", "optimizer", "train_split", "verbose")
OF_MODULE = ("trainable", "target_scale", "lead")
PLAIN = (str, int, float, np.generic, tuple, Path, TTMConfig)


class TTMRegressor(RegressorMixin, BaseEstimator):
    """Regression on windows by a pretrained TinyTimeMixer and a new head, trained with skorch.

    A row of ``X`` is a window: lags in their order, oldest first, or any features whose order means something. The
    pretrained model reads it and gives a forecast and features; a linear map, begun at a ridge regression in closed
    form, and a small non-linear one make the prediction of it, and are trained with AdamW.

    Parameters
    ----------
    model_path : str, path, Checkpoint or TTMConfig, default="ttm-tiny"
        Bundled weights by name, a checkpoint file or object; a :class:`~ttm_sk.TTMConfig` is a fresh network with
        random weights.
    trainable : {"head", "minimal", "bias", "adapter", "full"}, default="head"
        What is trained beside the new head: nothing (each window is read once), or parts of the pretrained model.
    target_scale : {"auto", "series", "learnt"}, default="auto"
        ``"series"``: the target has the units of the window, as its next steps have; the prediction is the model's own
        forecast, corrected. ``"learnt"``: any target; it is standardised. ``"auto"`` takes what generalises better by
        the training rows (generalised cross-validation).
    lead : int, optional
        In series scale, how many steps after the window the (first) target lies; None finds out from the training rows.
    max_epochs : int, default=10
        Epochs of each ``fit`` or ``partial_fit``; 0 leaves the closed-form start.
    lr : float, default=1e-3
        Learning rate.
    batch_size : int, default=128
        Rows of a step; -1 is all rows. A prediction does not depend on it.
    optimizer : class, default=torch.optim.AdamW
        Any ``torch`` optimiser.
    callbacks : list, optional
        skorch callbacks; ``fit`` works on copies, which are ``net_.callbacks_``.
    train_split : callable, optional
        skorch's, for example ``skorch.dataset.ValidSplit(5)``; None validates on nothing. The rows are then kept in
        their order.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last one.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one), ``"cpu"``, ``"cuda"``.
    accelerate : bool, default=False
        Train in all processes that ``torchrun`` or ``accelerate launch`` started, each on its share of every batch
        (extra ``accelerate``).
    verbose : int, default=0
        skorch's: 1 prints a line an epoch.
    random_state : int, RandomState or None, default=None
        Of first weights and of the order of batches.
    **net_params
        skorch's parameters with two underscores: ``module__width``, ``module__dropout``, ``optimizer__weight_decay``,
        ``callbacks__print_log``, ``iterator_train__shuffle`` and so on.

    Attributes
    ----------
    net_ : RegressionNet
        The fitted skorch net, with ``net_.module_`` and ``net_.callbacks_``.
    history_ : skorch.history.History
        A line an epoch.
    target_scale_ : str
        ``"series"`` or ``"learnt"``.
    lead_ : int or None
        Steps ahead of the first output, in series scale.

    Notes
    -----
    NaN in ``X`` are unobserved steps; a row without any value raises ``DataError``, infinities and NaN in ``y`` raise
    ``ValueError``. ``sample_weight`` means repetition: weight 2 is the row twice, 0.5 counts half, 0 leaves it out; an
    epoch has ``sum(sample_weight)`` rows. The order of the rows does not matter (unless ``train_split`` is given).
    Predictions are float64 and are computed in double precision: a row's does not depend on the other rows.

    References
    ----------
    .. [1] Ekambaram et al. (2024), Tiny Time Mixers, arXiv:2401.03955.
    .. [2] Kumar et al. (2022), Fine-tuning can distort pretrained features, arXiv:2202.10054.

    Examples
    --------
    >>> import numpy as np
    >>> from ttm_sk import TTMRegressor
    >>> wave = np.sin(np.arange(120) / 3)
    >>> windows = np.lib.stride_tricks.sliding_window_view(wave, 25)
    >>> X, y = windows[:, :-1], windows[:, -1]
    >>> regressor = TTMRegressor(random_state=0).fit(X[:60], y[:60])
    >>> bool(regressor.score(X[60:], y[60:]) > 0.99)
    True
    >>> regressor.predict_quantiles(X[60:], levels=(0.1, 0.9)).shape
    (36, 2)
    """

    def __init__(
        self,
        model_path: str | Path | Checkpoint | TTMConfig = "ttm-tiny",
        *,
        trainable: str = "head",
        target_scale: str = "auto",
        lead: int | None = None,
        max_epochs: int = 10,
        lr: float = 1e-3,
        batch_size: int = 128,
        optimizer: type = torch.optim.AdamW,
        callbacks: list | None = None,
        train_split: Callable | None = None,
        warm_start: bool = False,
        device: str = "auto",
        accelerate: bool = False,
        verbose: int = 0,
        random_state: Any = None,
        **net_params: Any,
    ) -> None:
        self.model_path = model_path
        self.trainable = trainable
        self.target_scale = target_scale
        self.lead = lead
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.callbacks = callbacks
        self.train_split = train_split
        self.warm_start = warm_start
        self.device = device
        self.accelerate = accelerate
        self.verbose = verbose
        self.random_state = random_state
        self.__dict__.update(net_params)  # as skorch does; checked in fit

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return super().get_params(deep=False) | self._net_params()

    def set_params(self, **params: Any) -> TTMRegressor:
        """Set parameters, those of skorch with two underscores among them; the next fit uses them.

        ``partial_fit``, and ``fit`` with ``warm_start``, go on with changed ``lr``, ``max_epochs``, ``batch_size``,
        ``optimizer``, ``callbacks``, ``train_split`` and what belongs to them with two underscores; a changed
        ``module__...``, ``model_path``, ``trainable``, ``target_scale`` or ``lead`` begins anew, as in skorch.
        The others wait for the next new fit.
        """
        of_net = {name: value for name, value in params.items() if name.startswith(NET_PREFIXES) or name in vars(self)}
        super().set_params(**{name: value for name, value in params.items() if name not in of_net})
        self.__dict__.update(of_net)
        return self

    def _net_params(self) -> dict[str, Any]:
        known = self._get_param_names()
        is_fitted = ("n_features_in_", "feature_names_in_", "net_")
        return {
            name: value
            for name, value in vars(self).items()
            if name not in known and name not in is_fitted and not name.startswith("_")
        }

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TTMRegressor:
        """Train on windows ``(row, time)`` and targets ``(row,)`` or ``(row, output)``.

        A fit that fails leaves the estimator as it was.
        """
        return self._learn(X, y, sample_weight, is_new=not (self.warm_start and hasattr(self, "net_")))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> TTMRegressor:
        """Train on, for ``max_epochs`` epochs on these rows; the first call is ``fit``."""
        return self._learn(X, y, sample_weight, is_new=not hasattr(self, "net_"))

    def predict(self, X: Any) -> np.ndarray:
        """The mean of the target, ``(row,)`` or ``(row, output)`` as ``y`` was."""
        mean = self._predict(X)[0]
        return mean[:, 0] if self._is_flat else mean

    def predict_quantiles(self, X: Any, levels: Sequence[float] = (0.1, 0.5, 0.9)) -> np.ndarray:
        """Quantiles of the target, ``(row, level)`` or ``(row, output, level)``, never crossing.

        Raises
        ------
        ConfigError
            For a level outside of those that are learnt, .01 to .99: nothing is extrapolated.
        """
        quantiles = at_levels(self._predict(X)[1], known=self.net_.module_.levels, wanted=levels)
        return quantiles[:, 0] if self._is_flat else quantiles

    def save(self, path: str | Path) -> Path:
        """Write the fitted regressor as one safetensors file, without pickle, whole or not at all.

        The optimiser's memory is not kept: training on begins with a fresh one.

        Raises
        ------
        ConfigError
            If a parameter has no text form, as callbacks have none.
        """
        check_is_fitted(self)
        write_regressor(
            Path(path),
            params=self.get_params(),
            config=self.net_.module_.ttm.config,
            weights=self.net_.module_.state_dict(),
            units=vars(self._units),
            facts={
                "n_features_in_": self.n_features_in_,
                "feature_names_in_": list(getattr(self, "feature_names_in_", [])),
                "is_flat": self._is_flat,
                "history": self.history_.to_list(),
            },
        )
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> TTMRegressor:
        """The regressor that :meth:`save` wrote; it predicts bit for bit the same.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged or another thing.
        """
        content = read_regressor(Path(path))
        facts, regressor = content["facts"], cls(**content["params"])
        regressor._is_flat, regressor._units = facts["is_flat"], WindowUnits(**content["units"])
        regressor.n_features_in_ = facts["n_features_in_"]
        if facts["feature_names_in_"]:
            regressor.feature_names_in_ = np.asarray(facts["feature_names_in_"], dtype=object)
        n_outputs = len(regressor._units.target_loc)
        net = regressor._new_net(regressor.n_features_in_, n_outputs, start=content["config"])
        net.module_.close()
        net.module_.load_state_dict(content["weights"], strict=True)
        net.history_ = History(facts["history"])
        net.module__start = regressor.model_path  # where a changed module would begin
        regressor.net_, regressor._callbacks_in_use = net, regressor.callbacks
        return regressor

    @property
    def history_(self) -> History:
        """Skorch's history of the training."""
        if not hasattr(self, "net_"):
            raise AttributeError("history_ is there after fit")
        return self.net_.history_

    @property
    def target_scale_(self) -> str:
        """The scale that was used."""
        if not hasattr(self, "net_"):
            raise AttributeError("target_scale_ is there after fit")
        return "series" if self.net_.module_.is_series else "learnt"

    @property
    def lead_(self) -> int | None:
        """Steps from the window to the first output, in series scale."""
        return int(self.net_.module_.lead) if self.target_scale_ == "series" else None

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags

    def _learn(self, X: Any, y: Any, sample_weight: Any, *, is_new: bool) -> TTMRegressor:
        self._check_parameters()
        with unchanged_by_failure(self):
            X, y = validate_data(self, X, y, reset=is_new, multi_output=True, y_numeric=True, **WINDOWS)
            refuse_empty_rows(X)
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            is_flat, y = y.ndim == 1, np.asarray(y, dtype=np.float64).reshape(len(X), -1)
            X, y, weight = repeat_rows(X, y, weight, in_order=self.train_split is not None)
            if is_new:
                self._is_flat, self._units = is_flat, WindowUnits.of(X, y, weight)
            self._refuse_other_outputs(y, is_flat)
            net = self._new_net(X.shape[1], y.shape[1]) if is_new else self._net_to_go_on_with()
            rows = self._units.rows(X) | {"weight": weight, "place": np.arange(len(X)), "shift": np.zeros_like(y)}
            if net.module_.needs_description:
                rows |= describe_rows(net, rows, X)
            with seeded(net, check_random_state(self.random_state).randint(2**31 - 1)):
                net.partial_fit(in_single(rows), self._units.standardise(y).astype(np.float32))
            self.net_, self._callbacks_in_use = net, self.callbacks
        return self

    def _new_net(self, n_columns: int, n_outputs: int, *, start: TTMConfig | None = None) -> RegressionNet:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        device = resolve_device(self.device)
        team = training_team(on_cpu=device.type == "cpu") if self.accelerate else None
        settings: dict[str, Any] = {
            "module__n_columns": n_columns,
            "module__n_outputs": n_outputs,
            "module__seed": seed,
            "callbacks": clone(self.callbacks, safe=False),
            "iterator_train__shuffle": True,
            "iterator_train__generator": torch.Generator().manual_seed(seed),
            "iterator_valid__generator": torch.Generator(),  # else it draws from the global random numbers
            "device": str(device if team is None else team.device),
            "team": team,
        }
        settings |= {"criterion__levels": self._net_params().get("module__levels", DEFAULT_LEVELS)} | self._changeable()
        net = RegressionNet(WindowRegression, **settings | ({"module__start": start} if start else {}))
        with _INITIALISING, torch.random.fork_rng():
            return net.initialize()

    def _changeable(self) -> dict[str, Any]:
        """What a fitted net takes over from the parameters."""
        of_module = {f"module__{name}": getattr(self, name) for name in OF_MODULE} | {"module__start": self.model_path}
        return {name: getattr(self, name) for name in OF_NET} | of_module | self._net_params()

    def _net_to_go_on_with(self) -> RegressionNet:
        """A copy of the fitted net with the parameters that were set since; the copy may fail."""
        net = copy.deepcopy(self.net_)
        before = net.get_params(deep=False)
        before["callbacks"], now = self._callbacks_in_use, self._changeable() | {"callbacks": self.callbacks}
        changed = {name: value for name, value in now.items() if _is_other(before.get(name), value)}
        with _INITIALISING, torch.random.fork_rng():
            for name in {"optimizer", "callbacks"} & set(changed):  # which skorch's set_params does not make anew
                setattr(net, name, clone(changed.pop(name), safe=False))
                getattr(net, f"initialize_{name}")()
            return net.set_params(**changed) if changed else net

    def _refuse_other_outputs(self, y: np.ndarray, is_flat: bool) -> None:
        if (is_flat, y.shape[1]) != (self._is_flat, len(self._units.target_loc)):
            raise ValueError(
                f"found a target with {y.shape[1]} output(s), expected {len(self._units.target_loc)}, as before;"
                " fit with warm_start=False to begin anew"
            )

    def _predict(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, **WINDOWS)
        refuse_empty_rows(X)
        module, means, fans = copy.deepcopy(self.net_.module_).double().eval(), [], []
        device = next(module.parameters()).device
        with torch.inference_mode():
            for start in range(0, len(X), 256):
                rows = self._units.rows(X[start : start + 256])
                prediction = module(**{name: in_double(part).to(device) for name, part in rows.items()})
                means.append(prediction.mean.cpu().numpy())
                fans.append(prediction.quantiles.cpu().numpy())
        fan = self._units.restore(np.concatenate(fans).swapaxes(1, 2)).swapaxes(1, 2)
        return self._units.restore(np.concatenate(means)), fan

    def _check_parameters(self) -> None:
        for name in self._net_params():
            if not name.startswith(NET_PREFIXES):
                raise TypeError(f"TTMRegressor has no parameter {name!r}; those of skorch begin with {NET_PREFIXES}")
        check_trainable(self.trainable)
        if self.target_scale not in TARGET_SCALES:
            raise ConfigError(f"unknown target_scale {self.target_scale!r}; choose one of {', '.join(TARGET_SCALES)}")
        if not isinstance(self.model_path, (str, Path, Checkpoint, TTMConfig)):
            raise ConfigError(f"model_path={self.model_path!r} must be a name, a path, a Checkpoint or a TTMConfig")
        for name, least, special in (("max_epochs", 0, 0), ("batch_size", 1, -1), ("lead", 1, None)):
            value = getattr(self, name)
            is_count = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least
            if not is_count and value != special:
                raise ConfigError(f"{name}={value!r} must be a whole number of at least {least}, or {special}")
        if self.accelerate and not isinstance(self.random_state, (int, np.integer)):
            raise ConfigError("accelerate=True needs random_state=<a number>, so that all processes begin alike")
        if not (isinstance(self.lr, (int, float, np.number)) and 0 < self.lr < np.inf):
            raise ConfigError(f"lr={self.lr!r} must be positive and finite")
        if 0.5 not in (learnt := self._net_params().get("module__levels", DEFAULT_LEVELS)):
            raise ConfigError(f"module__levels={learnt!r} must hold .5, around which the others are placed")


def _is_other(before: Any, now: Any) -> bool:
    """Whether a parameter was changed; a number that went through a pickle is another object, but not another value."""
    return before is not now and not (isinstance(now, PLAIN) and before == now)
