"""Which cells of SOLO's grids have to find which object, and the masks they have to draw.

An object belongs to the grids whose range holds the square root of its box's area, and there to the cells under the
middle fifth of its box, placed at its centre of mass, but at most one cell from the centre's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.detections import Size, Target
from npu_models.resize import resize_opencv

_MIDDLE = 0.2  # pos_scale: the part of a box's width and height whose cells are positive


@dataclass(frozen=True)
class GridTarget:
    """One grid of one image: ``classes`` (S * S,), and for each assigned mask its cell.

    ``cells`` (K,) and ``masks`` (K, h, w) go together. A cell that two objects share appears twice and has the class of
    the later one.
    """

    classes: Tensor
    cells: Tensor
    masks: Tensor


def assign_cells(
    target: Target,
    size: Size,
    stride: int,
    grids: Sequence[int],
    ranges: Sequence[tuple[float, float]],
    *,
    background: int,
) -> list[GridTarget]:
    """The targets of one image on each grid; ``size`` is that of the mask features, a ``stride``-th of the input's.

    Raises ValueError for a target without masks.
    """
    if target.masks is None:
        raise ValueError("SOLOv2's losses need masks in every target")
    full = (size[0] * stride, size[1] * stride)
    masks = F.pad(
        target.masks.cpu().to(torch.uint8), (0, full[1] - target.masks.shape[2], 0, full[0] - target.masks.shape[1])
    )
    small = [resize_opencv(mask, size) for mask in masks]
    centres = [_centre_of_mass(mask) for mask in masks]
    boxes, classes = target.boxes.cpu().float(), target.classes.cpu()
    sides = torch.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    result = []
    for side, (lower, upper) in zip(grids, ranges, strict=True):
        labels = torch.full((side, side), background, dtype=torch.int64)
        cells, drawn = [], []
        for index in ((sides >= lower) & (sides <= upper)).nonzero().flatten().tolist():
            if not bool(masks[index].any()):
                continue
            rows, columns = _cells_of(boxes[index], centres[index], full, side)
            labels[rows.start : rows.stop, columns.start : columns.stop] = classes[index]
            cells += [row * side + column for row in rows for column in columns]
            drawn += [small[index]] * (len(rows) * len(columns))
        stack = torch.stack(drawn) if drawn else torch.zeros((0, *size), dtype=torch.uint8)
        result.append(GridTarget(labels.flatten(), torch.tensor(cells, dtype=torch.int64), stack))
    return result


def _cells_of(box: Tensor, centre: tuple[Tensor, Tensor], full: Size, side: int) -> tuple[range, range]:
    """Rows and columns of the positive cells of one object."""
    result = []
    for axis in (1, 0):  # y, x
        reach = 0.5 * (box[axis + 2] - box[axis]) * _MIDDLE
        middle, length = centre[axis], full[0] if axis == 1 else full[1]
        own, low, high = (_cell(place / length, side) for place in (middle, middle - reach, middle + reach))
        first, last = max(max(0, low), own - 1), min(min(side - 1, high), own + 1)
        result.append(range(first, max(last + 1, first)))
    return result[0], result[1]


def _cell(fraction: Tensor, side: int) -> int:
    """The cell at a fraction of the image, truncated as the original does: in float32 and towards zero."""
    return int(torch.div(fraction, 1.0 / side, rounding_mode="trunc"))


def _centre_of_mass(mask: Tensor) -> tuple[Tensor, Tensor]:
    """x and y, in pixels."""
    area = mask.sum().float().clamp(min=1e-6)
    rows, columns = mask.sum(dim=1), mask.sum(dim=0)
    x = (columns * torch.arange(len(columns))).sum() / area
    y = (rows * torch.arange(len(rows))).sum() / area
    return x, y
