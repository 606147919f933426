"""What the precision experiment stores: sums and counts of differences, never a metric. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from npu_eval.agreement.detections import DetectionComparison, check_comparison
from npu_eval.agreement.difference import ClassRanking, Difference, check_difference
from npu_eval.experiments.precision.switching_data import Switching, check_switching


@dataclass(frozen=True, kw_only=True)
class PrecisionData:
    """Reference against candidate, and the candidate's repeats against its own first run, output by output.

    ``detections`` has one comparison for each input of a detector, and is empty for any other model. ``floors`` are of
    the reference's own device: its model in float32 against float64, the error that float32 has by itself; empty where
    that was not run. ``switching`` is the candidate under each combination of its device's switches; None in a record
    of before it was run.
    """

    reference_dtype: str
    candidate_dtype: str
    differences: tuple[Difference, ...]
    repeats: tuple[Difference, ...]
    rankings: tuple[ClassRanking, ...]
    detections: tuple[DetectionComparison, ...] = ()
    floors: tuple[Difference, ...] = ()
    switching: Switching | None = None


@dataclass(frozen=True, kw_only=True)
class Recounted:
    """The part of `PrecisionData` that follows from the outputs alone, counted again from tensors that were kept."""

    differences: tuple[Difference, ...]
    repeats: tuple[Difference, ...]
    rankings: tuple[ClassRanking, ...]
    floors: tuple[Difference, ...]


def check_precision(data: PrecisionData, where: str) -> None:
    """Refuse numbers that no experiment writes.

    Raises:
        RecordError: a count or a sum is negative, or a histogram has another number of bins.
    """
    lists = (("differences", data.differences), ("repeats", data.repeats), ("floors", data.floors))
    for name, differences in lists:
        for i, d in enumerate(differences):
            check_difference(d, f"{where}.{name}[{i}]")
    if data.switching is not None:
        check_switching(data.switching, f"{where}.switching")
    for i, comparison in enumerate(data.detections):
        check_comparison(comparison, f"{where}.detections[{i}]")
