"""The seam to a model, and what adapters may use: an adapter of one's own imports from here and from nowhere below.

Each name is loaded when it is asked for, because some modules here are read where no framework is installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npu_eval.models.adapters import best_classes, library_state, names_of, photo_batch
    from npu_eval.models.coco_classes import COCO_NAMES
    from npu_eval.models.detections import DetectionSet, mask_size
    from npu_eval.models.photos import upright_size
    from npu_eval.models.prediction import Prediction
    from npu_eval.models.protocols import DetectionProtocol
    from npu_eval.models.shapes import ShapesImage

__all__ = [
    "COCO_NAMES",
    "DetectionProtocol",
    "DetectionSet",
    "Prediction",
    "ShapesImage",
    "best_classes",
    "library_state",
    "mask_size",
    "names_of",
    "photo_batch",
    "upright_size",
]

_HOMES = {
    "COCO_NAMES": "coco_classes",
    "DetectionProtocol": "protocols",
    "DetectionSet": "detections",
    "Prediction": "prediction",
    "ShapesImage": "shapes",
    "best_classes": "adapters",
    "library_state": "adapters",
    "mask_size": "detections",
    "names_of": "adapters",
    "photo_batch": "adapters",
    "upright_size": "photos",
}


def __getattr__(name: str) -> Any:
    """A name of the door, from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
