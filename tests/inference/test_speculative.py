"""Speculative decoding: lossless where it says so, the target's own forecast at tolerance 0, and honest reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from inference.gaussian_patches import GaussianPatches
from scipy import stats
from strategies import random_module, small_config

from ttm_sk.errors import ConfigError, DataError, HorizonError
from ttm_sk.inference.acceptance import Lossless, Relaxed, Tolerance
from ttm_sk.inference.decoding import decode
from ttm_sk.inference.drafts import AutoregressiveDraft, OneShotDraft, draft_of
from ttm_sk.inference.speculative import expected_patches, predicted_speedup, speculate
from ttm_sk.models.timer_xl import TimerXL, TimerXLConfig
from ttm_sk.training.patch_learning import random_checkpoint

N_DRAWS = 100_000
TARGET = GaussianPatches(slope=0.6, shift=(0.3, -0.2), sigma=(1.0, 0.7))
DRAFT = GaussianPatches(slope=0.3, shift=(0.0, 0.3), sigma=(0.8, 1.1))
LEAST_P = 1e-4  # of 18 comparisons with fixed seeds
RADIUS = 0.2


@dataclass(frozen=True)
class WrongResidual(Lossless):
    """The public code's: a fresh draw of the target after a refusal."""

    def _residual(self, patch, p, q, rows, generator):
        return patch


def draws(rule, *, k: int = 2, seed: int = 1) -> np.ndarray:
    """``(draw, step)``: four patches of two steps each, the draft's help included."""
    context = torch.tensor([0.5, -1.0]).expand(N_DRAWS, 1, 2)
    result = speculate(
        TARGET,
        AutoregressiveDraft(DRAFT),
        context,
        torch.ones_like(context, dtype=torch.bool),
        horizon=8,
        rule=rule,
        k=k,
        generator=torch.Generator().manual_seed(seed),
    )
    return result.values[:, 0].double().numpy()


def direct(seed: int = 2) -> np.ndarray:
    context = torch.tensor([0.5, -1.0]).expand(N_DRAWS, 1, 2)
    observed = torch.ones_like(context, dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed)
    return decode(TARGET, context, observed, horizon=8, is_random=True, generator=generator)[:, 0].double().numpy()


def smallest_p(one: np.ndarray, other: np.ndarray) -> float:
    """Of Kolmogorov and Smirnov's test, over every coordinate and a projection that meets all of them."""
    along = np.random.default_rng(0).normal(size=one.shape[1])
    pairs = [*zip(one.T, other.T, strict=True), (one @ along, other @ along)]
    return min(stats.ks_2samp(a, b).pvalue for a, b in pairs)


@pytest.fixture(scope="module")
def directly_drawn() -> np.ndarray:
    return direct()


@pytest.mark.parametrize("k", [1, 3])
def test_when_patches_are_speculated_then_draws_are_those_of_the_target(directly_drawn, k):
    drawn = draws(Lossless(), k=k)
    assert smallest_p(drawn, directly_drawn) > LEAST_P
    assert np.allclose(np.cov(drawn.T), np.cov(directly_drawn.T), atol=0.02)  # later patches depend on earlier ones


def test_when_the_residual_is_wrong_then_the_same_test_fails(directly_drawn):
    assert smallest_p(draws(WrongResidual()), directly_drawn) < 1e-8


def test_when_a_target_has_no_variance_then_sigma_is_its_own(directly_drawn):
    bare = GaussianPatches(slope=0.6, shift=(0.3, -0.2), sigma=None)
    same = GaussianPatches(slope=0.6, shift=(0.3, -0.2), sigma=(0.9, 0.9))
    context = torch.zeros(500, 1, 2)
    observed = torch.ones_like(context, dtype=torch.bool)
    rows = [
        speculate(
            target,
            AutoregressiveDraft(same),
            context,
            observed,
            horizon=6,
            rule=rule,
            generator=torch.Generator().manual_seed(0),
        ).values
        for target, rule in ((bare, Lossless(sigma=0.9)), (same, Lossless()))
    ]
    torch.testing.assert_close(*rows)


def timer(*, seed: int = 0, **changes) -> TimerXL:
    plain = {"context_length": 64, "patch_length": 8, "width": 16, "heads": 2, "n_layers": 2, "feedforward_width": 32}
    module = random_checkpoint(TimerXLConfig(**plain | changes), seed=seed).build()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    return module


def near(target: TimerXL, amount: float = 0.05) -> TimerXL:
    """The target with noise on its weights: what it proposes is kept now and then."""
    draft = TimerXL(target.config).eval()
    draft.load_state_dict(target.state_dict())
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in draft.parameters():
            parameter.add_(amount * torch.randn(parameter.shape, generator=generator))
    return draft


def histories(n_rows: int = 5, n_channels: int = 1, length: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.randn(n_rows, n_channels, length, generator=torch.Generator().manual_seed(3)).cumsum(-1)
    observed = torch.ones_like(values, dtype=torch.bool)
    observed[0, :, :20] = False  # one row is shorter than the others
    return torch.where(observed, values, 0.0), observed


@pytest.mark.parametrize("attends", ["own", "all", "target"])
def test_when_the_past_is_kept_then_the_forecast_is_that_of_computing_it_again(attends):
    module, (context, observed) = timer(attends=attends), histories(n_channels=3)
    kept, again = (decode(module, context, observed, horizon=100, is_cached=is_cached) for is_cached in (True, False))
    torch.testing.assert_close(kept, again, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("attends", ["own", "all"])
def test_when_draft_and_target_are_one_then_everything_is_kept(attends):
    module, (context, observed) = timer(attends=attends, is_stochastic=True), histories(n_channels=2)
    for rule in (Tolerance(1e-8), Lossless(), Relaxed(sigma=0.5)):
        generator = torch.Generator().manual_seed(0)
        report = speculate(
            module, draft_of(module, patch_length=8), context, observed, horizon=80, rule=rule, generator=generator
        ).report
        assert report.acceptance == 1.0
        assert report.n_target_calls == 1 + 3  # the context, and nine more patches in rounds of four, four and one


@pytest.mark.parametrize("attends", ["own", "all"])
def test_when_the_tolerance_is_zero_then_the_forecast_is_the_targets(attends):
    target, draft = timer(attends=attends), timer(seed=1, attends=attends, n_layers=1)
    context, observed = histories(n_channels=2)
    result = speculate(target, draft_of(draft, patch_length=8), context, observed, horizon=75, rule=Tolerance(0.0), k=3)
    torch.testing.assert_close(result.values, decode(target, context, observed, horizon=75), rtol=1e-5, atol=1e-5)
    assert result.report.n_accepted == 0


def test_when_rows_are_forecast_together_then_each_is_what_it_is_alone():
    target = timer()
    draft, (context, observed) = near(target), histories()
    options = {"horizon": 90, "rule": Tolerance(RADIUS), "k": 4}
    together = speculate(target, draft_of(draft, patch_length=8), context, observed, **options)
    assert 0.1 < together.report.acceptance < 0.9  # so that rows are at different places
    for i in range(len(context)):
        alone = speculate(target, draft_of(draft, patch_length=8), context[i : i + 1], observed[i : i + 1], **options)
        torch.testing.assert_close(together.values[i : i + 1], alone.values, rtol=1e-4, atol=1e-5)


def test_when_patches_are_kept_then_each_is_within_the_radius_of_what_the_target_says_after_the_kept_ones():
    target, (context, observed) = timer(), histories()
    draft = draft_of(near(target), patch_length=8)
    result = speculate(target, draft, context, observed, horizon=64, rule=Tolerance(RADIUS), is_traced=True)
    with torch.inference_mode():
        start = target.start(context, observed)
        patches = result.values.unflatten(-1, (-1, 8))
        said = torch.cat([target.ahead(start).mean, target.step(start, patches)[0].mean[:, :, :-1]], dim=2)
        distance = ((patches - said) / target.unit(start)).square().mean(dim=(1, 3))
    assert 0 < float(distance.max()) <= RADIUS + 1e-4
    kept = {(row.row, row.place) for row in result.report.trace if row.is_accepted}
    assert {(int(i), int(j)) for i, j in (distance > 1e-6).nonzero()} <= kept
    assert len(kept) == result.report.n_accepted


def test_when_a_ttm_is_the_draft_then_several_patches_come_of_one_call():
    target, (context, observed) = timer(), histories()
    draft = OneShotDraft(random_module(small_config(context_length=64, prediction_length=24)), 8)
    result = speculate(target, draft, context, observed, horizon=64, rule=Tolerance(1e3), k=7)
    assert result.report.acceptance == 1.0
    assert result.report.n_target_calls == 2
    assert (
        result.report.n_draft_calls == 2
    )  # six patches, three in a call; the first and the last one are the target's own
    nothing = speculate(target, draft, context, observed, horizon=64, rule=Tolerance(0.0), k=2)
    torch.testing.assert_close(nothing.values, decode(target, context, observed, horizon=64), rtol=1e-5, atol=1e-5)


def test_when_k_adapts_then_it_grows_with_what_is_kept_and_shrinks_without():
    module, (context, observed) = timer(), histories()
    other = timer(seed=1)
    most, least = (
        speculate(
            module,
            draft_of(draft, patch_length=8),
            context,
            observed,
            horizon=200,
            rule=Tolerance(0.0001),
            k=3,
            is_adaptive=True,
            is_traced=True,
        ).report
        for draft in (module, other)
    )
    assert (
        max(row.place for row in most.trace if row.round == 2) - max(row.place for row in most.trace if row.round == 1)
        == 5
    )
    assert least.n_proposed < 3 * least.n_target_calls * least.n_rows / 2
    assert most.n_target_calls < least.n_target_calls


def test_when_the_bias_or_sigma_grows_then_more_is_kept():
    target, (context, observed) = timer(), histories(n_rows=40)
    draft = near(target)

    def acceptance(**options) -> float:
        generator = torch.Generator().manual_seed(0)
        rule = Relaxed(**options)
        drafted = draft_of(draft, patch_length=8)
        return speculate(
            target, drafted, context, observed, horizon=64, rule=rule, generator=generator
        ).report.acceptance

    assert acceptance(sigma=0.3) < acceptance(sigma=0.7) < acceptance(sigma=2.0)
    assert acceptance(sigma=0.7) < acceptance(sigma=0.7, accept_bias=4.0)


def test_when_a_series_is_constant_then_so_is_every_forecast():
    target = timer(is_stochastic=True)
    context = torch.full((2, 1, 40), 3.0)
    for rule in (Tolerance(0.1), Lossless(), Relaxed()):
        result = speculate(
            target, draft_of(target, patch_length=8), context, torch.ones_like(context).bool(), horizon=30, rule=rule
        )
        torch.testing.assert_close(result.values, torch.full((2, 1, 30), 3.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k=0 must be at least 1"),
        ({"rule": Lossless()}, "sigma"),
        ({"horizon": 0}, "horizon of 0"),
    ],
)
def test_when_what_is_asked_is_impossible_then_it_says_why(change, message):
    module, (context, observed) = timer(), histories()
    drafted = draft_of(timer(is_stochastic=True), patch_length=8)
    with pytest.raises((ConfigError, HorizonError), match=message):
        speculate(module, drafted, context, observed, **{"horizon": 40, "rule": Tolerance(0.1)} | change)


def test_when_rules_and_drafts_cannot_be_then_they_say_why():
    with pytest.raises(ConfigError, match="tolerance=-1"):
        Tolerance(-1)
    with pytest.raises(ConfigError, match="sigma=0"):
        Relaxed(sigma=0)
    with pytest.raises(ConfigError, match=r"accept_bias=0\.5"):
        Relaxed(accept_bias=0.5)
    with pytest.raises(ConfigError, match="they must be equal"):
        draft_of(timer(patch_length=16), patch_length=8)
    with pytest.raises(ConfigError, match="at least one patch"):
        draft_of(random_module(small_config(prediction_length=8)), patch_length=16)
    module, (context, observed) = timer(is_stochastic=True), histories()
    for draft in (draft_of(timer(), patch_length=8), OneShotDraft(random_module(small_config()), 8)):
        with pytest.raises(ConfigError, match="no variance"):
            speculate(module, draft, context, observed, horizon=40, rule=Lossless())
    with pytest.raises(DataError, match="patches of 4 steps, expected 8"):
        module.step(module.start(context, observed), torch.zeros(5, 1, 1, 4))


def test_when_the_law_is_asked_then_it_is_the_capped_geometric_one():
    assert expected_patches(0.8, 3) == pytest.approx((1 - 0.8**4) / 0.2)
    assert predicted_speedup(0.8, 3, draft_cost=0.25) == pytest.approx(2.952 / 1.75)
    module, (context, observed) = timer(), histories(n_rows=64, length=64)
    draft = draft_of(near(module), patch_length=8)
    report = speculate(module, draft, context, observed, horizon=200, rule=Tolerance(RADIUS), k=3).report
    n_rounds = report.n_rows * (report.n_patches - 1) - report.n_accepted  # each has one patch of the target's own
    assert 1 + report.n_accepted / n_rounds == pytest.approx(expected_patches(report.acceptance, 3), rel=0.15)
