"""The token of a series' pace."""

from __future__ import annotations

import pytest

from ttm_sk.data.frequency import RESOLUTION_TOKENS, UNKNOWN_RESOLUTION, grid_frequency, resolution_token
from ttm_sk.errors import DataError


@pytest.mark.parametrize(
    ("frequency", "token"),
    [
        ("min", 1), ("2min", 2), ("5min", 3), ("10min", 4), ("15min", 5), ("30min", 6), ("h", 7), ("D", 8), ("W", 9),
        ("60s", 1), ("T", 1), ("15T", 5), ("60min", 7), ("H", 7), ("24h", 8), ("7D", 9), ("W-SUN", 9), ("W-MON", 9),
    ],
)  # fmt: skip
def test_when_the_pace_is_known_then_it_has_the_token_of_granite(frequency, token):
    assert resolution_token(frequency, n_resolutions=10) == token


@pytest.mark.parametrize("frequency", [None, "", "MS", "ME", "M", "QS", "YS-JAN", "B", "2h", "s", "C", "??"])
def test_when_the_pace_is_not_in_the_map_then_it_is_unknown(frequency):
    assert resolution_token(frequency, n_resolutions=10) == UNKNOWN_RESOLUTION


@pytest.mark.parametrize("n_resolutions", [1, 5, 8])
def test_when_the_vocabulary_is_small_then_no_token_is_beyond_it(n_resolutions):
    for seconds, token in RESOLUTION_TOKENS.items():
        expected = token if token < n_resolutions else UNKNOWN_RESOLUTION
        assert resolution_token(f"{seconds}s", n_resolutions=n_resolutions) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("5T", "5min"), ("min", "min"), ("S", "s"), ("A-DEC", "YS"), ("QE", "QS"), ("2W-SUN", "14D"), ("minutely", "min")],
)
def test_when_a_file_names_a_frequency_then_it_becomes_that_of_stamps(name, expected):
    assert grid_frequency(name) == expected


@pytest.mark.parametrize("name", ["fortnight", "", "3", "half_daily"])
def test_when_a_frequency_is_unknown_then_examples_are_named(name):
    with pytest.raises(DataError, match=f"found the frequency '{name}'; expected one such as D"):
        grid_frequency(name)
