"""A TiRex checkpoint of one's own: its numbers, its licence, and what is refused."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from tirex_cases import CASES, HYPER_PARAMETERS, MODEL, draw_weights, shapes

from ttm_sk import load_checkpoint, save_checkpoint
from ttm_sk.checkpoints.tirex import DUTIES, from_tirex, is_tirex, tirex_config, tirex_weights
from ttm_sk.errors import CheckpointError, LicenceWarning
from ttm_sk.models.patch_slstm import PatchSLSTM

GOLDEN = Path(__file__).parents[1] / "golden" / "tirex.npz"

quiet = pytest.mark.filterwarnings("ignore::ttm_sk.errors.LicenceWarning")


def write(path: Path, *, hyper_parameters=HYPER_PARAMETERS, weights=None, prefix: str = "") -> Path:
    weights = draw_weights() if weights is None else weights
    named = {(prefix + name if name.startswith("blocks.") else name): value for name, value in weights.items()}
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": named}, path)
    return path


@pytest.fixture(scope="module")
def module() -> PatchSLSTM:
    weights = draw_weights()
    config = tirex_config(HYPER_PARAMETERS, weights)
    built = PatchSLSTM(config).eval()
    built.load_state_dict(tirex_weights(weights, config))
    return built


@pytest.mark.parametrize("case", CASES, ids=str)
def test_when_a_series_is_forecast_then_the_numbers_are_those_that_the_package_gave(module, case):
    expected, series = np.load(GOLDEN)[str(case)], case.series()
    with torch.no_grad():
        found = module.forecast(series[:, None], ~series.isnan()[:, None], horizon=case.horizon).quantiles[:, 0]
    mean = np.nan_to_num(series.nanmean(-1).numpy())[:, None, None]
    limit = 2e-5 * np.abs(expected - mean).max()
    np.testing.assert_allclose(found[:, :: case.horizon // 16].numpy(), expected, rtol=0, atol=limit)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_when_all_is_computed_in_double_precision_then_single_was_right_to_five_digits(module, case):
    series, exact = case.series(), deepcopy(module).double()
    with torch.no_grad():
        found, expected = (
            one.forecast(values[:, None], ~values.isnan()[:, None], horizon=case.horizon).quantiles[:, 0]
            for one, values in ((module, series), (exact, series.double()))
        )
    mean = torch.nan_to_num(series.nanmean(-1))[:, None, None]
    assert (found - expected).abs().max() <= 1e-5 * (expected - mean).abs().max()


@pytest.mark.parametrize("prefix", ["", "block_stack."])
def test_when_a_checkpoint_is_opened_then_the_duties_are_said_and_kept(tmp_path, prefix):
    path = write(tmp_path / "model.ckpt", prefix=prefix)
    with pytest.warns(LicenceWarning, match="Built with technology from NXAI"):
        checkpoint = load_checkpoint(path)
    assert checkpoint.architecture == "patch-slstm"
    assert checkpoint.provenance["licence"] == {"duties": DUTIES}
    assert checkpoint.config.levels == tuple(MODEL["quantiles"])


@quiet
def test_when_it_is_saved_as_ours_then_nothing_of_it_is_lost(tmp_path):
    checkpoint = load_checkpoint(write(tmp_path / "model.ckpt"))
    again = load_checkpoint(save_checkpoint(checkpoint, tmp_path / "ours.safetensors"))
    assert again == checkpoint


def test_when_the_published_size_is_described_then_it_has_35_291_200_parameters():
    full = MODEL | {"input_ff_dim": 2048, "block_kwargs": {"embedding_dim": 512, "num_blocks": 12, "num_heads": 4}}
    weights = {name: torch.empty(shape, device="meta") for name, shape in shapes(full).items()}
    config = tirex_config({"model_config": full, "train_ctx_len": 2048}, weights)
    assert sum(value.numel() for value in tirex_weights(weights, config).values()) == 35_291_200


def test_when_a_file_is_another_thing_then_it_is_not_taken_for_one(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    (tmp_path / "text.ckpt").write_text("slstm_cell._recurrent_kernel_")
    assert not any(is_tirex(path) for path in (*tmp_path.iterdir(), tmp_path, tmp_path / "missing"))


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in draw_weights().items() if key != name}


@quiet
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": without("blocks.1.norm_ffn.weight")}, "the tensor 'blocks.1.norm_ffn.weight' is missing"),
        ({"weights": draw_weights() | {"blocks.2.more": torch.ones(1)}}, "'blocks.2.more' is not part of the model"),
        ({"weights": draw_weights() | {"out_norm.weight": torch.ones(3)}}, "'norm.weight' is (3,), expected (64,)"),
        ({"hyper_parameters": {}}, "hold no model_config"),
        ({"hyper_parameters": {"model_config": MODEL}}, "context_length=None"),
        ({"hyper_parameters": HYPER_PARAMETERS | {"model_config": {}}}, "does not say 'input_patch_size'"),
        ({"hyper_parameters": HYPER_PARAMETERS | {"model_config": MODEL | {"tail": 1}}}, "'tail' is not supported"),
        (
            {"hyper_parameters": HYPER_PARAMETERS | {"model_config": MODEL | {"output_patch_size": 8}}},
            "output_patch_size=8 is not supported; expected 32",
        ),
    ],
)
def test_when_a_checkpoint_is_not_such_a_model_then_it_raises(tmp_path, changes, message):
    with pytest.raises(CheckpointError, match=re.escape(message)):
        from_tirex(write(tmp_path / "model.ckpt", **changes))


class Command:
    def __reduce__(self):
        return print, ("this ran",)


def test_when_a_file_holds_more_than_tensors_then_nothing_of_it_runs(tmp_path, capsys):
    torch.save({"state_dict": {"slstm_cell._recurrent_kernel_": Command()}}, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match="can run any code"):
        load_checkpoint(tmp_path / "model.ckpt")
    assert capsys.readouterr().out == ""


def test_when_a_file_is_truncated_then_it_raises(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(write(tmp_path / "whole.ckpt").read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        from_tirex(path)


def test_when_a_file_holds_only_tensors_then_it_says_what_is_missing(tmp_path):
    torch.save({"slstm_cell._recurrent_kernel_": torch.ones(1)}, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match="holds no hyper_parameters and state_dict"):
        load_checkpoint(tmp_path / "model.ckpt")
