"""The lines of a training log. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.training.data import TrainingData, gradient_agreement, loss_agreement
from npu_eval.notation import units
from npu_eval.notation.tables import table


def training_lines(data: TrainingData) -> list[str]:
    """Each loss of each step on both sides, then the gradients of the first step, part by part."""
    batch = f"{data.images} generated images of {data.side}x{data.side} with {data.objects} objects, the same each step"
    return [
        f"reference {data.reference_dtype}, candidate {data.candidate_dtype}",
        f"batch: {batch}",
        f"optimiser: {data.optimizer}, learning rate {data.learning_rate:g}, {data.steps} steps",
        "",
        *table(
            ("step", "loss", "reference", "candidate", "relative error"),
            [
                (
                    units.count(a.step),
                    a.name,
                    _loss(a.reference),
                    _loss(a.candidate),
                    "-" if a.relative_error is None else units.sci(a.relative_error),
                )
                for a in map(loss_agreement, data.losses)
            ],
        ),
        "",
        "gradients of the total loss in step 1",
        *table(
            ("part", "tensors", "norm, reference", "norm, candidate", "rel L2"),
            [
                (
                    g.part,
                    units.count(g.tensors),
                    units.sci(g.reference_norm),
                    units.sci(g.candidate_norm),
                    "not finite" if g.relative_l2 is None else units.sci(g.relative_l2),
                )
                for g in map(gradient_agreement, data.gradients)
            ],
        ),
    ]


def _loss(value: float | None) -> str:
    return "not finite" if value is None else units.sci(value)
