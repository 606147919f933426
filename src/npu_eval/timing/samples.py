"""Statistics from raw samples: pure functions, standard library only, so that a verifier can derive them again."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from npu_eval.records.record import RELATIVE_ERROR_BOUNDS, ClassRanking, Difference, LatencyRun

CONFIDENCE = 0.99
"""Confidence of a printed percentile (MLPerf LoadGen's early-stopping constant)."""

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9)


# --- latency ---------------------------------------------------------------------------------------------------------


_VANISHES = -746.0
"""Logarithms below this are those of numbers that a float rounds to zero."""


@functools.lru_cache(maxsize=4096)
def _tail_probability(n: int, exceed: int, share: float) -> float:
    """P(Binomial(n, share) <= exceed), summed in logarithms so that no term under- or overflows.

    ``exceed`` is at most n * share, up to which terms grow: from the last one down, those that vanish beside it are not
    looked at.
    """
    log_terms: list[float] = []
    for i in range(exceed, -1, -1):
        term = (
            math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
            + i * math.log(share) + (n - i) * math.log1p(-share)
        )  # fmt: skip
        log_terms.append(term)
        if term - log_terms[0] < _VANISHES:
            break
    top = max(log_terms)
    return math.exp(top) * math.fsum(math.exp(term - top) for term in log_terms)


@functools.lru_cache(maxsize=4096)
def exceedances(n: int, percentile: float) -> int:
    """How many of ``n`` samples may lie at or above the estimate of a percentile; 0 when ``n`` does not support it.

    The largest t with P(Binomial(n, 1 - p) <= t) <= 1 - CONFIDENCE: if the true percentile lay above the t-th largest
    sample, seeing so few samples beyond it would have a probability below 1 %. This is the early-stopping estimate of
    MLPerf Inference's LoadGen with tolerance 0, and needs 11 samples for p50, 64 for p90, 130 for p95, 662 for p99.
    """
    share = 1.0 - percentile / 100.0
    low, high = 0, int(n * share)
    while low < high:
        middle = (low + high + 1) // 2
        if _tail_probability(n, middle, share) <= 1.0 - CONFIDENCE:
            low = middle
        else:
            high = middle - 1
    return low


@functools.cache
def min_samples(percentile: float) -> int:
    """The fewest samples that support a percentile: 11 for p50, 64 for p90, 662 for p99."""
    n = 2
    while exceedances(n, percentile) < 1:
        n += 1
    return n


def percentile_estimate(samples: Sequence[float], percentile: float) -> float | None:
    """The early-stopping estimate of a percentile, in the samples' unit; None when there are too few samples.

    It is a sample, never an interpolation, and lies above the true percentile with 99 % confidence.
    """
    t = exceedances(len(samples), percentile)
    return sorted(samples)[len(samples) - t] if t else None


@dataclass(frozen=True, kw_only=True)
class Stability:
    """Whether the samples of one run belong to one steady state, and each reason why not."""

    stable: bool
    reasons: tuple[str, ...]
    cv: float
    iqr_over_median: float
    window_ratio: float
    outliers: int


MAX_CV = 0.10
"""Standard deviation / mean (pyperf's `check` warns at 10 %)."""
MAX_IQR = 0.10
"""Interquartile range / median (torch.utils.benchmark warns at 10 %)."""
MAX_WINDOW_RATIO = 1.10
"""Largest / smallest median of the last three quarters of the run (Triton perf_analyzer's 10 % window)."""
OUTLIER_Z = 14.8
"""Modified z-score of an outlier (hyperfine)."""


def stability(samples: Sequence[float]) -> Stability:
    """Judge the steadiness of a run of at least 4 samples, in order of measurement.

    The thresholds are those of pyperf (CV), torch.utils.benchmark (IQR), perf_analyzer (windows) and hyperfine
    (modified z-score, counted but not held against the run).
    """
    return _stability(samples, sorted(samples), statistics.stdev(samples))


def _stability(samples: Sequence[float], ordered: Sequence[float], deviation: float) -> Stability:
    mean, median = statistics.fmean(samples), statistics.median(ordered)
    cv = deviation / mean
    q1, _, q3 = statistics.quantiles(ordered, n=4, method="inclusive")
    iqr = (q3 - q1) / median
    quarter = len(samples) // 4
    windows = [
        statistics.median(samples[len(samples) - (i + 1) * quarter : len(samples) - i * quarter]) for i in range(3)
    ]
    window_ratio = max(windows) / min(windows)
    reasons = []
    if cv > MAX_CV:
        reasons.append("cv")
    if iqr > MAX_IQR:
        reasons.append("iqr")
    if window_ratio > MAX_WINDOW_RATIO:
        reasons.append("drift")
    mad = statistics.median(abs(x - median) for x in samples)
    outliers = sum(0.6745 * abs(x - median) / mad > OUTLIER_Z for x in samples) if mad else 0
    return Stability(stable=not reasons, reasons=tuple(reasons), cv=cv, iqr_over_median=iqr,
                     window_ratio=window_ratio, outliers=outliers)  # fmt: skip


STEADY_WINDOW = 10
"""Calls that must look alike before warm-up ends; with fewer, quartiles of the halves mean nothing."""


def is_steady(samples: Sequence[float]) -> bool:
    """Whether warm-up is over: the later half of the calls (at least ten) is stationary, by pyperf's rules.

    Its first value is no outlier (<= Q3 + 1.5 IQR), and its two halves agree: quartiles within 5 %, median absolute
    deviation within 10 % of the median.
    """
    if len(samples) < STEADY_WINDOW:
        return False
    window = samples[-max(STEADY_WINDOW, len(samples) // 2) :]
    q1, _, q3 = statistics.quantiles(window, n=4, method="inclusive")
    if window[0] > q3 + 1.5 * (q3 - q1):
        return False
    middle = len(window) // 2
    first, second = _quartiles(window[:middle]), _quartiles(window[middle:])
    close = all(abs(a - b) <= 0.05 * min(a, b) for a, b in ((first[0], second[0]), (first[2], second[2])))
    return close and abs(first[3] - second[3]) <= 0.10 * second[1]


def _quartiles(samples: Sequence[float]) -> tuple[float, float, float, float]:
    """Q1, median, Q3 and the median absolute deviation."""
    q1, q2, q3 = statistics.quantiles(samples, n=4, method="inclusive")
    return q1, q2, q3, statistics.median(abs(x - q2) for x in samples)


@dataclass(frozen=True, kw_only=True)
class Latency:
    """What the samples of one batch size say. Percentiles only where the sample count supports them."""

    batch_size: int
    sample_count: int
    duration_s: float
    mean_s: float
    std_s: float
    min_s: float
    max_s: float
    percentiles_s: dict[str, float]
    first_call_s: float | None
    warmup_count: int
    warmup_steady: bool
    stability: Stability
    peak_memory_bytes: int | None


@functools.lru_cache(maxsize=64)  # the log, the verdicts and the summary each ask for them, of 16 batch sizes at most
def latency(run: LatencyRun) -> Latency:
    """Statistics of one batch size, from its raw samples (at least 4)."""
    samples, ordered = run.samples_s, sorted(run.samples_s)
    mean, deviation = statistics.fmean(samples), statistics.stdev(samples)
    estimates = {f"p{p:g}": percentile_estimate(ordered, p) for p in PERCENTILES}
    return Latency(
        batch_size=run.batch_size,
        sample_count=len(samples),
        duration_s=math.fsum(samples),
        mean_s=mean,
        std_s=deviation,
        min_s=min(samples),
        max_s=max(samples),
        percentiles_s={name: value for name, value in estimates.items() if value is not None},
        first_call_s=run.first_call_s,
        warmup_count=len(run.warmup_s),
        warmup_steady=run.warmup_steady,
        stability=_stability(samples, ordered, deviation),
        peak_memory_bytes=run.peak_memory_bytes,
    )


# --- agreement -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far one output is from its reference, as the metrics that people quote.

    ``relative_l2`` = ||y - r|| / ||r||; ``snr_db`` = -20 log10 of it (None: no error at all); ``cosine_relative_l2`` =
    sqrt(2 (1 - cosine)), the relative L2 error that a cosine stands for where the norms are equal and the error small;
    ``scaled_max_abs_diff`` = max|y - r| / max|r|; the shares are of the elements above the floor, and
    ``share_below_floor`` says how many are not.
    """

    input: str
    output: str
    relative_l2: float
    snr_db: float | None
    cosine_similarity: float
    cosine_relative_l2: float
    max_abs_diff: float
    mean_abs_diff: float
    scaled_max_abs_diff: float
    reference_rms: float
    share_over_1_percent: float
    share_within_1_permille: float
    share_within_5_permille: float
    share_below_floor: float
    mean_relative_error: float
    max_relative_error: float
    nonfinite_mismatch: int
    bitwise_equal: bool


def agreement(d: Difference) -> Agreement:
    """The metrics of one difference. A zero reference has a relative error of 0 when the candidate is zero too, else 1.

    A cosine is clamped to [-1, 1] only within the rounding error of its own sums.
    """
    relative_l2 = math.sqrt(d.sum_sq_diff / d.sum_sq_reference) if d.sum_sq_reference else float(d.sum_sq_diff > 0)
    norms = math.sqrt(d.sum_sq_reference) * math.sqrt(d.sum_sq_candidate)
    cosine = d.dot / norms if norms else float(d.sum_sq_diff == 0)
    if 1.0 < abs(cosine) <= 1.0 + 1e-12:
        cosine = math.copysign(1.0, cosine)
    over = dict(zip(RELATIVE_ERROR_BOUNDS, d.over_bounds, strict=True))
    counted = max(d.above_floor, 1)
    finite = max(d.finite_count, 1)
    return Agreement(
        input=d.input,
        output=d.output,
        relative_l2=relative_l2,
        snr_db=-20.0 * math.log10(relative_l2) if relative_l2 else None,
        cosine_similarity=cosine,
        cosine_relative_l2=math.sqrt(2.0 * max(0.0, 1.0 - cosine)),
        max_abs_diff=d.max_abs_diff,
        mean_abs_diff=d.sum_abs_diff / finite,
        scaled_max_abs_diff=d.max_abs_diff / d.max_abs_reference if d.max_abs_reference else float(d.max_abs_diff > 0),
        reference_rms=math.sqrt(d.sum_sq_reference / finite),
        share_over_1_percent=over[1e-2] / counted,
        share_within_1_permille=1.0 - over[1e-3] / counted,
        share_within_5_permille=1.0 - over[5e-3] / counted,
        share_below_floor=1.0 - d.above_floor / finite,
        mean_relative_error=d.sum_relative / finite,
        max_relative_error=d.max_relative,
        nonfinite_mismatch=d.nonfinite_mismatch,
        bitwise_equal=d.bitwise_equal,
    )


def hollow(d: Difference) -> bool:
    """Whether there is nothing to compare: elements, but none that is finite on both sides."""
    return d.count > 0 and d.finite_count == 0


def finite_error(d: Difference) -> float | None:
    """The relative L2 error; None where a value is NaN or infinite on one side only, or none is finite on both."""
    return None if d.nonfinite_mismatch or hollow(d) else agreement(d).relative_l2


def top_k_agreement(rankings: Sequence[ClassRanking], k: int) -> float:
    """Share of the reference's k best classes that are among the candidate's k best, averaged over the inputs.

    For k = 1 this is the share of inputs with the same best class. A reference without any finite class value agrees
    with nothing.
    """
    shares = []
    for ranking in rankings:
        reference, candidate = set(ranking.reference_classes[:k]), set(ranking.candidate_classes[:k])
        shares.append(len(reference & candidate) / len(reference) if reference else 0.0)
    return statistics.fmean(shares)
