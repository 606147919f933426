"""Adapters for the model libraries that are addressed by name: ``timm:<name>``, ``torchvision:<name>``.

Here is what any image classifier needs; an `adapter.py` of a user may use it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps

from npu_eval.records import Prediction


def photo_batch(photos: Sequence[Path], transform: Callable[[Image.Image], torch.Tensor]) -> torch.Tensor:
    """Photos, upright, as one (N, C, H, W) batch; ``transform`` turns an RGB image into a (C, H, W) float32 tensor.

    Raises:
        OSError: a file is no readable image.
    """
    return torch.stack([transform(_upright(photo)) for photo in photos])


def _upright(photo: Path) -> Image.Image:
    try:
        with Image.open(photo) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:  # of Pillow's decoders, for broken files
        raise OSError(str(error)) from error


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
