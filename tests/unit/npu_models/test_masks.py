from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from npu_models import masks as subject

SEEDS = st.integers(0, 2**31)


def paste_everywhere(masks, boxes, size):
    """The same by looking up every pixel of the image."""
    y, x = (torch.arange(n) + 0.5 for n in size)
    pasted = []
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        column, row = (x - x0) / (x1 - x0) * 2 - 1, (y - y0) / (y1 - y0) * 2 - 1
        grid = torch.stack(torch.broadcast_tensors(column[None, :], row[:, None]), dim=-1)
        pasted.append(functional.grid_sample(mask[None, None], grid[None], align_corners=False)[0, 0] >= 0.5)
    return torch.stack(pasted)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(1, 40), st.integers(1, 40))
def test_pasting_where_the_box_is_equals_pasting_everywhere(seed, height, width):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(4, 2, generator=generator) * torch.tensor([width, height])
    side = torch.rand(4, 2, generator=generator) * 20 + 1e-3
    boxes = torch.cat([corner, corner + side], dim=1)
    boxes = torch.minimum(boxes, torch.tensor([width, height, width, height]).float())
    boxes = boxes[((boxes[:, 2:] - boxes[:, :2]) > 0).all(dim=1)]
    masks = torch.rand(len(boxes), 7, 7, generator=generator)
    if len(boxes):
        pasted = subject.paste_masks(masks, boxes, (height, width))
        assert torch.equal(pasted, paste_everywhere(masks, boxes, (height, width)))


def test_a_full_mask_fills_exactly_the_pixels_whose_centres_are_in_the_box():
    pasted = subject.paste_masks(torch.ones(1, 28, 28), torch.tensor([[2.4, 1.6, 5.6, 4.4]]), (8, 8))
    rows, columns = pasted[0].any(1).nonzero().flatten().tolist(), pasted[0].any(0).nonzero().flatten().tolist()
    assert rows == [2, 3]
    assert columns == [2, 3, 4, 5]
    assert int(pasted.sum()) == 8


def test_pasting_nothing_outside_or_into_one_pixel():
    assert subject.paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (3, 5)).shape == (0, 3, 5)
    ones = torch.ones(1, 28, 28)
    assert bool(subject.paste_masks(ones, torch.tensor([[0.0, 0, 1, 1]]), (1, 1)).all())
    assert not bool(subject.paste_masks(ones, torch.tensor([[50.0, 50, 60, 60]]), (8, 8)).any())


def test_boxes_of_masks():
    masks = torch.zeros(2, 6, 9, dtype=torch.bool)
    masks[0, 2:4, 3:8] = True
    assert subject.boxes_of_masks(masks).tolist() == [[3.0, 2.0, 8.0, 4.0], [0.0, 0.0, 0.0, 0.0]]
    assert subject.boxes_of_masks(masks[:0]).shape == (0, 4)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools under NumPy 2
@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(3, 8), st.integers(4, 60))
def test_polygons_are_drawn_as_by_the_coco_tools(seed, corners, size):
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(corners, 2, generator=generator, dtype=torch.float64) * size * 1.3 - 0.15 * size
    wanted = coco.decode(coco.frPyObjects([points.flatten().tolist()], size, size))[:, :, 0]
    assert (subject.draw_polygon(points, (size, size)).numpy() == wanted.astype(bool)).all()


def test_a_rectangle_of_whole_pixels_is_drawn_exactly():
    points = torch.tensor([[2.0, 1.0], [6.0, 1.0], [6.0, 4.0], [2.0, 4.0]])
    drawn = subject.draw_polygon(points, (8, 10))
    wanted = torch.zeros(8, 10, dtype=torch.bool)
    wanted[1:4, 2:6] = True
    assert torch.equal(drawn, wanted)


def test_polygons_and_masks_agree_inside_their_boxes():
    box = torch.tensor([10.0, 20.0, 50.0, 60.0])
    mask = torch.zeros(1, 80, 80, dtype=torch.uint8)
    mask[0, 20:60, 10:30] = 1  # the left half
    ring = [10.0, 20.0, 30.0, 20.0, 30.0, 60.0, 10.0, 60.0]
    by_polygon = subject.polygons_in_box([ring], box, 56)
    by_mask = subject.masks_in_boxes(mask, box[None], 56)[0]
    assert torch.equal(by_polygon, by_mask)
    assert by_polygon.float().mean().item() == 0.5


def test_several_rings_are_one_object():
    box = torch.tensor([0.0, 0.0, 8.0, 8.0])
    rings = [[0.0, 0, 4, 0, 4, 8, 0, 8], [4.0, 0, 8, 0, 8, 8, 4, 8]]
    assert bool(subject.polygons_in_box(rings, box, 8).all())
