"""``timm:<name>``: any timm image classifier, with its own preprocessing and label names, and nothing fetched."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import timm
import timm.data
import torch
from torch import nn

from npu_eval.asked.spec import Classes
from npu_eval.errors import AdapterError, nearest
from npu_eval.models.adapters import best_classes, names_of, photo_batch
from npu_eval.models.prediction import Prediction


class TimmFeatures:
    """A timm network without a classifier: its output is a feature vector, and no class can be told from it."""

    task = "features"

    def __init__(self, name: str, classes: Classes | None = None) -> None:
        self.name, self.classes = name, classes
        config = timm.get_pretrained_cfg(name)
        arguments = timm.data.resolve_data_config(pretrained_cfg=config.to_dict() if config is not None else {})
        self._transform = timm.data.create_transform(**arguments, is_training=False)

    def default_weights(self) -> str:
        """The safetensors file that timm's authors publish for this model.

        Raises:
            AdapterError: timm knows no trained weights for it.
        """
        config = timm.get_pretrained_cfg(self.name)
        if config is None or not config.hf_hub_id:
            raise AdapterError(
                "timm publishes no weights for this model",
                where=f"timm:{self.name}",
                fix="name weights with --weights, or use WEIGHTS=random",
            )
        repository = config.hf_hub_id.rstrip("/")
        if repository == "timm":
            repository = f"timm/{config.architecture}.{config.tag}" if config.tag else f"timm/{config.architecture}"
        return f"hf:{repository}/model.safetensors"

    def build(self) -> nn.Module:
        """The network with random initialisation; weights are loaded by the caller, never by timm."""
        options = {} if self.classes is None else {"num_classes": self.classes.count}
        network: nn.Module = timm.create_model(self.name, pretrained=False, **options)
        return network.eval()

    def preprocess(self, photos: Sequence[Path]) -> torch.Tensor:
        """Photos as (N, 3, H, W) float32 by timm's own evaluation transform: resize, centre crop, normalise."""
        return photo_batch(photos, self._transform)

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """``features``: (N, dimensions)."""
        return {"features": model(batch)}


class TimmClassifier(TimmFeatures):
    """A timm classifier. Its output is called ``logits``."""

    task = "classification"
    class_output = "logits"

    @functools.cached_property
    def class_names(self) -> Sequence[str]:
        """The names in the order of the logits; ``class 17`` where nobody knows names for this set of classes."""
        own = _class_names(self.name)
        return own if self.classes is None else names_of(self.classes, own)

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """``logits``: (N, classes)."""
        return {"logits": model(batch)}

    def predictions(self, outputs: dict[str, torch.Tensor], index: int) -> tuple[Prediction, ...]:
        """The five most probable classes with their softmax probabilities."""
        return best_classes(outputs["logits"][index], self.class_names)


def create_adapter(name: str, classes: Classes | None = None) -> TimmFeatures:
    """The adapter for a model of timm, by the name that ``timm.create_model`` takes.

    Args:
        classes: those that it was trained anew on; none at all leaves the features.

    Raises:
        AdapterError: this version of timm has no such model; the nearest name is suggested.
    """
    known = {*timm.list_models(), *timm.list_pretrained()}
    if name not in known:
        fix = nearest(name, known)
        raise AdapterError(f"timm {timm.__version__} has no model '{name}'", where=f"timm:{name}", fix=fix)
    count = _num_classes(name) if classes is None else classes.count
    return TimmClassifier(name, classes) if count else TimmFeatures(name, classes)


def _num_classes(name: str) -> int:
    config = timm.get_pretrained_cfg(name)
    return int(config.num_classes) if config is not None else 1000


def _class_names(name: str) -> tuple[str, ...]:
    count = _num_classes(name)
    config = timm.get_pretrained_cfg(name)
    subset = timm.data.infer_imagenet_subset(config) if config is not None else None
    if subset is None and count == 1000:
        subset = "imagenet-1k"
    if subset is None:
        return tuple(f"class {i}" for i in range(count))
    info = timm.data.ImageNetInfo(subset)
    return tuple(info.index_to_description(i) for i in range(info.num_classes()))
