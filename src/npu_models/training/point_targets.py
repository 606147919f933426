"""What all points of a batch have to find, as the losses of FCOS and BlendMask want it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from npu_models.detections import Size, Target, as_targets
from npu_models.points import Assignment, assign, grid
from npu_models.training.encoded import Encoded
from npu_models.training.losses import centerness
from npu_models.training.ranks import mean_over_ranks


@dataclass(frozen=True)
class PointTargets(Encoded):
    """``classes`` (N * L,) of all points, images one after the other; the rest of the P points that have an object.

    ``positive`` (P,) their places among all points; ``distances`` (P, 4) in the unit of the network; ``centers`` (P,)
    their centerness; ``objects`` (P,) the index of the object among those of the whole batch; ``sums`` (2,) is P and
    the sum of ``centers``.
    """

    classes: Tensor
    positive: Tensor
    distances: Tensor
    centers: Tensor
    objects: Tensor
    sums: Tensor

    @property
    def normalisers(self) -> Tensor:
        """(2,) the number of positive points, and the sum of their centerness."""
        return self.sums

    def divisors(self, normalisers: Tensor | None) -> tuple[Tensor, Tensor]:
        """Of losses over points, and of those weighted by centerness: given, or averaged over the ranks.

        Neither is 0 (mmdet's and AdelaiDet's bounds), as a batch may show no object at all.
        """
        given = mean_over_ranks(self.sums) if normalisers is None else normalisers.to(self.sums)
        return given[0].clamp(min=1), given[1].clamp(min=1e-6)


@dataclass(frozen=True)
class PointEncoder:
    """The rule of one network, as `npu_models.points.assign` takes it; see `npu_models.training.encoded.Encoder`.

    ``strides`` of the levels and the ``bounds`` of the sizes between them; ``background`` is the number of classes;
    ``in_strides``: whether distances are in strides, else in pixels.
    """

    strides: tuple[int, ...]
    bounds: tuple[float, ...]
    background: int
    radius: float | None = None
    in_strides: bool = False

    def __call__(
        self, targets: Sequence[Target | Mapping[str, Any]], size: Size, dtype: torch.dtype = torch.float32
    ) -> PointTargets:
        """Assign the points of images of ``size``. The levels' sides are those of convolutions: rounded up."""
        wanted = as_targets(targets)
        sides = [(-(-size[0] // stride), -(-size[1] // stride)) for stride in self.strides]
        assigned = []
        for target in wanted:
            like = torch.empty(0, dtype=dtype, device=target.boxes.device)
            points = [grid(side, stride, like) for side, stride in zip(sides, self.strides, strict=True)]
            one = assign(points, self.strides, self.bounds, target, background=self.background, radius=self.radius)
            assigned.append(self._scaled(one, [len(level) for level in points]))
        return gathered(assigned, [len(target.boxes) for target in wanted], background=self.background)

    def _scaled(self, one: Assignment, counts: Sequence[int]) -> Assignment:
        if not self.in_strides:
            return one
        steps = [one.distances.new_full((count, 1), stride) for count, stride in zip(counts, self.strides, strict=True)]
        return Assignment(one.classes, one.objects, one.distances / torch.cat(steps))


def gathered(assigned: Sequence[Assignment], objects: Sequence[int], *, background: int) -> PointTargets:
    """One assignment an image, with its number of objects → those of the batch."""
    classes = torch.cat([one.classes for one in assigned])
    positive = (classes < background).nonzero().squeeze(1)
    distances = torch.cat([one.distances for one in assigned])[positive]
    firsts = [sum(objects[:index]) for index in range(len(objects))]
    every = torch.cat([one.objects + first for one, first in zip(assigned, firsts, strict=True)])
    centers = centerness(distances)
    sums = torch.stack([centers.new_tensor(len(positive)), centers.sum()])
    return PointTargets(classes, positive, distances, centers, every[positive], sums)
