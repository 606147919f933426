from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from npu_eval.experiments.dataset.mask_codes import area, boxes, by_columns, code_of, encode, of_ends, run_ends

# pycocotools' decode meets numpy 2 with an old interface; only these tests decode.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (5, 7)
SQUARE = [1, 1, 4, 1, 4, 4, 1, 4]


@given(st.integers(0, 2**35 - 1), st.integers(0, 4))
def test_codes_decode_to_the_masks(bits: int, count: int) -> None:
    flat = torch.tensor([bits >> i & 1 for i in range(35)], dtype=torch.bool)
    masks = torch.stack([flat.roll(i).view(SIZE) for i in range(count)]) if count else torch.zeros(0, *SIZE).bool()
    codes = encode(by_columns(masks, SIZE))
    assert len(codes) == count
    for code, mask in zip(codes, masks, strict=True):
        assert code["size"] == list(SIZE)
        assert np.array_equal(coco_mask.decode(code), mask.numpy())
        assert area(code) == mask.sum()


def test_boxes_are_read_off_the_run_lengths() -> None:
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[0, 1:3, 2:6] = True
    assert boxes(encode(by_columns(masks, SIZE))) == [[2, 1, 4, 2], [0, 0, 0, 0]]
    assert boxes([]) == []


def test_a_coarser_grid_is_enlarged_to_the_photo() -> None:
    mask = torch.zeros(1, 2, 3, dtype=torch.bool)
    mask[0, 1, 2] = True
    (code,) = encode(by_columns(mask, (4, 6)))
    assert code["size"] == [4, 6]
    assert boxes([code]) == [[4, 2, 2, 2]]


def test_polygons_and_both_kinds_of_run_lengths_are_understood() -> None:
    code = code_of([SQUARE], *SIZE)
    assert isinstance(code, dict)
    assert area(code) == 9
    assert code_of(code | {"counts": code["counts"].decode()}, *SIZE) == code
    flat = coco_mask.decode(code).flatten(order="F")
    runs = [len(run) for run in np.split(flat, np.flatnonzero(np.diff(flat)) + 1)]
    assert code_of({"size": list(SIZE), "counts": runs}, *SIZE) == code


def test_a_broken_ring_does_not_cost_the_object() -> None:
    assert code_of([[1, 2], SQUARE, [], [0, 0, float("nan"), 1, 2, 2]], *SIZE) == code_of([SQUARE], *SIZE)


@pytest.mark.parametrize(
    ("segmentation", "what"),
    [
        (None, "no polygon"),
        ([], "no polygon"),
        ([[]], "three corners"),
        ([[1, 1, 3, 3]], "three corners"),
        ([[1, 1, 3, 3, 2]], "three corners"),
        ({"size": [7, 5], "counts": [35]}, "of size"),
        ({"size": [5, 7], "counts": [34]}, "cover 34 of 35"),
        ({"size": [5, 7], "counts": [40, -5]}, "list of counts"),
        ({"size": [5, 7]}, "list of counts"),
    ],
)
def test_what_is_wrong_is_said(segmentation: Any, what: str) -> None:
    found = code_of(segmentation, *SIZE)
    assert isinstance(found, str)
    assert what in found


def test_the_ends_of_runs_come_to_the_same_codes() -> None:
    masks = torch.rand(6, 7, 9, generator=torch.Generator().manual_seed(0)) < 0.5
    masks[0], masks[1], masks[2, 0, 0], masks[3, 0, 0] = False, True, True, False
    for size in ((7, 9), (14, 18)):
        columns = by_columns(masks, size)
        assert of_ends(run_ends(columns), size) == encode(columns)
    assert of_ends(run_ends(columns[:0]), size) == []
