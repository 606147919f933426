"""Masks: pasting a small one into an image, drawing polygons, and the boxes around masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.boxes import roi_align
from npu_models.detections import Size

_POLYGON_SCALE = 5  # the sub-pixels a side with which the COCO tools draw a polygon (maskApi.c, rleFrPoly)


def paste_masks(masks: Tensor, boxes: Tensor, size: Size, threshold: float = 0.5) -> Tensor:
    """(K, h, w) soft masks, each stretched over its box, as (K, H, W) bool masks of the image.

    A pixel is looked up where its centre falls in the box, bilinearly, with zeros around the mask. Only the pixels
    within one pixel of the box are computed: all others are below any positive ``threshold``.
    """
    height, width = size
    pasted = torch.zeros((len(masks), height, width), dtype=torch.bool, device=masks.device)
    regions = torch.cat([boxes[:, :2].floor() - 1, boxes[:, 2:].ceil() + 1], dim=1).to(torch.int64).tolist()
    for index, (left, top, right, bottom) in enumerate(regions):
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, width), min(bottom, height)
        if left < right and top < bottom:
            window = _sample_window(masks[index], boxes[index], (left, top, right, bottom))
            pasted[index, top:bottom, left:right] = window >= threshold
    return pasted


def polygons_in_box(rings: Sequence[Sequence[float]], box: Tensor, size: int) -> Tensor:
    """(size, size) bool: flat ``[x0, y0, …]`` rings, cut out by a box (4,) and stretched to ``size``.

    This is detectron2's target for a mask head: the box is moved to the origin and stretched in both directions, and
    the union of the rings is drawn by the rule of the COCO tools.
    """
    x1, y1, x2, y2 = box.detach().float().cpu()
    ratios = [float(size / torch.clamp(side, min=0.1)) for side in (x2 - x1, y2 - y1)]
    mask = torch.zeros((size, size), dtype=torch.bool)
    for ring in rings:
        points = torch.tensor(ring, dtype=torch.float64).view(-1, 2) - torch.stack([x1, y1]).double()
        mask |= draw_polygon(points * torch.tensor(ratios, dtype=torch.float64), (size, size))
    return mask


def masks_in_boxes(masks: Tensor, boxes: Tensor, size: int) -> Tensor:
    """(K, size, size) bool: (K, H, W) masks cut out by their boxes: RoIAlign of the 0/1 values, then a half or more."""
    index = torch.arange(len(boxes), device=boxes.device, dtype=boxes.dtype)
    rois = torch.cat([index[:, None], boxes], dim=1)
    return roi_align(masks[:, None].to(boxes.dtype), rois, size, 1.0, 0)[:, 0] >= 0.5


def draw_polygon(points: Tensor, size: Size) -> Tensor:
    """(H, W) bool: the inside of one ring of (M, 2) x, y points, by the rule of the COCO tools.

    The outline is walked on a grid five times as fine; where it crosses from one pixel column to the next, the fill
    toggles at that height; a pixel is inside when the toggles up to it, down the columns one after the other, are odd.
    """
    height, width = size
    fine = (points.double() * _POLYGON_SCALE + 0.5).trunc().to(torch.int64)
    walk = torch.cat([_walk_edge(fine[i], fine[(i + 1) % len(fine)]) for i in range(len(fine))])
    before, after = walk[:-1], walk[1:]
    moved = before[:, 0] != after[:, 0]
    before, after = before[moved], after[moved]
    x = (torch.where(after[:, 0] < before[:, 0], after[:, 0], after[:, 0] - 1) + 0.5) / _POLYGON_SCALE - 0.5
    y = (torch.minimum(before[:, 1], after[:, 1]) + 0.5) / _POLYGON_SCALE - 0.5
    use = (x == x.floor()) & (x >= 0) & (x <= width - 1)
    toggles = x[use].long() * height + y[use].clamp(0, height).ceil().long()
    counts = torch.bincount(toggles, minlength=height * width + 1)[: height * width]
    return (counts.cumsum(0) % 2 == 1).view(width, height).t()


def boxes_of_masks(masks: Tensor) -> Tensor:
    """(K, 4) float32 tight boxes around (K, H, W) bool masks: first pixel to one past the last; zeros if empty."""
    if len(masks) == 0:
        return torch.zeros((0, 4), device=masks.device)
    pixels = masks.view(torch.uint8)  # torch's `any` goes bit by bit; the largest byte is found many at a time
    columns, rows = pixels.amax(dim=1).bool(), pixels.amax(dim=2).bool()
    left, top = (axis.int().argmax(dim=1) for axis in (columns, rows))
    right, bottom = (axis.shape[1] - axis.flip(1).int().argmax(dim=1) for axis in (columns, rows))
    boxes = torch.stack([left, top, right, bottom], dim=1).float()
    return boxes * rows.any(dim=1)[:, None]


def _sample_window(mask: Tensor, box: Tensor, window: tuple[int, int, int, int]) -> Tensor:
    """The soft mask at the pixel centres of ``window`` (left, top, right, bottom)."""
    left, top, right, bottom = window
    x = torch.arange(left, right, device=box.device, dtype=box.dtype) + 0.5
    y = torch.arange(top, bottom, device=box.device, dtype=box.dtype) + 0.5
    x = (x - box[0]) / (box[2] - box[0]) * 2 - 1
    y = (y - box[1]) / (box[3] - box[1]) * 2 - 1
    grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)
    return F.grid_sample(mask[None, None].to(box.dtype), grid[None], align_corners=False)[0, 0]


def _walk_edge(start: Tensor, end: Tensor) -> Tensor:
    """(n, 2) grid points along one edge: one for each step of the longer axis, rounded half up on the other."""
    (xs, ys), (xe, ye) = start.tolist(), end.tolist()
    wide, tall = abs(xe - xs), abs(ye - ys)
    along_x = wide >= tall
    flip = xs > xe if along_x else ys > ye
    if flip:
        xs, ys, xe, ye = xe, ye, xs, ys
    steps = wide if along_x else tall
    t = torch.arange(steps + 1)
    if flip:
        t = t.flip(0)
    rise = ye - ys if along_x else xe - xs
    slope = rise / max(steps, 1)
    other = ((ys if along_x else xs) + slope * t.double() + 0.5).trunc().to(torch.int64)
    return torch.stack([t + xs, other] if along_x else [other, t + ys], dim=1)
