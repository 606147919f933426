"""The two resizings with which the original models were trained, bit for bit.

Pillow and OpenCV both call theirs "bilinear", but differ: Pillow widens the filter when it shrinks an image, OpenCV
looks at four pixels always. Both round in fixed point, which is what `round` and `shift` below repeat, so a picture
enters a network here with the same integers as in the original and no comparison starts with an error in its input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from npu_models.detections import Size

_PILLOW_BITS = 32 - 8 - 2  # Pillow's Resample.c: room for a byte and two bits of head room in 32 bits
_OPENCV_BITS = 11  # OpenCV's imgproc/resize: INTER_RESIZE_COEF_BITS

Library = Literal["pillow", "opencv"]
"""Whose bilinear resizing a model was trained with."""
Resizer = Callable[[Tensor, Size, Library], Tensor]
"""(H, W, 3) uint8, a size and a library → the image at that size as the library resizes it."""


def shortest_edge(size: Size, shortest: int, longest: int) -> Size:
    """The size detectron2's ``ResizeShortestEdge`` gives: the shorter side's length unless the longer gets too long."""
    height, width = size
    scale = shortest / min(height, width)
    new_height, new_width = (float(shortest), scale * width) if height < width else (scale * height, float(shortest))
    if max(new_height, new_width) > longest:
        scale = longest / max(new_height, new_width)
        new_height, new_width = new_height * scale, new_width * scale
    return max(int(new_height + 0.5), 1), max(int(new_width + 0.5), 1)


def keep_ratio(size: Size, bound_a: int, bound_b: int) -> Size:
    """The size mmdet's ``Resize(keep_ratio=True)`` gives for a pair of bounds in any order."""
    height, width = size
    scale = min(max(bound_a, bound_b) / max(height, width), min(bound_a, bound_b) / min(height, width))
    return max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1)


def resize_as(image: Tensor, size: Size, library: Library) -> Tensor:
    """(H, W, 3) uint8 → the same at ``size`` as ``library`` resizes it; a `Resizer` that needs no library."""
    return resize_pillow(image, size) if library == "pillow" else resize_opencv(image, size)


def resize_pillow(image: Tensor, size: Size) -> Tensor:
    """(H, W, C) uint8 → (h, w, C) uint8 as ``PIL.Image.resize(…, BILINEAR)``: along x first, then along y.

    That is the order of Pillow 11, compared bit for bit; Pillow 13 takes y first for some images that it shrinks, which
    changes roundings by one level. Enlarged images, the usual case here, are the same in both.
    """
    height, width = size
    if image.shape[1] != width:
        image = _pillow_axis(image.transpose(0, 1), width).transpose(0, 1)
    if image.shape[0] != height:
        image = _pillow_axis(image, height)
    return image.contiguous()


def resize_opencv(image: Tensor, size: Size) -> Tensor:
    """(H, W, C) or (H, W) uint8 → the same at ``size`` as ``cv2.resize(…, INTER_LINEAR)``."""
    height, width = size
    if (height, width) == tuple(image.shape[:2]):
        return image
    if (height * 2, width * 2) == tuple(image.shape[:2]):
        return _halve(image)
    left, right, left_weight, right_weight = _opencv_taps(image.shape[1], width, image.device)
    shape = (1, -1) + (1,) * (image.dim() - 2)
    columns = image.index_select(1, left.clamp(0, image.shape[1] - 1)).int() * left_weight.view(shape)
    columns += image.index_select(1, right.clamp(0, image.shape[1] - 1)).int() * right_weight.view(shape)
    columns >>= 4
    upper, lower, upper_weight, lower_weight = _opencv_taps(image.shape[0], height, image.device)
    shape = (-1,) + (1,) * (image.dim() - 1)
    rows = (columns.index_select(0, upper.clamp(0, image.shape[0] - 1)) * upper_weight.view(shape)) >> 16
    rows += (columns.index_select(0, lower.clamp(0, image.shape[0] - 1)) * lower_weight.view(shape)) >> 16
    return ((rows + 2) >> 2).clamp_(0, 255).to(torch.uint8)


def quarter_opencv(images: Tensor) -> Tensor:
    """(…, H, W) uint8, sides multiples of 4 → (…, H / 4, W / 4) as `resize_opencv`, many times as fast.

    At a scale of exactly a quarter OpenCV's four pixels are the middle ones, its weights a half each, and its fixed
    point loses nothing before the last rounding.
    """
    upper, lower = images[..., 1::4, :], images[..., 2::4, :]
    parts = [rows[..., first::4].to(torch.int16) for rows in (upper, lower) for first in (1, 2)]
    return ((parts[0] + parts[1] + parts[2] + parts[3] + 2) >> 2).to(torch.uint8)


def _pillow_axis(image: Tensor, size: int) -> Tensor:
    """Resize the first axis with Pillow's triangle filter in 22-bit fixed point."""
    length = image.shape[0]
    scale = length / size
    support = max(scale, 1.0)
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    first = (centre - support + 0.5).to(torch.int64).clamp_(min=0)
    last = (centre + support + 0.5).to(torch.int64).clamp_(max=length)
    taps = math.ceil(support) * 2 + 1
    offset = torch.arange(taps)
    distance = (first[:, None] + offset - centre[:, None] + 0.5) / support
    weight = (1.0 - distance.abs()).clamp_(min=0.0) * (offset < (last - first)[:, None])
    weight = weight / weight.sum(1, keepdim=True)
    fixed = (weight * (1 << _PILLOW_BITS) + 0.5).to(torch.int32).to(image.device)
    first = first.to(image.device)
    total = torch.full((size, *image.shape[1:]), 1 << (_PILLOW_BITS - 1), dtype=torch.int32, device=image.device)
    for tap in range(taps):
        index = (first + tap).clamp_(max=length - 1)
        total += image.index_select(0, index).int() * fixed[:, tap].view(-1, *(1,) * (image.dim() - 1))
    return (total >> _PILLOW_BITS).clamp_(0, 255).to(torch.uint8)


def _opencv_taps(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The two pixels of each output position (not yet clamped to the image) and their weights in 11-bit fixed point."""
    position = ((torch.arange(size, dtype=torch.float64) + 0.5) * (length / size) - 0.5).float()
    first = position.floor()
    fraction = position - first
    weights = [(part * (1 << _OPENCV_BITS)).round().to(torch.int32).to(device) for part in (1 - fraction, fraction)]
    index = first.to(torch.int64).to(device)
    return index, index + 1, weights[0], weights[1]


def _halve(image: Tensor) -> Tensor:
    """The mean of 2x2 pixels, rounded: what OpenCV does instead of bilinear at a scale of exactly one half."""
    wide = image.int()
    return ((wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2] + 2) >> 2).to(torch.uint8)
