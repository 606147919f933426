"""Whether the sums and counts of a comparison can be those of two tensors: whoever changes one has to change them all.

For finite vectors r and y of n elements with d = |y - r|: Cauchy's inequality, ||d||² = ||r||² + ||y||² - 2 r·y, and
the order of the norms, max d <= ||d|| <= sum d <= sqrt(n) ||d||. All of it is arithmetic, so all of it is certain.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from npu_deliver.review.plausibility.remarks import Remark, contradiction, doubt
from npu_eval.agreement.difference import ULP_EDGES, Difference, Elements
from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.records.record import Record

ROUNDING = 1e-6
"""Share by which sums in float64 may miss an inequality: far above their rounding, far below a change to be seen."""

CANCELLATION = 1e-10
"""The same of ||r||² + ||y||² - 2 r·y, as a share of the squares: they are rounded before they cancel."""

TINY = 1e-290
"""Squares below it are lost to underflow."""


def remarks(record: Record, spec: EvalSpec) -> Iterator[Remark]:
    """What cannot be so in a precision record."""
    data = record.data
    if not isinstance(data, PrecisionData):
        return
    for name, found in (("", data.differences), ("repeat of ", data.repeats), ("float32 floor of ", data.floors)):
        for difference in found:
            for what in _wrong(difference):
                yield contradiction("precision", f"{name}{difference.output} of {difference.input}: {what}")
    yield from (contradiction("precision", what) for what in _incomplete(data, spec))
    first = {(d.input, d.output): d.candidate_sha256 for d in data.differences}
    for d in data.repeats:
        if d.reference_sha256 != first.get((d.input, d.output), d.reference_sha256):
            what = f"a repeat of {d.output} of {d.input} was compared with another output than the first run's"
            yield doubt("precision", what)


def _incomplete(data: PrecisionData, spec: EvalSpec) -> Iterator[str]:
    """Every input has every output once, and as many repeats as were asked for."""
    outputs = dict.fromkeys(d.output for d in data.differences)
    wanted = [(entry.path, output) for entry in spec.inputs for output in outputs]
    if sorted(wanted) != sorted((d.input, d.output) for d in data.differences):
        yield "does not compare each output of each input of spec.json once"
        return
    repeats = sorted((d.input, d.output) for d in data.repeats)
    if repeats != sorted(wanted * (spec.repeats - 1)):
        yield f"does not hold the {spec.repeats - 1} repeats of each output that spec.json asks for"


def _wrong(d: Difference) -> Iterator[str]:
    n, squares = d.finite_count, d.sum_sq_reference + d.sum_sq_candidate
    most, largest = d.max_abs_diff, d.max_abs_reference
    if math.prod(d.shape) != d.count:
        yield f"shape {d.shape} has not {d.count} elements"
    if n > d.count - max(d.nonfinite_reference, d.nonfinite_candidate):
        yield f"{n} elements are counted as finite on both sides, of {d.count}"
    if abs(squares - 2 * d.dot - d.sum_sq_diff) > CANCELLATION * squares + TINY:
        yield "its squares, its products and its errors belong to no two tensors"
    if d.dot * d.dot > d.sum_sq_reference * d.sum_sq_candidate * (1 + ROUNDING) + TINY:
        yield "its product is larger than its squares allow"
    yield from _ordered(
        (most * most, d.sum_sq_diff, "the largest error is more than all together"),
        (d.sum_sq_diff, most * d.sum_abs_diff, "the squared errors are more than the largest one allows"),
        (most, d.sum_abs_diff, "the largest error is more than their sum"),
        (d.sum_abs_diff * d.sum_abs_diff, n * d.sum_sq_diff, "the sum of errors is more than their squares allow"),
        (largest * largest, d.sum_sq_reference, "the largest value is more than all together"),
        (d.sum_sq_reference, n * largest * largest, "the squares are more than the largest value allows"),
        (d.max_relative, d.sum_relative, "the largest relative error is more than their sum"),
        (d.sum_relative, n * d.max_relative, "the relative errors are more than the largest one allows"),
        (d.above_floor, n, "more elements lie above the floor than there are"),
        *(
            (low, high, "more elements exceed a large bound than a smaller one")
            for low, high in zip(d.over_bounds, (*d.over_bounds[1:], d.above_floor), strict=True)
        ),
    )
    if n and (d.ulp_counts[0] == n) is not (most == 0):
        yield f"{d.ulp_counts[0]} of {n} elements have no error, and the largest error is {most:.6g}"
    if d.bitwise_equal and (most != 0 or d.reference_sha256 != d.candidate_sha256):
        yield "is called equal to the bit, and is not"
    if not d.bitwise_equal and d.reference_dtype == d.candidate_dtype and d.reference_sha256 == d.candidate_sha256:
        yield "both sides have one hash, and are not called equal to the bit"
    if d.elements is not None:
        yield from _wrong_elements(d, d.elements)


def _wrong_elements(d: Difference, e: Elements) -> Iterator[str]:
    counts = d.ulp_counts
    beyond_one, beyond_16, beyond_64 = sum(counts[2:]), sum(counts[4:]), sum(counts[5:])
    if e.over_ulp[0] != beyond_one or not beyond_64 <= e.over_ulp[1] <= beyond_16:
        yield "its histogram of units in the last place counts otherwise than its exceedances"
    least = sum(count * edge for count, edge in zip(counts[1:], ULP_EDGES, strict=True))
    yield from _ordered(
        (least, e.sum_ulp, "its units in the last place are fewer than its histogram says"),
        (e.normal_sum_sq_diff, d.sum_sq_diff, "the errors of larger values are more than all together"),
        (e.max_mixed, d.max_abs_diff, "an error is larger than the largest"),
        (e.normal_max_relative, e.normal_sum_relative, "the largest relative error is more than their sum"),
        *(
            (few, many, "more elements are near by a narrow bound than by a wide one")
            for many, few in zip(e.near, e.near[1:], strict=False)
        ),
    )
    if not counts[-1]:
        upper = sum(count * edge for count, edge in zip(counts[:-1], ULP_EDGES, strict=True))
        yield from _ordered((e.sum_ulp, upper, "its units in the last place are more than its histogram says"))


def _ordered(*pairs: tuple[float, float, str]) -> Iterator[str]:
    """The words of each pair whose first value is above its second by more than rounding."""
    words: Iterable[str] = (what for low, high, what in pairs if low > high * (1 + ROUNDING) + TINY)
    yield from dict.fromkeys(words)
