from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
import torch

from npu_models import Batch, Target
from npu_models.detections import as_targets, as_tensor, check_sizes, levels, no_detections


def test_levels_come_in_the_order_of_their_numbers_and_by_the_exact_prefix():
    raw = {name: torch.tensor(index) for index, name in enumerate(("p10", "p9", "logits_p3", "p3", "pixels"))}
    assert [int(x) for x in levels(raw, "p")] == [3, 1, 0]
    with pytest.raises(ValueError, match="no tensor named q<level>; they have: logits_p3"):
        levels(raw, "q")


def test_a_batch_is_frozen_and_its_tensor_is_taken_from_it():
    batch = Batch(torch.zeros(1, 3, 32, 32), ((20, 30),), ((40, 60),))
    assert as_tensor(batch) is batch.tensor
    assert as_tensor(batch.tensor) is batch.tensor
    with pytest.raises(FrozenInstanceError):
        batch.image_sizes = ()


def test_targets_may_be_dictionaries_with_known_fields_only():
    boxes, classes = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    (target,) = as_targets([{"boxes": boxes, "classes": classes}])
    assert target == Target(boxes, classes)
    with pytest.raises(TypeError, match="labels"):
        as_targets([{"boxes": boxes, "labels": classes}])


def test_no_detections_have_the_shapes_of_some():
    none = no_detections(torch.zeros(5), (3, 4))
    assert len(none) == 0
    assert none.masks.shape == (0, 3, 4)
    assert no_detections(torch.zeros(5)).masks is None


def test_sizes_are_counted():
    check_sizes(1, [(1, 1)], [(2, 2)])
    with pytest.raises(ValueError, match="2 images in the raw outputs, but 1 image sizes and 2 output sizes"):
        check_sizes(2, [(1, 1)], [(2, 2)] * 2)
