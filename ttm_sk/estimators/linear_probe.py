"""The start of a new head: a weighted ridge regression in closed form, its penalties chosen by the data.

A head that begins at the least-squares solution learns in a few epochs what a random one learns in hundreds, and does
not pull pretrained features apart on the way: Kumar et al. (2022), arXiv:2202.10054, "linear probing, then
fine-tuning". The penalties minimise generalised cross-validation (Golub, Heath and Wahba, 1979, Technometrics 21(2))
with every degree of freedom counted 1.4 times (Kim and Gu, 2004, JRSS B 66(2)): windows that overlap know less than
their number says.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Probe", "fit_probe"]

PENALTIES = 10.0 ** np.arange(-4.0, 7.0)
SHARES = (0.0, 0.1, 0.3, 1.0)
CAUTION = 1.4
MOST_LEVERAGE = 0.9  # a row that the map all but copies says nothing about the map's errors


class Probe(NamedTuple):
    """A linear map: ``slope`` ``(feature, output)`` and ``intercept`` ``(output,)``.

    ``risk`` ``(output,)`` is the generalised cross-validation estimate of the mean squared error on new rows. ``shift``
    ``(row, output)`` leads from what the map gives for a row to what the map fitted without that row would give, so
    that whatever is trained behind the map meets errors of the size that new rows will bring.
    """

    slope: np.ndarray
    intercept: np.ndarray
    risk: np.ndarray
    shift: np.ndarray


def fit_probe(features: np.ndarray, target: np.ndarray, *, weight: np.ndarray, gain: np.ndarray, n_plain: int) -> Probe:
    """The ridge regression of ``target`` on ``features`` with the smallest estimated error.

    Parameters
    ----------
    features, target
        ``(row, feature)`` and ``(row, output)``, finite, float64; features are taken to be of similar size.
    weight
        ``(row,)``: how often each row counts; 2 is the same as the row twice.
    gain
        ``(row, output)``: what an error of 1 is worth; the error that is minimised is ``gain * (target - fit)``. The
        columns are multiples of the first one.
    n_plain
        The first so many features are shrunk less than the others, by a factor that is chosen, too: 0 leaves the
        others out.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> probe = fit_probe(x, 3 * x + 1, weight=np.ones(20), gain=np.ones((20, 1)), n_plain=1)
    >>> probe.slope.round(2).item(), probe.intercept.round(2).item()
    (3.0, 1.0)
    """
    length = np.sqrt((gain**2).sum(axis=0) / max(float((gain[:, 0] ** 2).sum()), np.finfo(float).tiny))
    root = np.sqrt(weight) * gain[:, 0]
    norm = max(float(root @ root), np.finfo(float).tiny)
    centre, middle = (root**2 @ part / norm for part in (features, target))
    x, y = (features - centre) * root[:, None], (target - middle) * root[:, None]
    leverage = (root**2 / norm)[:, None]  # of the intercept
    n_rows = float(weight.sum())
    probes = [_ridge(x, y, leverage, n_rows, _shares(features.shape[1], n_plain, share)) for share in SHARES]
    best = np.stack([probe.risk for probe in probes]).argmin(axis=0)
    slope, shift, risk = (
        np.stack([getattr(probes[chosen], name)[..., output] for output, chosen in enumerate(best)], axis=-1)
        for name in ("slope", "shift", "risk")
    )
    shift = shift / np.where(root > 0, root, np.inf)[:, None]
    return Probe(slope, middle - centre @ slope, risk * length**2, shift)


def _shares(n_features: int, n_plain: int, share: float) -> np.ndarray:
    return np.where(np.arange(n_features) < n_plain, 1.0, share)


def _ridge(x: np.ndarray, y: np.ndarray, leverage: np.ndarray, n_rows: float, share: np.ndarray) -> Probe:
    """For each output the penalty with the smallest risk, features scaled by ``share`` first."""
    basis, singular, turn = np.linalg.svd(x * share, full_matrices=False) if x.size else _nothing(x)
    inner = basis.T @ y
    outside = np.maximum((y**2).sum(axis=0) - (inner**2).sum(axis=0), 0.0)
    kept = singular**2 / (singular**2 + PENALTIES[:, None])  # (penalty, direction)
    residual = outside + ((1 - kept) ** 2) @ inner**2
    freedom = np.maximum(1 - CAUTION * (1 + kept.sum(axis=1)) / n_rows, 0.0)  # the intercept counts, too
    with np.errstate(divide="ignore", invalid="ignore"):
        risk = np.where(freedom[:, None] > 0.02, residual / n_rows / freedom[:, None] ** 2, np.inf)
    risk[-1] = np.where(np.isfinite(risk[-1]), risk[-1], residual[-1] / n_rows)  # one row: the strongest penalty
    chosen = risk.argmin(axis=0)
    left = kept[chosen].T * inner  # (direction, output)
    slope = share[:, None] * (turn.T @ (left / np.where(singular > 0, singular, np.inf)[:, None]))
    own = np.minimum(CAUTION * (leverage + basis**2 @ kept[chosen].T), MOST_LEVERAGE)
    return Probe(slope, np.zeros(y.shape[1]), risk.min(axis=0), -(y - basis @ left) * own / (1 - own))


def _nothing(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros((x.shape[0], 0)), np.zeros(0), np.zeros((0, x.shape[1]))
