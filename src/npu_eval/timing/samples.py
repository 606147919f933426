"""Statistics from raw samples: pure functions, standard library only, so that a verifier can derive them again."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MIN_RUN = 4
"""Samples below which a run has no statistics at all (quarters of a run would be empty)."""

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
            math.lgamma(n + 1)
            - math.lgamma(i + 1)
            - math.lgamma(n - i + 1)
            + i * math.log(share)
            + (n - i) * math.log1p(-share)
        )
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
    return stability_of(samples, sorted(samples), statistics.stdev(samples))


def stability_of(samples: Sequence[float], ordered: Sequence[float], deviation: float) -> Stability:
    """The same for samples of which the order and the standard deviation are known."""
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
    return Stability(
        stable=not reasons,
        reasons=tuple(reasons),
        cv=cv,
        iqr_over_median=iqr,
        window_ratio=window_ratio,
        outliers=outliers,
    )


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
