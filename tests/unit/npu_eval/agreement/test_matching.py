"""Detections are matched as sets: shuffling changes nothing, and whatever has no partner is named with the reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_eval.agreement.matching import Limits, compare_sets, match_sets
from npu_eval.models.detections import DetectionSet

NAMES = tuple(f"thing {i}" for i in range(5))
LIMITS = Limits(score_cutoff=0.05, max_detections=100)


def found(*rows: tuple[float, int, tuple[float, float, float, float]], masks: Any = None) -> DetectionSet:
    """(score, class, box) rows as a set."""
    return DetectionSet(
        boxes=torch.tensor([row[2] for row in rows]).reshape(-1, 4),
        scores=torch.tensor([row[0] for row in rows]),
        classes=torch.tensor([row[1] for row in rows], dtype=torch.int64),
        masks=masks,
    )


def one(score: float = 0.9, label: int = 1, left: float = 10.0) -> tuple[float, int, tuple[float, float, float, float]]:
    return score, label, (left, 20.0, left + 100.0, 90.0)


def compared(reference: DetectionSet, candidate: DetectionSet, limits: Limits = LIMITS) -> Any:
    return compare_sets("cat.jpg", reference, candidate, NAMES, limits)


boxes = st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(1, 300), st.floats(1, 300)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
sets = st.lists(st.tuples(st.floats(0.0625, 1.0, width=32), st.integers(0, 4), boxes), max_size=8).map(
    lambda x: found(*x)
)


@settings(max_examples=60, deadline=None)
@given(sets, st.randoms(use_true_random=False))
def test_a_set_matches_itself_in_any_order(some: DetectionSet, random: Any) -> None:
    order = list(range(len(some)))
    random.shuffle(order)
    shuffled = DetectionSet(some.boxes[order], some.scores[order], some.classes[order])
    result = compared(some, shuffled)
    assert len(result.pairs) == len(some)
    assert result.lone == ()
    assert all(p.box_iou == pytest.approx(1.0) and p.reference_score == p.candidate_score for p in result.pairs)


@settings(max_examples=60, deadline=None)
@given(sets, sets)
def test_everything_is_paired_once_or_alone_and_pairs_agree_in_class_and_place(
    a: DetectionSet, b: DetectionSet
) -> None:
    pairs = match_sets(a, b)
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
    assert all(a.classes[r] == b.classes[c] for r, c in pairs)
    assert sorted((c, r) for r, c in pairs) == sorted(match_sets(b, a))
    result = compared(a, b)
    assert len(result.pairs) + sum(x.side == "reference" for x in result.lone) == len(a)
    assert len(result.pairs) + sum(x.side == "candidate" for x in result.lone) == len(b)
    assert all(p.box_iou >= 0.5 for p in result.pairs)


def test_the_pair_that_overlaps_most_is_taken_first() -> None:
    reference, candidate = found(one(left=10), one(left=30)), found(one(left=29), one(left=12))
    assert match_sets(reference, candidate) == [(0, 1), (1, 0)]


def test_equal_boxes_are_told_apart_by_their_masks() -> None:
    left, right = torch.zeros(2, 8, 8, dtype=torch.bool)
    left[:, :5], right[:, 3:] = True, True
    reference = found(one(0.9), one(0.8), masks=torch.stack([left, right]))
    candidate = found(one(0.85), one(0.85), masks=torch.stack([right, left]))
    result = compared(reference, candidate)
    assert [(p.reference_score, p.mask_iou) for p in result.pairs] == [
        (pytest.approx(0.9), 1.0), (pytest.approx(0.8), 1.0),
    ]  # fmt: skip


def test_the_numbers_of_a_pair_are_those_of_its_two_sides() -> None:
    (pair,) = compared(found(one(0.9)), found(one(0.875, left=12.0))).pairs
    assert (pair.label, pair.class_index) == ("thing 1", 1)
    assert pair.candidate_score == 0.875
    assert pair.max_box_diff == 2.0
    assert pair.box_iou == pytest.approx(98 / 102)
    assert pair.mask_iou is None


@pytest.mark.parametrize(
    ("score", "other", "limits", "cause"),
    [
        (0.055, found(), LIMITS, "cut-off"),
        (0.4, found(), LIMITS, "unknown"),
        (0.4, found(one(label=2)), LIMITS, "other class"),
        (0.4, found(one(label=2, left=400.0)), LIMITS, "unknown"),
        (0.4, found(), Limits(score_cutoff=0.05, max_detections=1), "list full"),
    ],
)
def test_why_a_detection_has_no_partner(score: float, other: DetectionSet, limits: Limits, cause: str) -> None:
    result = compared(found(one(score)), other, limits)
    assert result.lone[0].cause == cause
    assert result.lone[0].side == "reference"
    assert result.flips == (cause in ("cut-off", "list full"))
    assert (result.lone[0].best_iou == 1.0) == (cause == "other class")


def test_two_empty_sets_are_compared_and_hold_nothing() -> None:
    result = compared(found(), found())
    assert (result.reference_count, result.candidate_count, result.pairs, result.lone) == (0, 0, (), ())
