"""What a training record says of a metric. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.training.data import TrainingData, gradient_agreement, loss_agreement
from npu_eval.notation.phrases import NOTHING, said
from npu_eval.records.kind import Value


def values(data: TrainingData, metric: str) -> list[Value]:
    """What the data say of a metric: loss by loss, or part by part of the first step's gradients."""
    if metric == "gradient_error":
        parts = [(1, g.part, g.relative_l2) for g in map(gradient_agreement, data.gradients)]
    else:
        parts = [(a.step, a.name, a.relative_error) for a in map(loss_agreement, data.losses)]
    return [
        Value(
            name,
            said("step", step=step, name=name),
            error or 0.0,
            missing=said("not-finite") if error is None else NOTHING,
        )
        for step, name, error in parts
    ]
