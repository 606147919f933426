"""Experiment `training`: the same few training steps on the reference and on the candidate, loss by loss.

Both sides start from the same weights and see the same generated images, so their losses may differ by rounding alone.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from npu_eval.asked.spec import Side, TrainingProtocol
from npu_eval.device.device import open_device
from npu_eval.errors import AdapterError, ConfigError
from npu_eval.experiments.training.data import TOTAL, GradientDifference, LossPoint, TrainingData
from npu_eval.experiments.training.kind import KIND
from npu_eval.models.adapter import SupportsTraining, calling
from npu_eval.models.autocasting import casting
from npu_eval.models.shapes import ShapesImage, shapes_image
from npu_eval.notation.phrases import said
from npu_eval.session.script import Context

__all__ = ["DESCRIPTION", "KIND", "add_arguments", "run"]

DESCRIPTION = """Run a few training steps on a device and on the reference and compare losses and gradients.

example: python %(prog)s --device auto"""

MOMENTUM = 0.9
MAX_GRADIENT_NORM = 10.0
"""Gradients are clipped to this norm (detectron2's and mmdet's recipes clip too), so that random weights do not diverge
and turn rounding into a large difference."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own: the steps were fixed in spec.json."""
    del parser


def run(context: Context, arguments: argparse.Namespace) -> TrainingData:
    """Train the reference, then the candidate, and hold them side by side.

    Raises:
        ConfigError: the spec asks for no training.
        AdapterError: the adapter knows no losses, or returned something else than named scalars.
    """
    del arguments
    spec, protocol = context.spec, context.spec.training
    if protocol is None:
        raise ConfigError("the spec asks for no training", where="spec.json", fix="add 'training' to its evaluation")
    if not isinstance(context.adapter, SupportsTraining):
        raise AdapterError("has no losses()", where=spec.adapter, fix="take 'training' out of the spec")
    images = [shapes_image(protocol.side, spec.seed + index) for index in range(protocol.images)]
    reference_device = open_device(spec.reference.device)
    reference = _train(context, context.adapter, spec.reference, reference_device.name, images, protocol)
    candidate = _train(context, context.adapter, spec.candidate, context.device.name, images, protocol)
    if [list(step) for step in reference.losses] != [list(step) for step in candidate.losses]:
        raise AdapterError("the losses have other names on the two sides", where=spec.adapter)
    return TrainingData(
        reference_dtype=spec.reference.dtype,
        candidate_dtype=spec.candidate.dtype,
        images=protocol.images,
        side=protocol.side,
        objects=sum(len(image.classes) for image in images),
        steps=protocol.steps,
        optimizer=said("sgd", momentum=f"{MOMENTUM:g}", norm=f"{MAX_GRADIENT_NORM:g}"),
        learning_rate=protocol.learning_rate,
        losses=tuple(
            LossPoint(step=step, name=name, reference=_finite(ours[name]), candidate=_finite(theirs[name]))
            for step, (ours, theirs) in enumerate(zip(reference.losses, candidate.losses, strict=True), start=1)
            for name in ours
        ),
        gradients=_gradients(reference.gradients, candidate.gradients),
    )


@dataclass(frozen=True)
class _Course:
    """The losses of each step, and each parameter's gradient in the first step before clipping, on the CPU."""

    losses: list[dict[str, float]]
    gradients: dict[str, torch.Tensor]


def _train(
    context: Context,
    adapter: SupportsTraining,
    side: Side,
    device: str,
    images: Sequence[ShapesImage],
    protocol: TrainingProtocol,
) -> _Course:
    model = context.model(side, device).train()
    torch.manual_seed(context.spec.seed)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=protocol.learning_rate, momentum=MOMENTUM)
    losses: list[dict[str, float]] = []
    gradients: dict[str, torch.Tensor] = {}
    for step in range(1, protocol.steps + 1):
        optimizer.zero_grad(set_to_none=True)
        named = _losses(adapter, model, images, context.spec.adapter)
        total = torch.stack(list(named.values())).sum()
        total.backward()
        losses.append({name: float(x.detach()) for name, x in {**named, TOTAL: total}.items()})
        progress = f"{device} {side.dtype} step {step}/{protocol.steps}"
        context.say(f"[training] {progress}: total loss {losses[-1][TOTAL]:.4g}")
        if step == 1:
            gradients = {n: p.grad.detach().cpu() for n, p in model.named_parameters() if p.grad is not None}
        nn.utils.clip_grad_norm_(trained, MAX_GRADIENT_NORM)
        optimizer.step()
    return _Course(losses, gradients)


def _losses(
    adapter: SupportsTraining, model: nn.Module, images: Sequence[ShapesImage], culprit: str
) -> dict[str, torch.Tensor]:
    with calling(culprit), casting(model):
        found = dict(adapter.losses(model, images))
    if not found or TOTAL in found or not all(isinstance(x, torch.Tensor) and x.dim() == 0 for x in found.values()):
        raise AdapterError(f"losses() must return scalars by name, none of them '{TOTAL}'", where=culprit)
    return found


def _gradients(
    reference: dict[str, torch.Tensor], candidate: dict[str, torch.Tensor]
) -> tuple[GradientDifference, ...]:
    """Sums over the parameters of each part of the network: the first component of their names."""
    if reference.keys() != candidate.keys():
        only = sorted(reference.keys() ^ candidate.keys())
        raise AdapterError(f"parameter {only[0]} has a gradient on one side only", where="losses()")
    parts: dict[str, list[str]] = {}
    for name in reference:
        parts.setdefault(name.partition(".")[0], []).append(name)
    return tuple(_difference(part, [(reference[n], candidate[n]) for n in names]) for part, names in parts.items())


def _difference(part: str, pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> GradientDifference:
    sums: list[tuple[float, float, float]] = []
    bad = 0
    for r, y in pairs:
        finite = torch.isfinite(r) & torch.isfinite(y)
        bad += int((~finite).sum())
        r, y = r[finite].double(), y[finite].double()
        sums.append((float(r.square().sum()), float(y.square().sum()), float((y - r).square().sum())))
    of_r, of_y, of_diff = (math.fsum(column) for column in zip(*sums, strict=True))
    return GradientDifference(
        part=part,
        tensors=len(pairs),
        elements=sum(r.numel() for r, _ in pairs),
        nonfinite=bad,
        sum_sq_reference=of_r,
        sum_sq_candidate=of_y,
        sum_sq_diff=of_diff,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
