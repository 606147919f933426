"""What the precision experiment stores: sums and counts of differences, never a metric. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from npu_eval.detection_data import DetectionComparison, check_comparison
from npu_eval.errors import RecordError

RELATIVE_ERROR_BOUNDS = (1e-1, 1e-2, 5e-3, 1e-3, 1e-4)
"""Bounds whose exceedances are counted: 10 %, and those of msprobe: 1 %, 5 ‰, 1 ‰ and 0.1 ‰."""

ULP_EDGES = (0, 1, 4, 16, 64, 256, 1024)
"""Upper edges of the ULP histogram's bins; a last bin holds what lies beyond."""

RELATIVE_FLOOR = 2.0**-14
"""Elementwise relative errors count only where |reference| > this share of max|reference|: below it they say how many
values lie near zero, not how wrong the output is."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How one tensor ``y`` differs from its reference ``r``: sums and counts over the elements finite on both sides.

    Everything is accumulated in float64. ``over_bounds[i]`` counts the elements above the floor with
    |y - r| / |r| > RELATIVE_ERROR_BOUNDS[i]; ``ulp_counts`` is the histogram of |y - r| in units in the last place of
    the candidate's dtype; ``sum_relative`` and ``max_relative`` are of |y - r| / (|r| + 1e-7) over all elements (the
    CANN operator standard's MERE and MARE). The hashes are of each tensor's bytes in memory order, so that another run
    can be held against this one to the last bit.
    """

    input: str
    output: str
    shape: tuple[int, ...]
    reference_dtype: str
    candidate_dtype: str
    reference_sha256: str
    candidate_sha256: str
    count: int
    nonfinite_reference: int
    nonfinite_candidate: int
    nonfinite_mismatch: int
    bitwise_equal: bool
    sum_sq_reference: float
    sum_sq_candidate: float
    sum_sq_diff: float
    dot: float
    sum_abs_diff: float
    max_abs_diff: float
    max_abs_reference: float
    sum_relative: float
    max_relative: float
    above_floor: int
    over_bounds: tuple[int, ...]
    ulp_counts: tuple[int, ...]

    @property
    def finite_count(self) -> int:
        """The elements that are finite on both sides: those that the sums are of, each in one bin of the histogram."""
        return sum(self.ulp_counts)


@dataclass(frozen=True, kw_only=True)
class ClassRanking:
    """The best classes of one input on both sides, best first, as class numbers with their raw output values.

    Only classes with finite values are ranked, so there are fewer, or none, where an output is NaN or infinite.
    """

    input: str
    output: str
    reference_classes: tuple[int, ...]
    reference_values: tuple[float, ...]
    candidate_classes: tuple[int, ...]
    candidate_values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class PrecisionData:
    """Reference against candidate, and the candidate's repeats against its own first run, output by output.

    ``detections`` has one comparison for each input of a detector, and is empty for any other model.
    """

    kind: ClassVar[str] = "precision"
    reference_dtype: str
    candidate_dtype: str
    differences: tuple[Difference, ...]
    repeats: tuple[Difference, ...]
    rankings: tuple[ClassRanking, ...]
    detections: tuple[DetectionComparison, ...] = ()


def check_precision(data: PrecisionData, where: str) -> None:
    """Refuse numbers that no experiment writes.

    Raises:
        RecordError: a count or a sum is negative, or a histogram has another number of bins.
    """
    for name, differences in (("differences", data.differences), ("repeats", data.repeats)):
        for i, d in enumerate(differences):
            _check_difference(d, f"{where}.{name}[{i}]")
    for i, comparison in enumerate(data.detections):
        check_comparison(comparison, f"{where}.detections[{i}]")


def _check_difference(d: Difference, where: str) -> None:
    if len(d.over_bounds) != len(RELATIVE_ERROR_BOUNDS) or len(d.ulp_counts) != len(ULP_EDGES) + 1:
        raise RecordError("over_bounds or ulp_counts has another length than its bounds", where=where)
    sizes = [value for name, value in vars(d).items() if isinstance(value, (int, float)) and name != "dot"]
    if min((*sizes, *d.over_bounds, *d.ulp_counts)) < 0:
        raise RecordError("a count or a sum is negative", where=where)
