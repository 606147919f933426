"""What a precision record holds of detections: reference and candidate matched as sets, and what is derived from it.

Everything is per photo: each pair, and each detection that found no partner, with the reason where it is known.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from npu_eval.asked.criteria import CONTEST_ERROR
from npu_eval.errors import RecordError

MATCH_IOU = 0.5
"""Detections of one class with at least this box IoU may be partners: COCO's loosest threshold."""

SCORE_MARGIN = CONTEST_ERROR
"""How near to a cut-off a score is near: the contest's rule, read as a difference of scores."""

CAUSES = ("cut-off", "list full", "other class", "unknown")
"""Why a detection has no partner: its score lies at the cut-off of the list, or at the end of a list that is full, or
its partner's place is taken by another class; else nothing excuses it."""

FLIPS = ("cut-off", "list full")
"""Causes that lie in the list's end, not in the detection: such a detection flips in and out under any rounding."""


@dataclass(frozen=True, kw_only=True)
class DetectionPair:
    """One object on both sides. ``max_box_diff`` is in pixels of the photo; ``mask_iou`` is None without masks."""

    label: str
    class_index: int
    reference_score: float
    candidate_score: float
    box_iou: float
    max_box_diff: float
    mask_iou: float | None


@dataclass(frozen=True, kw_only=True)
class LoneDetection:
    """A detection of one side (``reference`` or ``candidate``) without a partner on the other.

    ``best_iou`` is the largest box IoU with any detection of the other side, whatever its class.
    """

    side: str
    label: str
    class_index: int
    score: float
    box: tuple[float, ...]
    best_iou: float
    cause: str


@dataclass(frozen=True, kw_only=True)
class DetectionComparison:
    """The detections of one photo on both sides, best first."""

    input: str
    reference_count: int
    candidate_count: int
    pairs: tuple[DetectionPair, ...]
    lone: tuple[LoneDetection, ...]

    @property
    def flips(self) -> int:
        """Detections without a partner whose score lies at the end of the list."""
        return sum(one.cause in FLIPS for one in self.lone)


@dataclass(frozen=True, kw_only=True)
class DetectionAgreement:
    """What the comparison of one photo comes to; None where there is nothing to take it of.

    ``matched`` is the share of both sides' detections that have a partner, flips at the end of a list left out.
    """

    input: str
    reference_count: int
    candidate_count: int
    pairs: int
    unmatched_reference: int
    unmatched_candidate: int
    flips: int
    matched: float | None
    min_box_iou: float | None
    min_mask_iou: float | None
    max_score_diff: float | None
    max_box_diff: float | None


def detection_agreement(c: DetectionComparison) -> DetectionAgreement:
    """The numbers of one photo."""
    masks = [p.mask_iou for p in c.pairs if p.mask_iou is not None]
    return DetectionAgreement(
        input=c.input,
        reference_count=c.reference_count,
        candidate_count=c.candidate_count,
        pairs=len(c.pairs),
        unmatched_reference=sum(one.side == "reference" for one in c.lone),
        unmatched_candidate=sum(one.side == "candidate" for one in c.lone),
        flips=c.flips,
        matched=matched_share([c]),
        min_box_iou=min((p.box_iou for p in c.pairs), default=None),
        min_mask_iou=min(masks, default=None),
        max_score_diff=max((abs(p.candidate_score - p.reference_score) for p in c.pairs), default=None),
        max_box_diff=max((p.max_box_diff for p in c.pairs), default=None),
    )


def matched_share(comparisons: Sequence[DetectionComparison]) -> float | None:
    """2 · pairs / (detections of both sides − flips), over all photos; None where that is 0 / 0."""
    counted = sum(c.reference_count + c.candidate_count - c.flips for c in comparisons)
    return 2 * sum(len(c.pairs) for c in comparisons) / counted if counted else None


def check_comparison(c: DetectionComparison, where: str) -> None:
    """Refuse counts and numbers that no matching writes.

    Raises:
        RecordError: they contradict each other or lie outside their range.
    """
    for side, count in (("reference", c.reference_count), ("candidate", c.candidate_count)):
        if len(c.pairs) + sum(one.side == side for one in c.lone) != count:
            raise RecordError(f"pairs and unmatched do not add up to {side}_count", where=where)
    ious = [p.box_iou for p in c.pairs] + [p.mask_iou for p in c.pairs if p.mask_iou is not None]
    if not all(0.0 <= v <= 1.0 for v in [*ious, *(one.best_iou for one in c.lone)]):
        raise RecordError("an IoU lies outside 0 to 1", where=where)
    if any(p.max_box_diff < 0 for p in c.pairs) or any(len(one.box) != 4 for one in c.lone):
        raise RecordError("a box difference is negative, or a box has not four numbers", where=where)
    if any(one.cause not in CAUSES or one.side not in ("reference", "candidate") for one in c.lone):
        raise RecordError("the side or the cause of an unmatched detection is unknown", where=where)
