"""The part of a summary that is about training steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from npu_eval.asked.spec import SpecFile
from npu_eval.experiments.training.data import (
    GradientAgreement,
    LossAgreement,
    TrainingData,
    gradient_agreement,
    loss_agreement,
)
from npu_eval.notation.phrases import Phrase
from npu_eval.records.record import Record


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


def summarize(records: Mapping[str, Record], spec_file: SpecFile) -> Training | None:
    """What the training record comes to, if there is one."""
    del spec_file
    record = records.get("training")
    return summarize_training(record.data) if record is not None and isinstance(record.data, TrainingData) else None
