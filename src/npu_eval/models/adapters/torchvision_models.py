"""``torchvision:<name>``: any torchvision image classifier, with its own preprocessing and label names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision import models

from npu_eval.asked.spec import Classes
from npu_eval.errors import AdapterError, nearest
from npu_eval.models.adapters import best_classes, names_of, photo_batch
from npu_eval.models.prediction import Prediction


class TorchvisionClassifier:
    """A torchvision classifier. Its output is called ``logits``."""

    task = "classification"
    class_output = "logits"

    def __init__(self, name: str, classes: Classes | None = None) -> None:
        self.name, self.classes = name, classes
        self._weights: Any = models.get_model_weights(name).DEFAULT
        self._transform = self._weights.transforms()

    def default_weights(self) -> str:
        """The checkpoint that torchvision's authors publish as the default for this model; its name holds its hash."""
        return str(self._weights.url)

    def build(self) -> nn.Module:
        """The network with random initialisation; weights are loaded by the caller, never by torchvision."""
        options: dict[str, Any] = {"init_weights": True} if self.name in ("googlenet", "inception_v3") else {}
        if self.classes is not None:
            options["num_classes"] = self.classes.count
        network: nn.Module = models.get_model(self.name, weights=None, **options)
        return network.eval()

    def preprocess(self, photos: Sequence[Path]) -> torch.Tensor:
        """Photos as (N, 3, H, W) float32 by the transforms that belong to the default weights."""
        return photo_batch(photos, self._transform)

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """``logits``: (N, classes)."""
        return {"logits": model(batch)}

    @property
    def class_names(self) -> Sequence[str]:
        """The names in the order of the logits, as somebody or the weights' metadata gives them."""
        names: Sequence[str] = self._weights.meta["categories"]
        return names if self.classes is None else names_of(self.classes, names)

    def predictions(self, outputs: dict[str, torch.Tensor], index: int) -> tuple[Prediction, ...]:
        """The five most probable classes with their softmax probabilities."""
        return best_classes(outputs["logits"][index], self.class_names)


def create_adapter(name: str, classes: Classes | None = None) -> TorchvisionClassifier:
    """The adapter for a classifier of torchvision, by the name that ``torchvision.models.get_model`` takes.

    Args:
        classes: those that it was trained anew on.

    Raises:
        AdapterError: this version of torchvision has no such classifier, the nearest name is suggested; or it shall
            have no class.
    """
    if classes is not None and not classes.count:
        raise AdapterError(
            "a classifier of torchvision has classes",
            where=f"torchvision:{name}",
            fix="write an adapter.py for its features",
        )
    known = models.list_models(module=models)
    if name not in known:
        fix = nearest(name, known)
        what = f"torchvision {torchvision.__version__} has no classifier '{name}'"
        raise AdapterError(what, where=f"torchvision:{name}", fix=fix)
    return TorchvisionClassifier(name, classes)
