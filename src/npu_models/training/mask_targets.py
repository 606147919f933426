"""What BlendMask's losses compare with: the points' targets, the objects' small masks, and the semantic map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.basis import at_eighths
from npu_models.detections import Size, Target, as_targets
from npu_models.masks import masks_in_boxes, polygons_in_box
from npu_models.training.encoded import Encoded
from npu_models.training.point_targets import PointEncoder, PointTargets

MASK_SIDE = 56  # BOTTOM_RESOLUTION


@dataclass(frozen=True)
class MaskTargets(Encoded):
    """``points`` of the batch; of its M objects the ``rois`` (M, 5), image index and box, and ``masks`` (M, 56, 56)
    bool within their boxes; ``semantic`` (N, H / 8, W / 8) int64, or None where a target has no map.
    """

    points: PointTargets
    rois: Tensor
    masks: Tensor
    semantic: Tensor | None

    @property
    def normalisers(self) -> Tensor:
        """Those of the points; the mask loss is divided by the sum of centerness, too."""
        return self.points.normalisers


@dataclass(frozen=True)
class MaskEncoder:
    """BlendMask's rule; see `npu_models.training.encoded.Encoder`."""

    points: PointEncoder

    def __call__(
        self, targets: Sequence[Target | Mapping[str, Any]], size: Size, dtype: torch.dtype = torch.float32
    ) -> MaskTargets:
        """Raises ValueError for a target that has objects and neither masks nor polygons."""
        wanted = as_targets(targets)
        boxes = [target.boxes.to(dtype) for target in wanted]
        rois = [torch.cat([box.new_full((len(box), 1), index), box], dim=1) for index, box in enumerate(boxes)]
        masks = [_small_masks(target).to(target.boxes.device) for target in wanted]
        return MaskTargets(self.points(wanted, size, dtype), torch.cat(rois), torch.cat(masks), _semantic(wanted, size))


def _small_masks(target: Target) -> Tensor:
    """(M, 56, 56) bool masks of the objects within their boxes; polygons, where there are any, before masks."""
    if target.polygons is not None:
        drawn = [
            polygons_in_box(rings, box, MASK_SIDE) for rings, box in zip(target.polygons, target.boxes, strict=True)
        ]
        return torch.stack(drawn) if drawn else torch.zeros((0, MASK_SIDE, MASK_SIDE), dtype=torch.bool)
    if target.masks is not None:
        return masks_in_boxes(target.masks, target.boxes.float(), MASK_SIDE)
    raise ValueError("BlendMask's mask loss needs masks or polygons in every target")


def _semantic(targets: Sequence[Target], size: Size) -> Tensor | None:
    """(N, H / 8, W / 8) int64, background where the images are padded; None unless every target has a map."""
    maps = []
    for target in targets:
        if target.semantic is None:
            return None
        height, width = target.semantic.shape
        maps.append(at_eighths(F.pad(target.semantic, (0, size[1] - width, 0, size[0] - height))))
    return torch.stack(maps)
