"""How two sides agree: sums over short vectors in plain Python, rankings, detections."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from npu_eval.agreement.detections import DetectionComparison, DetectionPair, LoneDetection
from npu_eval.agreement.difference import (
    NEAR_BOUNDS,
    RELATIVE_ERROR_BOUNDS,
    RELATIVE_FLOOR,
    SMALL_ERROR,
    SMALL_VALUE,
    ULP_EDGES,
    ULP_LIMITS,
    ULP_MOST,
    ClassRanking,
    Difference,
    Elements,
)

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


SMALLEST_NORMAL = {"float64": 2.0**-1022, "float32": 2.0**-126, "float16": 2.0**-14, "bfloat16": 2.0**-126}


def difference(
    reference: Sequence[float] = (1.0, -2.0, 3.0, 0.5),
    candidate: Sequence[float] | None = None,
    *,
    input: str = "inputs/cat.jpg",  # noqa: A002  the field's name
    output: str = "logits",
    dtype: str = "float32",
    **changes: Any,
) -> Difference:
    """The sums of two short finite vectors, in plain Python; by default the candidate is off by 1e-7 of each value."""
    r = [float(x) for x in reference]
    y = [x * (1 + 1e-7) for x in r] if candidate is None else [float(x) for x in candidate]
    d = [abs(b - a) for a, b in zip(r, y, strict=True)]
    top = max(map(abs, r), default=0.0)
    counted = [(abs(a), e) for a, e in zip(r, d, strict=True) if abs(a) > RELATIVE_FLOOR * top]
    relative = [e / (abs(a) + 1e-7) for a, e in zip(r, d, strict=True)]
    sums = Difference(
        input=input,
        output=output,
        shape=(1, len(r)),
        reference_dtype="float64",
        candidate_dtype=dtype,
        reference_sha256=_bytes_sha256(r),
        candidate_sha256=_bytes_sha256(y),
        count=len(r),
        nonfinite_reference=0,
        nonfinite_candidate=0,
        nonfinite_mismatch=0,
        bitwise_equal=False,
        sum_sq_reference=math.fsum(a * a for a in r),
        sum_sq_candidate=math.fsum(b * b for b in y),
        sum_sq_diff=math.fsum(e * e for e in d),
        dot=math.fsum(a * b for a, b in zip(r, y, strict=True)),
        sum_abs_diff=math.fsum(d),
        max_abs_diff=max(d, default=0.0),
        max_abs_reference=top,
        sum_relative=math.fsum(relative),
        max_relative=max(relative, default=0.0),
        above_floor=len(counted),
        over_bounds=tuple(sum(e / a > bound for a, e in counted) for bound in RELATIVE_ERROR_BOUNDS),
        ulp_counts=_ulp_counts(r, d, dtype),
        elements=_elements(r, d, dtype),
    )
    return replace(sums, **changes)


def _elements(reference: Sequence[float], distance: Sequence[float], dtype: str) -> Elements:
    """The same vectors' sums for others' standards; the reference is float64, as in every example."""
    pairs = list(zip(map(abs, reference), distance, strict=True))
    ulps = [min(d / _ulp(r, dtype), ULP_MOST) for r, d in pairs]
    limit = SMALL_VALUE.get(dtype, SMALL_VALUE["float32"])
    normal = [(r, d) for r, d in pairs if r > limit]
    small = [d for r, d in pairs if r <= limit]
    return Elements(
        near=tuple(sum(d / (r or EPSILON["float64"]) < bound for r, d in pairs) for bound in NEAR_BOUNDS),
        sum_ulp=math.fsum(ulps),
        over_ulp=tuple(sum(u > limit for u in ulps) for limit in ULP_LIMITS),
        max_mixed=max((d / max(1.0, r) for r, d in pairs), default=0.0),
        normal=len(normal),
        normal_sum_sq_diff=math.fsum(d * d for _, d in normal),
        normal_sum_relative=math.fsum(d / (r + EPSILON[dtype]) for r, d in normal),
        normal_max_relative=max((d / (r + EPSILON[dtype]) for r, d in normal), default=0.0),
        small=len(small),
        small_wrong=sum(d > SMALL_ERROR.get(dtype, SMALL_ERROR["float32"]) for d in small),
    )


def _ulp(value: float, dtype: str) -> float:
    smallest = EPSILON[dtype] * SMALLEST_NORMAL[dtype]
    return max(smallest, EPSILON[dtype] * 2.0 ** (math.frexp(value)[1] - 1)) if value else smallest


def _bytes_sha256(values: Sequence[float]) -> str:
    return hashlib.sha256(struct.pack(f"{len(values)}d", *values)).hexdigest()


def _ulp_counts(reference: Sequence[float], distance: Sequence[float], dtype: str) -> tuple[int, ...]:
    counts = [0] * (len(ULP_EDGES) + 1)
    for r, d in zip(reference, distance, strict=True):
        unit = _ulp(r, dtype)
        counts[next((i for i, edge in enumerate(ULP_EDGES) if d / unit <= edge), len(ULP_EDGES))] += 1
    return tuple(counts)


def repeated(path: str = "inputs/cat.jpg", output: str = "logits") -> Difference:
    """A repeat that gave the very same bits as the candidate's first run in ``difference()``."""
    values = tuple(x * (1 + 1e-7) for x in (1.0, -2.0, 3.0, 0.5))
    return difference(values, values, input=path, output=output, reference_dtype="float32", bitwise_equal=True)


def ranking(path: str = "inputs/cat.jpg", **changes: Any) -> ClassRanking:
    classes, values = (281, 285, 282, 287, 292), (9.25, 7.5, 7.125, 3.0, 2.75)
    same = ClassRanking(
        input=path,
        output="logits",
        reference_classes=classes,
        reference_values=values,
        candidate_classes=classes,
        candidate_values=values,
    )
    return replace(same, **changes)


def detection_pair(**changes: Any) -> DetectionPair:
    pair = DetectionPair(label="cat", class_index=15, reference_score=0.9, candidate_score=0.8984375, box_iou=0.984375,
                         max_box_diff=0.25, mask_iou=0.96875)  # fmt: skip
    return replace(pair, **changes)


def lone_detection(**changes: Any) -> LoneDetection:
    lone = LoneDetection(side="candidate", label="dog", class_index=16, score=0.2265625, box=(1.0, 2.0, 30.5, 40.0),
                         best_iou=0.125, cause="cut-off")  # fmt: skip
    return replace(lone, **changes)


def detections(path: str = "inputs/cat.jpg", **changes: Any) -> DetectionComparison:
    """Two objects on both sides, and a third at the end of the candidate's list."""
    found = DetectionComparison(input=path, reference_count=2, candidate_count=3,
                                pairs=(detection_pair(), detection_pair(label="cup", class_index=41)),
                                lone=(lone_detection(),))  # fmt: skip
    return replace(found, **changes)
