"""TTM-R3 against granite-tsfm itself; ``tox -e granite`` runs them, elsewhere they are skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

pytest.importorskip("tsfm_public", reason="granite-tsfm is not installed; run tox -e granite")

from granite_parity import r3_reference as reference
from granite_r3_cases import CASES, MULTI, PAIR_QUANTILES, POOLED, TOKENS, TREND, Case, draw_inputs, draw_weights
from granite_r3_run import differences, run
from tsfm_public.models.tinytimemixer import TinyTimeMixerConfig

from ttm_sk.checkpoints.granite import from_granite, to_granite
from ttm_sk.checkpoints.granite_r3 import ALL_DEFAULTS, KNOWN, R3_INERT

pytestmark = pytest.mark.filterwarnings("ignore")  # those of granite-tsfm and transformers


@pytest.mark.parametrize("dtype", reference.TOLERANCES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_when_an_option_is_set_then_forecast_loss_and_gradients_are_those_of_granite(name, dtype):
    case, limit = CASES[name], reference.TOLERANCES[dtype]
    weights, inputs = draw_weights(case.values, dtype=dtype), draw_inputs(case, dtype=dtype)
    found = differences(run(case, weights, inputs), reference.run(case, weights, inputs))
    assert max(found.values()) <= limit, max(found, key=found.get)


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].n_steps == 96])
def test_when_granite_saves_a_model_then_it_opens_and_is_written_back_byte_for_byte(name, tmp_path):
    values = CASES[name].values
    model = reference.build(values, draw_weights(values))
    model.save_pretrained(tmp_path / "theirs")
    checkpoint = from_granite(tmp_path / "theirs")
    to_granite(checkpoint, tmp_path / "ours")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "ours" / file).read_bytes() == (tmp_path / "theirs" / file).read_bytes()
    to_granite(replace(checkpoint, provenance={}), tmp_path / "anew")
    again = type(model).from_pretrained(tmp_path / "anew")
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


SKIPPED = {"architectures", "dtype", "torch_dtype", "return_dict", "id2label", "label2id", "problem_type", "model_type"}
CHANGED = {bool: True, int: 3, float: 0.25, str: "other", type(None): 2}


@pytest.mark.parametrize("values", [POOLED | TOKENS, PAIR_QUANTILES | TREND], ids=["single", "pair"])
@pytest.mark.parametrize("key", sorted(R3_INERT - SKIPPED))
def test_when_an_inert_key_changes_then_no_number_does(key, values):
    case = Case(values)
    weights, inputs = draw_weights(values), draw_inputs(case)
    before = getattr(TinyTimeMixerConfig(), key, None)
    value = (not before) if isinstance(before, bool) else CHANGED[type(before)]
    changed = reference.run(Case(values | {key: value}), weights, inputs)
    plain = reference.run(case, weights, inputs)
    assert all(torch.equal(changed[name], plain[name]) for name in plain)


def test_when_granite_writes_a_configuration_then_every_key_of_it_is_known():
    values = TinyTimeMixerConfig(**{k: v for k, v in (MULTI | TREND).items() if k != "model_type"}).to_dict()
    assert set(values) <= KNOWN


def test_when_a_key_is_missing_then_the_default_is_that_of_granite():
    config = TinyTimeMixerConfig()
    known = {key: getattr(config, key) for key in ALL_DEFAULTS if hasattr(config, key)}
    assert known == {key: ALL_DEFAULTS[key] for key in known}
