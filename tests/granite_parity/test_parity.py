"""Numbers against granite-tsfm itself; ``tox -e granite`` runs them, elsewhere they are skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

pytest.importorskip("tsfm_public", reason="granite-tsfm is not installed; run tox -e granite")

from granite_cases import CASES, EXOGENOUS, MIXED, SMALL, Case, draw_inputs, draw_weights
from granite_parity import reference
from granite_run import differences, run

from ttm_sk.checkpoints.granite import from_granite, to_granite
from ttm_sk.checkpoints.granite_options import DEFAULTS, INERT, ONLY, R3_SWITCHES
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.models.ttm import TTM, TTMConfig

pytestmark = pytest.mark.filterwarnings("ignore")  # those of granite-tsfm and transformers
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_when_an_option_is_set_then_forecast_loss_and_gradients_are_those_of_granite(name, dtype):
    case = CASES[name]
    weights, inputs = draw_weights(case.values, dtype=dtype), draw_inputs(case, dtype=dtype)
    expected = reference.run(case, weights, inputs)
    found = differences(run(case, weights, inputs), expected)
    beyond = {key: value for key, value in found.items() if value > TOLERANCES[dtype]}
    if beyond and dtype == torch.float32:  # a gradient that is a small difference of large numbers is rounding
        exact = reference.run(case, _doubled(weights), replace(inputs, **_doubled(vars(inputs))))
        rounding = differences({key: value.double() for key, value in expected.items()}, exact)
        beyond = {key: value for key, value in beyond.items() if value > 4 * rounding[key]}
    assert not beyond


def _doubled(tensors: dict) -> dict:
    return {
        key: value.double() if value is not None and value.dtype == torch.float32 else value
        for key, value in tensors.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_when_granite_saves_a_model_then_it_opens_and_is_written_back_bit_for_bit(name, tmp_path):
    values = CASES[name].values
    model = reference.build(values, draw_weights(values))
    model.save_pretrained(tmp_path / "theirs")
    checkpoint = from_granite(tmp_path / "theirs")
    to_granite(checkpoint, tmp_path / "ours")
    again = type(model).from_pretrained(tmp_path / "ours")
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_when_one_of_our_models_is_written_then_granite_opens_it_and_forecasts_alike(tmp_path):
    config = TTMConfig(
        context_length=64, prediction_length=12, patch_length=16, width=32, decoder_width=24, n_levels=2, dropout=0.0
    )
    torch.manual_seed(0)
    checkpoint = Checkpoint(config, TTM(config).state_dict())
    to_granite(checkpoint, tmp_path / "ours")
    model = reference.TinyTimeMixerForPrediction.from_pretrained(tmp_path / "ours").eval()
    context = torch.randn(4, 2, 64)
    with torch.no_grad():
        found = checkpoint.build()(context, torch.ones_like(context, dtype=torch.bool)).mean
        expected = model(past_values=context.transpose(1, 2)).prediction_outputs.transpose(1, 2)
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


CHANGED = {bool: True, int: 3, float: 0.25, str: "other", list: [0.1, 0.5], type(None): 2}
ODD = {"quantile_levels": [0.2, 0.5], "width_penalty_mode": "wis", "dtype": "float32", "torch_dtype": "float32"}


@pytest.mark.parametrize(
    "key", sorted(INERT - {"dtype", "torch_dtype", "return_dict", "id2label", "label2id", "problem_type"})
)
def test_when_an_inert_key_changes_then_no_number_does(key):
    case = Case(EXOGENOUS | {"fcm_use_mixer": True})
    weights, inputs = draw_weights(case.values), draw_inputs(case)
    before = getattr(reference.TinyTimeMixerConfig(), key, None)
    value = ODD.get(key, (not before) if isinstance(before, bool) else CHANGED[type(before)])
    changed = reference.run(Case(case.options | {key: value}), weights, inputs)
    plain = reference.run(case, weights, inputs)
    assert all(torch.equal(changed[name], plain[name]) for name in plain)


def test_when_granite_writes_a_configuration_then_every_key_of_it_is_known():
    values = reference.TinyTimeMixerConfig(**{k: v for k, v in (SMALL | MIXED).items() if k != "model_type"}).to_dict()
    assert set(values) <= INERT | set(DEFAULTS) | set(ONLY) | set(R3_SWITCHES)


def test_when_a_key_is_missing_then_the_default_is_that_of_granite():
    config = reference.TinyTimeMixerConfig()
    known = {key: getattr(config, key) for key in DEFAULTS if hasattr(config, key)}
    assert known == {key: DEFAULTS[key] for key in known}
