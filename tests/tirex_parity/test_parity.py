"""PatchSLSTM against tirex-ts itself, on random weights; ``tox -e tirex`` runs them, elsewhere they are skipped."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

pytest.importorskip("tirex", reason="tirex-ts is not installed; run tox -e tirex")

from tirex_cases import CASES, HYPER_PARAMETERS, MODEL, draw_weights
from tirex_parity import reference

from ttm_sk.checkpoints.open import load_checkpoint
from ttm_sk.checkpoints.tirex import tirex_config, tirex_weights
from ttm_sk.errors import LicenceWarning
from ttm_sk.models.patch_slstm import PatchSLSTM

pytestmark = pytest.mark.filterwarnings("ignore")  # those of tirex-ts

# Largest difference over the largest size of a forecast's distance from the mean. As shipped, its cell rounds inputs,
# recurrent weights and states to bfloat16 (eight bits) in every step.
LIMITS = {"single": 1e-5, "shipped": 5e-3}


def ours(weights: dict[str, torch.Tensor]) -> PatchSLSTM:
    config = tirex_config(HYPER_PARAMETERS, weights)
    module = PatchSLSTM(config).eval()
    module.load_state_dict(tirex_weights(weights, config))
    return module


@pytest.mark.parametrize("precision", LIMITS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_when_a_series_is_forecast_then_the_numbers_are_those_of_the_package(case, precision):
    weights, series = draw_weights(), case.series()
    with reference.single_precision() if precision == "single" else nullcontext():
        expected = reference.quantiles(reference.build(HYPER_PARAMETERS, weights), series, case.horizon)
    with torch.no_grad():
        found = ours(weights).forecast(series[:, None], ~series.isnan()[:, None], horizon=case.horizon).quantiles[:, 0]
    size = (expected - torch.nan_to_num(series.nanmean(-1))[:, None, None]).abs().amax()
    assert float((found - expected).abs().amax() / size) <= LIMITS[precision]


def test_when_the_package_builds_the_full_size_then_the_names_are_known():
    full = MODEL | {"input_ff_dim": 2048, "block_kwargs": {"embedding_dim": 512, "num_blocks": 12, "num_heads": 4}}
    with torch.device("meta"):
        theirs = reference.TiRexZero(backend="torch", model_config=full, train_ctx_len=2048).state_dict()
        config = tirex_config({"model_config": full, "train_ctx_len": 2048}, theirs)
        ours = PatchSLSTM(config).state_dict()
        converted = tirex_weights(theirs, config)
    assert {name: value.shape for name, value in converted.items()} == {name: v.shape for name, v in ours.items()}
    assert sum(value.numel() for value in converted.values()) == 35_291_200


def test_when_the_package_saves_a_checkpoint_then_it_opens(tmp_path):
    model = reference.build(HYPER_PARAMETERS, draw_weights())
    content = {"hyper_parameters": HYPER_PARAMETERS, "state_dict": model.state_dict()}
    torch.save(content, tmp_path / "model.ckpt")
    with pytest.warns(LicenceWarning, match="Built with technology from NXAI"):
        checkpoint = load_checkpoint(tmp_path / "model.ckpt")
    assert checkpoint.architecture == "patch-slstm"
