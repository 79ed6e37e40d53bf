"""The mixers against their textbook forms, and their size by the published formula."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, gates, seeds
from torch.nn import functional

from ttm_sk.errors import ConfigError
from ttm_sk.layers.mixing import AdaptiveLevel, ChannelMixing, FeatureMixing, Gate, MixerLayer, PatchMixing, make_gate

PLAIN = {"expansion": 2, "dropout": 0.0}


def n_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def n_mixing(size: int) -> int:
    """Parameters of an MLP (expansion 2) and a gate along an axis of ``size`` (models.md 1.5)."""
    return (4 * size**2 + 3 * size) + (size**2 + size)


@few
@given(n_patches=st.integers(2, 6), width=st.integers(2, 6), gate=gates, seed=seeds)
def test_when_mixing_patches_then_it_equals_the_transposed_textbook_form(n_patches, width, gate, seed):
    torch.manual_seed(seed)
    mixing = PatchMixing(n_patches=n_patches, width=width, gate=gate, **PLAIN).double()
    x = torch.randn(2, 3, n_patches, width, dtype=torch.float64)
    transposed = mixing.norm(x).transpose(-1, -2)
    expected = x + mixing.gate(mixing.mlp(transposed)).transpose(-1, -2)
    torch.testing.assert_close(mixing(x), expected)


def test_when_the_gate_is_softmax_then_weights_along_the_axis_sum_to_one():
    gate = Gate(5, "softmax")
    torch.testing.assert_close(gate(torch.ones(3, 5)).sum(-1), torch.ones(3))


def test_when_the_softmax_gate_is_written_out_then_it_is_x_times_softmax():
    gate, x = Gate(4, "softmax"), torch.randn(2, 4)
    score = x @ gate.score.weight.T + gate.score.bias
    torch.testing.assert_close(gate(x), x * score.exp() / score.exp().sum(-1, keepdim=True))


def test_when_the_gate_is_sigmoid_then_every_value_is_weighed_alone():
    gate, x = Gate(4, "sigmoid"), torch.randn(2, 4)
    torch.testing.assert_close(gate(x), x / (1 + torch.exp(-gate.score(x))))


def test_when_there_is_no_gate_then_values_pass():
    x = torch.randn(2, 4)
    assert torch.equal(make_gate(4, "none")(x), x)


def test_when_the_gate_is_unknown_then_the_error_lists_the_names():
    with pytest.raises(ConfigError, match="'relu'; choose one of softmax, sigmoid, none"):
        make_gate(4, "relu")


def test_when_mixing_features_then_patches_do_not_see_each_other():
    mixing = FeatureMixing(width=6, gate="softmax", **PLAIN)
    x = torch.randn(1, 1, 4, 6)
    other = x.clone()
    other[:, :, 0] += 1 + torch.randn(6)
    assert torch.equal(mixing(x)[:, :, 1:], mixing(other)[:, :, 1:])


def test_when_mixing_patches_then_channels_do_not_see_each_other():
    mixing = PatchMixing(n_patches=4, width=6, gate="softmax", **PLAIN)
    x = torch.randn(1, 2, 4, 6)
    other = x.clone()
    other[:, 0] += torch.randn(4, 6)
    torch.testing.assert_close(mixing(x)[:, 1], mixing(other)[:, 1])


@pytest.mark.parametrize("gate", ["softmax", "sigmoid", "none"])
def test_when_mixing_channels_then_the_gate_stands_before_the_mlp(gate):
    mixing = ChannelMixing(n_channels=3, width=5, dropout=0.0, gate=gate)
    x = torch.randn(2, 3, 4, 5)
    normed = mixing.norm(x).permute(0, 2, 3, 1)
    hidden = functional.gelu(mixing.mlp.expand(mixing.gate(normed)))
    torch.testing.assert_close(mixing(x), x + mixing.mlp.contract(hidden).permute(0, 3, 1, 2))


def test_when_mixing_channels_then_every_channel_sees_the_others():
    mixing = ChannelMixing(n_channels=3, width=5, dropout=0.0, gate="softmax")
    x = torch.randn(1, 3, 4, 5)
    other = x.clone()
    other[:, 0] += torch.randn(4, 5)
    assert ((mixing(x) - mixing(other))[:, 1:].abs().amax((2, 3)) > 0).all()


@pytest.mark.parametrize(("n_patches", "width"), [(8, 192), (16, 96), (32, 48), (8, 128)])
def test_when_a_layer_is_built_then_its_size_is_the_published_formula(n_patches, width):
    layer = MixerLayer(n_patches=n_patches, width=width, gate="softmax", **PLAIN)
    assert n_parameters(layer) == n_mixing(n_patches) + n_mixing(width) + 2 * 2 * width


def test_when_a_layer_mixes_channels_then_its_size_grows_by_their_mixer():
    plain, mixed = (
        MixerLayer(n_patches=4, width=6, gate="softmax", n_channels=n_channels, **PLAIN) for n_channels in (None, 3)
    )
    assert n_parameters(mixed) - n_parameters(plain) == n_mixing(3) + 2 * 6


def test_when_there_is_one_patch_then_nothing_mixes_patches():
    layer = MixerLayer(n_patches=1, width=6, gate="softmax", **PLAIN)
    assert layer.patches is None
    assert n_parameters(layer) == n_mixing(6) + 2 * 6


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_when_a_level_splits_then_its_layers_are_narrower_and_its_output_is_not(factor):
    level = AdaptiveLevel(factor=factor, n_layers=2, n_patches=3, width=16, gate="softmax", **PLAIN)
    x = torch.randn(2, 1, 3, 16)
    assert level(x).shape == x.shape
    n_patches, width = 3 * factor, 16 // factor
    assert n_parameters(level) == 2 * (n_mixing(n_patches) + n_mixing(width) + 4 * width)


def test_when_its_layers_are_quantised_then_patch_mixing_gives_nearly_the_same():
    torch.manual_seed(0)
    mixing = PatchMixing(n_patches=6, width=8, expansion=2, dropout=0.0, gate="sigmoid").eval()
    x = torch.randn(3, 2, 6, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that this will move to torchao
        small = torch.quantization.quantize_dynamic(mixing, {torch.nn.Linear}, dtype=torch.qint8)
    with torch.no_grad():
        difference = (small(x) - mixing(x)).abs()
    assert 0 < difference.max() < 0.05
