"""Embeddings: stretched windows, and vectors that depend on their window alone."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import random_module, small_config

from ttm_sk.errors import ConfigError
from ttm_sk.inference.embedding import embed_windows, stretch

WINDOWS = np.random.default_rng(0).normal(size=(5, 2, 20))


def test_when_stretched_then_ends_stay_and_a_line_stays_a_line():
    line = np.arange(7.0).reshape(1, 1, 7)
    np.testing.assert_allclose(stretch(line, 13)[0, 0], np.linspace(0, 6, 13))
    np.testing.assert_allclose(stretch(line, 3)[0, 0], [0, 3, 6])
    np.testing.assert_array_equal(stretch(WINDOWS, 20), WINDOWS)
    assert stretch(np.ones((1, 1, 1)), 4).tolist() == [[[1.0] * 4]]


def test_when_a_step_is_missing_then_only_its_neighbourhood_is():
    gap = np.array([[[0.0, np.nan, 2.0, 3.0, 4.0]]])
    assert np.isnan(stretch(gap, 9)[0, 0]).tolist() == [False, True, True, True, False, False, False, False, False]


def test_when_rows_stand_beside_others_then_their_vectors_are_the_same():
    module = random_module(small_config(views=(1, 2), n_templates=1))
    whole = embed_windows(module, WINDOWS)
    assert whole.shape == (5, 2, 2 * module.config.width)
    np.testing.assert_allclose(embed_windows(module, WINDOWS[3:4]), whole[3:4], rtol=1e-10, atol=1e-12)


def test_when_the_model_needs_more_than_a_window_then_it_is_refused():
    with pytest.raises(ConfigError, match="prefix"):
        embed_windows(random_module(small_config(n_resolutions=2)), WINDOWS)
