from __future__ import annotations

import dataclasses
import math
import random
import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import samples
from npu_eval.agreement import metrics
from npu_eval.agreement.difference import RELATIVE_FLOOR
from npu_eval.agreement.metrics import agreement
from npu_eval.experiments.performance.speed import latency
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


# --- latency ---------------------------------------------------------------------------------------------------------


@given(series)
def test_the_statistics_of_a_run_are_those_of_its_samples(values: list[float]) -> None:
    found = latency(samples.latency_run(samples_s=tuple(values)))
    assert math.isclose(found.mean_s * found.sample_count, found.duration_s, rel_tol=1e-12)
    assert found.min_s <= found.mean_s * (1 + 1e-12)
    assert found.mean_s <= found.max_s * (1 + 1e-12)
    assert math.isclose(found.std_s, float(np.std(values, ddof=1)), rel_tol=1e-6, abs_tol=1e-9 * found.mean_s)


@pytest.mark.parametrize(
    ("count", "names"),
    [(10, []), (11, ["p50"]), (64, ["p50", "p75", "p90"]), (700, ["p50", "p75", "p90", "p95", "p99"])],
)
def test_only_percentiles_that_the_calls_support_are_there(count: int, names: list[str]) -> None:
    found = latency(samples.latency_run(samples_s=samples.latency_samples(count)))
    assert list(found.percentiles_s) == names


def test_the_first_call_and_the_warm_up_are_kept_apart_from_the_samples() -> None:
    run = samples.latency_run(first_call_s=99.0, warmup_s=(50.0,) * 12)
    found = latency(run)
    assert found.max_s < 0.03
    assert (found.first_call_s, found.warmup_count) == (99.0, 12)


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


# --- agreement -------------------------------------------------------------------------------------------------------

moderate = st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6)
pairs = st.lists(st.tuples(moderate, moderate), min_size=1, max_size=50)


@given(pairs)
def test_agreement_is_what_numpy_says(values: list[tuple[float, float]]) -> None:
    r, y = (np.array(side) for side in zip(*values, strict=True))
    found = agreement(samples.difference(r.tolist(), y.tolist()))
    diff, size = np.abs(y - r), np.abs(r)
    if size.any():
        assert math.isclose(found.relative_l2, np.linalg.norm(diff) / np.linalg.norm(r), rel_tol=1e-12)
        assert math.isclose(found.scaled_max_abs_diff, diff.max() / size.max(), rel_tol=1e-12)
    if size.any() and y.any():
        cosine = float(r @ y / (np.linalg.norm(r) * np.linalg.norm(y)))
        assert math.isclose(found.cosine_similarity, cosine, rel_tol=1e-9, abs_tol=1e-12)
    assert -1.0 <= found.cosine_similarity <= 1.0
    assert math.isclose(found.mean_abs_diff, diff.mean(), rel_tol=1e-12)
    assert found.max_abs_diff == diff.max()
    assert math.isclose(found.reference_rms, math.sqrt(np.mean(r**2)), rel_tol=1e-12)
    assert math.isclose(found.mean_relative_error, np.mean(diff / (size + 1e-7)), rel_tol=1e-12)
    assert math.isclose(found.max_relative_error, np.max(diff / (size + 1e-7)), rel_tol=1e-12)
    counted = size > RELATIVE_FLOOR * size.max()
    assert math.isclose(found.share_below_floor, 1 - counted.mean(), abs_tol=1e-12)
    if counted.any():
        share = diff[counted] / size[counted]
        assert math.isclose(found.share_over_1_percent, np.mean(share > 0.01))
        assert math.isclose(found.share_within_1_permille, np.mean(share <= 0.001), abs_tol=1e-12)
        assert math.isclose(found.share_within_5_permille, np.mean(share <= 0.005), abs_tol=1e-12)
    if found.relative_l2:
        assert found.snr_db is not None
        assert math.isclose(found.snr_db, -20 * math.log10(found.relative_l2))


@given(st.lists(moderate, min_size=2, max_size=20).filter(any), st.floats(1e-3, 1.5))
def test_for_equal_norms_the_cosine_follows_from_the_relative_error(values: list[float], angle: float) -> None:
    """cosine = 1 - e^2 / 2, where e = ||y - r|| / ||r|| and ||y|| = ||r||."""
    r = np.array(values) / np.max(np.abs(values))
    other = np.roll(r, 1) - r * (np.roll(r, 1) @ r) / (r @ r)
    assume(np.linalg.norm(other) > 1e-3)
    y = math.cos(angle) * r + math.sin(angle) * other * np.linalg.norm(r) / np.linalg.norm(other)
    found = agreement(samples.difference(r.tolist(), y.tolist()))
    assert found.cosine_similarity == pytest.approx(1 - found.relative_l2**2 / 2, abs=1e-9)
    assert found.cosine_similarity == pytest.approx(math.cos(angle), abs=1e-6)


@given(st.lists(moderate, min_size=1, max_size=20))
def test_a_perfect_candidate_has_no_error(values: list[float]) -> None:
    found = agreement(samples.difference(values, values))
    assert (found.relative_l2, found.snr_db, found.max_abs_diff, found.mean_relative_error) == (0.0, None, 0.0, 0.0)
    assert found.cosine_similarity == pytest.approx(1.0, abs=1e-15)
    assert (found.share_over_1_percent, found.share_within_1_permille) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("reference", "candidate", "relative", "cosine", "scaled"),
    [((0.0, 0.0), (0.0, 0.0), 0.0, 1.0, 0.0), ((0.0, 0.0), (1.0, 0.0), 1.0, 0.0, 1.0),
     ((1.0, 0.0), (0.0, 0.0), 1.0, 0.0, 1.0), ((), (), 0.0, 1.0, 0.0)],
)  # fmt: skip
def test_a_zero_or_empty_side_has_defined_metrics(
    reference: Sequence[float], candidate: Sequence[float], relative: float, cosine: float, scaled: float
) -> None:
    found = agreement(samples.difference(reference, candidate))
    assert (found.relative_l2, found.cosine_similarity, found.scaled_max_abs_diff) == (relative, cosine, scaled)


def test_a_cosine_is_clamped_only_within_the_rounding_of_its_sums() -> None:
    exact = samples.difference((1.0, 2.0), (1.0, 2.0))
    rounded = dataclasses.replace(exact, dot=exact.dot * (1 + 1e-13))
    assert agreement(rounded).cosine_similarity == 1.0
    assert agreement(dataclasses.replace(exact, dot=-rounded.dot)).cosine_similarity == -1.0
    defective = dataclasses.replace(exact, dot=exact.dot * 1.001)
    assert agreement(defective).cosine_similarity > 1.0, "a defect of the sums must show"


def test_means_are_over_the_elements_that_are_finite_on_both_sides() -> None:
    """Four equal infinities on both sides are in no sum, so they must not make the mean error look smaller."""
    seen = samples.difference((1.0, 2.0), (1.5, 2.5))
    hidden = dataclasses.replace(seen, count=6, nonfinite_reference=4, nonfinite_candidate=4)
    for name in ("mean_abs_diff", "reference_rms", "mean_relative_error", "share_below_floor"):
        assert getattr(agreement(hidden), name) == getattr(agreement(seen), name)


@given(st.permutations(range(8)), st.permutations(range(8)), st.integers(1, 5))
def test_top_k_agreement_counts_common_classes(left: list[int], right: list[int], k: int) -> None:
    pair = samples.ranking(reference_classes=tuple(left[:5]), candidate_classes=tuple(right[:5]))
    share = metrics.top_k_agreement([pair], k)
    assert share == len(set(left[:k]) & set(right[:k])) / k
    assert metrics.top_k_agreement([pair, samples.ranking()], k) == pytest.approx((share + 1) / 2)


def test_top_k_agreement_of_few_or_no_classes() -> None:
    two = samples.ranking(reference_classes=(1, 0), candidate_classes=(0, 1))
    assert metrics.top_k_agreement([two], 5) == 1.0
    assert metrics.top_k_agreement([two], 1) == 0.0
    assert metrics.top_k_agreement([samples.ranking(candidate_classes=())], 5) == 0.0
    assert metrics.top_k_agreement([samples.ranking(reference_classes=())], 1) == 0.0


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
