"""How each model was trained by those who published it, as data: what a training here takes, and is held against.

Each part of a recipe names the file it was read from and the day. A port's own recipe is the original's with what it
changes; `deviations` lists the difference, so that no training passes for a recipe that it did not follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

_READ = "2026-11-30"


@dataclass(frozen=True)
class Source:
    """Where something stands: a project with its version, a file in it, and the day on which it was read."""

    project: str
    file: str
    read: str = _READ


@dataclass(frozen=True)
class Images:
    """What happens to a training image, in this order.

    The shorter side becomes one of ``short_sides``, drawn for each image, unless the longer would exceed
    ``long_side``; masks are resized by nearest, polygons scaled; it is flipped with the probability ``flip``,
    normalised, and padded with 0 on the right and at the bottom to multiples of ``divisor``.
    """

    short_sides: tuple[int, ...]
    long_side: int
    flip: float
    divisor: int
    source: Source


@dataclass(frozen=True)
class Annotations:
    """What of COCO's train2017 is learned from.

    Images without an object are left out, and those with a side below ``least_image_side``; objects that are crowds,
    and those with a box side or an area below ``least_box_side``. ``images`` remain of 118,287.
    """

    least_image_side: int
    least_box_side: float
    images: int
    source: Source


@dataclass(frozen=True)
class Optimiser:
    """Stochastic gradient descent, in the units of torch.optim.SGD, for a batch of ``batch`` images on ``cards``.

    The factors multiply the learning rate and the weight decay of biases, the norms' apart, and the decay of the norms'
    own parameters. ``clip_norm`` bounds the L2 norm of all gradients together.
    """

    batch: int
    cards: int
    learning_rate: float
    momentum: float
    weight_decay: float
    bias_rate_factor: float
    bias_decay_factor: float
    norm_weight_decay_factor: float
    norm_bias_decay_factor: float
    clip_norm: float | None
    source: Source


@dataclass(frozen=True)
class Schedule:
    """The learning rate over a training; `npu_models.training.schedules.learning_rate` computes it.

    Iterations before ``warm_up_steps`` multiply it by ``warm_up_start``, or by what lies between that and 1. After each
    of ``drops`` it is multiplied by ``drop_factor``; these and the ``length`` are in ``unit``.
    """

    warm_up: Literal["constant", "linear"]
    warm_up_start: float
    warm_up_steps: int
    unit: Literal["epoch", "iteration"]
    drops: tuple[int, ...]
    drop_factor: float
    length: int
    source: Source


@dataclass(frozen=True)
class Precision:
    """``autocast`` to half precision, or None; ``loss_scale`` is static, None without autocast."""

    autocast: Literal["float16", "bfloat16"] | None
    loss_scale: float | None
    source: Source


@dataclass(frozen=True)
class Backbone:
    """The file that a backbone starts from, and the first digits of its sha256 where its name tells them."""

    file: str
    sha256_prefix: str | None
    source: Source


@dataclass(frozen=True)
class Recipe:
    """One way in which one model is trained. ``mask_divisor`` is SOLOv2's, and None for others."""

    model: str
    origin: str
    images: Images
    annotations: Annotations
    optimiser: Optimiser
    schedule: Schedule
    precision: Precision
    backbone: Backbone
    mask_divisor: Literal["cells", "masks"] | None = None


_MMDET = "mmdet 3.3.0"
_SOLO = "WXinlong/SOLO 95f3732"
_ADELAIDET = "AdelaiDet 3672122"
_DETECTRON2 = "detectron2 02b5c4e"
_FCOS_FILE = "configs/fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py"
_SOLO_FILE = "configs/solov2/solov2_r50_fpn_8gpu_1x.py"
_MODEL_ZOO = "ModelZoo-PyTorch 6a2804a35"
_PORT_FILE = f"PyTorch/contrib/cv/detection/SOLOv2/{_SOLO_FILE}"
_DRIVING = "DrivingSDK e667017e"

_MMDET_IMAGES = Images(
    short_sides=(800,),
    long_side=1333,
    flip=0.5,
    divisor=32,
    source=Source(_MMDET, "configs/_base_/datasets/coco_detection.py"),
)
_MMDET_ANNOTATIONS = Annotations(
    least_image_side=32, least_box_side=1.0, images=117_266, source=Source(_MMDET, "mmdet/datasets/coco.py")
)
_PLAIN = Optimiser(
    batch=16,
    cards=8,
    learning_rate=0.01,
    momentum=0.9,
    weight_decay=1e-4,
    bias_rate_factor=1.0,
    bias_decay_factor=1.0,
    norm_weight_decay_factor=1.0,
    norm_bias_decay_factor=1.0,
    clip_norm=35.0,
    source=Source(_MMDET, "configs/solov2/solov2_r50_fpn_1x_coco.py"),
)
_FCOS = Recipe(
    model="fcos/r50_caffe_fpn_gn-head_1x",
    origin="mmdet",
    images=_MMDET_IMAGES,
    annotations=_MMDET_ANNOTATIONS,
    optimiser=replace(
        _PLAIN,
        bias_rate_factor=2.0,
        bias_decay_factor=0.0,
        norm_bias_decay_factor=0.0,
        source=Source(_MMDET, _FCOS_FILE),
    ),
    schedule=Schedule(
        warm_up="constant",
        warm_up_start=1 / 3,
        warm_up_steps=499,  # mmengine's end is one before that of the file
        unit="epoch",
        drops=(8, 11),
        drop_factor=0.1,
        length=12,
        source=Source(_MMDET, _FCOS_FILE),
    ),
    precision=Precision(autocast=None, loss_scale=None, source=Source(_MMDET, _FCOS_FILE)),
    backbone=Backbone("resnet50_caffe-788b5fa3.pth", "788b5fa3", Source(_MMDET, _FCOS_FILE)),
)
_SOLOV2 = Recipe(
    model="solov2/r50_fpn_1x",
    origin="mmdet",
    images=_MMDET_IMAGES,
    annotations=_MMDET_ANNOTATIONS,
    optimiser=_PLAIN,
    schedule=Schedule(
        warm_up="linear",
        warm_up_start=0.001,
        warm_up_steps=499,
        unit="epoch",
        drops=(8, 11),
        drop_factor=0.1,
        length=12,
        source=Source(_MMDET, "configs/_base_/schedules/schedule_1x.py"),
    ),
    precision=Precision(None, None, _PLAIN.source),
    backbone=Backbone("resnet50-0676ba61.pth", "0676ba61", _PLAIN.source),
    mask_divisor="cells",
)
_SOLOV2_FIRST = replace(
    _SOLOV2,
    origin="WXinlong/SOLO",
    images=replace(_SOLOV2.images, source=Source(_SOLO, _SOLO_FILE)),
    optimiser=replace(_PLAIN, source=Source(_SOLO, _SOLO_FILE)),
    schedule=replace(
        _SOLOV2.schedule, warm_up_start=0.01, warm_up_steps=500, drops=(9, 11), source=Source(_SOLO, _SOLO_FILE)
    ),
    precision=Precision(None, None, Source(_SOLO, _SOLO_FILE)),
    backbone=Backbone("resnet50-19c8e357.pth", "19c8e357", Source(_SOLO, _SOLO_FILE)),
    mask_divisor="masks",  # loss_ins of mmdet/models/anchor_heads/solov2_head.py; the port's counts the same
)
_BLENDMASK = Recipe(
    model="blendmask/R_50_1x",
    origin="AdelaiDet",
    images=Images(
        short_sides=(640, 672, 704, 736, 768, 800),
        long_side=1333,
        flip=0.5,
        divisor=32,
        source=Source(_ADELAIDET, "configs/BlendMask/Base-BlendMask.yaml"),
    ),
    annotations=Annotations(
        least_image_side=1, least_box_side=0.0, images=117_266, source=Source(_DETECTRON2, "detectron2/data/build.py")
    ),
    optimiser=replace(
        _PLAIN,
        norm_weight_decay_factor=0.0,
        norm_bias_decay_factor=0.0,
        clip_norm=None,
        source=Source(_DETECTRON2, "detectron2/config/defaults.py"),
    ),
    schedule=Schedule(
        warm_up="linear",
        warm_up_start=0.001,
        warm_up_steps=1000,
        unit="iteration",
        drops=(60_000, 80_000),
        drop_factor=0.1,
        length=90_000,
        source=Source(_ADELAIDET, "configs/BlendMask/Base-BlendMask.yaml"),
    ),
    precision=Precision(None, None, Source(_DETECTRON2, "detectron2/config/defaults.py")),
    backbone=Backbone("R-50.pkl", None, Source(_ADELAIDET, "configs/BlendMask/R_50_1x.yaml")),
)

_RECIPES = (
    _FCOS,
    replace(
        _FCOS,
        origin="DrivingSDK",
        optimiser=replace(
            _FCOS.optimiser, batch=32, source=Source(_DRIVING, "model_examples/FCOS/test/train_8p_full.sh")
        ),
    ),
    _SOLOV2,
    _SOLOV2_FIRST,
    replace(
        _SOLOV2_FIRST,
        origin="ModelZoo-PyTorch",
        images=replace(_SOLOV2_FIRST.images, divisor=1344, source=Source(_MODEL_ZOO, _PORT_FILE)),
        precision=Precision("float16", 128.0, Source(_MODEL_ZOO, _PORT_FILE)),
    ),
    _BLENDMASK,
)
RECIPES: Mapping[tuple[str, str], Recipe] = MappingProxyType({(one.model, one.origin): one for one in _RECIPES})
"""By model and origin; of one model the first is that whose arithmetic the network repeats."""


def recipe_of(model: str, origin: str | None = None) -> Recipe:
    """The recipe of a model, from ``origin`` or else the first.

    Raises:
        KeyError: there is none; the message lists those that there are.
    """
    for recipe in RECIPES.values():
        if recipe.model == model and origin in (None, recipe.origin):
            return recipe
    known = ", ".join(f"{name} ({whose})" for name, whose in RECIPES)
    raise KeyError(f"no recipe for {model}{f' of {origin}' if origin else ''}; known: {known}")


def deviations(followed: Recipe, original: Recipe) -> Mapping[str, tuple[Any, Any]]:
    """Field → what the original says, and what was followed; where they say the same nothing. Sources do not count."""
    found = {}
    for part in fields(Recipe):
        mine, theirs = getattr(followed, part.name), getattr(original, part.name)
        if not is_dataclass(theirs):
            if part.name not in ("model", "origin") and mine != theirs:
                found[part.name] = (theirs, mine)
            continue
        for field in fields(theirs):
            pair = (getattr(theirs, field.name), getattr(mine, field.name))
            if field.name != "source" and pair[0] != pair[1]:
                found[f"{part.name}.{field.name}"] = pair
    return found
