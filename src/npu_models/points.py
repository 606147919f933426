"""The points of FCOS: where they lie, which object each has to find, and the boxes that distances from them span.

Tian et al., "FCOS: Fully Convolutional One-Stage Object Detection", 2019. BlendMask takes the same points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from npu_models.detections import Size, Target

_NO_OBJECT = 1e8  # larger than any area in pixels: marks points that lie in no object


@dataclass(frozen=True)
class Assignment:
    """For each of L points, levels one after the other: ``classes`` (L,) (``background`` where there is no object),
    ``objects`` (L,) the index of the object, and ``distances`` (L, 4) left, top, right, bottom to its sides in pixels.
    """

    classes: Tensor
    objects: Tensor
    distances: Tensor


def grid(size: Size, stride: int, like: Tensor) -> Tensor:
    """(H * W, 2) x, y of the centres of a level's cells, in pixels of the input, row by row."""
    y, x = ((torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) * stride for n in size)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)


def span(points: Tensor, distances: Tensor) -> Tensor:
    """(K, 4) boxes from (K, 2) points and (K, 4) distances to the left, top, right and bottom."""
    return torch.cat([points - distances[:, :2], points + distances[:, 2:]], dim=1)


def flatten(level: Tensor) -> Tensor:
    """(N, C, H, W) → (N, H * W, C)."""
    return level.flatten(2).transpose(1, 2)


def assign(
    points: Sequence[Tensor],
    strides: Sequence[int],
    bounds: Sequence[float],
    target: Target,
    *,
    background: int,
    radius: float | None = None,
) -> Assignment:
    """Which object each point has to find: the smallest one that it lies strictly inside of, on the level of its size.

    ``bounds`` are the sizes between the levels, ``len(points) + 1`` of them: level k takes an object at a point whose
    largest distance to its sides lies in [bounds[k], bounds[k + 1]]. With ``radius`` a point must also lie within so
    many strides of the object's centre.
    """
    boxes = target.boxes.to(points[0])
    counts = [len(level) for level in points]
    every = torch.cat(list(points))
    if len(boxes) == 0:
        none = torch.full((len(every),), background, device=every.device)
        return Assignment(none, torch.zeros_like(none), every.new_zeros((len(every), 4)))
    distances = torch.cat([every[:, None] - boxes[None, :, :2], boxes[None, :, 2:] - every[:, None]], dim=2)
    inside = distances
    if radius is not None:
        reach = _per_point([stride * radius for stride in strides], counts, every)[:, None, None]
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        low = torch.maximum(centre - reach, boxes[:, :2])
        high = torch.minimum(centre + reach, boxes[:, 2:])
        inside = torch.cat([every[:, None] - low, high - every[:, None]], dim=2)
    largest = distances.amax(dim=2)
    lower, upper = _per_point(bounds[:-1], counts, every)[:, None], _per_point(bounds[1:], counts, every)[:, None]
    taken = (inside.amin(dim=2) > 0) & (largest >= lower) & (largest <= upper)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    area, objects = torch.where(taken, areas, areas.new_tensor(_NO_OBJECT)).min(dim=1)
    classes = torch.where(area < _NO_OBJECT, target.classes.to(objects)[objects], background)
    return Assignment(classes, objects, distances[torch.arange(len(every), device=every.device), objects])


def _per_point(values: Sequence[float], counts: list[int], like: Tensor) -> Tensor:
    """One value a level → one value a point."""
    return torch.repeat_interleave(like.new_tensor(values), torch.tensor(counts, device=like.device))
