"""The resizing that a model was trained with, by the library itself where that is installed.

`npu_models.resize` repeats OpenCV's and Pillow's resizing bit for bit in plain PyTorch, so that a deliverable needs
neither; it takes six to thirty times as long as they do (480 x 640 to 800 x 1067 on one core), which the loader of a
training does not have. The library is asked first whether it gives the same bits: builds of both differ in their vector
code.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from npu_models.detections import Size
from npu_models.resize import Library, resize_as

_PROBES = (((37, 53), (80, 115)), ((61, 90), (23, 40)), ((48, 64), (24, 32)))
"""From and to: larger, smaller, and exactly half, for which OpenCV has code of its own."""


def resize_fast(image: Tensor, size: Size, library: Library) -> Tensor:
    """(H, W, 3) uint8 on the CPU → the same at ``size``, with the bits of `npu_models.resize.resize_as`."""
    resize = _checked(library)
    return resize_as(image, size, library) if resize is None else torch.from_numpy(resize(image.numpy(), size))


def resizes_by_itself(library: Library) -> bool:
    """Whether the library is installed and gives the bits that the model was trained with."""
    return _checked(library) is not None


@functools.cache
def _checked(library: Library) -> Callable[[Any, Size], Any] | None:
    """The library's own resizing of numpy images, or None where it is absent or gives other bits."""
    resize = _by_pillow if library == "pillow" else _by_opencv
    generator = torch.Generator().manual_seed(0)
    for before, after in _PROBES:
        image = torch.randint(0, 256, (*before, 3), generator=generator, dtype=torch.uint8)
        try:
            found = torch.from_numpy(resize(image.numpy(), after))
        except ImportError:
            return None
        if not torch.equal(found, resize_as(image, after, library)):
            return None
    return resize


def _by_pillow(image: Any, size: Size) -> Any:
    """One axis after the other: which comes first differs between versions of Pillow, and so does the last bit."""
    height, width = size
    picture = Image.fromarray(np.ascontiguousarray(image))
    for one in ((width, picture.height), (width, height)):
        picture = picture.resize(one, Image.Resampling.BILINEAR)
    return np.array(picture)


def _by_opencv(image: Any, size: Size) -> Any:
    cv2 = importlib.import_module("cv2")  # no requirement of a deliverable
    return cv2.resize(np.ascontiguousarray(image), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
