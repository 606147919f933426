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

    Works on the runs of each row, some hundred where there are ten thousands of pixels.

    Args:
        masks: (N, 1, H, W), not 0 where a mask is.
        get_counts: named by the library, which only ever asks for this.

    Returns:
        Each pixel's part (0 outside; no number is used twice) and the number of pixels in that part (0 outside), both
        int32 and of the shape of ``masks``, on its device.
    """
    inside = (masks != 0).cpu().flatten(0, 2)
    begins, ends = _runs(inside)
    part = _joined(len(begins), *_touching(begins, ends, masks.shape[-2], masks.shape[-1]))
    sizes = torch.zeros(len(begins), dtype=torch.long).scatter_add(0, part, ends[:, 1] - begins[:, 1])
    run = torch.zeros_like(inside, dtype=torch.long)
    run[begins[:, 0], begins[:, 1]] = 1
    run = run.flatten().cumsum(0).view_as(inside)[inside] - 1
    labels, counts = torch.zeros_like(inside, dtype=torch.int32), torch.zeros_like(inside, dtype=torch.int32)
    labels[inside], counts[inside] = part[run].int() + 1, sizes[part[run]].int()
    return labels.view(masks.shape).to(masks.device), counts.view(masks.shape).to(masks.device)


def _runs(inside: Tensor) -> tuple[Tensor, Tensor]:
    """Where runs begin, and the place after each: (runs, 2) rows and columns, in the order of reading."""
    change = torch.nn.functional.pad(inside.to(torch.int8), (1, 1)).diff(dim=1)
    return (change == 1).nonzero(), (change == -1).nonzero()


def _touching(begins: Tensor, ends: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Pairs of runs that touch: each run with those of the row above, in the same mask."""
    rows, stride = begins[:, 0], width + 2
    above = (rows - 1) * stride
    first_keys, last_keys = rows * stride + begins[:, 1] + 1, rows * stride + ends[:, 1]
    first = torch.searchsorted(last_keys, above + begins[:, 1])  # the first that ends one column before, or later
    last = torch.searchsorted(first_keys, above + ends[:, 1] + 1, right=True)  # after those that begin one behind
    counts = (last - first).clamp(min=0) * (rows % height != 0)
    below = torch.arange(len(begins)).repeat_interleave(counts)
    place = torch.arange(len(below)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return below, first.repeat_interleave(counts) + place


def _joined(count: int, left: Tensor, right: Tensor) -> Tensor:
    """Each of ``count`` things with the least number of those that pairs tie it to.

    Hooking and following, so that a chain takes some steps and not its length (Shiloach and Vishkin, An O(log n)
    parallel connectivity algorithm, Journal of Algorithms 3, 1982).
    """
    part = torch.arange(count)
    while True:
        ours, theirs = part[left], part[right]
        if torch.equal(ours, theirs):
            return part
        least = torch.minimum(ours, theirs)
        part = part.scatter_reduce(0, torch.cat([ours, theirs]), torch.cat([least, least]), "amin")
        while not torch.equal(part, further := part[part]):
            part = further


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
