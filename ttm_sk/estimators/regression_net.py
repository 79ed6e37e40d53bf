"""The network that TTMRegressor trains: a TinyTimeMixer, a new head beside its own, and skorch's loop around both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.dataset import unpack_data
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.errors import ConfigError
from ttm_sk.estimators.linear_probe import Probe, fit_probe
from ttm_sk.estimators.weights import open_weights, own_ttm
from ttm_sk.inference.embedding import pool_patches
from ttm_sk.layers.adapters import merge_adapters
from ttm_sk.layers.heads import monotone_quantiles
from ttm_sk.models.ttm import DEFAULT_LEVELS, TTM, TTMConfig
from ttm_sk.training.trainable import choose_trainable

if TYPE_CHECKING:
    from ttm_sk.training.team import Team

__all__ = ["FanLoss", "Prediction", "RegressionNet", "WindowRegression", "make_network", "seeded", "training_team"]

NEAR_BEST = 1.1
NEGLIGIBLE = 0.01  # of the target's variance
TARGET_SCALES = ("auto", "series", "learnt")


class Prediction(tuple[Tensor, ...]):
    """``mean`` ``(batch, output)`` and ``quantiles`` ``(batch, output, quantile)``, in standardised units.

    Made from any pair, as skorch makes tuples anew when it moves them; for its scoring callbacks the first is the
    prediction.
    """

    @property
    def mean(self) -> Tensor:
        """The first."""
        return self[0]

    @property
    def quantiles(self) -> Tensor:
        """The second."""
        return self[1]


class WindowRegression(nn.Module):
    """A TTM that reads the window, and a linear and a small non-linear map from what it found to the target.

    The linear map sees windows, forecast and features, and stays where the closed form puts it; the non-linear one
    sees windows and forecast, and learns. In series scale the prediction is the TTM's own forecast plus what the maps
    add, in the window's units; in learnt scale it is what the maps give, in units of the training target, and they see
    the columns standardised one by one.

    Parameters
    ----------
    start
        Weights to begin with, by name, path or as they are, or a config for random ones.
    n_columns, n_outputs
        Width of the windows and of the target.
    trainable
        ``"head"``: the new maps alone; any other word of :mod:`ttm_sk.training.trainable` chooses parts of the TTM,
        too.
    target_scale, lead
        ``"series"``, ``"learnt"`` or ``"auto"``; the step ahead that the first output is, or None. What is left open
        is chosen when the first training data are seen.
    width, dropout
        Of the non-linear map.
    levels
        Quantile levels, ascending, with .5.
    seed
        Of random weights.
    """

    loc: Tensor
    scale: Tensor
    is_series: Tensor
    lead: Tensor
    is_begun: Tensor

    def __init__(
        self,
        start: str | Path | Checkpoint | TTMConfig,
        n_columns: int,
        n_outputs: int,
        *,
        trainable: str = "head",
        target_scale: str = "auto",
        lead: int | None = None,
        width: int = 32,
        dropout: float = 0.0,
        levels: tuple[float, ...] = DEFAULT_LEVELS,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.ttm = make_network(start, seed)
        self.n_outputs, self.levels = n_outputs, tuple(levels)
        self.target_scale, self.wanted_lead = target_scale, lead
        config = self.ttm.config
        n_embedded = len(config.views) * config.decoder_width
        n_features = n_columns + n_outputs + n_embedded
        self.linear = nn.Linear(n_features, n_outputs)
        self.hidden = nn.Linear(n_columns + n_outputs, width)
        self.dropout = nn.Dropout(dropout)
        self.correction = nn.Linear(width, n_outputs)
        self.fan = nn.Linear(width, n_outputs * len(self.levels))
        self.register_buffer("loc", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.register_buffer("is_series", torch.tensor(False))
        self.register_buffer("lead", torch.tensor(1))
        self.register_buffer("is_begun", torch.tensor(False))
        self.trainable, self.seed, self.is_open = trainable, seed, False
        self._begin(seed)
        self.open()

    @property
    def is_frozen(self) -> bool:
        """Whether the TTM stays as it is, so that each window need be read only once."""
        return self.trainable == "head"

    @property
    def needs_description(self) -> bool:
        """Whether training needs what :meth:`describe` gives beside the windows."""
        return self.is_frozen or not self.is_begun

    def open(self) -> None:
        """Make ready for training."""
        if self.is_frozen:
            self.ttm.requires_grad_(False)
        else:
            choose_trainable(self.ttm, self.trainable, seed=self.seed)
        self.linear.requires_grad_(False)  # hundreds of weights, which the closed form sets better than a few epochs do
        self.is_open = True

    def close(self) -> None:
        """Training is over: adapters become part of their matrices, so that the module can be copied and saved."""
        merge_adapters(self.ttm)
        self.is_open = False

    def _begin(self, seed: int) -> None:
        """The maps give 0 at first; only what feeds the non-linear one is random."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for part in (self.linear, self.correction, self.fan):
                part.weight.zero_()
                part.bias.zero_()
            self.hidden.weight.normal_(0, self.hidden.in_features**-0.5, generator=generator)
            self.hidden.bias.zero_()

    def describe(self, context: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """What the TTM finds in windows: features ``(batch, feature)`` and its forecast ``(batch, horizon)``.

        The windows are ``(batch, time)``; the forecast is the median, in the units of ``context``.
        """
        values, weight, state = self.ttm.scale(context[:, None], observed[:, None])
        features = self.ttm.decode(self.ttm.encode(values, weight))
        output = self.ttm.read_out(features, values, weight, state)
        if self.ttm.levels:
            output = output[..., self.ttm.levels.index(0.5)]
        path = state.inverse(output.clamp(-10, 10) if state.is_asinh else output)
        return pool_patches(features, n_views=len(self.ttm.config.views))[:, 0], path[:, 0]

    def forward(
        self,
        context: Tensor,
        observed: Tensor,
        columns: Tensor,
        frame: Tensor,
        embedding: Tensor | None = None,
        path: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> Prediction:
        """The prediction for windows.

        Parameters
        ----------
        context, observed
            ``(batch, time)``: windows in units of their own, True = a real value.
        columns
            ``(batch, time)``: windows, each column standardised over the training rows.
        frame
            ``(batch, output, 2)``: where 0 of a window's own units lies in units of the target, and how long 1 is.
        embedding, path
            What :meth:`describe` gave, where the TTM does not train.
        shift
            ``(batch, output)``: added to the linear map, for rows that it was fitted to; see :class:`Probe`.
        """
        if embedding is None or path is None or not self.is_frozen:
            embedding, path = self.describe(context, observed)
        features, base, offset, gain = self.inputs(context, columns, frame, embedding, path)
        features = (features - self.loc) / self.scale
        hidden = self.dropout(functional.gelu(self.hidden(features[:, : self.hidden.in_features])))
        mean = base + self.linear(features) + self.correction(hidden)
        if shift is not None:
            mean = mean + shift
        raw = self.fan(hidden).unflatten(-1, (self.n_outputs, len(self.levels)))
        fan = monotone_quantiles(raw, mean.detach(), median=self.levels.index(0.5))
        return Prediction((offset + gain * mean, offset[..., None] + gain[..., None] * fan))

    def inputs(
        self, context: Tensor, columns: Tensor, frame: Tensor, embedding: Tensor, path: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of the maps, what they start from, and the offset and length of the units in which they speak."""
        first = int(self.lead) - 1
        offset, gain, base = frame[..., 0], frame[..., 1], path[:, first : first + self.n_outputs]
        if self.is_series:
            return torch.cat([context, base, embedding], dim=1), base, offset, gain
        nothing = torch.zeros_like(offset)
        if base.shape[1] < self.n_outputs:  # more than the TTM forecasts
            base = nothing
        return torch.cat([columns, offset + gain * base, embedding], dim=1), nothing, nothing, nothing + 1

    @torch.no_grad()
    def begin_at_probe(self, rows: dict[str, Tensor], target: Tensor) -> np.ndarray:
        """Choose scale and lead, and put the maps where :func:`fit_probe` puts them, from the training rows.

        ``rows`` are the arguments of :meth:`forward`, ``embedding`` and ``path`` among them, and the rows' ``weight``.
        Returns the ``shift`` of these rows.
        """
        first = self.wanted_lead or 1
        is_possible = first - 1 + self.n_outputs <= self.ttm.prediction_length
        if self.target_scale == "series" and not is_possible:
            raise ConfigError(
                f"found {self.n_outputs} outputs from step {first} on; in series scale they are next steps, of which"
                f" the model gives {self.ttm.prediction_length}: use target_scale='learnt', or a smaller lead"
            )
        found: dict[bool, Probe] = {}
        if self.target_scale != "learnt" and is_possible:
            self.lead.fill_(self.wanted_lead or self._best_lead(rows, target))
            found[True] = self._probe(rows, target, is_series=True)
        if self.target_scale != "series":
            found[False] = self._probe(rows, target, is_series=False)
        is_series = min(found, key=lambda kind: float(found[kind].risk.sum()))
        probe = self._probe(rows, target, is_series=is_series)
        self._settle(probe, rows, is_series)
        return probe.shift

    def _best_lead(self, rows: dict[str, Tensor], target: Tensor) -> int:
        """The first lead at which the TTM's own forecast meets the target about best."""
        ahead = rows["path"].unfold(1, self.n_outputs, 1)  # (batch, lead, output)
        ahead = rows["frame"][:, None, :, 0] + rows["frame"][:, None, :, 1] * ahead
        error = (ahead - target[:, None]).square().mean(-1)
        error = rows["weight"].double() @ error.double() / rows["weight"].double().sum()
        is_near_best = error <= NEAR_BEST * error.min() + NEGLIGIBLE  # a cycle later may be as good
        return int(is_near_best.long().argmax()) + 1

    def _probe(self, rows: dict[str, Tensor], target: Tensor, *, is_series: bool) -> Probe:
        self.is_series.fill_(is_series)
        parts = self.inputs(*(rows[name] for name in ("context", "columns", "frame", "embedding", "path")))
        features, base, offset, gain = (part.cpu().numpy().astype(np.float64) for part in parts)
        weight = rows["weight"].cpu().numpy().astype(np.float64)
        loc, scale = _standard(features, weight, n_kept=rows["context"].shape[1])
        for buffer, value in ((self.loc, loc), (self.scale, scale)):
            buffer.copy_(torch.from_numpy(value))
        in_units = np.where(gain > 0, (target.cpu().numpy() - offset) / np.where(gain > 0, gain, 1.0) - base, 0.0)
        return fit_probe((features - loc) / scale, in_units, weight=weight, gain=gain, n_plain=rows["context"].shape[1])

    def _settle(self, probe: Probe, rows: dict[str, Tensor], is_series: bool) -> None:
        self.linear.weight.copy_(torch.from_numpy(probe.slope.T))
        self.linear.bias.copy_(torch.from_numpy(probe.intercept))
        weight = rows["weight"].double()
        unit = weight @ rows["frame"][..., 1].double().square() / weight.sum() if is_series else torch.ones(1)
        risk = torch.from_numpy(probe.risk).to(unit.device) / unit.clamp(min=1e-12)
        spread = risk.clamp(min=1e-12).sqrt().float().cpu()
        self.fan.bias.copy_(_normal_fan(self.levels, spread).flatten())
        self.is_begun.fill_(True)


class FanLoss(nn.Module):
    """Squared error of the mean plus pinball loss of the quantiles, one number a row: ``(batch,)``."""

    levels: Tensor

    def __init__(self, levels: tuple[float, ...] = DEFAULT_LEVELS) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels), persistent=False)

    def forward(self, prediction: Prediction, target: Tensor) -> Tensor:
        error = (prediction.mean - target).square().mean(-1)
        over = target[..., None] - prediction.quantiles
        pinball = torch.maximum(self.levels * over, (self.levels - 1) * over)
        return error + pinball.mean((-1, -2))


class RegressionNet(NeuralNet):
    """skorch's net with the module above: row weights, a start at the probe, and gradients summed over a team.

    Parameters
    ----------
    team
        The processes that train together; None is this one alone.
    """

    _split: Any = None

    def __init__(self, module: Any = WindowRegression, *, criterion: Any = FanLoss, team: Team | None = None, **others):
        self.team = team
        super().__init__(module, criterion=criterion, **others)

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        if self.initialized_ and not self.module_.is_open:
            self.module_.open()
            if self.module_.trainable == "adapter":  # which are new parameters
                self.initialize_optimizer()
        try:
            return super().partial_fit(X, y, classes, **fit_params)
        finally:
            self.module_.close()

    def get_split_datasets(self, X, y=None, **fit_params):
        return self._split or super().get_split_datasets(X, y, **fit_params)

    def fit_loop(self, X, y=None, epochs=None, **others):
        """Train; what begins the training and what it is examined by come of one split, which may be random."""
        if self.module_.is_begun:
            return super().fit_loop(X, y, epochs, **others)
        self._split = self.get_split_datasets(X, y)
        try:
            self._begin_from(X, self._split[0])
            return super().fit_loop(X, y, epochs, **others)
        finally:
            self._split = None

    def _begin_from(self, X, training):
        rows, target = next(iter(DataLoader(training, batch_size=len(training), generator=torch.Generator())))
        shift = self.module_.begin_at_probe(
            {name: part.to(self.device) for name, part in rows.items()}, target.to(self.device)
        )
        X["shift"][rows["place"].numpy()] = shift

    def infer(self, x, **fit_params):
        return super().infer({name: part for name, part in x.items() if name not in ("weight", "place")}, **fit_params)

    def train_step_single(self, batch, **fit_params):
        if self.team is None:
            return super().train_step_single(batch, **fit_params)
        rows, target = unpack_data(batch)
        share = self.team.share(len(target))
        mine = {name: part[share] for name, part in rows.items()}, target[share]
        self._total = self.team.sum(mine[0]["weight"].sum())
        step = super().train_step_single(mine, **fit_params)
        parameters = [p for p in self.module_.parameters() if p.requires_grad]
        self.team.sum_gradients(parameters)
        return {**step, "loss": self.team.sum(step["loss"].detach())}

    def get_loss(self, y_pred, y_true, X=None, training=False):
        losses = self.criterion_(y_pred, y_true.to(self.device))
        weight = X["weight"].to(self.device)
        total = self._total.to(self.device) if training and self.team is not None else weight.sum()
        return (losses * weight).sum() / total


@contextmanager
def seeded(net: RegressionNet, seed: int) -> Iterator[None]:
    """Inside, dropout is reproducible; without any, the random numbers that threads share are left alone."""
    if not any(isinstance(part, nn.Dropout) and part.p > 0 for part in net.module_.modules()):
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def make_network(start: str | Path | Checkpoint | TTMConfig, seed: int) -> TTM:
    """A TTM of its own with the weights of a checkpoint, or with random ones."""
    if not isinstance(start, TTMConfig):
        return own_ttm(open_weights(start))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TTM(start).eval()


def _standard(features: np.ndarray, weight: np.ndarray, *, n_kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and deviation of each feature; 0 and 1 for the first ``n_kept``, which have their units."""
    share = weight / weight.sum()
    loc = share @ features
    spread = np.sqrt(share @ (features - loc) ** 2)
    loc[:n_kept], spread[:n_kept] = 0.0, 1.0
    return loc.astype(np.float32).astype(float), np.where(spread > 1e-6, spread, 1.0).astype(np.float32).astype(float)


def _normal_fan(levels: tuple[float, ...], spread: Tensor) -> Tensor:
    """The numbers ``(output, quantile)`` from which :func:`monotone_quantiles` makes a normal distribution around 0."""
    at = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(levels))
    at = at * spread[:, None]
    middle = levels.index(0.5)
    steps = torch.cat(
        [at[:, 1 : middle + 1] - at[:, :middle], at[:, middle : middle + 1], at[:, middle + 1 :] - at[:, middle:-1]], 1
    )
    raw = torch.log(torch.expm1(steps.clamp(min=1e-6)))
    raw[:, middle] = 0.0
    return raw


def training_team(*, on_cpu: bool) -> Team:
    """All processes that train together; imported here, since importing accelerate changes warning filters."""
    from ttm_sk.training.team import join_team

    return join_team(on_cpu=on_cpu)
