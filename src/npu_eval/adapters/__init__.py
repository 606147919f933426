"""Adapters for the model libraries that are addressed by name: ``timm:<name>``, ``torchvision:<name>``,
``npu_models:<family>/<configuration>``.

Here is what any image classifier needs; an `adapter.py` of a user may use it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image

from npu_eval.photos import open_upright
from npu_eval.records import Prediction


def photo_batch(photos: Sequence[Path], transform: Callable[[Image.Image], torch.Tensor]) -> torch.Tensor:
    """Photos, upright, as one (N, C, H, W) batch; ``transform`` turns an RGB image into a (C, H, W) float32 tensor.

    Raises:
        OSError: a file is no readable image.
    """
    return torch.stack([transform(open_upright(photo)) for photo in photos])


def best_classes(logits: torch.Tensor, names: Sequence[str], count: int = 5) -> tuple[Prediction, ...]:
    """The ``count`` most probable classes of one row of logits (classes,), with their softmax probabilities.

    None where the logits have no softmax, because one of them is NaN or positive infinity.
    """
    probabilities = logits.double().softmax(0)
    if probabilities.isnan().any():
        return ()
    scores, classes = probabilities.topk(min(count, logits.numel()))
    return tuple(
        Prediction(label=names[c], index=c, score=s) for s, c in zip(scores.tolist(), classes.tolist(), strict=True)
    )
