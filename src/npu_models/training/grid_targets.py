"""Which cells of SOLO's grids have to find which object, and the masks they have to draw.

An object belongs to the grids whose range holds the square root of its box's area, and there to the cells under the
middle fifth of its box, placed at its centre of mass, but at most one cell from the centre's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.detections import Size, Target, as_targets
from npu_models.resize import quarter_opencv
from npu_models.training.encoded import Encoded

_MIDDLE = 0.2  # pos_scale: the part of a box's width and height whose cells are positive
_MOST_IN_A_BYTE = 255


@dataclass(frozen=True)
class GridTarget(Encoded):
    """One grid of one image: ``classes`` (S * S,), and for each assigned mask its cell.

    ``cells`` (K,) and ``objects`` (K,), the indices of the masks, go together. A cell that two objects share appears
    twice and has the class of the later one.
    """

    classes: Tensor
    cells: Tensor
    objects: Tensor


@dataclass(frozen=True)
class ImageGrids(Encoded):
    """The grids of one image, and its objects' ``masks`` (M, H / 4, W / 4) uint8 0/1."""

    grids: tuple[GridTarget, ...]
    masks: Tensor


@dataclass(frozen=True)
class GridTargets(Encoded):
    """The images of a batch, and how many cells of their grids have an object."""

    images: tuple[ImageGrids, ...]
    positives: int


@dataclass(frozen=True)
class GridEncoder:
    """The rule of one network; see `npu_models.training.encoded.Encoder`.

    ``grids`` are cells a side, ``ranges`` the roots of the boxes' areas that each takes; ``background`` is the number
    of classes.
    """

    grids: tuple[int, ...]
    ranges: tuple[tuple[float, float], ...]
    background: int

    def __call__(
        self, targets: Sequence[Target | Mapping[str, Any]], size: Size, dtype: torch.dtype = torch.float32
    ) -> GridTargets:
        """Assign the cells for images of ``size``, whose sides are multiples of 4; there are no floats to be of dtype.

        Raises ValueError for a target without masks.
        """
        del dtype
        images = tuple(
            assign_cells(target, size, self.grids, self.ranges, background=self.background)
            for target in as_targets(targets)
        )
        positives = sum(int(grid.cells.unique().numel()) for image in images for grid in image.grids)
        return GridTargets(images, positives)


def assign_cells(
    target: Target,
    size: Size,
    grids: Sequence[int],
    ranges: Sequence[tuple[float, float]],
    *,
    background: int,
) -> ImageGrids:
    """The targets of one image on each grid, on the CPU; ``size`` is that of the padded input.

    Raises ValueError for a target without masks.
    """
    if target.masks is None:
        raise ValueError("SOLOv2's losses need masks in every target")
    masks = target.masks.cpu().to(torch.uint8)
    areas, centres = _centres_of_mass(masks)
    boxes, classes = target.boxes.cpu().float(), target.classes.cpu()
    sides = torch.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    result = []
    for side, (lower, upper) in zip(grids, ranges, strict=True):
        labels = torch.full((side, side), background, dtype=torch.int64)
        cells, objects = [], []
        for index in ((sides >= lower) & (sides <= upper) & (areas > 0)).nonzero().flatten().tolist():
            rows, columns = _cells_of(boxes[index], centres[index], size, side)
            labels[rows.start : rows.stop, columns.start : columns.stop] = classes[index]
            cells += [row * side + column for row in rows for column in columns]
            objects += [index] * (len(rows) * len(columns))
        result.append(GridTarget(labels.flatten(), *(torch.tensor(x, dtype=torch.int64) for x in (cells, objects))))
    padded = F.pad(masks, (0, size[1] - masks.shape[2], 0, size[0] - masks.shape[1]))
    return ImageGrids(tuple(result), quarter_opencv(padded))


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


def _centres_of_mass(masks: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """(M, h, w) uint8 0/1 → (M,) areas, and x and y of each mask in pixels."""
    columns, rows = _counted(masks, 1), _counted(masks, 2)
    areas = rows.sum(dim=1)
    divisor = areas.float().clamp(min=1e-6)
    x, y = ((axis * torch.arange(axis.shape[1])).sum(dim=1) / divisor for axis in (columns, rows))
    return areas, list(zip(x, y, strict=True))


def _counted(masks: Tensor, axis: int) -> Tensor:
    """The ones along an axis, as int64. Added in bytes as long as a byte holds them: thirty times as fast."""
    parts = masks.split(_MOST_IN_A_BYTE, dim=axis)
    return torch.stack([part.sum(dim=axis, dtype=torch.uint8).long() for part in parts]).sum(dim=0)
