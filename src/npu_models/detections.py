"""The values that go in and out of every network here: a batch, an image's targets, an image's detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Batch:
    """Images made ready for a network.

    ``tensor`` is (N, 3, H, W), normalised and then padded with 0 on the right and at the bottom; ``image_sizes`` are
    the sizes without the padding, ``output_sizes`` those of the images before resizing, in which detections are given.
    """

    tensor: Tensor
    image_sizes: tuple[Size, ...]
    output_sizes: tuple[Size, ...]


@dataclass(frozen=True)
class Target:
    """What one training image shows, in pixels of the image without its padding.

    ``boxes`` (M, 4) float x1, y1, x2, y2; ``classes`` (M,) int64 from 0; ``masks`` (M, h, w) 0/1; ``polygons`` one list
    of flat ``[x0, y0, x1, y1, …]`` rings for each object; ``semantic`` (h, w) int64 with 0 for background and class + 1
    elsewhere. FCOS needs boxes and classes, SOLOv2 also masks, BlendMask masks or polygons and, in training,
    ``semantic``.
    """

    boxes: Tensor
    classes: Tensor
    masks: Tensor | None = None
    polygons: Sequence[Sequence[Sequence[float]]] | None = None
    semantic: Tensor | None = None


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best first.

    ``boxes`` (K, 4) x1, y1, x2, y2 in pixels of the output image, ``scores`` (K,), ``classes`` (K,) int64 from 0,
    ``masks`` (K, h, w) bool, or None where the model makes none.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    masks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.scores)


def as_tensor(batch: Batch | Tensor) -> Tensor:
    """The (N, 3, H, W) tensor of a batch, or the tensor itself."""
    return batch.tensor if isinstance(batch, Batch) else batch


def as_targets(targets: Sequence[Target | Mapping[str, Any]]) -> list[Target]:
    """Targets, of which some may be dictionaries with the fields of `Target`, as data loaders give them."""
    return [target if isinstance(target, Target) else Target(**target) for target in targets]


def levels(raw: dict[str, Tensor], prefix: str) -> list[Tensor]:
    """The tensors whose names are ``prefix`` and a number, in the order of the numbers."""
    numbers = sorted(int(name[len(prefix) :]) for name in raw if _is_level(name, prefix))
    if not numbers:
        raise ValueError(f"raw outputs have no tensor named {prefix}<level>; they have: {', '.join(sorted(raw))}")
    return [raw[f"{prefix}{number}"] for number in numbers]


def check_sizes(count: int, image_sizes: Sequence[Size], output_sizes: Sequence[Size]) -> None:
    """Refuse size lists that do not go with a batch of ``count`` images (ValueError)."""
    if not len(image_sizes) == len(output_sizes) == count:
        raise ValueError(
            f"{count} images in the raw outputs, but {len(image_sizes)} image sizes "
            f"and {len(output_sizes)} output sizes"
        )


def no_detections(like: Tensor, mask_size: Size | None = None) -> Detections:
    """Detections with nothing in them, on the device and with the type of ``like``."""
    masks = None if mask_size is None else torch.zeros((0, *mask_size), dtype=torch.bool, device=like.device)
    classes = torch.zeros(0, dtype=torch.int64, device=like.device)
    return Detections(like.new_zeros((0, 4)), like.new_zeros(0), classes, masks)


def _is_level(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name[len(prefix) :].isdigit()
