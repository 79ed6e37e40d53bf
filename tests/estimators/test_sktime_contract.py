"""The whole conformance suite of sktime, nothing excluded."""

from __future__ import annotations

import pytest
from sktime.utils.estimator_checks import check_estimator

from ttm_sk import TTMForecaster


@pytest.mark.filterwarnings("ignore:Sorting by default when concatenating")  # sktime does, on pandas 3
def test_when_sktime_checks_the_forecaster_then_every_check_passes():
    results = check_estimator(TTMForecaster, raise_exceptions=False, verbose=False)
    failures = [f"{name}: {outcome!r}" for name, outcome in results.items() if outcome != "PASSED"]
    assert len(results) > 800
    assert not failures, "\n".join(failures)
