"""What a training record holds: the losses of the same steps on both sides, and the gradients of the first.

Standard library only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from npu_eval.errors import RecordError
from npu_eval.notation.phrases import Phrase


@dataclass(frozen=True, kw_only=True)
class LossPoint:
    """One loss before one step on both sides; None where the value is NaN or infinite. Steps count from 1."""

    step: int
    name: str
    reference: float | None
    candidate: float | None


@dataclass(frozen=True, kw_only=True)
class GradientDifference:
    """The gradients of one part of the network in the first step, as float64 sums over its parameters."""

    part: str
    tensors: int
    elements: int
    nonfinite: int
    sum_sq_reference: float
    sum_sq_candidate: float
    sum_sq_diff: float


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """A few training steps from the same weights on the same generated images, on both sides.

    ``images`` square images of ``side`` pixels with ``objects`` objects in all make the batch of every step.
    """

    reference_dtype: str
    candidate_dtype: str
    images: int
    side: int
    objects: int
    steps: int
    optimizer: Phrase
    learning_rate: float
    losses: tuple[LossPoint, ...]
    gradients: tuple[GradientDifference, ...]


TOTAL = "total"
"""The name of the plain sum of the losses, which training minimises."""


@dataclass(frozen=True, kw_only=True)
class LossAgreement:
    """How far one loss of one step is from its reference: |y − r| / |r|; None where a side is not finite."""

    step: int
    name: str
    reference: float | None
    candidate: float | None
    relative_error: float | None


@dataclass(frozen=True, kw_only=True)
class GradientAgreement:
    """||y − r|| / ||r|| of the gradients of one part; None where one is not finite."""

    part: str
    tensors: int
    reference_norm: float
    candidate_norm: float
    relative_l2: float | None


def loss_agreement(point: LossPoint) -> LossAgreement:
    """The error of one loss. A reference of zero has an error of 0 when the candidate is zero too, else 1."""
    error = None
    if point.reference is not None and point.candidate is not None:
        apart = abs(point.candidate - point.reference)
        error = apart / abs(point.reference) if point.reference else float(apart > 0)
    return LossAgreement(
        step=point.step, name=point.name, reference=point.reference, candidate=point.candidate, relative_error=error
    )


def gradient_agreement(d: GradientDifference) -> GradientAgreement:
    """The error of one part's gradients; of zero gradients as of a loss of zero."""
    error = math.sqrt(d.sum_sq_diff / d.sum_sq_reference) if d.sum_sq_reference else float(d.sum_sq_diff > 0)
    return GradientAgreement(
        part=d.part,
        tensors=d.tensors,
        reference_norm=math.sqrt(d.sum_sq_reference),
        candidate_norm=math.sqrt(d.sum_sq_candidate),
        relative_l2=None if d.nonfinite else error,
    )


def check_training(data: TrainingData, where: str) -> None:
    """Refuse what no run writes.

    Raises:
        RecordError: counts or sums below zero, or a step that does not exist.
    """
    if min(data.images, data.side, data.steps) < 1 or data.objects < 0 or not data.losses:
        raise RecordError("images, side and steps are at least 1, and there is a loss", where=where)
    if any(not 1 <= point.step <= data.steps for point in data.losses):
        raise RecordError("a loss is of a step that does not exist", where=f"{where}.losses")
    for i, g in enumerate(data.gradients):
        if min(g.tensors, g.elements, g.nonfinite, g.sum_sq_reference, g.sum_sq_candidate, g.sum_sq_diff) < 0:
            raise RecordError("a count or a sum is negative", where=f"{where}.gradients[{i}]")
