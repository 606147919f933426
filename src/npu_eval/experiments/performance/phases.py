"""A photo's whole way, from its file to the predictions, phase by phase: what a user waits for.

The forward pass is often the smaller part of it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import ImageFile
from torch import nn

from npu_eval.experiments.performance.data import EndToEnd
from npu_eval.models.adapter import (
    SupportsDetection,
    SupportsPrediction,
    checked_detections,
    checked_forward,
    checked_predictions,
)
from npu_eval.session.script import Context, dtype_of

SECONDS = {"smoke": 0.3, "standard": 3.0, "publish": 10.0}
"""Tier → seconds that the ways of all photos together last at least."""
MAX_WAYS = 500
"""Ways kept at most; shares of phases are settled long before."""


def measure(context: Context, model: nn.Module) -> tuple[EndToEnd, ...]:
    """Each photo in turn until the tier's seconds are reached, each at least once; a first round is not counted."""
    photos = list(zip((entry.path for entry in context.spec.inputs), context.photos(), strict=True))
    for name, photo in photos:
        _way(context, model, name, photo)
    ways: list[EndToEnd] = []
    while len(ways) < len(photos) or sum(way.total_s for way in ways) < SECONDS[context.spec.timing.tier]:
        if len(ways) >= MAX_WAYS:
            break
        name, photo = photos[len(ways) % len(photos)]
        ways.append(_way(context, model, name, photo))
    context.say(f"[performance] end to end: {len(ways)} photos from file to predictions")
    return tuple(ways)


def _way(context: Context, model: nn.Module, name: str, photo: Path) -> EndToEnd:
    device, culprit = context.device, context.spec.adapter
    device.synchronize()
    with _decoding() as decoded:
        start = time.perf_counter()
        batch = context.preprocess([photo])
        prepared = time.perf_counter()
    batch = batch.to(device.name, dtype_of(context.spec.candidate))
    device.synchronize()
    uploaded = time.perf_counter()
    outputs = checked_forward(context.adapter, model, batch, culprit)
    device.synchronize()
    forwarded = time.perf_counter()
    on_host = {key: tensor.float().cpu() for key, tensor in outputs.items()}
    with torch.inference_mode():
        if isinstance(context.adapter, SupportsDetection):
            checked_detections(context.adapter, on_host, [photo], culprit)
        elif isinstance(context.adapter, SupportsPrediction):
            checked_predictions(context.adapter, on_host, 0, culprit)
    end = time.perf_counter()
    decode = sum(decoded) if decoded else None
    return EndToEnd(
        input=name,
        decode_s=decode,
        preprocess_s=prepared - start - (decode or 0.0),
        upload_s=uploaded - prepared,
        forward_s=forwarded - uploaded,
        postprocess_s=end - forwarded,
        total_s=end - start,
    )


@contextlib.contextmanager
def _decoding() -> Iterator[list[float]]:
    """Seconds of each decoding by Pillow meanwhile, wherever the adapter calls for it: `ImageFile.load` decodes."""
    original = ImageFile.ImageFile.load
    times: list[float] = []
    depth = 0

    def load(self: ImageFile.ImageFile) -> object:
        nonlocal depth
        if self.tile == [] or depth:  # decoded before, or by a decoder within a decoder
            return original(self)
        depth += 1
        start = time.perf_counter()
        try:
            return original(self)
        finally:
            depth -= 1
            times.append(time.perf_counter() - start)

    ImageFile.ImageFile.load = load  # type: ignore[method-assign]  # for the length of one photo
    try:
        yield times
    finally:
        ImageFile.ImageFile.load = original  # type: ignore[method-assign]
