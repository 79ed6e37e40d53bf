"""The conformance suite of sktime for TabPFN-TS, on random weights, and without any."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from sktime.utils.estimator_checks import check_estimator

from ttm_sk import TabPFNTSForecaster

pytestmark = [
    pytest.mark.skipif(
        find_spec("tabpfn_time_series") is None, reason="tabpfn-time-series is not installed: tox -e tabpfn"
    ),
    pytest.mark.filterwarnings("ignore:Sorting by default when concatenating"),  # sktime does, on pandas 3
]


class RandomTabPFN(TabPFNTSForecaster):
    __doc__ = TabPFNTSForecaster.__doc__
    weights = ""  # where the test has put them

    @classmethod
    def get_test_params(cls, parameter_set: str = "default"):
        quick = {"model_path": cls.weights, "config": {"n_estimators": 1}}
        return [quick | {"context_length": 16}, quick | {"random_state": 3}]


@pytest.mark.slow
def test_when_sktime_checks_it_on_random_weights_then_every_check_passes(tmp_path, monkeypatch):
    from ttm_sk.estimators.tabpfn_weights import write_random_weights

    path = tmp_path / "random-v2-regressor.safetensors"
    write_random_weights(path, n_layers=1, n_buckets=20)
    monkeypatch.setattr(RandomTabPFN, "weights", str(path))
    results = check_estimator(RandomTabPFN, raise_exceptions=False, verbose=False)
    failures = [f"{name}: {outcome!r}" for name, outcome in results.items() if outcome != "PASSED"]
    assert len(results) > 300
    assert not failures, "\n".join(failures)


def test_when_sktime_checks_it_without_weights_then_only_the_weights_are_missed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    results = check_estimator(TabPFNTSForecaster, raise_exceptions=False, verbose=False)
    failures = {name: outcome for name, outcome in results.items() if outcome != "PASSED"}
    others = {name: outcome for name, outcome in failures.items() if "found no weights of TabPFN" not in repr(outcome)}
    assert not others, others
    assert len(results) - len(failures) > 100
