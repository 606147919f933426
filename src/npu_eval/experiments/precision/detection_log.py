"""The lines of a precision log that are about detections. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from npu_eval.agreement.detections import MATCH_IOU, SCORE_MARGIN, DetectionComparison, detection_agreement
from npu_eval.notation import units
from npu_eval.notation.tables import table

NOTE = f"partners: one class, box IoU >= {MATCH_IOU:g}; a flip is within {SCORE_MARGIN:g} of the end of its list"


def detection_lines(comparisons: Sequence[DetectionComparison]) -> list[str]:
    """A line for each photo, then one for each detection that found no partner."""
    rows = [
        (
            a.input,
            f"{a.reference_count}/{a.candidate_count}",
            units.count(a.pairs),
            units.count(a.unmatched_reference),
            units.count(a.unmatched_candidate),
            units.count(a.flips),
            _or_dash(units.iou, a.matched),
            _or_dash(units.iou, a.min_box_iou),
            _or_dash(units.iou, a.min_mask_iou),
            _or_dash(units.sci, a.max_score_diff),
            _or_dash(units.sci, a.max_box_diff),
        )
        for a in map(detection_agreement, comparisons)
    ]
    header = (
        "input",
        "found (r/y)",
        "pairs",
        "r only",
        "y only",
        "flips",
        "matched",
        "min box IoU",
        "min mask IoU",
        "max |d score|",
        "max |d box| px",
    )
    lines = ["detections, matched as sets (r: reference, y: candidate)", NOTE, "", *table(header, rows)]
    lone = [
        (c.input, one.label, one.side, units.ratio(one.score), units.ratio(one.best_iou), one.cause)
        for c in comparisons
        for one in c.lone
    ]
    if lone:
        lines += ["", "detections without a partner"]
        lines += table(("input", "class", "side", "score", "best IoU", "because"), lone)
    return lines


def _or_dash(write: Callable[[float], str], value: float | None) -> str:
    return "-" if value is None else write(value)
