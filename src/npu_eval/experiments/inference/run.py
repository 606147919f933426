"""Experiment `inference`: what the model says of photos, drawn onto them for a person to look at."""

from __future__ import annotations

import argparse
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from npu_eval.errors import ConfigError
from npu_eval.experiments.inference import drawing
from npu_eval.experiments.inference.data import InferenceData, PhotoResult
from npu_eval.experiments.inference.kind import KIND
from npu_eval.jsonio import file_sha256, write_atomic
from npu_eval.machine.disk import check_file
from npu_eval.models.adapter import (
    SupportsDetection,
    SupportsDrawing,
    SupportsPrediction,
    calling,
    checked_detections,
    checked_forward,
    checked_predictions,
)
from npu_eval.models.detections import DetectionSet
from npu_eval.models.photo_files import PHOTO_SUFFIXES, find_photos
from npu_eval.models.prediction import Prediction
from npu_eval.process.visible import visible
from npu_eval.records.stamps import stamps_for
from npu_eval.session.script import Context, dtype_of

__all__ = ["DESCRIPTION", "KIND", "add_arguments", "run"]

DESCRIPTION = """Run the model on photos and draw what it sees.

example: python %(prog)s --input photo.jpg --output result.jpg --device auto"""


MIN_SCORE = 0.3
"""Detections below it are not told to a person (the demo of AdelaiDet draws the line there)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--input``, ``--output`` and ``--min-score``."""
    parser.add_argument("--input", type=Path, help="a photo or a folder of photos (default: the deliverable's own)")
    parser.add_argument(
        "--output", type=Path, help="a picture for one photo, a folder for several (default: none drawn)"
    )
    parser.add_argument(
        "--min-score", type=float, default=MIN_SCORE, help="of a detector: show objects from this score (default: 0.3)"
    )


def run(context: Context, arguments: argparse.Namespace) -> InferenceData:
    """Predictions for each photo, and the pictures.

    Raises:
        ConfigError: an input is missing or no image, or the output cannot hold the results.
        AdapterError: the adapter raised, or can tell nothing to a person.
    """
    photos = _photos(context, arguments.input)
    targets = _targets(photos, arguments.output, arguments.input)
    model = context.model(context.spec.candidate, context.device.name)
    results = []
    for number, (photo, target) in enumerate(zip(photos, targets, strict=True), start=1):
        context.say(f"[inference] {number}/{len(photos)} {visible(photo.name)}")
        predictions, found = predict(context, model, photo, arguments.min_score)
        drawn = None
        if target is not None:
            drawn = _encode(_picture(context, photo, predictions, found), target)
            write_atomic(target, drawn)
        results.append(
            PhotoResult(
                input=_inside(photo, context.root),
                input_sha256=file_sha256(photo),
                picture=None if target is None else _inside(target, context.root),
                picture_sha256=None if drawn is None else hashlib.sha256(drawn).hexdigest(),
                predictions=predictions,
            )
        )
    return InferenceData(results=tuple(results))


def predict(
    context: Context, model: nn.Module, photo: Path, min_score: float
) -> tuple[tuple[Prediction, ...], DetectionSet | None]:
    """What a loaded model says of a photo, and a detector's objects from a score on.

    Raises:
        ConfigError: the photo is no readable image.
        AdapterError: the adapter raised.
    """
    batch = context.preprocess([photo]).to(context.device.name, dtype_of(context.spec.candidate))
    outputs = checked_forward(context.adapter, model, batch, context.spec.adapter)
    on_cpu = {name: tensor.float().cpu() for name, tensor in outputs.items()}
    if isinstance(context.adapter, SupportsDetection):
        every = checked_detections(context.adapter, on_cpu, [photo], context.spec.adapter)[0]
        found = _shown(every, min_score)
        return _told(found, context.adapter.class_names), found
    if isinstance(context.adapter, SupportsPrediction):
        return checked_predictions(context.adapter, on_cpu, 0, context.spec.adapter), None
    return (), None


def _photos(context: Context, given: Path | None) -> tuple[Path, ...]:
    if given is None:
        return context.photos()
    found = find_photos(given)
    if found.note:
        context.say(f"[inference] {given}: {found.note}")
    return found.photos


def _targets(photos: Sequence[Path], output: Path | None, given: Path | None) -> list[Path | None]:
    targets = _named(photos, output, given)
    for named in filter(None, targets):
        check_file(named)
    originals = {photo.resolve() for photo in photos}
    for target in targets:
        if target is not None and target.resolve() in originals:
            raise ConfigError("a picture would overwrite this photo", where=str(target), fix="name another --output")
    return targets


def _named(photos: Sequence[Path], output: Path | None, given: Path | None) -> list[Path | None]:
    if output is None:
        return [None] * len(photos)
    if given is not None and given.is_file() and output.suffix.lower() in PHOTO_SUFFIXES:
        return [output]
    if output.suffix.lower() in PHOTO_SUFFIXES:
        raise ConfigError(f"{len(photos)} photos do not fit into one file", where=str(output), fix="name a folder")
    unique = len({p.stem for p in photos}) == len(photos)
    return [output / f"{p.stem if unique else p.name}.jpg" for p in photos]


def _shown(found: DetectionSet, min_score: float) -> DetectionSet:
    """The detections from a score on."""
    keep = (found.scores >= min_score).nonzero().squeeze(1)
    masks = None if found.masks is None else found.masks[keep]
    return DetectionSet(found.boxes[keep], found.scores[keep], found.classes[keep], masks)


def _told(found: DetectionSet, names: Sequence[str]) -> tuple[Prediction, ...]:
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    return tuple(Prediction(label=names[c], index=c, score=score, box=tuple(box)) for box, score, c in rows)


def _picture(context: Context, photo: Path, predictions: Sequence[Prediction], found: DetectionSet | None) -> Any:
    if isinstance(context.adapter, SupportsDrawing):
        with calling(context.spec.adapter):
            picture = context.adapter.draw(photo, predictions).convert("RGB")
    else:
        masks = None if found is None or found.masks is None else found.masks.numpy()
        picture = drawing.draw(photo, predictions, masks)
    stamps = stamps_for(context.device.facts(), random_weights=context.weights.random, replayed=False)
    return drawing.stamp(picture, stamps)


def _encode(image: Any, target: Path) -> bytes:
    buffer = io.BytesIO()
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}.get(target.suffix.lower(), target.suffix[1:].upper())
    options = {"quality": 90} if kind == "JPEG" else {}
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _inside(path: Path, root: Path) -> str:
    """The path relative to the deliverable; outside of it only the name, because other people's paths say nothing."""
    resolved = path.resolve()
    return resolved.relative_to(root.resolve()).as_posix() if resolved.is_relative_to(root.resolve()) else path.name
