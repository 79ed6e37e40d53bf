"""SpeculativeForecaster: a large Timer-XL, made faster by a small draft, in the sktime contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from sktime.forecasting.base import ForecastingHorizon

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.estimators.frames import steps_ahead
from ttm_sk.estimators.patch_forecaster import PatchForecaster, hashed_checkpoint, timer_module, timer_of
from ttm_sk.estimators.weights import open_weights, shared_module
from ttm_sk.inference.acceptance import Rule, rule_of
from ttm_sk.inference.drafts import draft_of
from ttm_sk.inference.speculative import Report, Speculation, speculate
from ttm_sk.models.timer_xl import TimerXLConfig

__all__ = ["SpeculativeForecaster"]


class SpeculativeForecaster(PatchForecaster):
    """The forecast of a target, or one near it, at less cost: a draft proposes patches, the target verifies them.

    Parameters
    ----------
    target : str, path or Checkpoint
        A Timer-XL, as in :class:`~ttm_sk.TimerXLForecaster`.
    draft : str, path or Checkpoint
        What proposes: a smaller Timer-XL of the same patches (``target.config.draft(0.25)``, distilled by
        ``ttm-sk distill``), or a TTM whose horizon holds at least one patch.
    k : int, default=3
        Patches that are proposed at once.
    mode : {"tolerance", "sample", "relaxed"}, default="tolerance"
        ``"tolerance"``: points, each patch within ``tolerance`` of the target's own, or equal to it. ``"sample"``:
        draws of exactly the target's distribution, and quantiles of them; the draft must have variances.
        ``"relaxed"``: points by the rule of the public code, with ``sigma`` and ``accept_bias``; not lossless.
    tolerance : float, default=0.1
        Of ``"tolerance"``: the largest mean squared difference of a patch from the target's own, in units of the
        history's variance. 0 is the target's forecast.
    sigma : float, optional
        Standard deviation of the target in units of the history's: of ``"relaxed"`` (None: .7), and of ``"sample"`` for
        a target without variances.
    accept_bias : float, default=1.0
        Of ``"relaxed"``: multiplies the probability of acceptance.
    is_adaptive : bool, default=False
        Let ``k`` grow while most proposals are kept, and shrink while few are, over all series of a batch: within the
        tolerance, a forecast then depends on the series beside it.
    n_samples : int, default=100
        Draws of ``"sample"``.
    context_length, device, batch_size, random_state
        As in :class:`~ttm_sk.TimerXLForecaster`.

    Attributes
    ----------
    target_, draft_ : Checkpoint
        What was used.

    Notes
    -----
    It pays where a horizon has four patches or more, a proposal costs little beside a step of the target, and most
    proposals are kept; :func:`report` measures that on the series themselves. See ``docs/speculative.md``.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from ttm_sk import SpeculativeForecaster
    >>> from ttm_sk.models.timer_xl import TimerXLConfig
    >>> from ttm_sk.training.patch_learning import random_checkpoint
    >>> target = random_checkpoint(TimerXLConfig.tiny())
    >>> forecaster = SpeculativeForecaster(target, draft=target).fit(load_airline())
    >>> forecaster.predict(fh=range(1, 41)).shape
    (40,)
    >>> forecaster.report(fh=range(1, 41)).acceptance
    1.0
    """

    def __init__(
        self,
        target: str | Path | Checkpoint | None = None,
        draft: str | Path | Checkpoint | None = None,
        k: int = 3,
        mode: str = "tolerance",
        tolerance: float = 0.1,
        sigma: float | None = None,
        accept_bias: float = 1.0,
        is_adaptive: bool = False,
        n_samples: int = 100,
        context_length: int | None = None,
        device: str = "auto",
        batch_size: int = 256,
        random_state: int | None = None,
    ) -> None:
        self.target = target
        self.draft = draft
        self.k = k
        self.mode = mode
        self.tolerance = tolerance
        self.sigma = sigma
        self.accept_bias = accept_bias
        self.is_adaptive = is_adaptive
        self.n_samples = n_samples
        self.context_length = context_length
        self.device = device
        self.batch_size = batch_size
        self.random_state = random_state
        super().__init__()
        self._n_samples = n_samples if mode == "sample" else 0
        if mode == "sample":
            self.set_tags(**{"capability:pred_int": True})

    def _fit(self, y: pd.DataFrame, X: Any, fh: ForecastingHorizon | None) -> SpeculativeForecaster:
        self._check_counts(
            k=(self.k, 1),
            n_samples=(self.n_samples, 1),
            context_length=(self.context_length, 1),
            batch_size=(self.batch_size, 1),
            random_state=(self.random_state, 0),
        )
        if self.target is None or self.draft is None:
            raise ConfigError(
                f"found target={self.target!r} and draft={self.draft!r}; give both: a Timer-XL and what proposes for it"
            )
        rule = self._rule()
        self.target_, self.draft_ = open_weights(self.target), open_weights(self.draft)
        config = timer_of(self.target_, role="the target of SpeculativeForecaster")
        draft = draft_of(shared_module(self.draft_, self.device), patch_length=config.patch_length)
        if rule.is_random and not draft.has_variance:
            raise ConfigError(
                "mode='sample' draws from the draft, and this one forecasts no variance; distil one with"
                " is_stochastic=True, or use mode='tolerance'"
            )
        if rule.is_random and not config.is_stochastic and self.sigma is None:
            raise ConfigError("mode='sample' needs a target with variances, or sigma above 0")
        self._seen = min(config.context_length, self.context_length or config.context_length)
        self._remember(y)
        return self

    def _rule(self) -> Rule:
        return rule_of(self.mode, tolerance=self.tolerance, sigma=self.sigma, accept_bias=self.accept_bias)

    def report(self, fh: Any = None) -> Report:
        """Forecast once more, all series in one batch, and say how it went: acceptance, calls and seconds.

        Parameters
        ----------
        fh
            As in ``predict``; None is that of ``fit``.
        """
        self.check_is_fitted()
        horizon = int(max(steps.max() for steps in steps_ahead(self._check_fh(fh), self._panel)))
        _, context, observed = self._tensors(self._panel.histories)
        return self._speculate(context, observed, horizon, torch.Generator().manual_seed(0)).report

    def _decode(
        self, context: torch.Tensor, observed: torch.Tensor, horizon: int, generator: torch.Generator
    ) -> torch.Tensor:
        return self._speculate(context, observed, horizon, generator).values

    def _speculate(
        self, context: torch.Tensor, observed: torch.Tensor, horizon: int, generator: torch.Generator
    ) -> Speculation:
        target = timer_module(shared_module(self.target_, self.device))
        draft = draft_of(shared_module(self.draft_, self.device), patch_length=target.patch_length)
        return speculate(
            target,
            draft,
            context,
            observed,
            horizon=horizon,
            rule=self._rule(),
            k=self.k,
            is_adaptive=self.is_adaptive,
            generator=generator,
        )

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Parameters for sktime's own checks: tiny models of random weights."""
        config = replace(TimerXLConfig.tiny(), is_stochastic=True)
        target, draft = hashed_checkpoint(config), hashed_checkpoint(config.draft(0.5, is_stochastic=True), seed=1)
        return [
            {"target": target, "draft": draft, "tolerance": 0.5},
            {"target": target, "draft": draft, "mode": "sample", "n_samples": 5, "random_state": 3},
        ]
