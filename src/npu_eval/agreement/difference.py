"""How two tensors differ, as sums and counts: what is stored of a comparison, never a metric. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from npu_eval.errors import RecordError

RELATIVE_ERROR_BOUNDS = (1e-1, 1e-2, 5e-3, 1e-3, 1e-4)
"""Bounds whose exceedances are counted: 10 %, and those of msprobe: 1 %, 5 ‰, 1 ‰ and 0.1 ‰."""

ULP_EDGES = (0, 1, 4, 16, 64, 256, 1024)
"""Upper edges of the ULP histogram's bins; a last bin holds what lies beyond."""

RELATIVE_FLOOR = 2.0**-14
"""Elementwise relative errors count only where |reference| > this share of max|reference|: below it they say how many
values lie near zero, not how wrong the output is."""

ULP_LIMITS = (1.0, 32.0)
"""Units in the last place whose exceedances are counted: msprobe's limits for half precision and for float32."""

ULP_MOST = 2.0**64
"""An element counts as no more units than this: a one where float64 has a zero would be more than any number holds."""

NEAR_BOUNDS = (1e-2, 5e-3, 1e-3, 1e-4)
"""Relative errors below which msprobe counts an element: its one-hundredth, five-thousandths, one-thousandth and
one-ten-thousandth ratios."""

SMALL_VALUE = {"float16": 2.0**-10, "bfloat16": 2.0**-10, "float32": 2.0**-20}
"""Candidate's dtype → |r| up to which msprobe's dual benchmark takes a value for small (else as float32)."""

SMALL_ERROR = {"float16": 1e-16, "bfloat16": 1e-16, "float32": 2.0**-30}
"""Candidate's dtype → absolute error of a small value above which msprobe's dual benchmark counts it as wrong."""


@dataclass(frozen=True, kw_only=True)
class Elements:
    """What others' standards ask of the elements finite on both sides, as sums, counts and maxima in float64.

    ``near[i]`` counts relative errors below NEAR_BOUNDS[i], msprobe's way: |y - r| / |r|, where a zero reference is
    replaced by the epsilon of the wider of both dtypes and float32, and the candidate moved by as much. ``sum_ulp`` (of
    ULP_MOST each at most) and ``over_ulp`` (beyond 1 and 32) are in units in the last place of the candidate's dtype.
    ``max_mixed`` is the largest |y - r| / max(1, |r|): the tolerance at which each element holds absolutely or
    relatively. The others are of msprobe's dual benchmark: of ``normal`` values (|r| above SMALL_VALUE) the squared
    errors and the relative ones over |r| + epsilon; of ``small`` values how many are wrong by more than SMALL_ERROR.
    """

    near: tuple[int, ...]
    sum_ulp: float
    over_ulp: tuple[int, ...]
    max_mixed: float
    normal: int
    normal_sum_sq_diff: float
    normal_sum_relative: float
    normal_max_relative: float
    small: int
    small_wrong: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How one tensor ``y`` differs from its reference ``r``: sums and counts over the elements finite on both sides.

    Everything is accumulated in float64. ``over_bounds[i]`` counts the elements above the floor with
    |y - r| / |r| > RELATIVE_ERROR_BOUNDS[i]; ``ulp_counts`` is the histogram of |y - r| in units in the last place of
    the candidate's dtype; ``sum_relative`` and ``max_relative`` are of |y - r| / (|r| + 1e-7) over all elements (the
    CANN operator standard's MERE and MARE); ``elements`` is what other standards count (None in a record of before
    they were). The hashes are of each tensor's bytes in memory order, so that another run
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
    elements: Elements | None = None

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


def check_difference(d: Difference, where: str) -> None:
    """Refuse numbers that no comparison writes.

    Raises:
        RecordError: a count or a sum is negative, or a histogram has another number of bins.
    """
    if len(d.over_bounds) != len(RELATIVE_ERROR_BOUNDS) or len(d.ulp_counts) != len(ULP_EDGES) + 1:
        raise RecordError("over_bounds or ulp_counts has another length than its bounds", where=where)
    sizes = [value for name, value in vars(d).items() if isinstance(value, (int, float)) and name != "dot"]
    if min((*sizes, *d.over_bounds, *d.ulp_counts)) < 0:
        raise RecordError("a count or a sum is negative", where=where)
    if d.elements is not None:
        _check_elements(d.elements, d.finite_count, f"{where}.elements")


def _check_elements(e: Elements, finite: int, where: str) -> None:
    if len(e.near) != len(NEAR_BOUNDS) or len(e.over_ulp) != len(ULP_LIMITS):
        raise RecordError("near or over_ulp has another length than its bounds", where=where)
    sizes = [value for value in vars(e).values() if isinstance(value, (int, float))]
    if min((*sizes, *e.near, *e.over_ulp)) < 0:
        raise RecordError("a count or a sum is negative", where=where)
    if e.normal + e.small != finite or e.small_wrong > e.small or max((*e.near, *e.over_ulp)) > finite:
        raise RecordError("counts more elements than are finite on both sides", where=where)
