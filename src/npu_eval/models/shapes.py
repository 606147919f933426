"""A generated data set for training steps: rectangles, ellipses and triangles on noise, the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SHAPES = ("rectangle", "ellipse", "triangle")
"""Class number → shape."""

_COLOURS = ((220, 40, 40), (40, 190, 70), (50, 80, 230))
_OBJECTS = 3


@dataclass(frozen=True)
class ShapesImage:
    """An image and what is on it.

    ``pixels`` (H, W, 3) uint8 RGB; ``boxes`` (M, 4) float32 x1, y1, x2, y2 tight around the ``masks`` (M, H, W) bool;
    ``classes`` (M,) int64, numbers of :data:`SHAPES`.
    """

    pixels: Tensor
    boxes: Tensor
    classes: Tensor
    masks: Tensor


def shapes_image(side: int, seed: int) -> ShapesImage:
    """One square image of ``side`` pixels with three objects, from a seed.

    The random numbers are integers of torch's CPU generator, so that the image has the same bytes everywhere.
    """
    generator = torch.Generator().manual_seed(seed)

    def whole(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    pixels = torch.randint(90, 140, (side, side, 3), generator=generator, dtype=torch.uint8)
    masks = torch.zeros((_OBJECTS, side, side), dtype=torch.bool)
    classes = torch.zeros(_OBJECTS, dtype=torch.int64)
    boxes = torch.zeros((_OBJECTS, 4))
    for index in range(_OBJECTS):
        width, height = (whole(side // 4, side // 2) for _ in range(2))
        left, top = whole(0, side - width), whole(0, side - height)
        classes[index] = whole(0, len(SHAPES))
        mask = masks[index, top : top + height, left : left + width]
        mask |= _inside(SHAPES[int(classes[index])], width, height)
        rows, columns = (masks[index].any(dim=axis).nonzero() for axis in (1, 0))
        boxes[index] = torch.tensor(
            [float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1]
        )
        pixels[masks[index]] = torch.tensor(_COLOURS[int(classes[index])], dtype=torch.uint8)
    return ShapesImage(pixels, boxes, classes, masks)


def _inside(shape: str, width: int, height: int) -> Tensor:
    """(height, width) bool: which pixel centres lie in the shape that fills this box."""
    x = ((torch.arange(width, dtype=torch.float64) + 0.5) / width * 2 - 1)[None, :]
    y = ((torch.arange(height, dtype=torch.float64) + 0.5) / height * 2 - 1)[:, None]
    if shape == "ellipse":
        return x**2 + y**2 <= 1
    if shape == "triangle":
        return x.abs() <= (y + 1) / 2
    return (x.abs() <= 1) & (y.abs() <= 1)
