"""Everything in the catalogue of bad input gives an error that helps; the page of trust is made from it."""

from __future__ import annotations

import pytest
from bad_input import CAUSES
from bad_input.cause import Cause, judge

from ttm_sk.errors import DataError


@pytest.mark.parametrize("name", CAUSES)
def test_when_input_is_bad_then_the_error_says_found_and_remedy(tmp_path, name):
    verdict = judge(CAUSES[name], tmp_path)
    assert not verdict.fault, verdict


def test_when_causes_are_counted_then_there_are_more_than_150():
    assert len(CAUSES) >= 150


def raiser(error: Exception):
    def act(place):
        raise error

    return act


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (lambda place: None, "nothing was raised"),
        (raiser(KeyError("rain")), "raised KeyError"),
        (raiser(DataError("the sky is grey; give another")), "does not name what was found"),
        (raiser(DataError("found rain")), "names no remedy"),
    ],
)
def test_when_an_error_does_not_help_then_the_judgement_says_so(tmp_path, act, fault):
    assert fault in judge(Cause("rain", act, "rain"), tmp_path).fault


def test_when_a_library_raises_where_ours_is_due_then_it_is_bare(tmp_path):
    cause = Cause("rain", raiser(ValueError("found rain, expected sun")), "rain", ValueError)
    assert judge(cause, tmp_path).fault == "raised a bare ValueError"
