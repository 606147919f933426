"""What a comparison of detections comes to, and what a record may say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import samples
from npu_deliver.experiments.registry import parse_record
from npu_eval.agreement.detections import check_comparison, detection_agreement, matched_share
from npu_eval.errors import RecordError
from npu_eval.records.record import record_text

NOTHING: dict[str, Any] = {"reference_count": 0, "candidate_count": 0, "pairs": (), "lone": ()}


def test_flips_at_the_end_of_a_list_are_counted_but_not_held_against_it() -> None:
    found = detection_agreement(samples.detections())
    assert (found.pairs, found.unmatched_reference, found.unmatched_candidate, found.flips) == (2, 0, 1, 1)
    assert found.matched == 1.0
    lost = samples.detections(lone=(samples.lone_detection(cause="unknown"),))
    assert detection_agreement(lost).flips == 0
    assert detection_agreement(lost).matched == pytest.approx(4 / 5)


def test_the_worst_pair_of_a_photo_is_told() -> None:
    pairs = (samples.detection_pair(), samples.detection_pair(box_iou=0.75, mask_iou=0.5, candidate_score=0.4))
    found = detection_agreement(samples.detections(pairs=pairs))
    assert (found.min_box_iou, found.min_mask_iou) == (0.75, 0.5)
    assert found.max_score_diff == pytest.approx(0.5)


def test_where_nothing_was_found_there_is_no_share() -> None:
    found = detection_agreement(samples.detections(**NOTHING))
    assert {found.matched, found.min_box_iou, found.min_mask_iou, found.max_score_diff, found.max_box_diff} == {None}
    assert matched_share([]) is None
    assert matched_share([samples.detections(**NOTHING), samples.detections()]) == 1.0


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"reference_count": 3}, "do not add up to reference_count"),
        ({"candidate_count": 2}, "do not add up to candidate_count"),
        ({"pairs": (samples.detection_pair(), samples.detection_pair(box_iou=1.5))}, "an IoU lies outside"),
        ({"pairs": (samples.detection_pair(), samples.detection_pair(max_box_diff=-1.0))}, "is negative"),
        ({"lone": (samples.lone_detection(cause="bad luck"),)}, "the cause"),
        ({"lone": (samples.lone_detection(box=(1.0, 2.0)),)}, "four numbers"),
    ],
)
def test_numbers_that_no_matching_writes_are_refused(changes: dict[str, Any], what: str) -> None:
    bad = replace(samples.detections(), **changes)
    with pytest.raises(RecordError, match=rf"^here: .*{what}"):
        check_comparison(bad, "here")
    data = samples.precision_data(detections=(samples.detections(), bad))
    with pytest.raises(RecordError, match=r"data\.detections\[1\]"):
        parse_record(record_text(samples.precision_record(data=data)), "r.json")


def test_a_record_with_detections_comes_back() -> None:
    record = samples.precision_record(data=samples.precision_data(detections=(samples.detections(),)))
    assert parse_record(record_text(record), "r.json") == record
