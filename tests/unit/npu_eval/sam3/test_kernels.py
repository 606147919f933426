"""The kernels that the library's video part asks for, against slow and plain ways to the same."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.sam3_video import modeling_sam3_video

from npu_eval.sam3.kernels import cc_2d, generic_nms, in_place


def flooded(mask: Tensor) -> tuple[Tensor, Tensor]:
    """One part after the other, by walking from pixel to pixel."""
    labels, counts = torch.zeros_like(mask, dtype=torch.int32), torch.zeros_like(mask, dtype=torch.int32)
    height, width = mask.shape
    for start in mask.nonzero().tolist():
        if labels[start[0], start[1]]:
            continue
        part, waiting = [], [tuple(start)]
        labels[start[0], start[1]] = int(labels.max()) + 1
        while waiting:
            y, x = waiting.pop()
            part.append((y, x))
            for v in range(max(0, y - 1), min(height, y + 2)):
                for u in range(max(0, x - 1), min(width, x + 2)):
                    if mask[v, u] and not labels[v, u]:
                        labels[v, u] = labels[y, x]
                        waiting.append((v, u))
        for y, x in part:
            counts[y, x] = len(part)
    return labels, counts


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**30), st.integers(1, 9), st.integers(1, 9), st.floats(0.1, 0.9))
def test_parts_are_those_that_a_walk_finds(seed: int, height: int, width: int, share: float) -> None:
    masks = (torch.rand(3, 1, height, width, generator=torch.Generator().manual_seed(seed)) < share).to(torch.uint8)
    labels, counts = cc_2d(masks)
    assert (labels.dtype, labels.shape, counts.dtype, counts.shape) == (
        torch.int32,
        masks.shape,
        torch.int32,
        masks.shape,
    )
    for mask, ours, sizes in zip(masks, labels, counts, strict=True):
        theirs, expected = flooded(mask[0])
        assert torch.equal(sizes[0], expected)
        pairs = {(int(a), int(b)) for a, b in zip(ours.flatten(), theirs.flatten(), strict=True)}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_a_spiral_is_one_part() -> None:
    mask, side = torch.zeros(1, 1, 41, 41, dtype=torch.uint8), 41
    y = x = 0
    turns = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    length = side - 1
    for turn in range(2 * (side // 2)):
        for _ in range(length):
            mask[0, 0, y, x] = 1
            y, x = y + turns[turn % 4][0], x + turns[turn % 4][1]
        if turn % 2 == 1 or turn == 0:
            length -= 2 if turn else 0
    labels, counts = cc_2d(mask)
    theirs, expected = flooded(mask[0, 0])
    assert int(theirs.max()) == len(labels.unique()) - 1 == 1
    assert torch.equal(counts[0, 0], expected)


def test_of_overlapping_masks_the_best_stays() -> None:
    ious = torch.tensor([[1.0, 0.6, 0.0], [0.6, 1.0, 0.6], [0.0, 0.6, 1.0]])
    assert generic_nms(ious, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]
    assert generic_nms(ious, torch.tensor([0.7, 0.9, 0.8]), 0.5).tolist() == [1]
    assert generic_nms(ious, torch.tensor([0.9, 0.8, 0.7]), 0.6).tolist() == [
        0,
        1,
        2,
    ]  # as much as allowed is not too much
    assert generic_nms(ious, torch.tensor([0.5, 0.5, 0.5]), 0.5).tolist() == [0, 2]


def test_the_library_suppresses_with_them_and_not_without() -> None:
    masks = torch.full((3, 8, 8), -1.0)
    masks[0, :4], masks[1, :5], masks[2, 6:] = 1, 1, 1
    found = {}
    for ours in (True, False):
        with in_place(ours=ours):
            found[ours] = modeling_sam3_video.nms_masks(torch.tensor([0.6, 0.9, 0.3]), masks, 0.2, 0.5).tolist()
    assert found == {True: [False, True, True], False: [True, True, True]}


def test_the_library_fills_holes_and_removes_sprinkles_with_them_and_not_without() -> None:
    scores = torch.full((1, 1, 9, 9), -3.0)
    scores[..., 1:7, 1:7] = 3.0
    scores[..., 3, 3] = -3.0  # a hole
    scores[..., 8, 8] = 3.0  # a sprinkle
    with in_place(ours=False):
        without = modeling_sam3_video.fill_holes_in_mask_scores(scores, 4)
    assert torch.equal(without, scores)
    with in_place():
        filled = modeling_sam3_video.fill_holes_in_mask_scores(scores, 4)
    assert filled[0, 0, 3, 3] == pytest.approx(0.1)
    assert filled[0, 0, 8, 8] == pytest.approx(-0.1)
    assert int((filled != scores).sum()) == 2


def test_the_librarys_own_kernel_is_given_back() -> None:
    before = modeling_sam3_video.cv_utils_kernel
    with pytest.raises(RuntimeError), in_place():
        raise RuntimeError
    assert modeling_sam3_video.cv_utils_kernel is before
