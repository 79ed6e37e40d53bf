"""The whole conformance suite of sktime, nothing excluded."""

from __future__ import annotations

import pytest
from sktime.utils.estimator_checks import check_estimator

from ttm_sk import PatchSLSTMForecaster


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Sorting by default when concatenating")  # sktime does, on pandas 3
@pytest.mark.filterwarnings("ignore::ttm_sk.errors.UntrainedWarning")
def test_when_sktime_checks_the_forecaster_then_every_check_passes():
    results = check_estimator(PatchSLSTMForecaster, raise_exceptions=False, verbose=False)
    failures = [f"{name}: {outcome!r}" for name, outcome in results.items() if outcome != "PASSED"]
    assert len(results) > 700
    assert not failures, "\n".join(failures)
