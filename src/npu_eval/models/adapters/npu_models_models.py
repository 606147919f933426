"""``npu_models:<family>/<configuration>``: BlendMask, FCOS and SOLOv2 with their original checkpoints."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import npu_models
from npu_eval.errors import AdapterError
from npu_eval.models.coco_classes import COCO_NAMES
from npu_eval.models.detections import DetectionSet, mask_size
from npu_eval.models.photos import open_upright, upright_size
from npu_eval.models.resizing import resize_fast
from npu_eval.models.shapes import ShapesImage
from npu_models.checkpoint import unwrapped
from npu_models.network import make_batch
from npu_models.random_weights import randomise

_ZOO = "https://download.openmmlab.com/mmdetection/v2.0"
PUBLISHED: Mapping[str, str] = {
    "fcos/r50_caffe_fpn_gn-head_1x": (
        f"{_ZOO}/fcos/fcos_r50_caffe_fpn_gn-head_1x_coco/fcos_r50_caffe_fpn_gn-head_1x_coco-821213aa.pth"
    ),
    "fcos/r101_caffe_fpn_gn-head_1x": (
        f"{_ZOO}/fcos/fcos_r101_caffe_fpn_gn-head_1x_coco/fcos_r101_caffe_fpn_gn-head_1x_coco-0e37b982.pth"
    ),
    "solov2/r50_fpn_1x": f"{_ZOO}/solov2/solov2_r50_fpn_1x_coco/solov2_r50_fpn_1x_coco_20220512_125858-a357fa23.pth",
    "solov2/r50_fpn_3x": f"{_ZOO}/solov2/solov2_r50_fpn_3x_coco/solov2_r50_fpn_3x_coco_20220512_125856-fed092d4.pth",
    "solov2/r101_fpn_3x": f"{_ZOO}/solov2/solov2_r101_fpn_3x_coco/solov2_r101_fpn_3x_coco_20220511_095119-c559a076.pth",
    "solov2/light_r50_fpn_3x": (
        f"{_ZOO}/solov2/solov2_light_r50_fpn_3x_coco/solov2_light_r50_fpn_3x_coco_20220512_165256-c93a6074.pth"
    ),
    # AdelaiDet's own list; the host has been seen to be down
    "blendmask/R_50_1x": "https://cloudstor.aarnet.edu.au/plus/s/zoxXPnr6Hw3OJgK/download",
    "blendmask/R_50_3x": "https://cloudstor.aarnet.edu.au/plus/s/ZnaInHFEKst6mvg/download",
    "blendmask/R_101_3x": "https://cloudstor.aarnet.edu.au/plus/s/e4fXrliAcMtyEBy/download",
    "blendmask/550_R_50_3x": "https://cloudstor.aarnet.edu.au/plus/s/R3Qintf7N8UCiIt/download",
}
"""Model → the checkpoint that its authors publish."""

_CUTOFFS = {"blendmask": 0.05**0.5, "fcos": 0.05, "solov2": 0.05}
"""Family → the score at which its list of detections ends.

BlendMask takes the root of a score above 0.05. FCOS compares the class alone with 0.05, before centerness lowers it.
"""

_TASKS = {"blendmask": "instance-segmentation", "fcos": "detection", "solov2": "instance-segmentation"}
_HIDDEN = ("res", "p")  # features on the way to the outputs


class Detector:
    """One of the networks of `npu_models`, with the preprocessing and post-processing of its original."""

    class_names = COCO_NAMES
    max_detections = 100

    def __init__(self, name: str) -> None:
        self.name = name
        self.family = name.partition("/")[0]
        self.task = _TASKS[self.family]
        self.score_cutoff = _CUTOFFS[self.family]

    def default_weights(self) -> str:
        """The checkpoint that the model's authors publish.

        Raises:
            AdapterError: none is known.
        """
        if self.name not in PUBLISHED:
            raise AdapterError(
                "no published checkpoint is known",
                where=f"npu_models:{self.name}",
                fix="name weights with --weights, or use WEIGHTS=random",
            )
        return PUBLISHED[self.name]

    def build(self) -> nn.Module:
        """The network with random weights under which it finds things, so that a dry run goes all the way."""
        network = npu_models.build(self.name)
        randomise(network)
        return network

    def renamed(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A checkpoint's entries under the names of this network, where an older project named them otherwise."""
        return unwrapped(dict(state))

    def preprocess(self, photos: Sequence[Path]) -> Tensor:
        """Photos as (N, 3, H, W) float32: the original's resizing to the bit, its normalisation, then its padding."""
        images = [torch.from_numpy(np.asarray(open_upright(photo))[..., ::-1].copy()) for photo in photos]
        return make_batch(images, self._shape.preprocessing, torch.empty(0), resizer=resize_fast).tensor

    def forward(self, model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        """Every output of the heads by its name; what follows is `detections`."""
        raw: dict[str, Tensor] = model(batch)
        return {name: x for name, x in raw.items() if name.rstrip("0123456789") not in _HIDDEN}

    def detections(self, outputs: Mapping[str, Tensor], photos: Sequence[Path]) -> list[DetectionSet]:
        """The original's post-processing on the CPU in float32."""
        sizes = [upright_size(photo) for photo in photos]
        grids = [mask_size(*size) for size in sizes]
        raw = {name: x.detach().float().cpu() for name, x in outputs.items()}
        inputs = [self._shape.preprocessing.size_of(size) for size in sizes]
        with torch.inference_mode():
            found = self._shape.postprocess(raw, inputs, grids)
        sets = []
        for one, (height, width), (rows, columns) in zip(found, sizes, grids, strict=True):
            scale = torch.tensor([width / columns, height / rows] * 2)
            boxes = one.boxes if (rows, columns) == (height, width) else one.boxes * scale
            sets.append(DetectionSet(boxes, one.scores, one.classes, one.masks))
        return sets

    def losses(self, model: nn.Module, images: Sequence[ShapesImage]) -> dict[str, Tensor]:
        """The original's training losses by their names, on the model's device."""
        assert isinstance(model, npu_models.Network)
        batch = model.preprocess([image.pixels.flip(-1) for image in images], resize=False)
        targets = [
            npu_models.Target(image.boxes, image.classes, masks=image.masks, semantic=_semantic(image))
            for image in images  # on the CPU, in float32: what is learned from depends on no device and no precision
        ]
        return model.losses(batch, targets)

    @functools.cached_property
    def _shape(self) -> npu_models.Network:
        """The network without weights, for what needs none."""
        with torch.device("meta"):
            return npu_models.build(self.name)


def _semantic(image: ShapesImage) -> Tensor:
    """(H, W) int64: 0 for background, class + 1 elsewhere; later objects lie in front."""
    semantic = torch.zeros(image.masks.shape[1:], dtype=torch.int64)
    for mask, label in zip(image.masks, image.classes.tolist(), strict=True):
        semantic[mask] = label + 1
    return semantic


def create_adapter(name: str) -> Detector:
    """The adapter for a model of `npu_models` by its name, ``family/configuration``.

    Raises:
        AdapterError: there is no such model; the known ones of the family are listed.
    """
    known = npu_models.known_models()
    if name not in known:
        family = name.partition("/")[0]
        listed = [k for k in known if k.startswith(f"{family}/")] or known
        raise AdapterError(f"there is no model '{name}'", where=f"npu_models:{name}", fix=f"known: {', '.join(listed)}")
    return Detector(name)
