from __future__ import annotations

import pytest
import torch

from npu_models import Target
from npu_models.training.grid_targets import GridEncoder, assign_cells

GRIDS, RANGES = (8, 4), ((1, 40), (20, 200))


def one_object(box, size=(64, 64)):
    x1, y1, x2, y2 = box
    mask = torch.zeros((1, *size), dtype=torch.uint8)
    mask[0, y1:y2, x1:x2] = 1
    return Target(torch.tensor([box], dtype=torch.float32), torch.tensor([5]), masks=mask)


def assigned(target):
    return assign_cells(target, (64, 64), GRIDS, RANGES, background=80)


def test_an_object_goes_to_the_grids_of_its_size_and_the_cells_under_its_middle():
    fine, coarse = assigned(one_object((16, 16, 32, 32))).grids  # middle 23.5: cell 2 of 8
    assert fine.cells.tolist() == [2 * 8 + 2, 2 * 8 + 3, 3 * 8 + 2, 3 * 8 + 3]  # 23.5 ± 1.6 reaches into the next cell
    assert fine.classes.view(8, 8)[2, 2].item() == 5
    assert int((fine.classes == 5).sum()) == 4
    assert len(coarse.cells) == 0
    assert coarse.classes.tolist() == [80] * 16


def test_an_object_of_two_ranges_goes_to_both_grids():
    fine, coarse = assigned(one_object((16, 16, 46, 46))).grids
    assert len(fine.cells) > 0
    assert len(coarse.cells) > 0


def test_masks_are_a_quarter_of_the_size_and_each_cell_names_its_object():
    found = assigned(one_object((16, 16, 32, 32)))
    assert found.grids[0].objects.tolist() == [0] * 4
    assert found.masks.shape == (1, 16, 16)
    assert bool(found.masks[:, 4:8, 4:8].all())
    assert int(found.masks.sum()) == 16


def test_an_object_without_pixels_is_left_out():
    target = one_object((16, 16, 32, 32))
    target.masks.zero_()
    assert [len(level.cells) for level in assigned(target).grids] == [0, 0]


def test_a_smaller_image_is_padded_to_the_size_of_the_features():
    found = assigned(one_object((4, 4, 12, 12), size=(20, 30)))
    assert found.masks.shape[1:] == (16, 16)
    assert found.grids[0].cells.tolist()[0] == 0


def test_the_centre_of_a_large_mask_is_that_of_its_pixels():
    mask = torch.zeros((1, 640, 700), dtype=torch.uint8)  # more ones in a row and a column than a byte counts
    mask[0, 40:, 60:] = 1
    mask[0, 40, 60] = 0
    target = Target(torch.tensor([[60.0, 40.0, 700.0, 640.0]]), torch.tensor([5]), masks=mask)
    (grid,) = assign_cells(target, (640, 704), (64,), ((1, 2000),), background=80).grids
    y, x = mask[0].nonzero().double().mean(dim=0).tolist()
    column, row = int(x / 704 * 64), int(y / 640 * 64)
    assert grid.cells.tolist() == [64 * (row + i) + column + j for i in (-1, 0, 1) for j in (-1, 0, 1)]


def test_a_batch_counts_each_positive_cell_once():
    twice = one_object((16, 16, 32, 32))
    twice = Target(twice.boxes.repeat(2, 1), twice.classes.repeat(2), masks=twice.masks.repeat(2, 1, 1))
    encoder = GridEncoder(GRIDS, RANGES, 80)
    encoded = encoder([twice, one_object((16, 16, 46, 46))], (64, 64))
    second = [len(grid.cells) for grid in encoded.images[1].grids]
    assert [len(grid.cells) for grid in encoded.images[0].grids] == [8, 0]
    assert encoded.positives == 4 + sum(second)


def test_masks_are_needed():
    with pytest.raises(ValueError, match="need masks"):
        assigned(Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)))
