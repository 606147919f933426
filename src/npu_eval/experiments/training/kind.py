"""What a training record is. Standard library only."""

from __future__ import annotations

from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.training.data import TrainingData, check_training
from npu_eval.experiments.training.log import training_lines
from npu_eval.experiments.training.values import values
from npu_eval.records.kind import Kind, Telling


def _lines(data: TrainingData, telling: Telling) -> list[str]:
    del telling
    return training_lines(data)


def _asked(spec: EvalSpec) -> bool:
    return spec.training is not None


KIND = Kind(
    name="training",
    title="Training evaluation: losses and gradients of the same steps on both sides",
    log="training_eval.log",
    script=("evaluation/eval_training.py",),
    data=TrainingData,
    check=check_training,
    lines=_lines,
    values=values,
    asked=_asked,
    needs_reference=True,
    repeats=True,
)
