"""What the training experiment finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.training.data import GradientDifference, LossPoint, TrainingData
from npu_eval.notation.phrases import said
from npu_eval.records.record import Record
from samples.recorded import record


def training_data(**changes: Any) -> TrainingData:
    found = TrainingData(
        reference_dtype="float64",
        candidate_dtype="float32",
        images=2,
        side=256,
        objects=6,
        steps=2,
        optimizer=said("sgd", momentum="0.9", norm="10"),
        learning_rate=0.001,
        losses=tuple(
            LossPoint(step=step, name=name, reference=value, candidate=value * (1 + 2.0**-12))
            for step, values in ((1, (1.5, 0.75, 2.25)), (2, (1.25, 0.5, 1.75)))
            for name, value in zip(("loss_cls", "loss_mask", "total"), values, strict=True)
        ),
        gradients=(
            GradientDifference(part="backbone", tensors=53, elements=23508032, nonfinite=0, sum_sq_reference=4.0,
                               sum_sq_candidate=4.0, sum_sq_diff=2.0**-20),
            GradientDifference(part="head", tensors=12, elements=4712000, nonfinite=0, sum_sq_reference=9.0,
                               sum_sq_candidate=9.0, sum_sq_diff=0.0),
        ),
    )  # fmt: skip
    return replace(found, **changes)


def training_record(*, spec: EvalSpec | None = None, data: TrainingData | None = None, **changes: Any) -> Record:
    command = ("python", "evaluation/eval_training.py", "--save", "evaluation")
    return record(data or training_data(), command, spec=spec, **changes)
