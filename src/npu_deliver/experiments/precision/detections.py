"""The part of a summary that is about detections: the agreement of each photo, and who found no partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from npu_eval.agreement.detections import (
    DetectionAgreement,
    DetectionComparison,
    LoneDetection,
    detection_agreement,
    matched_share,
)


@dataclass(frozen=True, kw_only=True)
class Lone:
    """A detection without a partner, and the photo it is of."""

    input: str
    detection: LoneDetection


@dataclass(frozen=True, kw_only=True)
class Detections:
    """The detections of reference and candidate, matched as sets. ``matched`` is None where nothing was found."""

    photos: tuple[DetectionAgreement, ...]
    lone: tuple[Lone, ...]
    matched: float | None
    pairs: int
    flips: int


def summarize_detections(comparisons: Sequence[DetectionComparison]) -> Detections | None:
    """What the comparisons of a precision record come to; None for a model that detects nothing by its nature."""
    if not comparisons:
        return None
    return Detections(
        photos=tuple(map(detection_agreement, comparisons)),
        lone=tuple(Lone(input=c.input, detection=one) for c in comparisons for one in c.lone),
        matched=matched_share(comparisons),
        pairs=sum(len(c.pairs) for c in comparisons),
        flips=sum(c.flips for c in comparisons),
    )
