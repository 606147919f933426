"""Experiment `precision`: the candidate against the reference, output by output, and against itself."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

import torch

from npu_eval.agreement.compare import difference
from npu_eval.agreement.detections import DetectionComparison
from npu_eval.agreement.difference import ClassRanking, Difference
from npu_eval.agreement.matching import Limits, compare_sets
from npu_eval.agreement.ranking import ranking
from npu_eval.asked.spec import OUTPUTS_VARIABLE
from npu_eval.errors import AdapterError
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.experiments.precision.floor import Float32Floor
from npu_eval.experiments.precision.kept_outputs import KeptOutputs
from npu_eval.experiments.precision.kind import KIND
from npu_eval.experiments.precision.switching import Switched
from npu_eval.models.adapter import SupportsClassification, SupportsDetection, checked_detections, checked_forward
from npu_eval.references.outputs import outputs_of, reference_of
from npu_eval.session.script import Context, dtype_of

__all__ = ["DESCRIPTION", "KIND", "add_arguments", "run"]

DESCRIPTION = """Compare every output of the model on a device with the reference.

example: python %(prog)s --device auto"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--outputs``; what is compared, and how it is judged, was fixed in spec.json."""
    at_hand = os.environ.get(OUTPUTS_VARIABLE)
    parser.add_argument(
        "--outputs",
        type=Path,
        metavar="DIR",
        default=Path(at_hand) if at_hand else None,
        help="keep both sides' outputs in this folder, as safetensors",
    )


def run(context: Context, arguments: argparse.Namespace) -> PrecisionData:
    """Compare one input at a time, so that memory does not grow with their number.

    Raises:
        AdapterError: the outputs differ in names or shapes between the two sides.
        ConfigError: there is no room for the outputs that are to be kept, or others lie there.
    """
    spec = context.spec
    kept = KeptOutputs(arguments.outputs, len(spec.inputs)) if arguments.outputs is not None else None
    right = reference_of(context)
    candidate_model = context.model(spec.candidate, context.device.name)
    differences: list[Difference] = []
    repeats: list[Difference] = []
    rankings: list[ClassRanking] = []
    detections: list[DetectionComparison] = []
    floors: list[Difference] = []
    floor = Float32Floor(context, right.device)
    switched = Switched(context.device, spec.candidate.dtype)
    photos = context.photos()
    for number, (entry, photo) in enumerate(zip(spec.inputs, photos, strict=True), start=1):
        context.say(f"[precision] {number}/{len(photos)} {photo.name}")
        batch = context.preprocess([photo])
        reference = right.outputs(entry, batch)
        on_device = batch.to(context.device.name, dtype_of(spec.candidate))
        first = outputs_of(context, candidate_model, on_device)
        _same_names(reference, first, spec.adapter)
        differences += [difference(entry.path, name, reference[name], first[name]) for name in reference]
        plain = floor.outputs(entry.path, batch, reference, first)
        if plain is not None:
            floors += [difference(entry.path, name, plain[0][name], plain[1][name]) for name in plain[0]]
        switched.compare(entry.path, reference, partial(outputs_of, context, candidate_model, on_device))
        if number == 1:
            switched.time(partial(checked_forward, context.adapter, candidate_model, on_device, spec.adapter))
        every = []
        for _ in range(spec.repeats - 1):
            again = outputs_of(context, candidate_model, on_device)
            repeats += [difference(entry.path, name, first[name], again[name]) for name in first]
            every += [again] if kept else []
        ranked = context.adapter.class_output if isinstance(context.adapter, SupportsClassification) else ""
        if kept:
            kept.keep(entry.path, reference, first, every, plain, ranked)
        if isinstance(context.adapter, SupportsClassification):
            rankings.append(ranking(entry.path, context.adapter.class_output, reference, first, spec.adapter))
        if isinstance(context.adapter, SupportsDetection):
            detections.append(_detected(entry.path, photo, context.adapter, reference, first, spec.adapter))
    if kept:
        kept.finish()
    return PrecisionData(
        reference_dtype=spec.reference.dtype,
        candidate_dtype=spec.candidate.dtype,
        differences=tuple(differences),
        repeats=tuple(repeats),
        rankings=tuple(rankings),
        detections=tuple(detections),
        floors=tuple(floors),
        switching=switched.found(),
    )


def _same_names(reference: dict[str, torch.Tensor], candidate: dict[str, torch.Tensor], culprit: str) -> None:
    if reference.keys() != candidate.keys():
        only = sorted(reference.keys() ^ candidate.keys())
        raise AdapterError(f"outputs {', '.join(only)} exist on one side only", where=culprit)


def _detected(
    name: str,
    photo: Path,
    adapter: SupportsDetection,
    reference: dict[str, torch.Tensor],
    candidate: dict[str, torch.Tensor],
    culprit: str,
) -> DetectionComparison:
    """Both sides' outputs through the same post-processing on the CPU: what differs is the outputs' doing."""
    found = [
        checked_detections(adapter, {n: x.float() for n, x in side.items()}, [photo], culprit)[0]
        for side in (reference, candidate)
    ]
    limits = Limits(adapter.score_cutoff, adapter.max_detections)
    return compare_sets(name, found[0], found[1], adapter.class_names, limits)
