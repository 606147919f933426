"""Match the detections of two sides as sets: by class and place, never by their position in a list.

Rounding swaps detections of nearly equal scores, and lets some in or out at the end of a list. A comparison by position
would call that an error, one of totals would hide real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from npu_eval.agreement.detections import MATCH_IOU, SCORE_MARGIN, DetectionComparison, DetectionPair, LoneDetection
from npu_eval.models.detections import DetectionSet, box_iou, mask_iou


@dataclass(frozen=True)
class Limits:
    """Where a model's list of detections ends: at a score, and after a number of detections."""

    score_cutoff: float
    max_detections: int


@dataclass(frozen=True)
class _Overlaps:
    """(R, C) box IoU and, with masks on both sides, mask IoU of every two detections, whatever their classes."""

    boxes: Tensor
    masks: Tensor | None

    @property
    def both(self) -> Tensor:
        """What partners are ranked by: the mean of the two, because boxes alone may all be the whole photo."""
        return self.boxes if self.masks is None else (self.boxes + self.masks) / 2


def match_sets(reference: DetectionSet, candidate: DetectionSet) -> list[tuple[int, int]]:
    """(index in the reference, index in the candidate) of each pair of partners.

    Partners have one class and a box IoU of at least `MATCH_IOU`. The pair that overlaps most is taken first; among
    equals that with the nearest scores.
    """
    return _match(reference, candidate, _overlaps(reference, candidate))


def compare_sets(
    name: str, reference: DetectionSet, candidate: DetectionSet, names: Sequence[str], limits: Limits
) -> DetectionComparison:
    """The detections of both sides in one photo, matched, for a record.

    Args:
        name: the photo.
        names: class number → name.
        limits: those of the model, which tell why a detection may have no partner.
    """
    overlaps = _overlaps(reference, candidate)
    pairs = _match(reference, candidate, overlaps)
    lone = []
    sides = (("reference", reference, candidate, overlaps.boxes), ("candidate", candidate, reference, overlaps.boxes.T))
    for place, (side, own, other, iou) in enumerate(sides):
        taken = {pair[place] for pair in pairs}
        free_there = sorted(set(range(len(other))) - {pair[1 - place] for pair in pairs})
        alone = (index for index in range(len(own)) if index not in taken)
        lone += [_lone(side, own, index, iou[index], free_there, names, limits) for index in alone]
    return DetectionComparison(
        input=name,
        reference_count=len(reference),
        candidate_count=len(candidate),
        pairs=tuple(
            DetectionPair(
                label=names[int(reference.classes[r])],
                class_index=int(reference.classes[r]),
                reference_score=float(reference.scores[r]),
                candidate_score=float(candidate.scores[c]),
                box_iou=float(overlaps.boxes[r, c]),
                max_box_diff=float((reference.boxes[r].double() - candidate.boxes[c].double()).abs().max()),
                mask_iou=None if overlaps.masks is None else float(overlaps.masks[r, c]),
            )
            for r, c in pairs
        ),
        lone=tuple(lone),
    )


def _overlaps(reference: DetectionSet, candidate: DetectionSet) -> _Overlaps:
    masks = None
    if reference.masks is not None and candidate.masks is not None:
        masks = mask_iou(reference.masks, candidate.masks)
    return _Overlaps(box_iou(reference.boxes, candidate.boxes), masks)


def _match(reference: DetectionSet, candidate: DetectionSet, overlaps: _Overlaps) -> list[tuple[int, int]]:
    same = reference.classes[:, None] == candidate.classes[None, :]
    rows, columns = (same & (overlaps.boxes >= MATCH_IOU)).nonzero(as_tuple=True)
    overlap = overlaps.both[rows, columns].tolist()
    apart = (reference.scores[rows].double() - candidate.scores[columns].double()).abs().tolist()
    candidates = sorted(zip(overlap, apart, rows.tolist(), columns.tolist(), strict=True), key=lambda x: (-x[0], x[1:]))
    taken: tuple[set[int], set[int]] = (set(), set())
    pairs = []
    for _, _, row, column in candidates:
        if row not in taken[0] and column not in taken[1]:
            pairs.append((row, column))
            taken[0].add(row)
            taken[1].add(column)
    return sorted(pairs)


def _lone(
    side: str, own: DetectionSet, index: int, iou: Tensor, free: Sequence[int], names: Sequence[str], limits: Limits
) -> LoneDetection:
    """One detection without a partner; ``iou`` (K,) is its overlap with the other side, ``free`` its lone ones."""
    score = float(own.scores[index])
    full = len(own) >= limits.max_detections
    if score <= limits.score_cutoff + SCORE_MARGIN:
        cause = "cut-off"
    elif full and score <= float(own.scores.min()) + SCORE_MARGIN:
        cause = "list full"
    elif any(float(iou[k]) >= MATCH_IOU for k in free):
        cause = "other class"
    else:
        cause = "unknown"
    label = int(own.classes[index])
    return LoneDetection(
        side=side,
        label=names[label],
        class_index=label,
        score=score,
        box=tuple(float(v) for v in own.boxes[index].tolist()),
        best_iou=float(iou.max()) if iou.numel() else 0.0,
        cause=cause,
    )
