"""Metrics of agreement, derived from the sums and counts of a comparison: a verifier can derive them again."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from npu_eval.agreement.difference import RELATIVE_ERROR_BOUNDS, ClassRanking, Difference


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
