"""Selection of readings: what the past says, nothing of the future, and the same answer every time."""

from __future__ import annotations

import numpy as np
import pytest

from ttm_sk import TTM, TTMConfig
from ttm_sk.errors import ConfigError, DataError
from ttm_sk.inference.forecasting import forecast_series, select_readings
from ttm_sk.inference.readings import AS_IT_IS, Reading
from ttm_sk.inference.resolution import ReadingMixture, candidates, select
from ttm_sk.inference.theta import theta_fans

LEVELS = (0.1, 0.5, 0.9)
SMALL = TTMConfig(
    context_length=64,
    patch_length=16,
    prediction_length=8,
    width=16,
    n_levels=1,
    n_layers=1,
    decoder_width=8,
    decoder_layers=1,
    levels=(0.1, 0.3, 0.5, 0.7, 0.9),
    head_width=8,
    scaling="asinh",
)
MODULE = TTM(SMALL).eval()


def recent_mean(histories, horizon):
    """A fan around the mean of the last eight steps."""
    middle = np.stack([np.repeat(np.nanmean(h[:, -8:], axis=-1)[:, None], horizon, axis=1) for h in histories])
    return middle[..., None] + np.array([-1.0, 0.0, 1.0])


def weeks(n_steps: int = 200, seed: int = 0) -> np.ndarray:
    profile = np.array([0.0, 3, 5, 4, 8, 20, 15])
    return (np.resize(profile, n_steps) + np.random.default_rng(seed).normal(size=n_steps))[None]


def test_when_weeks_differ_by_day_then_reading_by_day_of_the_week_wins():
    mixture = select(recent_mean, [weeks(seed=0), weeks(seed=1)], horizon=14, levels=LEVELS, seen=4096)
    assert mixture.readings[0] == Reading(period=7)
    assert mixture.ratios[Reading(period=7)] < 0.5
    assert sum(mixture.weights) == pytest.approx(1)


def test_when_a_mixture_wins_on_the_past_then_it_forecasts_the_future_better():
    past, future = weeks()[:, :-14], weeks()[0, -14:]
    plain = recent_mean([past], 14)[0, 0, :, 1]
    mixed = select(recent_mean, [past], horizon=14, levels=LEVELS, seen=4096).of(recent_mean, levels=LEVELS, seen=4096)(
        [past], 14
    )[0, 0, :, 1]
    assert np.abs(mixed - future).mean() < 0.5 * np.abs(plain - future).mean()


def test_when_there_is_too_little_past_then_series_are_read_as_they_are():
    assert select(recent_mean, [np.ones((1, 12))], horizon=6, levels=LEVELS, seen=4096) == ReadingMixture()


def test_when_the_horizon_is_longer_than_the_past_then_shorter_windows_are_backtested():
    mixture = select(recent_mean, [weeks(160)], horizon=500, levels=LEVELS, seen=4096)
    assert Reading(period=7) in mixture.ratios


def test_when_windows_are_forecast_then_no_forecaster_sees_its_own_target():
    """Every past handed over is a beginning of the history, and its forecast ends within it."""
    history, seen = weeks(120), []

    def watching(histories, horizon):
        seen.extend((h, horizon) for h in histories)
        return recent_mean(histories, horizon)

    select(watching, [history], horizon=10, levels=LEVELS, seen=4096)
    as_they_are = [(h, horizon) for h, horizon in seen if horizon == 10 and np.array_equal(h, history[:, : h.shape[1]])]
    assert sorted(h.shape[1] for h, _ in as_they_are) == [80, 90, 100, 110]


def test_when_many_series_are_given_then_a_hundred_are_backtested():
    rows = []

    def counting(histories, horizon):
        rows.append(len(histories))
        return recent_mean(histories, horizon)

    select(counting, [weeks(60, seed=i) for i in range(250)], horizon=5, levels=LEVELS, seen=4096)
    assert rows[0] == 400


def test_when_a_reading_by_phase_would_make_too_many_rows_then_it_is_not_tried():
    pasts = [weeks(seed=i) for i in range(4)]
    assert Reading(period=7) in candidates(pasts)
    assert Reading(period=7) not in candidates(pasts * 1_000)


def test_when_a_reading_does_not_suit_a_series_then_the_others_read_it():
    mixture = ReadingMixture((Reading(period=7), AS_IT_IS), (0.75, 0.25))
    long, short = weeks(70), np.full((1, 10), 5.0)
    together = mixture.of(recent_mean, levels=LEVELS, seen=4096)([long, short], 3)
    np.testing.assert_allclose(together[1], recent_mean([short], 3)[0])
    expected = 0.75 * Reading(period=7).of(recent_mean, LEVELS)([long], 3) + 0.25 * recent_mean([long], 3)
    np.testing.assert_allclose(together[:1], expected)


def test_when_no_reading_suits_a_series_then_it_is_read_as_it_is():
    mixture = ReadingMixture((Reading(rate=4),), (1.0,))
    np.testing.assert_allclose(
        mixture.of(recent_mean, levels=LEVELS, seen=4096)([np.arange(9.0)[None]], 2),
        recent_mean([np.arange(9.0)[None]], 2),
    )


def test_when_weights_do_not_add_up_then_it_raises():
    with pytest.raises(ConfigError, match="1 together"):
        ReadingMixture((AS_IT_IS,), (0.4,))


def test_when_effort_is_best_then_it_is_the_mixture_and_stays_in_order():
    histories = [weeks(150, seed=i)[0] for i in range(3)]
    chosen = select_readings(MODULE, histories, 10)
    found = forecast_series(MODULE, histories, 10, levels=LEVELS, effort="best")
    again = forecast_series(MODULE, histories, 10, levels=LEVELS, effort="best", readings=chosen)
    np.testing.assert_array_equal(found, again)
    assert (np.diff(found, axis=-1) >= 0).all()
    assert not np.allclose(found, forecast_series(MODULE, histories, 10, levels=LEVELS, effort="fast"))


def test_when_series_have_channels_then_best_keeps_them():
    history = np.stack([weeks(150)[0], 3 * weeks(150, seed=5)[0]])
    assert forecast_series(MODULE, [history], 9, levels=LEVELS, effort="best").shape == (1, 2, 9, 3)


def test_when_readings_come_with_another_effort_then_it_raises():
    with pytest.raises(ConfigError, match="effort='best'"):
        forecast_series(MODULE, [np.ones(30)], 3, effort="fast", readings=ReadingMixture())


def test_when_a_history_is_all_missing_then_best_refuses_it_before_any_backtest():
    with pytest.raises(DataError, match="no observed value"):
        select_readings(MODULE, [np.full(60, np.nan)], 3)


@pytest.mark.parametrize(
    ("period", "reading"),
    [
        (24, Reading(period=24)),
        (288, Reading(rate=2, period=144)),
        (365, Reading(period=365)),
        (2016, Reading(12, 168)),
    ],
)
def test_when_a_cycle_is_long_then_it_is_read_coarser(period, reading):
    cycle = np.random.default_rng(0).normal(size=period).cumsum()
    past = np.resize(cycle - np.linspace(cycle[0], cycle[-1], period), 12 * period)[None]
    assert reading in candidates([past])


def test_when_a_context_length_is_given_then_no_reading_sees_more_of_the_past():
    history = weeks(400)[0]
    other = np.concatenate([1e3 * np.random.default_rng(9).normal(size=200), history[200:]])
    asked = {"horizon": 7, "levels": LEVELS, "effort": "best", "context_length": 60}
    readings = select_readings(MODULE, [history], 7, context_length=60)
    assert readings == select_readings(MODULE, [other], 7, context_length=60)
    np.testing.assert_array_equal(
        forecast_series(MODULE, [history], **asked), forecast_series(MODULE, [other], **asked)
    )
    assert len(readings.ratios) > 1


def test_when_only_the_newest_window_is_long_enough_for_a_reading_then_it_is_still_tried():
    # eight cycles remain before the newest window, not before the three older ones
    cycles = np.tile(np.random.default_rng(3).normal(size=72), 9)[None]
    mixture = select(recent_mean, [cycles], horizon=72, levels=LEVELS, seen=512)
    assert mixture.readings[0] == Reading(period=72)
    assert mixture.ratios[Reading(period=72)] < 0.8


def yearly(seed: int) -> np.ndarray:
    """Forty years that grow, as few values as a yearly statistic has."""
    rng = np.random.default_rng(seed)
    return (20 + 3 * np.arange(40.0) + rng.normal(size=40).cumsum())[None]


def test_when_short_series_grow_then_the_theta_method_helps_a_forecaster_without_trend():
    histories = [yearly(seed) for seed in range(6)]
    mixture = select(recent_mean, [history[:, :-6] for history in histories], horizon=6, levels=LEVELS, seen=4096)
    assert mixture.readings[0] == Reading(theta=1)
    assert mixture.ratios[Reading(theta=1)] < 0.8
    pasts, future = [history[:, :-6] for history in histories], np.stack([history[0, -6:] for history in histories])
    plain = recent_mean(pasts, 6)[:, 0, :, 1]
    mixed = mixture.of(recent_mean, levels=LEVELS, seen=4096)(pasts, 6)[:, 0, :, 1]
    assert np.abs(mixed - future).mean() < 0.8 * np.abs(plain - future).mean()


def test_when_series_have_a_season_then_one_reading_beside_theta_is_kept_the_best():
    season = np.resize([0.0, 9.0, 4.0, -7.0], 40)
    mixture = select(recent_mean, [yearly(i) + season for i in range(6)], horizon=4, levels=LEVELS, seen=4096)
    tried = {reading.theta: ratio for reading, ratio in mixture.ratios.items() if reading.theta}
    assert {1, 4, 8} <= set(tried)
    assert tried[4] < min(tried[1], 1)
    assert tried[8] < tried[4] + 0.05  # as good, so that only the rule leaves it out
    assert [reading.theta for reading in mixture.readings if reading.theta] == [min(tried, key=tried.get)]


def test_when_most_series_are_long_then_theta_is_not_tried():
    lengths = (500, 1100, 1100)
    assert not any(reading.theta for reading in candidates([weeks(length) for length in lengths]))
    assert any(reading.theta for reading in candidates([weeks(length) for length in reversed(lengths[:2])]))


def test_when_a_reading_is_beside_theta_then_the_model_is_not_asked_twice():
    asked = []

    def counting(histories, horizon):
        asked.append(len(histories))
        return recent_mean(histories, horizon)

    mixture = ReadingMixture((AS_IT_IS, Reading(theta=7)), (0.5, 0.5))
    pasts = [weeks(70, seed=i) for i in range(3)]
    found = mixture.of(counting, levels=LEVELS, seen=4096)(pasts, 4)
    assert asked == [3]
    beside = theta_fans(pasts, 4, season=7, levels=LEVELS)
    np.testing.assert_allclose(found, 0.75 * recent_mean(pasts, 4) + 0.25 * beside)
    # an array of series, whose rows are new views whenever they are asked for
    together = mixture.of(recent_mean, levels=LEVELS, seen=4096)(np.stack(pasts), 4)
    np.testing.assert_array_equal(together, found)


def flat_forecasts(spread):
    """Forecasts 1 from a long past, 0.9 from one of 128 steps, 9 from any other; from short ones with a spread."""

    def forecast(histories, horizon):
        values = []
        for i, history in enumerate(histories):
            is_long = history.shape[-1] >= 900
            level = 1.0 if is_long else 0.9 if history.shape[-1] == 128 else 9.0
            values.append(level if is_long else level * (1 + spread * (-1) ** i))
        return np.tile(np.array(values)[:, None, None, None], (1, 1, horizon, 1))

    return forecast


def test_when_a_reading_wins_by_little_but_always_then_it_rules_and_when_by_chance_then_both_are_mixed():
    def weight_of_the_short_past(spread):
        nothing = [np.zeros((1, 1100))] * 3  # too long for the theta method
        mixture = select(flat_forecasts(spread), nothing, horizon=10, levels=(0.5,), seen=2000)
        return dict(zip(mixture.readings, mixture.weights, strict=True))[Reading(context=128)]

    assert weight_of_the_short_past(spread=0.0) > 0.95
    assert 0.5 < weight_of_the_short_past(spread=0.9) < 0.75
