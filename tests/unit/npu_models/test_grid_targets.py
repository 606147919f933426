from __future__ import annotations

import pytest
import torch

from npu_models import Target
from npu_models.grid_targets import assign_cells

GRIDS, RANGES = (8, 4), ((1, 40), (20, 200))


def one_object(box, size=(64, 64)):
    x1, y1, x2, y2 = box
    mask = torch.zeros((1, *size), dtype=torch.uint8)
    mask[0, y1:y2, x1:x2] = 1
    return Target(torch.tensor([box], dtype=torch.float32), torch.tensor([5]), masks=mask)


def assigned(target):
    return assign_cells(target, (16, 16), 4, GRIDS, RANGES, background=80)


def test_an_object_goes_to_the_grids_of_its_size_and_the_cells_under_its_middle():
    fine, coarse = assigned(one_object((16, 16, 32, 32)))  # middle 23.5: cell 2 of 8
    assert fine.cells.tolist() == [2 * 8 + 2, 2 * 8 + 3, 3 * 8 + 2, 3 * 8 + 3]  # 23.5 ± 1.6 reaches into the next cell
    assert fine.classes.view(8, 8)[2, 2].item() == 5
    assert int((fine.classes == 5).sum()) == 4
    assert len(coarse.cells) == 0
    assert coarse.classes.tolist() == [80] * 16


def test_an_object_of_two_ranges_goes_to_both_grids():
    fine, coarse = assigned(one_object((16, 16, 46, 46)))
    assert len(fine.cells) > 0
    assert len(coarse.cells) > 0


def test_masks_are_a_quarter_of_the_size_and_one_for_each_cell():
    fine, _ = assigned(one_object((16, 16, 32, 32)))
    assert fine.masks.shape == (4, 16, 16)
    assert bool(fine.masks[:, 4:8, 4:8].all())
    assert int(fine.masks.sum()) == 4 * 16


def test_an_object_without_pixels_is_left_out():
    target = one_object((16, 16, 32, 32))
    target.masks.zero_()
    assert [len(level.cells) for level in assigned(target)] == [0, 0]


def test_a_smaller_image_is_padded_to_the_size_of_the_features():
    fine, _ = assigned(one_object((4, 4, 12, 12), size=(20, 30)))
    assert fine.masks.shape[1:] == (16, 16)
    assert fine.cells.tolist()[0] == 0


def test_masks_are_needed():
    with pytest.raises(ValueError, match="need masks"):
        assigned(Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)))
