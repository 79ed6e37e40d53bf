"""Rows of X as the regression net reads them: repeated by weight, standardised in float64, each in units of its own."""

from __future__ import annotations

import numpy as np
import torch

from ttm_sk.data.padding import pad
from ttm_sk.errors import DataError
from ttm_sk.estimators.regression_net import RegressionNet

__all__ = ["WindowUnits", "describe_rows", "in_double", "in_single", "refuse_empty_rows", "repeat_rows"]


class WindowUnits:
    """Loc and scale of each column and of each output over the training rows, in float64.

    ``target_loc`` and ``target_scale`` are ``(output,)``, ``column_loc`` and ``column_scale`` ``(time,)``.
    """

    def __init__(
        self, column_loc: np.ndarray, column_scale: np.ndarray, target_loc: np.ndarray, target_scale: np.ndarray
    ) -> None:
        self.column_loc, self.column_scale = column_loc, column_scale
        self.target_loc, self.target_scale = target_loc, target_scale

    @classmethod
    def of(cls, X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> WindowUnits:
        """The units of training rows ``(row, time)`` with targets ``(row, output)``."""
        return cls(*_loc_and_scale(X, weight), *_loc_and_scale(y, weight))

    def standardise(self, y: np.ndarray) -> np.ndarray:
        """Targets in standardised units."""
        return (y - self.target_loc) / self.target_scale

    def restore(self, mean: np.ndarray) -> np.ndarray:
        """Standardised targets ``(row, output)`` in units of the target."""
        return mean * self.target_scale + self.target_loc

    def rows(self, X: np.ndarray) -> dict[str, np.ndarray]:
        """Arguments of the module's ``forward`` for windows ``(row, time)``."""
        padded = pad(list(X), context_length=X.shape[1])
        offset = (padded.loc[:, 0, :, 0] - self.target_loc) / self.target_scale
        gain = padded.scale[:, 0, :, 0] / self.target_scale
        return {
            "context": padded.context[:, 0],
            "observed": padded.observed[:, 0],
            "columns": np.where(np.isnan(X), 0.0, (X - self.column_loc) / self.column_scale),  # 0 is the mean
            "frame": np.stack(np.broadcast_arrays(offset, gain), axis=-1),
        }


def repeat_rows(X: np.ndarray, y: np.ndarray, weight: np.ndarray, *, in_order: bool) -> tuple[np.ndarray, ...]:
    """Rows as often as they count, and what each copy counts: 1, and less for the last copy of a fractional weight.

    Unless ``in_order``, in an order of their own, so that neither a weight nor the order of the rows can matter.

    Examples
    --------
    >>> X, y, counts = repeat_rows(np.array([[2.0], [1.0]]), np.zeros((2, 1)), np.array([1.5, 1.0]), in_order=True)
    >>> X.ravel().tolist(), counts.tolist()
    ([2.0, 2.0, 1.0], [1.0, 0.5, 1.0])
    """
    kept = np.flatnonzero(weight > 0)
    if not in_order:
        kept = kept[np.argsort(_bytes_of(np.hstack([X, y])[kept]), kind="stable")]
    times = np.ceil(weight[kept]).astype(int)
    index = np.repeat(kept, times)
    counts = np.ones(len(index))
    counts[np.cumsum(times) - 1] -= times - weight[kept]
    return X[index], y[index], counts


def refuse_empty_rows(X: np.ndarray) -> None:
    """Refuse windows without any observed value, by their number."""
    empty = np.flatnonzero(np.isnan(X).all(axis=1))
    if empty.size:
        raise DataError(f"row {empty[0]} of X has no observed value; drop it, or give at least one finite value")


def _loc_and_scale(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and deviation of the observed values of each column; 1 for a column that does not move."""
    share = np.where(np.isnan(values), 0.0, weight[:, None])
    share = share / np.maximum(share.sum(axis=0), np.finfo(float).tiny)
    loc = (share * np.nan_to_num(values)).sum(axis=0)
    spread = np.sqrt((share * np.nan_to_num(values - loc) ** 2).sum(axis=0))
    return loc, np.where(spread > 1e-12 * np.abs(loc), spread, 1.0)


def describe_rows(net: RegressionNet, rows: dict[str, np.ndarray], X: np.ndarray) -> dict[str, np.ndarray]:
    """What the model finds in each window, every distinct one read once."""
    _, first, place = np.unique(_bytes_of(X), return_index=True, return_inverse=True)
    module, device = net.module_.eval(), torch.device(net.device)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(first), 256):
            some = first[start : start + 256]
            windows = (torch.from_numpy(rows[name][some]).to(device) for name in ("context", "observed"))
            parts.append([part.cpu().numpy() for part in module.describe(*windows)])
    embedding, path = (np.concatenate(part)[place] for part in zip(*parts, strict=True))
    return {"embedding": embedding, "path": path}


def _bytes_of(rows: np.ndarray) -> np.ndarray:
    """Each row as one value that sorts and compares, NaN included."""
    plain = np.ascontiguousarray(rows + 0.0)  # no negative zero
    return plain.view(np.dtype((np.void, plain.dtype.itemsize * plain.shape[1]))).ravel()


def in_single(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Floating-point arrays in single precision."""
    return {name: part.astype(np.float32) if part.dtype.kind == "f" else part for name, part in rows.items()}


def in_double(part: np.ndarray) -> torch.Tensor:
    """A tensor in double precision, or of truth values."""
    return torch.from_numpy(part if part.dtype == bool else part.astype(np.float64))
