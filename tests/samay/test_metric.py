"""Samay's metrics are the package's, truths first."""

from __future__ import annotations

import numpy as np
import pytest

from ttm_sk.errors import DataError
from ttm_sk.samay import mae, mape, mse, rmse
from ttm_sk.scoring import metrics

RNG = np.random.default_rng(0)
TRUES, PREDS = RNG.normal(5, 1, (3, 2, 4)), RNG.normal(5, 1, (3, 2, 4))


def test_when_they_are_called_then_they_are_the_means_that_their_names_say():
    error = TRUES - PREDS
    assert mse(TRUES, PREDS) == pytest.approx(np.mean(error**2))
    assert mae(TRUES, PREDS) == pytest.approx(np.mean(np.abs(error)))
    assert rmse(TRUES, PREDS) == pytest.approx(np.sqrt(np.mean(error**2)))
    assert mape(TRUES, PREDS) == pytest.approx(100 * np.mean(np.abs(error / TRUES)))
    assert mape(TRUES, PREDS) == pytest.approx(100 * metrics.mape(target=TRUES, forecast=PREDS))


def test_when_a_truth_is_missing_then_it_does_not_count():
    gapped = TRUES.copy()
    gapped[0, 0, 0] = np.nan
    kept = np.isfinite(gapped)
    assert mae(gapped, PREDS) == pytest.approx(np.mean(np.abs(TRUES - PREDS)[kept]))


@pytest.mark.parametrize("metric", [mse, mae, rmse, mape])
def test_when_shapes_differ_then_both_are_named(metric):
    with pytest.raises(DataError, match=r"\(3, 2, 4\).*\(3, 2, 3\)"):
        metric(TRUES, PREDS[..., :3])
