"""The backtest that chooses: the better candidate wins, in doubt the first one stays."""

from __future__ import annotations

import numpy as np

from ttm_sk.errors import DataError
from ttm_sk.inference.selection import select

LEVELS = (0.5,)


def constants(values: dict[str, float], seen: list[int] | None = None):
    def prepare(name, histories, series):
        if seen is not None:
            seen.append(histories[0].shape[1])
        if name == "picky":
            raise DataError("too short")
        return lambda past, horizon: np.full((len(past), past[0].shape[0], horizon, 1), values[name])

    return prepare


def test_when_one_is_better_then_it_is_chosen_and_its_gain_is_told():
    choice = select(["a", "b"], constants({"a": 0.0, "b": 0.5}), [np.ones((2, 40))], horizon=4, levels=LEVELS)
    assert choice.chosen == "b"
    assert choice.scores == {"a": 1.0, "b": 0.5}
    assert choice.reason == "50.0% better than a on 2 window(s) of 4 steps of the past"


def test_when_the_gain_is_small_then_the_first_one_stays():
    choice = select(["a", "b"], constants({"a": 0.0, "b": 0.005}), [np.ones((1, 40))], horizon=4, levels=LEVELS)
    assert choice.chosen == "a"


def test_when_candidates_learn_then_the_windows_are_kept_from_them():
    seen: list[int] = []
    select(["a"], constants({"a": 0.0}, seen), [np.ones((1, 60))], horizon=5, levels=LEVELS)
    assert seen == [45]


def test_when_a_candidate_cannot_learn_then_it_is_left_out():
    choice = select(["a", "picky"], constants({"a": 0.0}), [np.ones((1, 40))], horizon=4, levels=LEVELS)
    assert set(choice.scores) == {"a"}


def test_when_nothing_can_be_compared_then_the_first_one_stays_and_says_so():
    assert "too short" in select(["a"], constants({"a": 0.0}), [np.ones((1, 3))], horizon=4, levels=LEVELS).reason
    silent = select(["a"], constants({"a": 1.0}), [np.ones((1, 40))], horizon=4, levels=LEVELS)
    assert silent.reason.endswith("says nothing")


def test_when_a_gain_could_be_chance_then_a_cautious_choice_stays_with_the_first():
    history = np.concatenate([np.tile([-1.0, 1.0], 44), [0.1] * 4, [0.1] * 4, [1.0] * 4])[None]
    options = {"horizon": 4, "levels": LEVELS, "n_windows": 3}
    candidates = constants({"a": 0.0, "b": 0.3})  # worse in two windows, better in the third and on the whole
    assert select(["a", "b"], candidates, [history], **options).chosen == "b"
    careful = select(["a", "b"], candidates, [history], is_cautious=True, **options)
    assert careful.chosen == "a"
    assert "larger than chance" in careful.reason
    sure = select(["a", "b"], constants({"a": 0.0, "b": 0.5}), [np.ones((1, 100))], is_cautious=True, **options)
    assert sure.chosen == "b"
