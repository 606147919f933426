"""Training steps as a step of the line."""

from __future__ import annotations

from npu_deliver.environment.step import Step
from npu_deliver.spec.spec import Spec


def wanted(spec: Spec) -> bool:
    """Whether a spec asks for it."""
    return spec.evaluation.training is not None


def completed(step: Step, spec: Spec) -> Step:
    """It needs nothing beyond the deliverable."""
    del spec
    return step
