"""Parts of a photo's detections as one list."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from npu_eval.experiments.dataset.direct import DirectLook, gathered
from npu_eval.models.detections import DetectionSet


def part(*scores: float, number: int = 0) -> DetectionSet:
    count = len(scores)
    masks = torch.zeros(count, 4, 6, dtype=torch.bool)
    for i in range(count):
        masks[i, :, number + i :] = True
    return DetectionSet(
        torch.full((count, 4), float(number)), torch.tensor(scores), torch.full((count,), number), masks
    )


def test_the_best_come_first_and_of_equals_the_earlier() -> None:
    found = gathered(iter([part(0.5, 0.25), part(0.75, 0.5, number=1)]), (4, 6))
    assert found.scores.tolist() == [0.75, 0.5, 0.5, 0.25]
    assert found.classes.tolist() == [1, 0, 1, 0]
    assert found.boxes[:, 0].tolist() == [1, 0, 1, 0]
    assert found.masks is not None
    assert [ends.tolist() for ends in found.masks] == [[4], [0], [8], [4]]


def test_no_part_is_a_photo_in_which_nothing_was_found() -> None:
    found = gathered(iter([]), (4, 6))
    assert (len(found.scores), found.boxes.shape, found.masks) == (0, (0, 4), None)


def test_an_error_other_than_full_memory_is_not_tried_again() -> None:
    asked = []

    def detect(batch: torch.Tensor, size: tuple[int, int], classes_at_once: int) -> Iterator[DetectionSet]:
        asked.append(classes_at_once)
        raise RuntimeError("shapes do not fit")
        yield part()

    with pytest.raises(RuntimeError, match="do not fit"):
        DirectLook(detect, print, 8)(torch.zeros(1, 3, 4, 6), (4, 6))
    assert asked == [8]
