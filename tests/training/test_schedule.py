"""The learning rate: up, along, down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from ttm_sk.errors import ConfigError
from ttm_sk.training.schedule import Schedule


@few
@given(n_steps=st.integers(1, 300), warmup=st.floats(0, 0.5), decay=st.floats(0, 0.5))
def test_when_running_then_the_rate_rises_stays_and_falls_to_a_hundredth(n_steps, warmup, decay):
    n_warmup, n_decay = int(n_steps * warmup), int(n_steps * decay)
    schedule = Schedule(2e-3, n_steps, n_warmup=n_warmup, n_decay=n_decay)
    rates = np.array([schedule.rate(step) for step in range(n_steps)])
    assert (np.diff(rates[:n_warmup]) > 0).all()
    np.testing.assert_allclose(rates[n_warmup : n_steps - n_decay], 2e-3)
    assert (np.diff(rates[n_steps - n_decay :]) < 0).all()
    assert rates.max() <= 2e-3 * (1 + 1e-9)
    if n_decay:
        assert rates[-1] == pytest.approx(2e-5)


def test_when_warming_up_then_the_first_step_is_one_share_of_the_peak():
    assert Schedule(1.0, 100, n_warmup=10).rate(0) == pytest.approx(0.1)
    assert Schedule(1.0, 100, n_warmup=10).rate(9) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"peak": 0.0}, "positive peak"),
        ({"peak": float("nan")}, "positive peak"),
        ({"peak": float("inf")}, "that is finite"),
        ({"n_steps": 0}, "at least one step"),
        ({"n_warmup": -1}, "do not fit"),
        ({"n_warmup": 60, "n_decay": 50}, r"warm-up \(60\) and decay \(50\) do not fit into 100 steps"),
    ],
)
def test_when_a_schedule_is_impossible_then_it_raises(changes, says):
    with pytest.raises(ConfigError, match=says):
        Schedule(**{"peak": 1e-3, "n_steps": 100} | changes)
