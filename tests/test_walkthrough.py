"""The walk of one series through the house, step by step as DESIGN.md tells it: `fit(y).predict(fh)` by hand.

Shapes are read off the checkpoint's own config, so the walk holds for any bundled weights.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sktime.datasets import load_airline
from sktime.forecasting.base import ForecastingHorizon
from strategies import random_module, small_config

from ttm_sk import TTMForecaster
from ttm_sk.checkpoints import hub
from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.data.padding import Padded, pad
from ttm_sk.estimators import frames
from ttm_sk.inference import rollout
from ttm_sk.inference.quantiles import at_levels
from ttm_sk.inference.symmetry import sign_symmetric
from ttm_sk.inference.torch_step import torch_step
from ttm_sk.models.ttm import TTM

HORIZON = 130
FH = [1, 12, HORIZON]
LEVELS = (0.1, 0.5, 0.75)


@pytest.fixture(scope="module")
def y() -> pd.Series:
    return load_airline().astype(float)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load_checkpoint(hub.locate("ttm-tiny"))


@pytest.fixture(scope="module")
def module(checkpoint) -> TTM:
    return checkpoint.build()


@pytest.fixture(scope="module")
def panel(y) -> frames.Panel:
    return frames.to_panel(y.to_frame())


@pytest.fixture(scope="module")
def padded(panel, module) -> Padded:
    return pad(panel.histories, context_length=module.context_length)


@pytest.fixture(scope="module")
def tensors(padded) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(padded.context), torch.from_numpy(padded.observed)


@pytest.fixture(scope="module")
def rolled(module, padded) -> np.ndarray:
    return rollout.forecast(
        sign_symmetric(torch_step(module, batch_size=8, device=torch.device("cpu"))),
        padded.context,
        padded.observed,
        horizon=HORIZON,
        context_length=module.context_length,
        levels=module.levels,
        paths=rollout.FIVE_PATHS,
        fed_back_weight=module.config.fed_back_weight,
    )


def test_when_constructed_then_parameters_are_stored_and_nothing_else_happens():
    forecaster = TTMForecaster(model_path="no such file", context_length=77)
    assert forecaster.get_params()["model_path"] == "no such file"
    assert forecaster.context_length == 77
    assert not hasattr(forecaster, "checkpoint_")


def test_when_fitted_then_sktime_hands_over_a_frame_that_becomes_histories(y, panel):
    assert [history.shape for history in panel.histories] == [(1, len(y))]
    np.testing.assert_array_equal(panel.histories[0][0], y)
    assert panel.ends[0] == y.index[-1]


def test_when_the_name_is_located_then_a_file_is_found_and_holds_a_checkpoint(checkpoint):
    assert hub.locate("ttm-tiny").suffix == ".safetensors"
    assert checkpoint.n_parameters < 1_000_000
    assert checkpoint.config.levels


def test_when_fitted_zero_shot_then_the_bundled_checkpoint_is_used_unchanged(y, checkpoint):
    assert TTMForecaster().fit(y).checkpoint_.hash == checkpoint.hash


def test_when_the_checkpoint_is_built_then_a_module_of_its_config_is_ready_to_forecast(checkpoint, module):
    assert module.config == checkpoint.config
    assert not module.training
    assert sum(parameter.numel() for parameter in module.parameters()) == checkpoint.n_parameters


def test_when_padded_then_context_and_observed_are_batch_channel_time(y, padded):
    assert padded.context.shape == padded.observed.shape == (1, 1, len(y))
    assert padded.loc.shape == padded.scale.shape == (1, 1, 1, 1)


def test_when_scaled_then_the_past_fills_the_context_and_its_pad_is_unobserved(y, module, tensors):
    values, weight, state = module.scale(*tensors)
    assert values.shape == weight.shape == (1, 1, module.context_length)
    assert state.loc.shape == state.scale.shape == (1, 1, 1)
    assert weight.sum() == len(y)
    assert (values[..., : -len(y)] == 0).all()


def test_when_encoded_then_there_are_patches_of_the_backbones_width(module, tensors):
    values, weight, _ = module.scale(*tensors)
    config = module.config
    assert module.encode(values, weight).shape == (1, 1, config.n_patches, config.width)


def test_when_there_is_a_prefix_then_one_patch_more_is_encoded(tensors):
    plain, prefixed = (random_module(small_config(n_resolutions=n)) for n in (0, 4))
    resolution = torch.zeros(1, dtype=torch.long)
    values, weight, _ = plain.scale(*tensors)
    without, with_prefix = plain.encode(values, weight), prefixed.encode(values, weight, resolution=resolution)
    assert with_prefix.shape[2] == without.shape[2] + 1 == prefixed.config.n_patches


def test_when_decoded_then_patches_have_the_decoders_width(module, tensors):
    values, weight, _ = module.scale(*tensors)
    config = module.config
    assert module.decode(module.encode(values, weight)).shape == (1, 1, config.n_patches, config.decoder_width)


def test_when_the_head_speaks_then_every_step_has_every_level(module, tensors):
    scaled, _ = module.forecast_scaled(*tensors)
    assert scaled.shape == (1, 1, module.prediction_length, len(module.levels))
    assert (scaled.diff(dim=-1) >= 0).all()


def test_when_unscaled_then_the_forecast_is_the_inverse_of_the_heads_output(module, tensors):
    scaled, state = module.forecast_scaled(*tensors)
    forecast = module(*tensors)
    assert forecast.mean.shape == (1, 1, module.prediction_length)
    assert forecast.quantiles.shape == (1, 1, module.prediction_length, len(module.levels))
    torch.testing.assert_close(forecast.quantiles, state.inverse(scaled))


def test_when_the_horizon_is_longer_than_the_head_then_it_is_rolled_out(module, rolled):
    assert module.prediction_length < HORIZON
    assert rolled.shape == (1, 1, HORIZON, len(module.levels))


def test_when_levels_are_asked_for_then_there_is_a_quantile_for_each(module, padded, rolled):
    quantiles = at_levels(padded.restore(rolled), known=module.levels, wanted=LEVELS)
    assert quantiles.shape == (1, 1, HORIZON, len(LEVELS))
    assert (np.diff(quantiles, axis=-1) >= 0).all()


def test_when_made_a_frame_then_it_has_the_rows_that_were_asked_for(y, module, panel, padded, rolled):
    fh = ForecastingHorizon(FH, is_relative=True)
    (steps,) = frames.steps_ahead(fh, panel)
    assert steps.tolist() == FH
    median = at_levels(padded.restore(rolled), known=module.levels, wanted=(0.5,))
    frame = frames.from_forecast([median[0][:, steps - 1, 0].T], panel, fh, panel.columns)
    assert frame.shape == (len(FH), 1)
    assert frame.index.equals(pd.period_range(y.index[-1], periods=HORIZON + 1, freq="M")[FH])


def test_when_walked_by_hand_then_the_forecaster_says_the_same(y, module, padded, rolled):
    forecaster = TTMForecaster().fit(y)
    rows = np.array(FH) - 1
    expected = at_levels(padded.restore(rolled), known=module.levels, wanted=LEVELS)[0, 0, rows]
    np.testing.assert_allclose(forecaster.predict(FH), expected[:, 1], rtol=1e-5)
    np.testing.assert_allclose(forecaster.predict_quantiles(FH, alpha=list(LEVELS)), expected, rtol=1e-5)
