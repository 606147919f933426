"""The search as a step: how long it may look, and whether it is asked for at all."""

from __future__ import annotations

from dataclasses import replace

from npu_deliver.environment.step import Step
from npu_deliver.spec.spec import Job, Spec

OPTIMISATION_BUDGET_S = {"smoke": 0.0, "standard": 180.0, "publish": 1800.0}
"""Tier → seconds of the search. Three minutes try the few switches that most often help a small model; `npu-deliver
optimise` takes the time that it is given."""


def optimisation_budget_s(spec: Spec) -> float:
    """Seconds to search for what makes the model quicker."""
    asked = spec.evaluation.optimisation_budget_s
    return OPTIMISATION_BUDGET_S[spec.evaluation.timing.tier] if asked is None else asked


def with_budget(job: Job, seconds: float) -> Job:
    """The job with another budget of time for its search; 0 is none."""
    evaluation = job.spec.evaluation.model_copy(update={"optimisation_budget_s": seconds})
    return replace(job, spec=job.spec.model_copy(update={"evaluation": evaluation}))


def wanted(spec: Spec) -> bool:
    """Whether there is time for it."""
    return optimisation_budget_s(spec) > 0


def completed(step: Step, spec: Spec) -> Step:
    """The step with its budget of time."""
    return replace(step, command=(*step.command, "--budget", f"{optimisation_budget_s(spec):g}s"))
