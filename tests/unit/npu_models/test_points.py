from __future__ import annotations

import torch

from npu_models import Target
from npu_models.points import assign, flatten, grid, span

STRIDES = (8, 16)
BOUNDS = (-1.0, 32.0, 1e8)


def points():
    like = torch.zeros(1)
    return [grid((8, 8), 8, like), grid((4, 4), 16, like)]


def targets(boxes, classes):
    return Target(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.tensor(classes, dtype=torch.int64))


def test_points_are_cell_centres_row_by_row():
    assert grid((2, 3), 8, torch.zeros(1)).tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    level = torch.arange(6).view(1, 1, 2, 3)
    assert flatten(level)[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_distances_span_the_box_they_were_measured_to():
    target = targets([[3, 5, 40, 30]], [9])
    every = torch.cat(points())
    found = assign(points(), STRIDES, BOUNDS, target, background=80)
    positive = found.classes == 9
    assert bool(positive.any())
    assert (span(every, found.distances)[positive] == target.boxes).all()


def test_size_chooses_the_level():
    small = assign(points(), STRIDES, BOUNDS, targets([[0, 0, 30, 30]], [1]), background=80).classes
    large = assign(points(), STRIDES, BOUNDS, targets([[0, 0, 64, 64]], [1]), background=80).classes
    assert bool((small[:64] == 1).any())
    assert not bool((small[64:] == 1).any())
    assert bool((large[64:] == 1).all())


def test_a_point_in_two_objects_takes_the_smaller():
    found = assign(points(), STRIDES, BOUNDS, targets([[0, 0, 30, 30], [8, 8, 16, 16]], [1, 2]), background=80)
    assert found.classes[9].item() == 2
    assert found.objects[9].item() == 1


def test_a_point_on_the_side_of_a_box_is_outside():
    found = assign(points(), STRIDES, BOUNDS, targets([[4, 4, 12, 12]], [1]), background=80)
    assert not bool((found.classes == 1).any())


def test_centre_sampling_keeps_only_points_near_the_centre():
    whole = assign(points(), STRIDES, BOUNDS, targets([[0, 0, 32, 32]], [1]), background=80)
    middle = assign(points(), STRIDES, BOUNDS, targets([[0, 0, 32, 32]], [1]), background=80, radius=1.0)
    assert int((middle.classes == 1).sum()) == 4
    assert int((whole.classes == 1).sum()) == 16


def test_no_objects_is_all_background():
    found = assign(points(), STRIDES, BOUNDS, targets([], []), background=80)
    assert found.classes.tolist() == [80] * 80
