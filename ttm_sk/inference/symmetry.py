"""Sign symmetry: a series turned upside down should be forecast upside down, so average both readings."""

from __future__ import annotations

import numpy as np

from ttm_sk.inference.rollout import Step

__all__ = ["sign_symmetric"]


def sign_symmetric(step: Step) -> Step:
    """A step that averages ``f(x)`` with ``-f(-x)``, whose quantiles stand in reverse order.

    It needs levels that are symmetric around the median, which the levels of this package's heads are. Source of the
    idea: Reverso (github.com/shinfxh/reverso). It takes two passes.

    Examples
    --------
    >>> step = sign_symmetric(lambda context, observed: np.full((1, 1, 2, 1), 3.0) + context[..., -1:, None])
    >>> step(np.ones((1, 1, 4)), np.ones((1, 1, 4), bool))[0, 0, :, 0]
    array([1., 1.])
    """

    def averaged(context: np.ndarray, observed: np.ndarray, **given: np.ndarray) -> np.ndarray:
        # what pushes a series up pushes it down upside down, so covariates turn with it
        turned_too = {name: -rows if name == "covariates" else rows for name, rows in given.items()}
        more = {name: np.concatenate([rows, turned_too[name]]) for name, rows in given.items()}
        both = step(np.concatenate([context, -context]), np.concatenate([observed, observed]), **more)
        upright, turned = np.split(both, 2)
        return (upright - turned[..., ::-1]) / 2

    return averaged
