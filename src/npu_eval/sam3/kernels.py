"""What the video part of transformers leaves to a kernel of CUDA, and silently leaves out where that is not to be had:
suppression of overlapping masks, filling of holes, removal of sprinkles.

Written with plain operators, on the CPU whatever the device is: no accelerator needs a kernel of its own for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace

import torch
from torch import Tensor
from transformers.models.sam3_video import modeling_sam3_video


def generic_nms(ious: Tensor, scores: Tensor, iou_threshold: float, use_iou_matrix: bool = True) -> Tensor:
    """Which of N objects stay, best first: none of them overlaps a better one that stays.

    Args:
        ious: (N, N), each object's overlap with each other one.
        scores: (N,).
        iou_threshold: an overlap above it is too much.
        use_iou_matrix: named by the library, which only ever asks for this.

    Returns:
        Their places, int64, on the device of ``scores``.
    """
    overlaps = ious.float().cpu() > iou_threshold
    waiting = torch.ones(len(scores), dtype=torch.bool)
    kept = []
    for place in scores.float().cpu().argsort(descending=True, stable=True).tolist():
        if waiting[place]:
            kept.append(place)
            waiting &= ~overlaps[place]
    return torch.tensor(kept, dtype=torch.int64, device=scores.device)


def cc_2d(masks: Tensor, get_counts: bool = True) -> tuple[Tensor, Tensor]:
    """The parts of masks that hang together, corners included.

    Each pixel takes the largest number among its neighbours; that number is handed to the pixel whose number it had
    before, and followed from there: whole regions join in a step, so that a spiral takes some steps, not its length
    (Shiloach and Vishkin, An O(log n) parallel connectivity algorithm, 1982).

    Args:
        masks: (N, 1, H, W), not 0 where a mask is.
        get_counts: named by the library, which only ever asks for this.

    Returns:
        Each pixel's part (0 outside; parts of one mask have different numbers) and the number of pixels in that part
        (0 outside), both int32 and of the shape of ``masks``, on its device.
    """
    count, _, height, width = masks.shape
    inside = (masks != 0).cpu().flatten(1)
    own = torch.arange(1, height * width + 1, dtype=torch.float64).expand(count, -1)  # the pooling takes no integers
    parts = (own * inside).long()
    while True:
        grid = parts.double().view(count, 1, height, width)
        grown = torch.nn.functional.max_pool2d(grid, 3, stride=1, padding=1).flatten(1).long() * inside
        joined = _with_zeroth(parts).scatter_reduce(1, parts, grown, "amax")
        joined[:, 0] = 0
        joined = _followed(torch.maximum(joined, _with_zeroth(grown)))
        if torch.equal(joined[:, 1:], parts):
            break
        parts = joined[:, 1:]
    sizes = torch.zeros(count, height * width + 1, dtype=torch.long).scatter_add(1, parts, inside.long())
    sizes[:, 0] = 0
    labels, counts = (x.view(masks.shape).to(torch.int32).to(masks.device) for x in (parts, sizes.gather(1, parts)))
    return labels, counts


def _with_zeroth(numbers: Tensor) -> Tensor:
    """Numbers at the places that they are the numbers of: place 0 is of no pixel."""
    return torch.nn.functional.pad(numbers, (1, 0))


def _followed(numbers: Tensor) -> Tensor:
    """Each place's number replaced by the number at the place that it names, until nothing changes."""
    while True:
        further = numbers.gather(1, numbers)
        if torch.equal(further, numbers):
            return numbers
        numbers = further


_OURS = SimpleNamespace(generic_nms=generic_nms, cc_2d=cc_2d)


@contextlib.contextmanager
def in_place(*, ours: bool = True) -> Iterator[None]:
    """Give the library these kernels while something runs; it keeps them in a variable of its module.

    Args:
        ours: False leaves the library without any, as it is where there is no CUDA.
    """
    before = modeling_sam3_video.cv_utils_kernel
    modeling_sam3_video.cv_utils_kernel = _OURS if ours else False
    try:
        yield
    finally:
        modeling_sam3_video.cv_utils_kernel = before
