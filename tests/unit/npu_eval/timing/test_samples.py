from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.timing import samples as timed
from npu_eval.timing.samples import exceedances, is_steady, min_samples, percentile_estimate, stability

durations = st.floats(1e-6, 1e3)
series = st.lists(durations, min_size=4, max_size=200)


# --- percentiles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percentile", "count"), [(50, 11), (75, 24), (90, 64), (95, 130), (97, 219), (99, 662), (99.9, 6636)]
)
def test_a_percentile_needs_exactly_so_many_samples(percentile: float, count: int) -> None:
    assert min_samples(percentile) == count
    ramp = [float(i) for i in range(count)]
    assert percentile_estimate(ramp[:-1], percentile) is None
    assert percentile_estimate(ramp, percentile) is not None


def binomial_tail(n: int, exceed: int, share: float) -> float:
    return math.fsum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(exceed + 1))


@given(st.integers(2, 900), st.sampled_from(timed.PERCENTILES))
def test_the_exceedances_are_the_most_that_the_binomial_allows(n: int, percentile: float) -> None:
    t, share = exceedances(n, percentile), 1 - percentile / 100
    assert t == 0 or binomial_tail(n, t, share) <= 0.01 + 1e-9
    if t < int(n * share):
        assert binomial_tail(n, t + 1, share) > 0.01 - 1e-9


@given(st.lists(durations, max_size=300), st.sampled_from(timed.PERCENTILES))
def test_an_estimate_is_a_sample_at_or_above_the_plain_percentile(values: list[float], percentile: float) -> None:
    estimate = percentile_estimate(values, percentile)
    assert (estimate is None) == (len(values) < min_samples(percentile))
    if estimate is not None:
        assert estimate in values
        assert sum(v <= estimate for v in values) / len(values) >= percentile / 100


@given(st.lists(durations, max_size=300))
def test_estimates_grow_with_the_percentile(values: list[float]) -> None:
    found = [e for p in (50, 60, 75, 90, 95, 97, 99) if (e := percentile_estimate(values, p)) is not None]
    assert found == sorted(found)


@given(st.lists(durations, min_size=11, max_size=100), st.randoms())
def test_an_estimate_does_not_depend_on_the_order(values: list[float], rng: random.Random) -> None:
    shuffled = list(values)
    rng.shuffle(shuffled)
    assert percentile_estimate(shuffled, 50.0) == percentile_estimate(values, 50.0)


@pytest.mark.parametrize(("percentile", "count"), [(50.0, 11), (50.0, 100), (90.0, 64), (90.0, 200), (99.0, 662)])
def test_the_estimate_covers_the_true_percentile(percentile: float, count: int) -> None:
    """Promised: at least 99 % of the runs. 2,000 seeded runs; 98.3 % lies three standard deviations below 99 %."""
    rng = np.random.default_rng(7)
    truth = math.exp(0.4 * statistics.NormalDist().inv_cdf(percentile / 100))
    runs = np.sort(rng.lognormal(0.0, 0.4, size=(2000, count)), axis=1)
    estimates = runs[:, count - exceedances(count, percentile)]
    assert estimates[0] == percentile_estimate(runs[0].tolist(), percentile)
    covered = float(np.mean(estimates >= truth))
    assert covered >= 0.983


# --- stability -------------------------------------------------------------------------------------------------------


def noise(count: int, spread: float, seed: int = 3) -> list[float]:
    rng = random.Random(seed)
    return [1.0 + spread * rng.uniform(-1, 1) for _ in range(count)]


def test_a_quiet_series_is_stable() -> None:
    found = stability(noise(80, 0.01))
    assert found.stable
    assert found.reasons == ()
    assert found.outliers == 0


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ([1.0] * 78 + [2.5, 2.5], ("cv",)),  # two hiccups: the spread is wide, the middle half is not
        ([0.95, 1.06] * 40, ("iqr",)),  # two modes, 11 % apart
        ([1.0] * 50 + [1.11] * 30, ("iqr", "drift")),
        ([1.0] * 60 + [1.12] * 20, ("drift",)),  # slower in the last quarter only
        ([1.2] * 20 + [1.0] * 60, ()),  # the first quarter is no window, and this is within the spread
        ([1.0, 2.0] * 40, ("cv", "iqr")),
    ],
)
def test_each_reason_is_told_and_no_other(values: list[float], reasons: tuple[str, ...]) -> None:
    found = stability(values)
    assert found.reasons == reasons
    assert found.stable == (not reasons)


def test_a_drift_within_the_threshold_is_none() -> None:
    found = stability([1.0] * 60 + [1.099] * 20)
    assert found.window_ratio == pytest.approx(1.099)
    assert found.stable


def test_outliers_are_counted_but_do_not_decide() -> None:
    values = noise(200, 0.01)
    values[50] = 1.5
    found = stability(values)
    assert found.outliers == 1
    assert found.stable


@given(series, st.floats(1e-3, 1e3))
def test_stability_has_no_unit(values: list[float], factor: float) -> None:
    a, b = stability(values), stability([v * factor for v in values])
    assert math.isclose(a.cv, b.cv, rel_tol=1e-6, abs_tol=1e-9)
    assert math.isclose(a.iqr_over_median, b.iqr_over_median, rel_tol=1e-6, abs_tol=1e-9)
    assert math.isclose(a.window_ratio, b.window_ratio, rel_tol=1e-6)


@given(series)
def test_stability_agrees_with_numpy(values: list[float]) -> None:
    found = stability(values)
    q1, median, q3 = np.percentile(values, [25, 50, 75])
    assert math.isclose(found.cv, np.std(values, ddof=1) / np.mean(values), rel_tol=1e-6, abs_tol=1e-9)
    assert math.isclose(found.iqr_over_median, (q3 - q1) / median, rel_tol=1e-6, abs_tol=1e-9)
    quarter = len(values) // 4
    windows = [np.median(values[len(values) - (i + 1) * quarter :][:quarter]) for i in range(3)]
    assert math.isclose(found.window_ratio, max(windows) / min(windows), rel_tol=1e-9)


# --- warm-up ---------------------------------------------------------------------------------------------------------


def falling(count: int) -> list[float]:
    return [2.0 * 0.9**i + 1.0 for i in range(count)]


@pytest.mark.parametrize(
    ("values", "steady"),
    [
        ([1.0] * 9, False),
        ([1.0] * 10, True),
        (noise(40, 0.01), True),
        (falling(12), False),
        (falling(12) + noise(60, 0.01), True),
        ([5.0] + [1.0] * 9, False),  # the first of the ten is an outlier
        ([5.0] + [1.0] * 10, True),
        ([1.0] * 5 + [1.1] * 5, False),  # a step of a tenth
        ([1.0 + 0.02 * i for i in range(40)], False),  # a trend
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.3, 0.7, 1.3, 0.7, 1.0], False),  # it grows noisy
        ([], False),
    ],
)
def test_warm_up_ends_when_the_calls_look_alike(values: list[float], steady: bool) -> None:
    assert is_steady(values) is steady


@given(series)
def test_warm_up_ends_for_any_series_that_repeats_itself(values: list[float]) -> None:
    assert is_steady([statistics.median(values)] * 10)


@given(st.integers(2, 60_000), st.sampled_from(timed.PERCENTILES), st.floats(0, 1))
def test_terms_that_are_left_out_of_a_tail_change_nothing(n: int, percentile: float, part: float) -> None:
    share = 1 - percentile / 100
    exceed = int(part * int(n * share))
    terms = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
        + i * math.log(share) + (n - i) * math.log1p(-share)
        for i in range(exceed + 1)
    ]  # fmt: skip
    whole = math.exp(max(terms)) * math.fsum(math.exp(term - max(terms)) for term in terms)
    assert timed._tail_probability(n, exceed, share) == whole
