"""Metrics of other people's standards, from the sums of a difference. Pure, standard library only.

Each function gives None where the record does not hold what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from npu_eval.agreement.difference import Difference, Elements

LEAST_BENCHMARK_ERROR = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-14}
"""Candidate's dtype → the least error that msprobe's dual benchmark divides by: below it the benchmark is exact
enough, and a ratio of two roundings says nothing."""

_PLAIN: dict[str, Callable[[Difference, Elements], float]] = {
    "max_mixed_error": lambda d, e: e.max_mixed,
    "one_hundredth_ratio": lambda d, e: e.near[0] / _finite(d),
    "five_thousandths_ratio": lambda d, e: e.near[1] / _finite(d),
    "one_thousandth_ratio": lambda d, e: e.near[2] / _finite(d),
    "one_ten_thousandth_ratio": lambda d, e: e.near[3] / _finite(d),
    "mean_ulp": lambda d, e: e.sum_ulp / _finite(d),
    "share_over_1_ulp": lambda d, e: e.over_ulp[0] / _finite(d),
    "share_over_32_ulp": lambda d, e: e.over_ulp[1] / _finite(d),
}

_DUAL: dict[str, Callable[[Elements], float]] = {
    "dual_rmse_ratio": lambda e: math.sqrt(e.normal_sum_sq_diff / e.normal) if e.normal else 0.0,
    "dual_mean_relative_ratio": lambda e: e.normal_sum_relative / e.normal if e.normal else 0.0,
    "dual_max_relative_ratio": lambda e: e.normal_max_relative,
    "dual_small_value_ratio": lambda e: e.small_wrong / e.small if e.small else 0.0,
}

PLAIN = tuple(_PLAIN)
"""Metrics of a difference alone."""

DUAL = tuple(_DUAL)
"""Metrics that hold the candidate's error against float32's own, both against the same reference."""


def metric(d: Difference, name: str) -> float | None:
    """One of `PLAIN` of a difference; None where its record was made before the metric was.

    The ratios of msprobe (one-thousandth and its like) are shares of the elements finite on both sides whose relative
    error is below the bound; units in the last place are those of the candidate's dtype.
    """
    return None if d.elements is None else _PLAIN[name](d, d.elements)


def dual(d: Difference, floor: Difference | None, name: str) -> float | None:
    """One of `DUAL`: the candidate's error over the benchmark's, as msprobe's dual benchmark forms it.

    The benchmark's error is not taken for less than `LEAST_BENCHMARK_ERROR`. msprobe's root mean square differs from
    this one by less than one part in 10,000: it adds 0.0001 to the count and to the scale.

    Args:
        floor: the same output of the reference's device in float32, against float64.
    """
    if d.elements is None or floor is None or floor.elements is None:
        return None
    least = LEAST_BENCHMARK_ERROR.get(d.candidate_dtype, LEAST_BENCHMARK_ERROR["float32"])
    return _DUAL[name](d.elements) / max(_DUAL[name](floor.elements), least)


def psnr_db(d: Difference) -> float | None:
    """Peak signal-to-noise ratio in dB, 20 log10(max|r| / RMSE); None where there is no error or no signal."""
    rmse = math.sqrt(d.sum_sq_diff / _finite(d))
    return 20.0 * math.log10(d.max_abs_reference / rmse) if rmse and d.max_abs_reference else None


def _finite(d: Difference) -> int:
    return max(d.finite_count, 1)
