"""The closed-form start: the ridge regression that others compute, and honest about rows it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from ttm_sk.estimators import linear_probe
from ttm_sk.estimators.linear_probe import fit_probe


def table(n_rows: int = 30, n_features: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, n_features))
    return x, x[:, :2] + 0.5 * rng.normal(size=(n_rows, 2))


@pytest.fixture
def one_penalty(monkeypatch) -> float:
    monkeypatch.setattr(linear_probe, "PENALTIES", np.array([2.0]))
    monkeypatch.setattr(linear_probe, "SHARES", (1.0,))
    monkeypatch.setattr(linear_probe, "CAUTION", 1.0)
    return 2.0


def probe_of(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, gain: np.ndarray | None = None):
    weight = np.ones(len(x)) if weight is None else weight
    return fit_probe(x, y, weight=weight, gain=np.ones_like(y) if gain is None else gain, n_plain=x.shape[1])


@pytest.mark.parametrize("n_features", [5, 40])
def test_when_one_penalty_is_there_then_it_is_scikit_learns_ridge(one_penalty, n_features):
    x, y = table(n_features=n_features)
    weight, gain = np.arange(30) % 3 + 1.0, np.linspace(0.5, 2, 30)
    probe = probe_of(x, y, weight, np.repeat(gain[:, None], 2, axis=1))
    expected = Ridge(one_penalty).fit(x, y, sample_weight=weight * gain**2)
    np.testing.assert_allclose(probe.slope.T, expected.coef_, rtol=1e-6)
    np.testing.assert_allclose(probe.intercept, expected.intercept_, rtol=1e-6, atol=1e-9)


def test_when_a_row_is_left_out_then_the_shift_leads_to_that_fit(one_penalty):
    x, y = table()
    probe = probe_of(x, y)
    left_out = [
        Ridge(one_penalty).fit(np.delete(x, i, 0), np.delete(y, i, 0)).predict(x[i : i + 1])[0] for i in range(4)
    ]
    np.testing.assert_allclose((x @ probe.slope + probe.intercept + probe.shift)[:4], left_out, rtol=0.02, atol=0.01)


def test_when_later_features_are_noise_then_they_are_left_out():
    x, y = table(60)
    noise = np.random.default_rng(1).normal(size=(60, 50))
    probe = fit_probe(np.hstack([x, noise]), y, weight=np.ones(60), gain=np.ones_like(y), n_plain=5)
    assert np.abs(probe.slope[5:]).max() < 0.05
    assert np.abs(probe.slope[:2] - np.eye(2)).max() < 0.3


def test_when_there_is_one_row_then_it_is_the_answer():
    probe = probe_of(np.ones((1, 3)), np.array([[4.0]]))
    np.testing.assert_allclose(np.ones((1, 3)) @ probe.slope + probe.intercept, [[4.0]])


def test_when_outputs_have_other_units_then_risk_is_in_them():
    x, y = table()
    once = probe_of(x, y, gain=np.ones_like(y))
    twice = probe_of(x, y, gain=np.ones_like(y) * [1.0, 3.0])
    np.testing.assert_allclose(twice.risk / once.risk, [1.0, 9.0])
