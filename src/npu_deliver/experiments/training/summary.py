"""The part of a summary that is about training steps."""

from __future__ import annotations

from dataclasses import dataclass

from npu_eval.experiments.training.data import (
    GradientAgreement,
    LossAgreement,
    TrainingData,
    gradient_agreement,
    loss_agreement,
)
from npu_eval.notation.phrases import Phrase


@dataclass(frozen=True, kw_only=True)
class Training:
    """The losses of each step on both sides and the gradients of the first; errors are None where not finite."""

    images: int
    side: int
    objects: int
    steps: int
    optimizer: Phrase
    learning_rate: float
    losses: tuple[LossAgreement, ...]
    gradients: tuple[GradientAgreement, ...]


def summarize_training(data: TrainingData) -> Training:
    """What a training record comes to."""
    return Training(
        images=data.images,
        side=data.side,
        objects=data.objects,
        steps=data.steps,
        optimizer=data.optimizer,
        learning_rate=data.learning_rate,
        losses=tuple(map(loss_agreement, data.losses)),
        gradients=tuple(map(gradient_agreement, data.gradients)),
    )
