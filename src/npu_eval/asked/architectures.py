"""What an architecture of the transformers library is for, told by its name alone.

Both sides need it and neither may ask the library: the host, which imports no framework, and the adapter, which must
come to the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODEL_FOLDER = "model"
"""Where a deliverable keeps the configuration of a transformers model, as its authors published it."""

CONFIG = "config.json"

DESCRIBING = (
    CONFIG,
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
)
"""The files that describe such a model, which are all that lies there."""

_TASKS = {
    "ForImageClassification": "classification",
    "ForObjectDetection": "detection",
    "ForSemanticSegmentation": "semantic-segmentation",
}
_FEATURES_ALL_THE_SAME = ("PPOCR", "ImageGPT", "ShieldGemma", "Perceiver")
"""Beginnings of architectures that are called a detector or a classifier and give maps of text, or take no photo."""

_PACKAGES = {
    "timm": ("timm_backbone", "timm_wrapper", "use_timm_backbone"),
    "scipy": ("MaskFormer", "Mask2Former", "OneFormer", "Eomt", "Videomt"),
}
"""Package → words in a configuration whose model needs it beside transformers."""


def task_of(architecture: str) -> str:
    """The task of ``ConvNextV2ForImageClassification`` and its like; ``features`` of everything else."""
    if architecture.startswith(_FEATURES_ALL_THE_SAME):
        return "features"
    return next((task for part, task in _TASKS.items() if part in architecture), "features")


def architecture_of(config: Mapping[str, Any]) -> str:
    """The first architecture that a config.json names, or ""."""
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


def packages_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The packages that a model needs beside the library and its usual company."""
    words = str({key: value for key, value in config.items() if key not in ("id2label", "label2id")})
    words = words.replace("'use_timm_backbone': False", "")
    return tuple(package for package, signs in _PACKAGES.items() if any(sign in words for sign in signs))
